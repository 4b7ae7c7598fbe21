//! Linear support vector machines, one class versus the rest, with squared hinge loss; a row goes to the class of the largest
//! margin (Vapnik 1995; one-versus-rest for deep features: DeCAF, Donahue et al. 2014; `spec/easytl.md` section 4.2).
//!
//! The objective of each class, on normalised features `x_i` of `n` rows, with signs `t_i` and a free bias:
//!
//! ```text
//! (1/n) sum_i max(0, 1 - t_i (x_i w + b))^2 + (lambda/2) ||w||^2,      lambda = penalty * m
//! ```
//!
//! `m` is the mean square norm of the centred training rows, so `penalty` is a pure number. scikit-learn's `LinearSVC` and
//! liblinear minimise `C sum_i loss_i + 1/2 (||w||^2 + (b/s)^2)` with `C = 1 / (n lambda)`: there the bias is penalised, less so the
//! larger `s` (`intercept_scaling`) is.
//!
//! Margins are no log-odds. Probabilities are their softmax at a temperature that is fitted on out-of-fold margins, as for every
//! head; the penalty is chosen by the log loss of those probabilities.

use super::affine::{Affine, Centred, centred_path};
use super::choice::{Setting, choose, settings};
use super::dense::Matrix;
use super::hinge;
use super::input::{Input, gather_raw};
use super::linear::{half_decades, normalised, out_of_fold, sorted_penalties};
use super::normalization::Normalization;
use super::temperature::temper;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Duality gap while candidates are compared, as a share of the loss without weights.
const COMPARE_GAP: f64 = 1e-3;
/// Duality gap of the final fit.
const FINAL_GAP: f64 = 1e-6;

/// Settings of `svm`.
#[derive(Debug, Clone, PartialEq)]
pub struct SvmSettings {
    /// Relative penalties to choose from.
    pub penalties: Vec<f64>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for SvmSettings {
    fn default() -> Self {
        Self { penalties: half_decades(1, -9), normalization: Normalization::UnitVector }
    }
}

/// Fits `svm` with the penalty chosen by cross-validation.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &SvmSettings,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let penalties = sorted_penalties(&settings_of.penalties)?;
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let margins = out_of_fold(checked, &raw, &inputs, settings_of.normalization, |rows, labels| {
        machines(rows, labels, checked.classes, &penalties, COMPARE_GAP)
    })?;
    let (mut candidates, mut temperatures) = (Vec::new(), Vec::new());
    for (&penalty, mut margins) in penalties.iter().zip(margins) {
        temperatures.push(temper(&mut margins, checked.classes, &checked.labels));
        candidates.push((settings([("penalty", Setting::Number(penalty))]), margins));
    }
    let choice = choose(checked, candidates);
    let (rows, normalizer) = normalised(&raw, &inputs, settings_of.normalization);
    let penalty = &penalties[choice.chosen..=choice.chosen];
    let rules = machines(rows, &checked.labels, checked.classes, penalty, FINAL_GAP)?;
    let rule = rules.into_iter().next_back().ok_or(HeadError::NoRows)?;
    let rule = rule.divided(temperatures[choice.chosen]);
    let head = Head::new(Method::Svm, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// Rules on normalised `rows` for each penalty, strong to weak, each class to a duality gap.
fn machines(
    rows: Matrix,
    labels: &[usize],
    classes: usize,
    penalties: &[f64],
    gap: f64,
) -> Result<Vec<Affine>, HeadError> {
    centred_path(rows, labels, classes, |design, labels, classes| {
        let path = hinge::path(design, labels, classes, penalties, gap)?;
        Ok(path.into_iter().map(|one| Centred { weights: one.weights, bias: one.bias }).collect())
    })
}

#[cfg(test)]
mod tests;
