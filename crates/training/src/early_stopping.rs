//! Early stopping: after each epoch, whether to go on, and which epoch's weights are the best so far.
//!
//! The value that is watched comes from rows that are neither trained on nor tested on.
//!
//! ```
//! use heirloom_training::early_stopping::{EarlyStopping, Goal, StoppingSettings, Verdict};
//! let settings = StoppingSettings { patience: Some(2), minimum_improvement: 0.0, goal: Goal::Highest };
//! let mut stopping = EarlyStopping::new(settings)?;
//! assert_eq!(stopping.record(0, 0.5), Verdict::Best);
//! assert_eq!(stopping.record(1, 0.4), Verdict::Worse { epochs_left: 1 });
//! assert_eq!(stopping.record(2, 0.4), Verdict::Stop { best_epoch: 0 });
//! # Ok::<(), heirloom_training::early_stopping::StoppingError>(())
//! ```

use serde::{Deserialize, Serialize};

/// What is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Higher values, as of an accuracy.
    Highest,
    /// Lower values, as of a loss.
    Lowest,
}

/// Settings of early stopping.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingSettings {
    /// Epochs without improvement after which training ends, 1 or more; `None` only remembers the best epoch.
    pub patience: Option<u64>,
    /// How much better than the best a value must be to count, 0 or above. At 0 it must be better at all.
    pub minimum_improvement: f64,
    /// What is better.
    pub goal: Goal,
}

/// Settings out of their range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("early stopping: {setting} is {value}, it must be {range}")]
pub struct StoppingError {
    setting: &'static str,
    value: f64,
    range: &'static str,
}

/// What an epoch's value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The best so far: keep its weights.
    Best,
    /// Not the best, go on.
    Worse {
        /// Further epochs without improvement before the end.
        epochs_left: u64,
    },
    /// Time to end, and to restore the weights of the best epoch.
    Stop {
        /// Epoch of the best value.
        best_epoch: u64,
    },
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestEpoch {
    /// The epoch.
    pub epoch: u64,
    /// Bits of its value: a decimal number in JSON would not always come back as it was.
    bits: u64,
}

impl BestEpoch {
    /// Its value.
    #[must_use]
    pub const fn value(self) -> f64 {
        f64::from_bits(self.bits)
    }
}

/// What early stopping remembers, for a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoppingState {
    /// The best epoch so far.
    pub best: Option<BestEpoch>,
    /// Epochs since.
    pub waited: u64,
}

/// Early stopping; see the module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EarlyStopping {
    settings: StoppingSettings,
    state: StoppingState,
}

impl EarlyStopping {
    /// Nothing recorded yet.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn new(settings: StoppingSettings) -> Result<Self, StoppingError> {
        Self::restore(settings, StoppingState::default())
    }

    /// As it was in the state.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn restore(settings: StoppingSettings, state: StoppingState) -> Result<Self, StoppingError> {
        if settings.patience == Some(0) {
            return Err(StoppingError { setting: "patience", value: 0.0, range: "1 or more epochs" });
        }
        let value = settings.minimum_improvement;
        if !value.is_finite() || value < 0.0 {
            return Err(StoppingError { setting: "minimum improvement", value, range: "0 or above" });
        }
        Ok(Self { settings, state })
    }

    /// What to remember.
    #[must_use]
    pub const fn state(&self) -> StoppingState {
        self.state
    }

    /// The best epoch so far.
    #[must_use]
    pub const fn best(&self) -> Option<BestEpoch> {
        self.state.best
    }

    /// Takes the value of an epoch. A value that is no number is never the best.
    pub fn record(&mut self, epoch: u64, value: f64) -> Verdict {
        if self.is_better(value) {
            self.state = StoppingState { best: Some(BestEpoch { epoch, bits: value.to_bits() }), waited: 0 };
            return Verdict::Best;
        }
        self.state.waited += 1;
        let epochs_left =
            self.settings.patience.map_or(u64::MAX, |patience| patience.saturating_sub(self.state.waited));
        match self.state.best {
            Some(best) if epochs_left == 0 => Verdict::Stop { best_epoch: best.epoch },
            // Nothing to restore yet: only values that are no numbers were seen, and divergence is reported elsewhere.
            _ => Verdict::Worse { epochs_left },
        }
    }

    fn is_better(&self, value: f64) -> bool {
        let Some(best) = self.state.best else { return !value.is_nan() };
        let gain = match self.settings.goal {
            Goal::Highest => value - best.value(),
            Goal::Lowest => best.value() - value,
        };
        gain > self.settings.minimum_improvement
    }
}

#[cfg(test)]
mod tests;
