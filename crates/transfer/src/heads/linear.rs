//! Multinomial logistic regression on the penultimate features: L-BFGS along a path of penalties, the penalty chosen by
//! cross-validation.
//!
//! The objective, on normalised features `x_i` of `n` rows, with a free bias:
//!
//! ```text
//! (1/n) sum_i -log softmax(x_i W + b)[y_i] + (lambda/2) ||W||^2,      lambda = penalty * m
//! ```
//!
//! `m` is the mean square norm of the centred training rows, so `penalty` is a pure number. In scikit-learn's convention
//! (`C sum_i loss_i + 1/2 ||W||^2`) this is `C = 1 / (n lambda)`. For two classes scikit-learn keeps one weight vector, the
//! difference of the two here; the same optimum has `C = 2 / (n lambda)` there.

use rayon::prelude::*;

use super::affine::{Affine, logistic_path};
use super::choice::{Choice, Setting, choose, settings};
use super::dense::Matrix;
use super::input::{Input, gather_raw, normalise};
use super::normalization::{Normalization, Normalizer};
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Objective tolerance while candidates are compared, in nats per row.
pub(super) const COMPARE_TOLERANCE: f64 = 1e-6;
/// Objective tolerance of the final fit, in nats per row.
pub(super) const FINAL_TOLERANCE: f64 = 1e-10;

/// Settings of `linear`.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearSettings {
    /// Relative penalties to choose from.
    pub penalties: Vec<f64>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for LinearSettings {
    fn default() -> Self {
        Self { penalties: half_decades(0, -12), normalization: Normalization::UnitVector }
    }
}

/// `10^(first/2), 10^((first-1)/2), ..., 10^(last/2)`.
pub(crate) fn half_decades(first: i32, last: i32) -> Vec<f64> {
    (last..=first).rev().map(|half| 10.0_f64.powf(f64::from(half) / 2.0)).collect()
}

/// Positive finite penalties, strong to weak, without repeats.
pub(crate) fn sorted_penalties(penalties: &[f64]) -> Result<Vec<f64>, HeadError> {
    let mut sorted = penalties.to_vec();
    if sorted.is_empty() || sorted.iter().any(|&penalty| !(penalty > 0.0 && penalty.is_finite())) {
        let value = format!("{penalties:?}");
        return Err(HeadError::Setting {
            setting: "penalties",
            value,
            range: "one or more positive numbers are needed",
        });
    }
    sorted.sort_by(|left, right| right.total_cmp(left));
    sorted.dedup();
    Ok(sorted)
}

/// Fits `linear` with the penalty chosen by cross-validation.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &LinearSettings,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let penalties = sorted_penalties(&settings_of.penalties)?;
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let candidates = candidates(checked, &raw, &inputs, settings_of.normalization, &penalties)?;
    let named = penalties.iter().map(|&penalty| settings([("penalty", Setting::Number(penalty))]));
    let choice = choose(checked, named.zip(candidates).collect());
    let path = &penalties[..=choice.chosen];
    let (rule, normalizer) = last_of_path(checked, &raw, &inputs, settings_of.normalization, path)?;
    finish(checked, inputs, normalizer, rule, choice)
}

/// Out-of-fold logits for each penalty (strong to weak).
pub(super) fn candidates(
    checked: &Checked,
    raw: &Matrix,
    inputs: &[Input],
    kind: Normalization,
    penalties: &[f64],
) -> Result<Vec<Vec<f32>>, HeadError> {
    out_of_fold(checked, raw, inputs, kind, |rows, labels| {
        logistic_path(rows, labels, checked.classes, penalties, COMPARE_TOLERANCE)
    })
}

/// The rule of all training rows at the last penalty of a path.
pub(super) fn last_of_path(
    checked: &Checked,
    raw: &Matrix,
    inputs: &[Input],
    kind: Normalization,
    path: &[f64],
) -> Result<(Affine, Normalizer), HeadError> {
    let (rows, normalizer) = normalised(raw, inputs, kind);
    let rules = logistic_path(rows, &checked.labels, checked.classes, path, FINAL_TOLERANCE)?;
    Ok((rules.into_iter().next_back().ok_or(HeadError::NoRows)?, normalizer))
}

fn finish(
    checked: &Checked,
    inputs: Vec<Input>,
    normalizer: Normalizer,
    rule: Affine,
    choice: Choice,
) -> Result<Fitted, HeadError> {
    let head = Head::new(Method::Linear, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

pub(super) fn normalised(raw: &Matrix, inputs: &[Input], kind: Normalization) -> (Matrix, Normalizer) {
    let normalizer = Normalizer::learn(kind, &raw.values, raw.columns);
    let mut rows = raw.clone();
    normalise(&mut rows, inputs, &normalizer);
    (rows, normalizer)
}

/// Logits `[rows, classes]` for each candidate, each row predicted by the rule of the folds it is not in. `path` gives a rule per
/// candidate from normalised rows and their labels.
pub(super) fn out_of_fold(
    checked: &Checked,
    raw: &Matrix,
    inputs: &[Input],
    kind: Normalization,
    path: impl Fn(Matrix, &[usize]) -> Result<Vec<Affine>, HeadError> + Sync,
) -> Result<Vec<Vec<f32>>, HeadError> {
    let one_fold = |fold: usize| -> Result<(Vec<usize>, Vec<Vec<f32>>), HeadError> {
        let (kept, held) = checked.split(fold);
        let (rows, normalizer) = normalised(&raw.select_rows(&kept), inputs, kind);
        let labels: Vec<usize> = kept.iter().map(|&position| checked.labels[position]).collect();
        let path = path(rows, &labels)?;
        let mut rows = raw.select_rows(&held);
        normalise(&mut rows, inputs, &normalizer);
        Ok((held, path.iter().map(|rule| rule.logits(&rows)).collect()))
    };
    let folds: Vec<_> = (0..checked.fold_count).into_par_iter().map(one_fold).collect::<Result<_, _>>()?;
    Ok(assemble(checked, folds.first().map_or(0, |(_, by_candidate)| by_candidate.len()), &folds))
}

/// Puts each fold's logits into the order of the training rows, one matrix per candidate.
pub(crate) fn assemble(checked: &Checked, candidates: usize, folds: &[(Vec<usize>, Vec<Vec<f32>>)]) -> Vec<Vec<f32>> {
    let classes = checked.classes;
    let mut out = vec![vec![0.0; checked.rows.len() * classes]; candidates];
    for (held, by_candidate) in folds {
        for (out, logits) in out.iter_mut().zip(by_candidate) {
            for (&position, row) in held.iter().zip(logits.chunks(classes)) {
                out[position * classes..(position + 1) * classes].copy_from_slice(row);
            }
        }
    }
    out
}
