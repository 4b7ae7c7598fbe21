//! The learning-rate finder (Smith 2017): rates grow from step to step by a constant factor, the smoothed loss is watched until
//! it diverges, and the rate where it falls fastest is suggested.
//!
//! It runs nothing itself: whoever trains asks for the next rate, makes a step with it, and reports the loss.
//!
//! ```
//! use heirloom_training::finder::{Finder, FinderSettings};
//! let mut finder = Finder::new(FinderSettings::default())?;
//! while let Some(rate) = finder.next_rate() {
//!     // Falls fastest at a rate of 0.01 and explodes beyond 1.
//!     let loss = 2.0 - (100.0 * rate).ln().tanh() + rate.powi(4);
//!     finder.record(loss);
//! }
//! let found = finder.suggest()?;
//! assert!((0.003..0.03).contains(&found.rate));
//! # Ok::<(), heirloom_training::finder::FinderError>(())
//! ```

use serde::{Deserialize, Serialize};

/// Settings of the finder.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinderSettings {
    /// Rate of the first step, above 0.
    pub lowest: f64,
    /// Rate of the last step, above the lowest.
    pub highest: f64,
    /// Steps, at least [`FEWEST`].
    pub steps: u64,
    /// Share of the running mean of losses that each step keeps, 0 to below 1.
    pub smoothing: f64,
    /// The sweep ends when the smoothed loss is this many times its lowest value, above 1.
    pub divergence: f64,
}

impl Default for FinderSettings {
    fn default() -> Self {
        Self { lowest: 1e-6, highest: 10.0, steps: 100, smoothing: 0.8, divergence: 4.0 }
    }
}

/// Losses needed for a slope.
pub const FEWEST: u64 = 5;

/// Why there is no suggestion.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FinderError {
    /// A setting out of its range.
    #[error("learning-rate finder: {setting} is {value}, it must be {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
    /// Training diverged before there was a slope to measure.
    #[error("the loss diverged after {steps} steps, at a learning rate of {rate:e}: there is no slope to measure")]
    TooShort {
        /// Steps made.
        steps: usize,
        /// Rate of the last.
        rate: f64,
    },
    /// The loss never fell.
    #[error("the loss fell at no learning rate from {lowest:e} to {highest:e}")]
    NoDescent {
        /// First rate.
        lowest: f64,
        /// Last rate that was tried.
        highest: f64,
    },
}

/// One step of the sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Learning rate of the step.
    pub rate: f64,
    /// Loss before the step.
    pub loss: f64,
    /// Running mean of the losses, corrected for its start at 0.
    pub smoothed: f64,
}

/// What the sweep found.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The rate at which the smoothed loss falls fastest over the logarithm of the rate.
    pub rate: f64,
    /// A tenth of the rate of the lowest smoothed loss: the cautious choice.
    pub cautious: f64,
    /// The whole curve.
    pub trials: Vec<Trial>,
}

/// A sweep of learning rates; see the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Finder {
    settings: FinderSettings,
    trials: Vec<Trial>,
    mean: f64,
    diverged: bool,
}

impl Finder {
    /// A sweep before its first step.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn new(settings: FinderSettings) -> Result<Self, FinderError> {
        let FinderSettings { lowest, highest, steps, smoothing, divergence } = settings;
        let check = |setting, value: f64, valid: bool, range| {
            if valid { Ok(()) } else { Err(FinderError::Setting { setting, value, range }) }
        };
        check("lowest rate", lowest, lowest.is_finite() && lowest > 0.0, "above 0")?;
        check("highest rate", highest, highest.is_finite() && highest > lowest, "above the lowest rate")?;
        check("number of steps", steps as f64, steps >= FEWEST, "5 or more")?;
        check("smoothing", smoothing, (0.0..1.0).contains(&smoothing), "0 to below 1")?;
        check("divergence", divergence, divergence.is_finite() && divergence > 1.0, "above 1")?;
        Ok(Self { settings, trials: Vec::new(), mean: 0.0, diverged: false })
    }

    /// The rate of the next step, or `None` when the sweep is over.
    #[must_use]
    pub fn next_rate(&self) -> Option<f64> {
        let step = self.trials.len() as u64;
        if self.diverged || step >= self.settings.steps {
            return None;
        }
        let share = step as f64 / (self.settings.steps - 1) as f64;
        Some(self.settings.lowest * (self.settings.highest / self.settings.lowest).powf(share))
    }

    /// Takes the loss of the batch that the step of [`Finder::next_rate`] is made on. A loss that is no finite number ends the
    /// sweep; after its end nothing is recorded.
    pub fn record(&mut self, loss: f64) {
        let Some(rate) = self.next_rate() else { return };
        if !loss.is_finite() {
            self.diverged = true;
            return;
        }
        let smoothing = self.settings.smoothing;
        self.mean = smoothing * self.mean + (1.0 - smoothing) * loss;
        let weight = 1.0 - smoothing.powf(self.trials.len() as f64 + 1.0);
        let smoothed = self.mean / weight;
        self.trials.push(Trial { rate, loss, smoothed });
        let lowest = self.trials.iter().fold(f64::INFINITY, |lowest, trial| lowest.min(trial.smoothed));
        self.diverged = smoothed > self.settings.divergence * lowest;
    }

    /// The steps made so far.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// The rate to train with.
    ///
    /// # Errors
    /// Too few steps before divergence, or a loss that never fell.
    pub fn suggest(&self) -> Result<Suggestion, FinderError> {
        let rate = self.trials.last().map_or(self.settings.lowest, |trial| trial.rate);
        if (self.trials.len() as u64) < FEWEST {
            return Err(FinderError::TooShort { steps: self.trials.len(), rate });
        }
        let smoothed = |index: usize| self.trials[index].smoothed;
        let lowest = (0..self.trials.len()).fold(0, |best, i| if smoothed(i) < smoothed(best) { i } else { best });
        // Steps are equally long in the logarithm of the rate, so central differences compare as they are.
        let slope = |index: usize| smoothed(index + 1) - smoothed(index - 1);
        let steepest = (1..lowest).fold(None, |best, index| match best {
            Some(best) if slope(best) <= slope(index) => Some(best),
            _ if slope(index) < 0.0 => Some(index),
            best => best,
        });
        let steepest = steepest.ok_or(FinderError::NoDescent { lowest: self.settings.lowest, highest: rate })?;
        let (rate, cautious) = (self.trials[steepest].rate, self.trials[lowest].rate / 10.0);
        Ok(Suggestion { rate, cautious, trials: self.trials.clone() })
    }
}

#[cfg(test)]
mod tests;
