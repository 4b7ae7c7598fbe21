//! The record of both studies, which every view shows.

use heirloom_transfer::study::Verdict;
use serde::{Deserialize, Serialize};

use super::{Fitted, Part, Start, Task};
use crate::robustness::Detected;
use crate::study::{Estimate, TargetNote};

/// What a claim is about; the sections of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// How fast networks learn, and where they end.
    Convergence,
    /// What the number of images makes of it.
    Size,
    /// Fine classes and coarse ones.
    Fine,
    /// Better and worse sources.
    Sources,
    /// Wrong labels.
    Noise,
    /// Classes of different size.
    Imbalance,
    /// Images changed against the network.
    Adversarial,
    /// Images of no class.
    Strange,
    /// Whether certainty can be trusted.
    Calibration,
}

/// A claim that was written down before the first run, and what became of it here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainingClaim {
    /// What it is about.
    pub topic: Topic,
    /// The claim.
    pub claim: String,
    /// What was found, in words.
    pub found: String,
    /// The contrast it goes by.
    pub contrast: Estimate,
    /// Unit of the contrast.
    pub unit: String,
    /// The smallest effect of interest, or the margin of a claim of none.
    pub smallest: f64,
    /// The verdict; with a single seed none is given.
    pub verdict: Verdict,
}

/// Runs that differ in nothing but the seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Name of the target.
    pub target: String,
    /// Where they began.
    pub start: Start,
    /// What they were trained on.
    pub task: Task,
    /// How many.
    pub seeds: usize,
    /// The rate; none for a head.
    pub rate: f64,
    /// Training images, and epochs.
    pub rows: usize,
    /// Epochs; none for a head.
    pub epochs: u64,
    /// Share of wrong labels, mean over seeds.
    pub wrong: f64,
    /// Accuracy on test images.
    pub accuracy: Estimate,
    /// Error on the classes with fewer training images than the mean, where classes are uneven.
    pub small_classes: Option<Estimate>,
    /// Accuracy after every epoch, mean over seeds; for runs on all images.
    pub curve: Vec<f64>,
}

/// A source of our own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OwnSourceRecord {
    /// Images it was trained on.
    pub images: usize,
    /// Epochs.
    pub epochs: u64,
    /// Its accuracy on the source's test images.
    pub accuracy: f64,
    /// Accuracy of heads on its frozen features, by target.
    pub frozen: Vec<(String, f64)>,
    /// Accuracy when it is fine-tuned on the main target.
    pub tuned: Option<f64>,
}

/// Accuracy under attack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttackedRecord {
    /// Where the networks began.
    pub start: Start,
    /// What they were trained on.
    pub task: Task,
    /// How many.
    pub seeds: usize,
    /// Images that were attacked.
    pub images: usize,
    /// Accuracy on them as they are.
    pub clean: Estimate,
    /// With changes that were searched for.
    pub attacked: Estimate,
    /// With changes as large by chance.
    pub by_chance: Estimate,
}

/// Images of no class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StrangeRecord {
    /// Where the networks began.
    pub start: Start,
    /// What the images are.
    pub set: String,
    /// How many.
    pub images: usize,
    /// How well the probability of the answer tells them, mean over seeds.
    pub maximum_probability: Detected,
    /// How well the energy does.
    pub energy: Detected,
}

/// Calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CertaintyRecord {
    /// Where the networks began.
    pub start: Start,
    /// Whether logits are divided by the temperature that suits the held-out images of the rate's trial.
    pub tempered: bool,
    /// That temperature, or 1.
    pub temperature: f64,
    /// Root mean square deviation of certainty from accuracy over bins of equal size.
    pub deviation: Estimate,
    /// Mean log loss in nats.
    pub log_loss: Estimate,
}

/// A study with everything that is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PretrainingStudy {
    /// Version of the program.
    pub version: String,
    /// Which study.
    pub part: Part,
    /// The targets.
    pub targets: Vec<TargetNote>,
    /// Every claim that there are figures for.
    pub claims: Vec<PretrainingClaim>,
    /// Runs, those of different seeds together.
    pub runs: Vec<RunRecord>,
    /// Sources of our own.
    pub sources: Vec<OwnSourceRecord>,
    /// Transfer over source accuracy, both as log odds: of frozen features over all targets, and of fine-tuning on the main one.
    pub lines: [Option<Fitted>; 2],
    /// Attacks.
    pub attacked: Vec<AttackedRecord>,
    /// Images of no class.
    pub strange: Vec<StrangeRecord>,
    /// Calibration.
    pub certainty: Vec<CertaintyRecord>,
    /// Phases that the budget or the shard left unfinished.
    pub unfinished: Vec<String>,
}
