//! What is known of training rows besides their labels: how much each counts, and how often labels are wrong
//! (`spec/robustness.md` sections 1.2 and 2.2).
//!
//! ```text
//! (1/n) sum_i w_i (-ln q_i),   q_i = p_i[y_i], or sum_k C[k, y_i] p_i[k] for a row whose label may be wrong
//! ```

use heirloom_data::labels::Corruption;

use rayon::prelude::*;

use super::affine::{Affine, logistic_path_on};
use super::dense::Matrix;
use super::input::{gather_raw, normalise};
use super::linear::{self, COMPARE_TOLERANCE, FINAL_TOLERANCE, LinearSettings, normalised};
use super::softmax::{PROBABILITY_FLOOR, softmax_rows};
use super::training::Checked;
use super::{Fitted, Head, HeadError, Input, Method, Normalizer, Rule, Training};

/// Least probability that a label is given, lest its logarithm be infinite.
const LEAST: f64 = 1e-300;

/// What is known of rows besides their labels, one entry for each row of the features.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// How much each counts; all the same where `None`.
    pub weights: Option<&'a [f64]>,
    /// How often each class is given each label, and which rows have a label that is right.
    pub corruption: Option<(&'a Corruption, &'a [bool])>,
}

/// What is known of the rows of a problem, whose classes are those that occur.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowTerms {
    /// Mean 1.
    pub weights: Option<Vec<f64>>,
    /// For each row that may be wrong the column of its label, `[classes]`.
    pub columns: Option<Vec<Option<Vec<f64>>>>,
}

impl RowTerms {
    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights[row])
    }

    fn column(&self, row: usize) -> Option<&[f64]> {
        self.columns.as_ref()?[row].as_deref()
    }

    /// Loss of a row with these probabilities.
    pub fn loss(&self, row: usize, probabilities: &[f64], label: usize) -> f64 {
        let given = match self.column(row) {
            Some(column) => likely(column, probabilities),
            None => probabilities[label],
        };
        -self.weight(row) * given.max(LEAST).ln()
    }

    /// Slope of that by the logits, in the place of the probabilities.
    pub fn residual(&self, row: usize, probabilities: &mut [f64], label: usize) {
        match self.column(row) {
            Some(column) => {
                let sum = likely(column, probabilities).max(LEAST);
                probabilities.iter_mut().zip(column).for_each(|(one, share)| *one -= share * *one / sum);
            }
            None => {
                probabilities[label] = 0.0;
                probabilities[label] = -probabilities.iter().sum::<f64>();
            }
        }
        let weight = self.weight(row);
        probabilities.iter_mut().for_each(|value| *value *= weight);
    }
}

fn likely(column: &[f64], probabilities: &[f64]) -> f64 {
    column.iter().zip(probabilities).map(|(share, probability)| share * probability).sum()
}

/// Fits `linear` on rows that count differently, or whose labels may be wrong. Where labels may be wrong, the penalty is that which gives
/// held-out labels, as they are given, the most probability; else that which [`super::fit`] chooses.
///
/// # Errors
/// As [`super::fit`]; weights that are no positive numbers, a corruption of other classes.
pub fn fit_linear_given(
    training: &Training<'_>,
    inputs: Vec<Input>,
    settings: &LinearSettings,
    given: Given<'_>,
) -> Result<Fitted, HeadError> {
    let checked = training.check()?;
    check(given, &checked, training)?;
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let mut settings = settings.clone();
    if given.corruption.is_some() {
        settings.penalties = vec![penalty(given, &checked, &raw, &inputs, &settings)?];
    }
    let fitted = linear::fit(training, &checked, inputs.clone(), &settings)?;
    if given.weights.is_none() && given.corruption.is_none() {
        return Ok(fitted);
    }
    let penalties = linear::sorted_penalties(&settings.penalties)?;
    let path = &penalties[..=fitted.choice.chosen];
    let all: Vec<usize> = (0..checked.rows.len()).collect();
    let (rules, normalizer) = fit_on(given, &checked, &all, &raw, &inputs, (&settings, path, FINAL_TOLERANCE))?;
    let rule = rules.into_iter().next_back().ok_or(HeadError::NoRows)?;
    let mut head = Head::new(Method::Linear, checked.classes, inputs, normalizer, Rule::Affine(rule));
    head.temperature = fitted.head.temperature;
    Ok(Fitted { head, ..fitted })
}

/// Rules along a path of penalties, strong to weak, on some places among the checked rows.
fn fit_on(
    given: Given<'_>,
    checked: &Checked,
    places: &[usize],
    raw: &Matrix,
    inputs: &[Input],
    (settings, path, tolerance): (&LinearSettings, &[f64], f64),
) -> Result<(Vec<Affine>, Normalizer), HeadError> {
    let labels: Vec<usize> = places.iter().map(|place| checked.labels[*place]).collect();
    let rows: Vec<usize> = places.iter().map(|place| checked.rows[*place]).collect();
    let terms = terms(given, &rows, &labels, checked.classes);
    let (rows, normalizer) = normalised(&raw.select_rows(places), inputs, settings.normalization);
    Ok((logistic_path_on(rows, &labels, checked.classes, path, tolerance, Some(&terms))?, normalizer))
}

/// The penalty, of every second one, under which held-out rows have the least loss; the strongest of equals.
fn penalty(
    given: Given<'_>,
    checked: &Checked,
    raw: &Matrix,
    inputs: &[Input],
    settings: &LinearSettings,
) -> Result<f64, HeadError> {
    checked.needs_folds()?;
    let penalties: Vec<f64> = linear::sorted_penalties(&settings.penalties)?.into_iter().step_by(2).collect();
    let one_fold = |fold: usize| -> Result<Vec<f64>, HeadError> {
        let (kept, held) = checked.split(fold);
        let how = (settings, penalties.as_slice(), COMPARE_TOLERANCE);
        let (rules, normalizer) = fit_on(given, checked, &kept, raw, inputs, how)?;
        let mut rows = raw.select_rows(&held);
        normalise(&mut rows, inputs, &normalizer);
        let all: Vec<usize> = (0..checked.classes).collect();
        let terms = terms_over(
            given,
            &held.iter().map(|place| checked.rows[*place]).collect::<Vec<_>>(),
            &held.iter().map(|place| checked.labels[*place]).collect::<Vec<_>>(),
            &all,
            checked.classes,
        );
        let loss = |rule: &Affine| -> f64 {
            let mut shares: Vec<f64> = rule.logits(&rows).iter().map(|logit| f64::from(*logit)).collect();
            softmax_rows(&mut shares, checked.classes);
            let each = shares.chunks(checked.classes).zip(&held).enumerate();
            // A label that the kept rows lack has no probability: it costs as much as the least that is stored.
            each.map(|(at, (row, place))| terms.loss(at, row, checked.labels[*place]).min(-PROBABILITY_FLOOR.ln()))
                .sum()
        };
        Ok(rules.iter().map(loss).collect())
    };
    let folds: Vec<Vec<f64>> = (0..checked.fold_count).into_par_iter().map(one_fold).collect::<Result<_, _>>()?;
    let loss = |at: usize| folds.iter().map(|losses| losses[at]).sum::<f64>();
    let best = (1..penalties.len()).fold(0, |best, at| if loss(at) < loss(best) { at } else { best });
    penalties.get(best).copied().ok_or(HeadError::NoRows)
}

fn check(given: Given<'_>, checked: &Checked, training: &Training<'_>) -> Result<(), HeadError> {
    let (count, classes) = (training.features.rows, training.classes);
    let length = |what, found: usize| {
        if found == count { Ok(()) } else { Err(HeadError::Length { what, found, rows: count }) }
    };
    if let Some(all) = given.weights {
        length("weights", all.len())?;
        let wrong = checked.rows.iter().map(|row| all[*row]).find(|weight| !(*weight > 0.0 && weight.is_finite()));
        if let Some(weight) = wrong {
            let (value, range) = (weight.to_string(), "positive numbers are needed");
            return Err(HeadError::Setting { setting: "weights of rows", value, range });
        }
    }
    if let Some((corruption, trusted)) = given.corruption {
        length("marks of trusted rows", trusted.len())?;
        if corruption.shares().len() != classes * classes {
            let value = format!("{} shares", corruption.shares().len());
            let range = "a share for each pair of classes is needed";
            return Err(HeadError::Setting { setting: "corruption of labels", value, range });
        }
    }
    Ok(())
}

/// What is known of rows whose labels make up the classes of the problem.
fn terms(given: Given<'_>, rows: &[usize], labels: &[usize], classes: usize) -> RowTerms {
    let mut present = labels.to_vec();
    present.sort_unstable();
    present.dedup();
    terms_over(given, rows, labels, &present, classes)
}

fn terms_over(given: Given<'_>, rows: &[usize], labels: &[usize], present: &[usize], classes: usize) -> RowTerms {
    let weights = given.weights.map(|all| {
        let own: Vec<f64> = rows.iter().map(|row| all[*row]).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        own.iter().map(|weight| weight / mean).collect()
    });
    let columns = given.corruption.map(|(corruption, trusted)| {
        let share = |class: usize, label: usize| corruption.shares()[class * classes + label];
        let column = |label: usize| present.iter().map(|class| share(*class, label)).collect::<Vec<f64>>();
        rows.iter().zip(labels).map(|(row, label)| (!trusted[*row]).then(|| column(*label))).collect()
    });
    RowTerms { weights, columns }
}

#[cfg(test)]
mod tests;
