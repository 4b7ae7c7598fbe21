//! What is known of training rows besides their labels: how much each counts, and how often labels are wrong
//! (`spec/robustness.md` sections 1.2 and 2.2).
//!
//! ```text
//! (1/n) sum_i w_i (-ln q_i),   q_i = p_i[y_i], or sum_k C[k, y_i] p_i[k] for a row whose label may be wrong
//! ```

use heirloom_data::labels::Corruption;

use super::affine::logistic_path_on;
use super::input::gather_raw;
use super::linear::{self, FINAL_TOLERANCE, LinearSettings, normalised};
use super::{Fitted, HeadError, Input, Method, Rule, Training};

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

/// Fits `linear` on rows that count differently, or whose labels may be wrong. The penalty is that which [`super::fit`] chooses on the
/// labels as they are given.
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
    let fitted = linear::fit(training, &checked, inputs.clone(), settings)?;
    let terms = terms(given, &checked.rows, &checked.labels, training)?;
    let penalties = linear::sorted_penalties(&settings.penalties)?;
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let (rows, normalizer) = normalised(&raw, &inputs, settings.normalization);
    let path = &penalties[..=fitted.choice.chosen];
    let rules = logistic_path_on(rows, &checked.labels, checked.classes, path, FINAL_TOLERANCE, Some(&terms))?;
    let rule = rules.into_iter().next_back().ok_or(HeadError::NoRows)?;
    let mut head = super::Head::new(Method::Linear, checked.classes, inputs, normalizer, Rule::Affine(rule));
    head.temperature = fitted.head.temperature;
    Ok(Fitted { head, ..fitted })
}

fn terms(given: Given<'_>, rows: &[usize], labels: &[usize], training: &Training<'_>) -> Result<RowTerms, HeadError> {
    let (count, classes) = (training.features.rows, training.classes);
    let length = |what, found: usize| {
        if found == count { Ok(()) } else { Err(HeadError::Length { what, found, rows: count }) }
    };
    let mut weights = None;
    if let Some(all) = given.weights {
        length("weights", all.len())?;
        let own: Vec<f64> = rows.iter().map(|row| all[*row]).collect();
        let mean = own.iter().sum::<f64>() / own.len() as f64;
        if own.iter().any(|weight| !(*weight >= 0.0 && weight.is_finite())) || mean <= 0.0 {
            let (value, range) = (format!("{own:?}"), "numbers of 0 or above, not all 0, are needed");
            return Err(HeadError::Setting { setting: "weights of rows", value, range });
        }
        weights = Some(own.iter().map(|weight| weight / mean).collect());
    }
    let mut columns = None;
    if let Some((corruption, trusted)) = given.corruption {
        length("marks of trusted rows", trusted.len())?;
        let shares = corruption.shares();
        if shares.len() != classes * classes {
            let value = format!("{} shares", shares.len());
            let range = "a share for each pair of classes is needed";
            return Err(HeadError::Setting { setting: "corruption of labels", value, range });
        }
        let mut present = labels.to_vec();
        present.sort_unstable();
        present.dedup();
        let column = |label: usize| present.iter().map(|class| shares[class * classes + label]).collect::<Vec<f64>>();
        let of = |(row, label): (&usize, &usize)| (!trusted[*row]).then(|| column(*label));
        columns = Some(rows.iter().zip(labels).map(of).collect());
    }
    Ok(RowTerms { weights, columns })
}

#[cfg(test)]
mod tests;
