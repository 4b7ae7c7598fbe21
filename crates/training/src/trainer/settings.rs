//! What decides the result of a training run.

use std::collections::BTreeSet;

use heirloom_engine::Precision;
use serde::{Deserialize, Serialize};

use super::adversary::Adversary;
use crate::early_stopping::StoppingSettings;
use crate::ema::AverageSettings;
use crate::loss::CrossEntropy;
use crate::optimizer::OptimizerSettings;
use crate::schedule::{Length, Schedule};

/// Everything but the network, the data and the regulariser. Two runs with equal settings have equal bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainerSettings {
    /// Input of the network, `[height, width]` in pixels.
    pub input_size: [usize; 2],
    /// Keys of the parameters that are trained.
    pub trainable: BTreeSet<String>,
    /// Names of the batch norms that use the statistics of the batch, and whose running statistics follow.
    pub batch_statistics: BTreeSet<String>,
    /// How far running statistics move towards those of a batch.
    pub statistics_momentum: f32,
    /// Epochs.
    pub epochs: u64,
    /// Images of a batch.
    pub batch_size: usize,
    /// Leave out the last batch of an epoch where it is smaller.
    pub drop_last: bool,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the rate changes.
    pub schedule: Schedule,
    /// The optimiser.
    pub optimizer: OptimizerSettings,
    /// The loss.
    pub loss: CrossEntropy,
    /// Largest norm of all gradients together; larger ones are scaled down.
    pub clip_norm: Option<f64>,
    /// Average of the weights, taken for evaluation and as the result.
    pub average: Option<AverageSettings>,
    /// When to end early, and which epoch to keep.
    pub stopping: Option<StoppingSettings>,
    /// Compute activations again instead of keeping them all.
    pub recompute: bool,
    /// What the operands of products are rounded to. Parameters, their gradients, statistics and the
    /// optimiser's state are `f32` either way.
    #[serde(default, skip_serializing_if = "is_exact")]
    pub precision: Precision,
    /// Train on the images changed so that the network errs, instead of the images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adversary: Option<Adversary>,
    /// Seed of the order of rows and of all draws.
    pub seed: u64,
}

/// Whether the precision is the one of settings that do not name it.
fn is_exact(precision: &Precision) -> bool {
    *precision == Precision::F32
}

impl TrainerSettings {
    /// Batches of an epoch over `rows` rows.
    #[must_use]
    pub fn batches(&self, rows: usize) -> usize {
        let size = self.batch_size.max(1);
        if self.drop_last && rows >= size { rows / size } else { rows.div_ceil(size) }
    }

    /// Length of training over `rows` rows.
    #[must_use]
    pub fn length(&self, rows: usize) -> Length {
        Length { steps_per_epoch: self.batches(rows) as u64, epochs: self.epochs }
    }
}
