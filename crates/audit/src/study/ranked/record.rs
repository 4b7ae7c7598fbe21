//! The record of the study, which every view shows.

use heirloom_transfer::ranking::Scored;
use heirloom_transfer::study::Verdict;
use serde::{Deserialize, Serialize};

use super::Predictor;
use crate::study::Estimate;

/// What networks are ordered by in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    /// Test accuracy of a linear head on frozen features, its penalty chosen by cross-validation on training rows.
    Frozen,
    /// Test accuracy after training through the whole network, mean over seeds.
    FineTuned,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Its name.
    pub name: String,
    /// Digest of its weights.
    pub digest: String,
    /// Number of its parameters.
    pub parameters: usize,
    /// Accuracy on ImageNet in per cent, where its description states it.
    pub imagenet: Option<f64>,
    /// Images it was trained on, where its description states it.
    pub source_images: Option<f64>,
}

/// A network on a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OfNetwork {
    /// The network.
    pub network: String,
    /// Its scores.
    pub scores: Vec<Scored>,
    /// Accuracy of the cross-validated probe on training rows.
    pub probe: f64,
    /// Test accuracy of the frozen head.
    pub frozen: f64,
    /// Test accuracy after fine-tuning, one for each seed there is.
    pub fine_tuned: Vec<f64>,
    /// Seconds for features, for the probe with its head, for all scores, and for fine-tuning with all seeds.
    pub seconds: [f64; 4],
}

/// A set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedSetRecord {
    /// Its name.
    pub name: String,
    /// Its classes.
    pub classes: usize,
    /// Training rows and test rows.
    pub rows: [usize; 2],
    /// Every network there is a cell for.
    pub networks: Vec<OfNetwork>,
}

/// An order against the truth on a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnSet {
    /// The set.
    pub set: String,
    /// Networks that have a value.
    pub networks: usize,
    /// Weighted Kendall tau.
    pub tau: f64,
    /// The network put first.
    pub first: String,
    /// Accuracy it gives up against the best of all networks.
    pub regret: f64,
    /// The best accuracy among the first one, two and three, as a share of the best of all.
    pub relative: [f64; 3],
}

/// What orders drawn at random give: standard deviations of tau.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Null {
    /// On one set.
    pub one_set: f64,
    /// On the mean, with an order of its own for every set.
    pub own_orders: f64,
    /// On the mean, with one order for all sets, as of a score that knows nothing of the data.
    pub one_order: f64,
    /// Mean tau that one in forty random orders exceeds, the larger of both kinds.
    pub threshold: f64,
}

/// A contrast that a claim goes by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contrast {
    /// The claim, written before the first run.
    pub claim: String,
    /// The contrast in tau; sets resampled.
    pub estimate: Estimate,
    /// Sets it is over.
    pub sets: usize,
    /// The verdict.
    pub verdict: Verdict,
}

/// An order on the mean over sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictorMean {
    /// Mean tau; sets resampled.
    pub tau: Estimate,
    /// What random orders give.
    pub null: Null,
    /// Mean accuracy given up by its first.
    pub regret: f64,
    /// Mean relative accuracy of its first one, two and three.
    pub relative: [f64; 3],
}

/// A predictor against a truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictorRecord {
    /// Which.
    pub predictor: Predictor,
    /// Sets on which it orders at least three networks.
    pub sets: Vec<OnSet>,
    /// The mean over those; `None` where there is none.
    pub mean: Option<PredictorMean>,
    /// Claims about it.
    pub claims: Vec<Contrast>,
}

/// Everything against one truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TruthRecord {
    /// The truth.
    pub truth: Truth,
    /// Sets of which all networks are known.
    pub sets: Vec<String>,
    /// Every predictor, the best mean first.
    pub predictors: Vec<PredictorRecord>,
}

/// What it costs, summed over the cells there are; seconds on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RankedCost {
    /// Cells of a network on a set.
    pub cells: usize,
    /// Features of their training rows, which scores and frozen heads need alike.
    pub features: f64,
    /// All scores.
    pub scores: f64,
    /// Choosing and fitting the frozen heads.
    pub heads: f64,
    /// Cells that were fine-tuned as well.
    pub tuned_cells: usize,
    /// Features and all scores of these cells alone.
    pub scores_of_tuned: f64,
    /// Fine-tuning them, once.
    pub tuning: f64,
}

/// The study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RankedStudy {
    /// Version of the program.
    pub version: String,
    /// The networks.
    pub networks: Vec<NetworkRecord>,
    /// The sets.
    pub sets: Vec<RankedSetRecord>,
    /// Predictors against each truth.
    pub truths: Vec<TruthRecord>,
    /// What it costs.
    pub cost: RankedCost,
    /// Epochs and seeds of fine-tuning.
    pub fine_tuning: [usize; 2],
    /// Cells that the budget or the shard left out.
    pub unfinished: Vec<String>,
}
