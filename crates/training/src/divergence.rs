//! Divergence: a loss, gradient or weight that is no finite number ends training with an error that says where.

use heirloom_engine::Weights;
use rayon::prelude::*;

use crate::optimizer::Gradients;

/// Where training stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Epoch, counted from 0.
    pub epoch: u64,
    /// Step since the beginning of training, counted from 0.
    pub step: u64,
    /// Learning rate of the step.
    pub learning_rate: f64,
}

/// What was no finite number.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The loss itself.
    Loss,
    /// A logit: row of the batch and class.
    Logit {
        /// Row of the batch.
        row: usize,
        /// Class.
        class: usize,
    },
    /// A gradient; the first tensor in order of names.
    Gradient {
        /// The tensor.
        tensor: String,
    },
    /// A weight; the first tensor in order of names.
    Weight {
        /// The tensor.
        tensor: String,
    },
}

impl std::fmt::Display for Cause {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Loss => write!(formatter, "the loss"),
            Self::Logit { row, class } => write!(formatter, "the logit of row {row} of the batch for class {class}"),
            Self::Gradient { tensor } => write!(formatter, "the gradient of '{tensor}'"),
            Self::Weight { tensor } => write!(formatter, "the weight '{tensor}'"),
        }
    }
}

/// Training diverged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "training diverged in epoch {}, step {}: {cause} is no finite number (loss {loss}, learning rate {:e})",
    position.epoch + 1, position.step + 1, position.learning_rate
)]
pub struct Divergence {
    /// Where training stood; the message counts from 1.
    pub position: Position,
    /// The loss of the step, or of the last step that had one.
    pub loss: f64,
    /// What was no finite number.
    pub cause: Cause,
}

impl Position {
    /// The error of training that diverged here.
    #[must_use]
    pub const fn diverged(self, loss: f64, cause: Cause) -> Divergence {
        Divergence { position: self, loss, cause }
    }
}

/// Passes a finite loss on.
///
/// # Errors
/// [`Divergence`] for any other.
pub fn check_loss(position: Position, loss: f64) -> Result<f64, Divergence> {
    if loss.is_finite() { Ok(loss) } else { Err(position.diverged(loss, Cause::Loss)) }
}

/// Passes when every gradient is finite.
///
/// # Errors
/// [`Divergence`] with the first tensor, in order of names, that holds any other number.
pub fn check_gradients(position: Position, loss: f64, gradients: &Gradients) -> Result<(), Divergence> {
    let tensors = gradients.iter().map(|(name, values)| (name, values.as_slice()));
    match first_not_finite(tensors) {
        Some(tensor) => Err(position.diverged(loss, Cause::Gradient { tensor })),
        None => Ok(()),
    }
}

/// Passes when every weight is finite.
///
/// # Errors
/// [`Divergence`] with the first tensor, in order of names, that holds any other number.
pub fn check_weights(position: Position, loss: f64, weights: &Weights) -> Result<(), Divergence> {
    let tensors = weights.tensors.iter().map(|(name, tensor)| (name, tensor.values.as_slice()));
    match first_not_finite(tensors) {
        Some(tensor) => Err(position.diverged(loss, Cause::Weight { tensor })),
        None => Ok(()),
    }
}

fn first_not_finite<'t>(tensors: impl Iterator<Item = (&'t String, &'t [f32])>) -> Option<String> {
    let tensors: Vec<_> = tensors.collect();
    // Without an early exit the loop is vectorised.
    let broken = |values: &[f32]| values.iter().fold(false, |broken, value| broken | !value.is_finite());
    tensors.into_par_iter().find_first(|(_, values)| broken(values)).map(|(name, _)| name.clone())
}

#[cfg(test)]
mod tests;
