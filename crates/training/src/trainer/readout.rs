//! Heads that read several nodes of the network and stand outside its graph.

use heirloom_engine::Weights;

use super::error::TrainingError;
use crate::optimizer::Gradients;

/// A head whose parameters are trained with the network's. They lie among the trainer's weights under names that no parameter of the
/// graph has.
pub trait Readout: std::fmt::Debug + Send + Sync {
    /// Names of the nodes it reads.
    fn nodes(&self) -> &[String];

    /// Number of classes.
    fn classes(&self) -> usize;

    /// Logits `[images, classes]` from the values of each node, `[images, ...]`.
    ///
    /// # Errors
    /// Parameters or values that do not fit.
    fn logits(&self, weights: &Weights, values: &[&[f32]], images: usize) -> Result<Vec<f32>, TrainingError>;

    /// Gradients from those of the logits.
    ///
    /// # Errors
    /// Parameters or values that do not fit.
    fn backward(
        &self,
        weights: &Weights,
        values: &[&[f32]],
        images: usize,
        logits: &[f32],
    ) -> Result<ReadoutGradients, TrainingError>;
}

/// What a head hands back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReadoutGradients {
    /// For the values of each node.
    pub nodes: Vec<Vec<f32>>,
    /// For its own parameters.
    pub parameters: Gradients,
}
