//! The exponential moving average of weights (Polyak and Juditsky 1992), which often generalises better than the last weights.

use heirloom_engine::{Tensor, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Values that one task averages.
const CHUNK: usize = 1 << 14;

/// Settings of the average.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AverageSettings {
    /// Share of the average that is kept at each step, 0 to below 1.
    pub decay: f64,
    /// Whether the average begins short: step `t`, counted from 0, keeps at most `(1 + t) / (10 + t)`.
    pub warm_up: bool,
}

impl AverageSettings {
    /// Share of the average that step `step`, counted from 0, keeps.
    #[must_use]
    pub fn kept(&self, step: u64) -> f64 {
        let step = step as f64;
        if self.warm_up { self.decay.min((1.0 + step) / (10.0 + step)) } else { self.decay }
    }
}

/// An average that does not fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AverageError {
    /// A decay out of its range.
    #[error("the decay of the average is {value}, it must be 0 to below 1")]
    Decay {
        /// Its value.
        value: f64,
    },
    /// Weights of another network.
    #[error("the average and the weights differ in '{name}'")]
    Weights {
        /// The first tensor that only one of them has, or has with another shape.
        name: String,
    },
}

/// A running average of all tensors of a network, running statistics of its norms included:
/// `average <- kept average + (1 - kept) weights`.
///
/// ```
/// use heirloom_engine::{Tensor, Weights};
/// use heirloom_training::ema::{Average, AverageSettings};
/// let weights = |value| Weights { tensors: [("w".into(), Tensor { shape: vec![1], values: vec![value] })].into() };
/// let mut average = Average::new(AverageSettings { decay: 0.75, warm_up: false }, &weights(0.0))?;
/// average.update(&weights(1.0))?;
/// assert_eq!(average.weights(), &weights(0.25));
/// # Ok::<(), heirloom_training::ema::AverageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Average {
    settings: AverageSettings,
    steps: u64,
    weights: Weights,
}

impl Average {
    /// An average that begins at `weights`.
    ///
    /// # Errors
    /// A decay out of its range.
    pub fn new(settings: AverageSettings, weights: &Weights) -> Result<Self, AverageError> {
        Self::restore(settings, 0, weights.clone())
    }

    /// An average as it was after `steps` updates.
    ///
    /// # Errors
    /// A decay out of its range.
    pub fn restore(settings: AverageSettings, steps: u64, weights: Weights) -> Result<Self, AverageError> {
        if !(0.0..1.0).contains(&settings.decay) {
            return Err(AverageError::Decay { value: settings.decay });
        }
        Ok(Self { settings, steps, weights })
    }

    /// Moves the average towards `weights`, after an optimiser's step.
    ///
    /// # Errors
    /// Weights with other tensors than the average; nothing has moved then.
    pub fn update(&mut self, weights: &Weights) -> Result<(), AverageError> {
        same_tensors(&self.weights, weights)?;
        let share = (1.0 - self.settings.kept(self.steps)) as f32;
        self.steps += 1;
        let pairs = self.weights.tensors.values_mut().zip(weights.tensors.values());
        let pieces: Vec<_> =
            pairs.flat_map(|(average, new)| average.values.chunks_mut(CHUNK).zip(new.values.chunks(CHUNK))).collect();
        pieces.into_par_iter().for_each(|(average, new)| {
            average.iter_mut().zip(new).for_each(|(average, new)| *average += share * (new - *average));
        });
        Ok(())
    }

    /// Updates made.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The average.
    #[must_use]
    pub const fn weights(&self) -> &Weights {
        &self.weights
    }
}

fn same_tensors(average: &Weights, weights: &Weights) -> Result<(), AverageError> {
    let same = |name: &String, tensor: &Tensor| {
        let other = average.tensors.get(name);
        other.is_some_and(|other| other.shape == tensor.shape && other.values.len() == tensor.values.len())
    };
    let changed = weights.tensors.iter().find(|(name, tensor)| !same(name, tensor)).map(|(name, _)| name);
    let lost = average.tensors.keys().find(|name| !weights.tensors.contains_key(*name));
    match changed.or(lost) {
        Some(name) => Err(AverageError::Weights { name: name.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
