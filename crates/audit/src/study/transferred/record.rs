//! The record of the study, which every view shows.

use heirloom_transfer::study::Verdict;
use serde::{Deserialize, Serialize};

use super::{Family, Kind, Start};
use crate::diff::{Criticality, ValleyPoint};
use crate::study::Estimate;

/// What a claim is about; the sections of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// What the source is worth, and how fast both learn.
    Accuracy,
    /// The same with blocks of the images in another order.
    Blocks,
    /// Mistakes that two networks share.
    Mistakes,
    /// How alike layers see images.
    Similarity,
    /// How far weights lie apart.
    Distance,
    /// What lies between two networks.
    Line,
    /// Modules put back.
    Modules,
    /// How critical modules are.
    Criticality,
    /// Checkpoints of the source.
    Checkpoints,
}

/// A claim of the paper that was written down before the first run, and what became of it here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferredClaim {
    /// What it is about.
    pub topic: Topic,
    /// The architecture.
    pub family: Family,
    /// The claim.
    pub claim: String,
    /// What was found, in words.
    pub found: String,
    /// The contrast it goes by.
    pub contrast: Estimate,
    /// Unit of the contrast: `points`.
    pub unit: String,
    /// The smallest effect of interest, or the margin of a claim of none.
    pub smallest: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetNote {
    /// Its name.
    pub name: String,
    /// What is in the pictures.
    pub about: String,
    /// Training images, test images, classes.
    pub counts: [usize; 3],
}

/// Replicas of one start on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The architecture.
    pub family: Family,
    /// Name of the target.
    pub target: String,
    /// Where they begin.
    pub start: Start,
    /// Replicas.
    pub replicas: usize,
    /// The rate that was chosen.
    pub rate: f64,
    /// Share of test images answered right.
    pub accuracy: Estimate,
    /// Area under the curve, for two classes.
    pub area: Option<Estimate>,
    /// Share of training images answered right after every epoch, of each replica.
    pub learned: Vec<Vec<f64>>,
    /// The same of test images.
    pub judged: Vec<Vec<f64>>,
}

/// Both starts on images with blocks of one side in other orders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockRecord {
    /// The architecture.
    pub family: Family,
    /// Name of the target.
    pub target: String,
    /// Side of a block in pixels; `None` for images as they are.
    pub side: Option<usize>,
    /// Orders, each with a replica of its own.
    pub orders: usize,
    /// Score of P-T and of RI-T.
    pub scores: [Estimate; 2],
    /// Relative difference, in per cent.
    pub relative_difference: Option<Estimate>,
    /// Mean training accuracy over the epochs that both have, of P-T and of RI-T.
    pub speeds: [Estimate; 2],
}

/// Pairs of one kind on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairRecord {
    /// The architecture.
    pub family: Family,
    /// Name of the target.
    pub target: String,
    /// What the two are.
    pub kind: Kind,
    /// Pairs.
    pub pairs: usize,
    /// Share of images on which both are wrong; none for pairs with the source.
    pub common: Option<Estimate>,
    /// Share on which one of the two is wrong.
    pub uncommon: Option<Estimate>,
    /// Agreement on right and wrong beyond chance.
    pub consistency: Option<Estimate>,
    /// Uncertainty of what the first alone has wrong, and of what the second alone has.
    pub clarity: Option<[Estimate; 2]>,
    /// Layer and its unbiased alignment, from the stem to the last features.
    pub similarity: Vec<(String, Estimate)>,
    /// The same with the images of one in another order, mean over layers.
    pub floor: Option<f64>,
    /// Distance of all weights.
    pub distance: Estimate,
    /// Module and distance.
    pub modules: Vec<(String, f64)>,
    /// How far accuracy falls on the line between them, in shares; none for pairs with the source.
    pub barrier: Option<Estimate>,
    /// The same with the statistics that lie between, for networks with batch norms.
    pub barrier_as_is: Option<Estimate>,
    /// Accuracy of the average of both less the mean of theirs.
    pub average: Option<Estimate>,
    /// Share of the way and mean accuracy there.
    pub line: Vec<(f64, f64)>,
}

/// A module of the networks of one start put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModuleRecord {
    /// Its name; the output layer is `head`.
    pub module: String,
    /// Drop of accuracy.
    pub drop: Estimate,
    /// How far training moved it, mean over replicas.
    pub distance: f64,
    /// Drop of accuracy with it drawn anew, mean over replicas.
    pub random_drop: Option<f64>,
}

/// Modules put back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModulesRecord {
    /// The architecture.
    pub family: Family,
    /// Name of the target.
    pub target: String,
    /// Where the networks began.
    pub start: Start,
    /// Networks.
    pub replicas: usize,
    /// From the input to the output layer.
    pub modules: Vec<ModuleRecord>,
}

/// Criticality of one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CriticalRecord {
    /// The architecture.
    pub family: Family,
    /// Name of the target.
    pub target: String,
    /// Where it began.
    pub start: Start,
    /// Criticality of the network; none where a module has none.
    pub network: Option<f64>,
    /// Most error that was allowed, on training images.
    pub limit: Option<f64>,
    /// By module.
    pub modules: Vec<(String, Criticality)>,
    /// The valley of each module.
    pub valleys: Vec<(String, Vec<ValleyPoint>)>,
}

/// A checkpoint of the source without normalisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// Epochs of the source.
    pub epochs: u64,
    /// Its accuracy on its own test images; none before the first epoch.
    pub source: Option<f64>,
    /// Replicas that began with it.
    pub replicas: usize,
    /// Accuracy on held-out training images: what the rule goes by.
    pub held_out: f64,
    /// The same of a head on its frozen features.
    pub frozen: Option<f64>,
    /// Score on test images.
    pub test: Estimate,
    /// Mean training accuracy over all epochs.
    pub speed: f64,
    /// Whether it is the earliest within a standard error of the best.
    pub chosen: bool,
}

/// The study with everything that is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferredStudy {
    /// Version of the program.
    pub version: String,
    /// The targets, the most similar to the source first.
    pub targets: Vec<TargetNote>,
    /// Every claim that there are figures for.
    pub claims: Vec<TransferredClaim>,
    /// Both starts on every target.
    pub starts: Vec<StartRecord>,
    /// Shuffled blocks.
    pub blocks: Vec<BlockRecord>,
    /// Pairs.
    pub pairs: Vec<PairRecord>,
    /// Modules put back.
    pub modules: Vec<ModulesRecord>,
    /// Criticality.
    pub critical: Vec<CriticalRecord>,
    /// Checkpoints of the source.
    pub checkpoints: Vec<CheckpointRecord>,
    /// Phases that the budget or the shard left unfinished.
    pub unfinished: Vec<String>,
}
