//! Learning rates as pure functions of the step: nothing is remembered, so a run that goes on after a restart sees the rates of
//! an unbroken one.
//!
//! ```
//! use heirloom_training::schedule::{Length, Schedule};
//! let length = Length { steps_per_epoch: 10, epochs: 15 };
//! let schedule = Schedule::Triangular { peak_epoch: 5.0 };
//! assert_eq!(schedule.learning_rate(0.1, 0, length), 0.0);
//! assert_eq!(schedule.learning_rate(0.1, 50, length), 0.1);
//! ```

pub mod bit;
mod one_cycle;

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

pub use bit::HyperRule;

/// How long training lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Length {
    /// Steps in an epoch.
    pub steps_per_epoch: u64,
    /// Epochs.
    pub epochs: u64,
}

impl Length {
    /// All steps.
    #[must_use]
    pub const fn steps(self) -> u64 {
        self.steps_per_epoch * self.epochs
    }
}

/// How the learning rate changes. Steps are counted from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Schedule {
    /// The peak throughout.
    Constant,
    /// `minimum + (peak - minimum) (1 + cos(pi step / steps)) / 2`.
    Cosine {
        /// Rate after the last step.
        minimum: f64,
    },
    /// From 0 at step 0 up to the peak and down to 0 after the last step, both along straight lines (`spec/bias-transfer.md`
    /// section 5).
    Triangular {
        /// Epochs before the peak; less than all epochs.
        peak_epoch: f64,
    },
    /// The peak times a factor for every milestone that was reached.
    Step {
        /// Epochs, counted from 0, at whose beginning the rate falls.
        milestones: Vec<u64>,
        /// Factor of each milestone.
        factor: f64,
    },
    /// PyTorch's `OneCycleLR` with cosine annealing: from `peak / start_divisor` up to the peak, then down to
    /// `peak / start_divisor / end_divisor`. Momentum is not cycled.
    OneCycle {
        /// Share of the steps before the peak.
        rising_share: f64,
        /// Peak over first rate.
        start_divisor: f64,
        /// First rate over last rate.
        end_divisor: f64,
    },
    /// `peak (1 + decay step)^-power` (`spec/regularisers-and-adaptation.md` part C).
    InverseDecay {
        /// Decay of a step.
        decay: f64,
        /// Exponent.
        power: f64,
    },
    /// From `first` up to the peak by a constant factor over so many steps, as the learning-rate finder sweeps.
    Exponential {
        /// First rate.
        first: f64,
        /// Steps, at least 2; later ones have the peak.
        steps: u64,
    },
    /// The staircase of BiT-HyperRule for a training set of this size; it has its own number of steps.
    BitHyperRule {
        /// Training rows.
        rows: u64,
    },
    /// A straight line up from 0 to the first rate of another schedule, which then has the remaining steps to itself.
    WarmUp {
        /// Steps of the line.
        steps: u64,
        /// What follows.
        then: Box<Schedule>,
    },
}

impl Schedule {
    /// PyTorch's `OneCycleLR` with its defaults.
    #[must_use]
    pub const fn one_cycle() -> Self {
        Self::OneCycle { rising_share: 0.3, start_divisor: 25.0, end_divisor: 1e4 }
    }

    /// This schedule after `steps` steps of linear warm-up.
    #[must_use]
    pub fn after_warm_up(self, steps: u64) -> Self {
        Self::WarmUp { steps, then: Box::new(self) }
    }

    /// The learning rate of step `step`, where the highest is `peak`. Steps past the end have the rate of the end.
    #[must_use]
    pub fn learning_rate(&self, peak: f64, step: u64, length: Length) -> f64 {
        let window = Window { total: length.steps(), steps_per_epoch: length.steps_per_epoch, offset: 0 };
        self.at(peak, step, window)
    }

    fn at(&self, peak: f64, step: u64, window: Window) -> f64 {
        match self {
            Self::Constant => peak,
            Self::Cosine { minimum } => minimum + 0.5 * (peak - minimum) * (1.0 + (PI * window.progress(step)).cos()),
            Self::Triangular { peak_epoch } => peak * triangle(step, peak_epoch * window.per_epoch(), window.total),
            Self::Step { milestones, factor } => {
                let epoch = window.epoch(step);
                milestones.iter().filter(|&&milestone| epoch >= milestone).fold(peak, |rate, _| rate * factor)
            }
            Self::OneCycle { rising_share, start_divisor, end_divisor } => {
                one_cycle::rate(peak, step, window.total, *rising_share, *start_divisor, *end_divisor)
            }
            Self::InverseDecay { decay, power } => peak * (1.0 + decay * step as f64).powf(-power),
            Self::Exponential { first, steps } => {
                let share = (step as f64 / steps.saturating_sub(1).max(1) as f64).min(1.0);
                first * (peak / first).powf(share)
            }
            Self::BitHyperRule { rows } => HyperRule::of(*rows).learning_rate(peak, step),
            Self::WarmUp { steps, then } => {
                let rest = window.after(*steps);
                let line = (step as f64 / *steps as f64).min(1.0);
                if step < *steps { line * then.at(peak, 0, rest) } else { then.at(peak, step - steps, rest) }
            }
        }
    }

    /// Fails for settings that mean nothing, with the reason.
    ///
    /// # Errors
    /// A number out of its range.
    pub fn check(&self, length: Length) -> Result<(), ScheduleError> {
        let within = |setting, value: f64, valid: bool, range| {
            if valid { Ok(()) } else { Err(ScheduleError::Setting { setting, value, range }) }
        };
        match self {
            Self::Constant | Self::BitHyperRule { .. } => Ok(()),
            Self::Cosine { minimum } => within("minimum", *minimum, *minimum >= 0.0, "0 or above"),
            Self::Triangular { peak_epoch } => {
                let valid = *peak_epoch >= 0.0 && *peak_epoch < length.epochs as f64;
                within("peak epoch", *peak_epoch, valid, "from 0 to below the number of epochs")
            }
            Self::Step { factor, .. } => within("factor", *factor, *factor > 0.0 && factor.is_finite(), "above 0"),
            Self::OneCycle { rising_share, start_divisor, end_divisor } => {
                within("rising share", *rising_share, (0.0..=1.0).contains(rising_share), "from 0 to 1")?;
                within("start divisor", *start_divisor, *start_divisor >= 1.0, "1 or above")?;
                within("end divisor", *end_divisor, *end_divisor >= 1.0, "1 or above")
            }
            Self::InverseDecay { decay, power } => {
                within("decay", *decay, *decay >= 0.0 && decay.is_finite(), "0 or above")?;
                within("power", *power, *power >= 0.0 && power.is_finite(), "0 or above")
            }
            Self::Exponential { first, .. } => {
                within("first rate", *first, *first > 0.0 && first.is_finite(), "above 0")
            }
            Self::WarmUp { steps, then } => {
                let valid = *steps < length.steps();
                within("warm-up steps", *steps as f64, valid, "fewer than all steps")?;
                then.check(length)
            }
        }
    }
}

/// The steps that belong to a schedule.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Steps of the schedule.
    total: u64,
    steps_per_epoch: u64,
    /// Steps before its first.
    offset: u64,
}

impl Window {
    const fn after(self, steps: u64) -> Self {
        Self { total: self.total.saturating_sub(steps), offset: self.offset + steps, ..self }
    }

    fn per_epoch(self) -> f64 {
        self.steps_per_epoch as f64
    }

    /// Share of the steps that are done, 0 to 1.
    fn progress(self, step: u64) -> f64 {
        if step >= self.total { 1.0 } else { step as f64 / self.total as f64 }
    }

    /// Epoch of training in which a step of the schedule falls.
    const fn epoch(self, step: u64) -> u64 {
        match (step + self.offset).checked_div(self.steps_per_epoch) {
            Some(epoch) => epoch,
            None => 0,
        }
    }
}

/// Height at `step` of the triangle from (0, 0) over (`peak`, 1) to (`total`, 0).
fn triangle(step: u64, peak: f64, total: u64) -> f64 {
    let (step, total) = (step as f64, total as f64);
    if step >= total {
        0.0
    } else if step < peak {
        step / peak
    } else {
        (total - step) / (total - peak)
    }
}

/// A schedule that means nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// A setting out of its range.
    #[error("the schedule's {setting} is {value}, it must be {range}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it may be.
        range: &'static str,
    },
}

#[cfg(test)]
mod tests;
