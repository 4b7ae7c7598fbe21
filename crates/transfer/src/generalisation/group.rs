//! Group-DRO over training domains: the loss of each counts by a weight that grows with it ([`GroupWeights`]).

use heirloom_training::loss::GroupWeights;

use super::pooled;
use super::trial::{Batch, Pulls};
use crate::adaptation::AdaptationError;
use crate::adaptation::deep::layer::{Layer, cross_entropy};

/// Weights of domains through a training.
pub(super) struct Groups(GroupWeights);

impl Groups {
    /// All domains alike; `rate` is the step of their weights.
    pub(super) fn new(counts: &[usize], rate: f64) -> Result<Self, AdaptationError> {
        GroupWeights::new(counts, rate, 0.0).map(Self).map_err(refused)
    }

    pub(super) fn pulls(&mut self, head: &Layer, batches: Vec<Batch>) -> Result<Pulls, AdaptationError> {
        let loss = |batch: &Batch| cross_entropy(&head.forward(batch.rows.as_ref()), &batch.labels, 0.0).0;
        let losses: Vec<f64> = batches.iter().map(loss).collect();
        // A training that diverged keeps its weights; it is told by its logits.
        if losses.iter().all(|loss| loss.is_finite()) {
            self.0.step(&losses).map_err(refused)?;
        }
        Ok(pooled::pulls(head, batches, self.0.weights()))
    }
}

fn refused(error: heirloom_training::loss::LossError) -> AdaptationError {
    AdaptationError::Classifier { reason: error.to_string() }
}
