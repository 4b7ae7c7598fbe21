//! Losses of classification: their mean over a batch and its gradient with respect to the logits.
//!
//! One formula holds all of them. With `p = softmax(z + prior)`, target shares `t` (1 at the label), their smoothed form
//! `s = (1 - e) t + e / C`, and class weights `w`:
//!
//! ```text
//! mean     = sum_i sum_c w_c s_ic (-ln p_ic) / D,      D = sum_i sum_c w_c t_ic
//! gradient = (p_ij sum_c w_c s_ic - w_j s_ij) / D
//! ```
//!
//! For labels this is PyTorch's `cross_entropy` with `weight` and `label_smoothing`, whose mean is weighted; for target shares it
//! is PyTorch's as long as the weights are 1. Labels that may be wrong ([`Targets::Given`]) have the loss of what the model says of them
//! once classes are taken for each other as `C` says (`spec/robustness.md` section 1.2, after Patrini et al. 2017, Hendrycks et al. 2018):
//!
//! ```text
//! sum_i w_y (-ln q_i) / D,   q_i = sum_k C[k, y] p_ik,      gradient = w_y (p_ij - C[j, y] p_ij / q_i) / D
//! ```
//!
//! Sums are in `f64`, in order of rows and classes.
//!
//! ```
//! use heirloom_training::loss::{CrossEntropy, Targets};
//! let loss = CrossEntropy::default().loss(&[0.0, 0.0], 2, Targets::Labels(&[1]))?;
//! assert!((loss.mean - 2.0_f64.ln()).abs() < 1e-12);
//! assert_eq!(loss.gradient, [0.5, -0.5]);
//! # Ok::<(), heirloom_training::loss::LossError>(())
//! ```

mod balance;
mod error;
mod group;
mod mixup;

use serde::{Deserialize, Serialize};

pub use balance::{balanced_class_weights, class_counts, log_prior};
pub use error::LossError;
pub use group::GroupWeights;
pub use mixup::mixed_targets;

/// What the logits should have said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Targets<'t> {
    /// A class for each row.
    Labels(&'t [usize]),
    /// Shares of the classes `[rows, classes]`, each row of sum 1.
    Shares(&'t [f32]),
    /// A label for each row that may be wrong.
    Given {
        /// The labels.
        labels: &'t [usize],
        /// How often each class is given each label, `[classes, classes]`.
        corruption: &'t [f64],
        /// Rows whose label is right.
        trusted: &'t [bool],
    },
}

/// Settings of the cross-entropy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// Share of every target that is spread evenly over all classes (Szegedy et al. 2016), 0 to below 1.
    pub label_smoothing: f64,
    /// A weight for each class; see [`balanced_class_weights`].
    pub class_weights: Option<Vec<f64>>,
    /// Added to the logits of each class in training alone: balanced softmax (Ren et al. 2020); see [`log_prior`].
    pub log_prior: Option<Vec<f64>>,
}

/// A loss over a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Mean over the batch, weighted where classes are.
    pub mean: f64,
    /// Its gradient with respect to the logits `[rows, classes]`.
    pub gradient: Vec<f32>,
}

impl CrossEntropy {
    /// Loss and gradient of logits `[rows, classes]`.
    ///
    /// # Errors
    /// Settings or targets that do not fit the logits, and logits that are no finite numbers ([`LossError::Divergence`]).
    pub fn loss(&self, logits: &[f32], classes: usize, targets: Targets<'_>) -> Result<Loss, LossError> {
        self.check(classes)?;
        check_targets(logits.len(), classes, targets)?;
        if matches!(targets, Targets::Given { .. }) && self.label_smoothing > 0.0 {
            let (setting, range) = ("label smoothing", "0 where labels may be wrong");
            return Err(LossError::Setting { setting, value: self.label_smoothing, range });
        }
        let mut sum = 0.0;
        let mut total = 0.0;
        let mut gradient = Vec::with_capacity(logits.len());
        let zeros = || vec![0.0; classes];
        let mut row = Row { settings: self, logits: zeros(), exponentials: zeros(), target: zeros(), column: None };
        for (index, logits) in logits.chunks_exact(classes).enumerate() {
            row.read(index, logits, targets)?;
            total += row.weight();
            sum += row.loss(&mut gradient);
        }
        if total <= 0.0 {
            return Err(LossError::NoWeight { rows: logits.len() / classes });
        }
        Ok(Loss {
            mean: sum / total,
            gradient: gradient.into_iter().map(|value: f64| (value / total) as f32).collect(),
        })
    }

    fn check(&self, classes: usize) -> Result<(), LossError> {
        let smoothing = self.label_smoothing;
        if classes == 0 || !(0.0..1.0).contains(&smoothing) {
            let (setting, range) =
                if classes == 0 { ("number of classes", "1 or above") } else { ("label smoothing", "0 to below 1") };
            let value = if classes == 0 { 0.0 } else { smoothing };
            return Err(LossError::Setting { setting, value, range });
        }
        let weights = self.class_weights.iter().map(|values| ("class weights", values, true));
        let priors = self.log_prior.iter().map(|values| ("logarithms of the prior", values, false));
        for (what, values, positive) in weights.chain(priors) {
            if values.len() != classes {
                return Err(LossError::Length { what, found: values.len(), expected: classes });
            }
            let invalid = |value: &&f64| !value.is_finite() || (positive && **value < 0.0);
            if let Some(&value) = values.iter().find(invalid) {
                let range = if positive { "numbers of 0 or above" } else { "finite numbers" };
                return Err(LossError::Setting { setting: what, value, range });
            }
        }
        Ok(())
    }
}

fn check_targets(logits: usize, classes: usize, targets: Targets<'_>) -> Result<(), LossError> {
    let (what, found, expected) = match targets {
        Targets::Labels(labels) => ("logits", logits, labels.len() * classes),
        Targets::Shares(shares) => ("target shares", shares.len(), logits),
        Targets::Given { corruption, .. } if corruption.len() != classes * classes => {
            ("shares of the corruption", corruption.len(), classes * classes)
        }
        Targets::Given { labels, trusted, .. } if trusted.len() != labels.len() => {
            ("marks of trusted rows", trusted.len(), labels.len())
        }
        Targets::Given { labels, .. } => ("logits", logits, labels.len() * classes),
    };
    if found != expected || !logits.is_multiple_of(classes) {
        return Err(LossError::Length { what, found, expected });
    }
    if logits == 0 {
        return Err(LossError::NoRows);
    }
    Ok(())
}

/// One row of a batch.
struct Row<'s> {
    settings: &'s CrossEntropy,
    /// Logits with the prior `[classes]`.
    logits: Vec<f64>,
    /// `exp(logit - largest)` `[classes]`.
    exponentials: Vec<f64>,
    /// Target shares `[classes]`.
    target: Vec<f64>,
    /// How often each class is given the row's label, where it may be wrong.
    column: Option<Vec<f64>>,
}

impl Row<'_> {
    fn read(&mut self, row: usize, logits: &[f32], targets: Targets<'_>) -> Result<(), LossError> {
        let classes = logits.len();
        for (class, &value) in logits.iter().enumerate() {
            if !value.is_finite() {
                return Err(LossError::Divergence { row, class, value });
            }
            self.logits[class] = f64::from(value) + self.settings.log_prior.as_ref().map_or(0.0, |prior| prior[class]);
        }
        self.column = None;
        match targets {
            Targets::Labels(labels) => self.read_label(row, labels[row])?,
            Targets::Given { labels, corruption, trusted } => {
                self.read_label(row, labels[row])?;
                if !trusted[row] {
                    self.column = Some(corruption.iter().skip(labels[row]).step_by(classes).copied().collect());
                }
            }
            Targets::Shares(shares) => self.read_shares(row, &shares[row * classes..(row + 1) * classes])?,
        }
        Ok(())
    }

    fn read_label(&mut self, row: usize, label: usize) -> Result<(), LossError> {
        let classes = self.target.len();
        self.target.fill(0.0);
        *self.target.get_mut(label).ok_or(LossError::Label { row, label, classes })? = 1.0;
        Ok(())
    }

    fn read_shares(&mut self, row: usize, shares: &[f32]) -> Result<(), LossError> {
        let sum: f64 = shares.iter().map(|&share| f64::from(share)).sum();
        let valid = shares.iter().all(|&share| share >= 0.0) && (sum - 1.0).abs() <= 1e-4;
        if !valid {
            return Err(LossError::Shares { row, sum });
        }
        self.target.iter_mut().zip(shares).for_each(|(target, &share)| *target = f64::from(share));
        Ok(())
    }

    fn class_weight(&self, class: usize) -> f64 {
        self.settings.class_weights.as_ref().map_or(1.0, |weights| weights[class])
    }

    /// `sum_c w_c t_c`.
    fn weight(&self) -> f64 {
        self.target.iter().enumerate().map(|(class, target)| self.class_weight(class) * target).sum()
    }

    /// `sum_c w_c s_c (-ln p_c)`; its gradient is appended to `gradient`.
    fn loss(&mut self, gradient: &mut Vec<f64>) -> f64 {
        let classes = self.logits.len();
        let smoothing = self.settings.label_smoothing;
        let largest = self.logits.iter().fold(f64::NEG_INFINITY, |largest, &logit| largest.max(logit));
        self.exponentials.iter_mut().zip(&self.logits).for_each(|(out, logit)| *out = (logit - largest).exp());
        let sum: f64 = self.exponentials.iter().sum();
        let log_sum = largest + sum.ln();
        if let Some(column) = &self.column {
            let weight = self.weight();
            let parts = || column.iter().zip(&self.exponentials).map(|(share, exponential)| share * exponential / sum);
            let likely = parts().sum::<f64>().max(f64::MIN_POSITIVE);
            gradient
                .extend(self.exponentials.iter().zip(parts()).map(|(one, part)| weight * (one / sum - part / likely)));
            return -weight * likely.ln();
        }
        let smoothed = |class: usize| {
            self.class_weight(class) * ((1.0 - smoothing) * self.target[class] + smoothing / classes as f64)
        };
        let total: f64 = (0..classes).map(smoothed).sum();
        gradient.extend((0..classes).map(|class| self.exponentials[class] / sum * total - smoothed(class)));
        (0..classes).map(|class| smoothed(class) * (log_sum - self.logits[class])).sum()
    }
}

#[cfg(test)]
mod tests;
