//! What a run tells as it goes.

use serde::{Deserialize, Serialize};

/// One step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step of the epoch, from 0.
    pub step_in_epoch: u64,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Epochs of the run.
    pub epochs: u64,
    /// Loss of the batch, penalties included.
    pub loss: f64,
    /// Right answers of the batch.
    pub right: usize,
    /// Images of the batch.
    pub images: usize,
    /// Learning rate of the step.
    pub learning_rate: f64,
}

/// One epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochReport {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Mean loss of its steps, penalties included.
    pub loss: f64,
    /// Share of right answers while training, on augmented images and moving weights.
    pub accuracy: f64,
    /// Mean log loss of held-out images after the epoch, where there are any.
    pub validation: Option<f64>,
    /// Share of them that is right.
    #[serde(default)]
    pub validation_accuracy: Option<f64>,
    /// Whether it is the best so far.
    pub best: bool,
    /// Learning rate of its last step.
    pub learning_rate: f64,
    /// Images that were trained on in this process's part of the epoch.
    pub images: usize,
    /// Seconds that took.
    pub seconds: f64,
    /// Share of that time in which the network worked and did not wait for images.
    pub busy: f64,
}

/// Sums over the steps of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct Sums {
    pub steps: u64,
    pub loss: f64,
    pub right: u64,
    pub images: u64,
    pub learning_rate: f64,
}

impl Sums {
    pub fn add(&mut self, step: &StepReport) {
        self.steps += 1;
        self.loss += step.loss;
        self.right += step.right as u64;
        self.images += step.images as u64;
        self.learning_rate = step.learning_rate;
    }

    pub fn report(&self, epoch: u64) -> EpochReport {
        EpochReport {
            epoch,
            loss: self.loss / self.steps.max(1) as f64,
            accuracy: self.right as f64 / self.images.max(1) as f64,
            learning_rate: self.learning_rate,
            ..EpochReport::default()
        }
    }
}
