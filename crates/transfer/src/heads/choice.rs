//! Choosing among candidate settings by out-of-fold log loss, with the one-standard-error rule.
//!
//! Candidates are listed from the simplest (strongest penalty, fewest columns) to the least simple. The best is the one with
//! the lowest out-of-fold log loss; chosen is the first in the list whose loss exceeds it by no more than one standard error
//! of the *paired* difference over folds. Pairing leaves out what both candidates share (hard images cost both), which would
//! otherwise swamp the difference and choose heads that are plainly too simple.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::softmax::{argmax, row_loss};
use super::training::Checked;

/// One value of a candidate's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// A number.
    Number(f64),
    /// A name.
    Text(String),
}

/// A combination of settings and how it did on rows it was not fitted on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Settings by name.
    pub settings: BTreeMap<String, Setting>,
    /// Mean out-of-fold log loss, in nats.
    pub log_loss: f64,
    /// Standard error of `log_loss` minus the best candidate's, paired over folds; 0 for the best itself.
    pub standard_error: f64,
    /// Share of training rows classified correctly out of fold.
    pub accuracy: f64,
}

/// How close to its optimum the scoring head of `head2toe` was brought.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Group penalty as a share of the smallest one at which all weights are zero.
    pub group_penalty: f64,
    /// Group penalty as it enters the objective.
    pub lambda: f64,
    /// Value of the objective, in nats per row.
    pub objective: f64,
    /// Duality gap as a share of the loss without weights: the objective is above its minimum by no more.
    pub relative_gap: f64,
}

/// What was chosen, and the table it was chosen from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Candidates, simplest first.
    pub table: Vec<Candidate>,
    /// Index of the candidate with the lowest log loss.
    pub best: usize,
    /// Index of the candidate that was taken.
    pub chosen: usize,
    /// Certificate of the group lasso, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// What the user should know about the choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Training rows, ascending; the order of `out_of_fold`.
    pub rows: Vec<usize>,
    /// Logits `[rows, classes]` of the chosen candidate for rows that it was not fitted on, before the temperature.
    #[serde(skip)]
    pub out_of_fold: Vec<f32>,
}

impl Choice {
    /// The candidate that was taken.
    #[must_use]
    pub fn taken(&self) -> Option<&Candidate> {
        self.table.get(self.chosen)
    }
}

/// Settings of one candidate, and its out-of-fold logits `[rows, classes]`.
pub(crate) type Named = (BTreeMap<String, Setting>, Vec<f32>);

/// Settings of one candidate.
pub(crate) fn settings<const N: usize>(pairs: [(&str, Setting); N]) -> BTreeMap<String, Setting> {
    pairs.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Builds the table from each candidate's out-of-fold logits `[rows, classes]` and applies the rule.
pub(crate) fn choose(checked: &Checked, candidates: Vec<Named>) -> Choice {
    let losses: Vec<Vec<f64>> = candidates.par_iter().map(|(_, logits)| row_losses(checked, logits)).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len().max(1) as f64;
    let means: Vec<f64> = losses.iter().map(|losses| mean(losses)).collect();
    let best = argmax(&means.iter().map(|mean| -mean).collect::<Vec<_>>());
    let errors: Vec<f64> = losses.iter().map(|losses_of| paired_error(checked, losses_of, &losses[best])).collect();
    let within = |index: &usize| means[*index] - means[best] <= errors[*index];
    let chosen = (0..means.len()).find(within).unwrap_or(best);
    let out_of_fold = candidates.get(chosen).map(|(_, logits)| logits.clone()).unwrap_or_default();
    let table = candidates.into_iter().enumerate().map(|(index, (settings, logits))| Candidate {
        settings,
        log_loss: means[index],
        standard_error: errors[index],
        accuracy: accuracy(checked, &logits),
    });
    Choice {
        table: table.collect(),
        best,
        chosen,
        certificate: None,
        warnings: vec![],
        rows: checked.rows.clone(),
        out_of_fold,
    }
}

fn row_losses(checked: &Checked, logits: &[f32]) -> Vec<f64> {
    let rows = logits.chunks(checked.classes).zip(&checked.labels);
    rows.map(|(row, &label)| row_loss(&row.iter().map(|&logit| f64::from(logit)).collect::<Vec<_>>(), label)).collect()
}

fn accuracy(checked: &Checked, logits: &[f32]) -> f64 {
    let right = logits.chunks(checked.classes).zip(&checked.labels).filter(|(row, label)| argmax(row) == **label);
    right.count() as f64 / checked.labels.len() as f64
}

/// Standard error over folds of the mean difference of two lists of row losses, each fold weighted by its rows.
pub(crate) fn paired_error(checked: &Checked, losses: &[f64], reference: &[f64]) -> f64 {
    let folds = checked.fold_count;
    let (mut sums, mut counts) = (vec![0.0_f64; folds], vec![0.0_f64; folds]);
    for ((&fold, loss), reference) in checked.folds.iter().zip(losses).zip(reference) {
        sums[fold] += loss - reference;
        counts[fold] += 1.0;
    }
    let rows: f64 = counts.iter().sum();
    let mean = sums.iter().sum::<f64>() / rows;
    let spread: f64 = sums.iter().zip(&counts).map(|(sum, count)| (sum - count * mean).powi(2)).sum();
    if folds < 2 { 0.0 } else { (spread * folds as f64 / (folds - 1) as f64).sqrt() / rows }
}
