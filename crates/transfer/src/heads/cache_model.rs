//! Class prototypes and a cache of the training rows, nothing trained: Tip-Adapter (Zhang, Zhang, Fang, Gao, Li, Dai, Qiao, Li, ECCV
//! 2022, arXiv 2207.09519; `spec/regularisers-and-adaptation.md` section E2) with prototypes in place of its text encoder.
//!
//! With rows `x` and the training rows `x_i` of length 1 and `mu_c` the mean of the rows of class `c`:
//!
//! ```text
//! logit of class c = scale cos(x, mu_c) + weight sum_i exp(-sharpness (1 - cos(x, x_i))) [y_i = c]
//! ```
//!
//! `scale` is the inverse temperature that suits the prototypes' out-of-fold cosines (Tip-Adapter takes the 100 of its backbone), so
//! `weight` is in nats for a training row that equals `x`. `weight` and `sharpness`, the `alpha` and `beta` of the paper, are chosen by
//! out-of-fold log loss, each candidate with the temperature that suits it; the simplest is weight 0, the prototypes alone. A row
//! is predicted by the prototypes and the cache of the folds it is not in. (The released code searches both on the test rows.)

use rayon::prelude::*;

use super::affine::{ABSENT_LOGIT, Affine};
use super::choice::{Setting, choose, settings};
use super::dense::Matrix;
use super::input::{Input, gather_training};
use super::knn::{PIECE, TRAINING_PIECE, for_each_row, unit_rows};
use super::linear::assemble;
use super::ncm::{Metric, Sums};
use super::normalization::Normalization;
use super::temperature::temper;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Settings of `cache-model`.
#[derive(Debug, Clone, PartialEq)]
pub struct CacheModelSettings {
    /// Weights of the cache to choose from; 0 is the prototypes alone.
    pub weights: Vec<f64>,
    /// Sharpnesses of its similarity to choose from.
    pub sharpnesses: Vec<f64>,
    /// Scaling of the features before the cosine is taken.
    pub normalization: Normalization,
}

impl Default for CacheModelSettings {
    fn default() -> Self {
        Self {
            weights: vec![0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0],
            sharpnesses: vec![1.0, 3.0, 5.5, 10.0, 20.0, 50.0, 100.0, 200.0],
            normalization: Normalization::UnitVector,
        }
    }
}

impl CacheModelSettings {
    /// Pairs of weight and sharpness, simplest first; a weight of 0 has one sharpness.
    fn grid(&self) -> Result<Vec<(f64, f64)>, HeadError> {
        let sorted = |setting, values: &[f64], least: &dyn Fn(f64) -> bool, range| {
            if values.is_empty() || !values.iter().all(|value| value.is_finite() && least(*value)) {
                return Err(HeadError::Setting { setting, value: format!("{values:?}"), range });
            }
            let mut sorted = values.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted.dedup();
            Ok(sorted)
        };
        let weights =
            sorted("weights", &self.weights, &|value| value >= 0.0, "one or more numbers from 0 on are needed")?;
        let range = "one or more positive numbers are needed";
        let sharpnesses = sorted("sharpnesses", &self.sharpnesses, &|value| value > 0.0, range)?;
        let of = |weight: f64| {
            let count = if weight == 0.0 { 1 } else { sharpnesses.len() };
            sharpnesses[..count].iter().map(move |sharpness| (weight, *sharpness)).collect::<Vec<_>>()
        };
        Ok(weights.into_iter().flat_map(of).collect())
    }
}

/// Prototypes and cache, with the temperatures in them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cache {
    /// Cosines to the prototypes, on rows of length 1.
    pub prototypes: Affine,
    /// Training rows of length 1; none where the weight is 0.
    pub rows: Matrix,
    /// Class of each.
    pub labels: Vec<u32>,
    /// What a training row that equals the query adds to its class.
    pub weight: f32,
    /// How fast that falls with `1 - cos`.
    pub sharpness: f32,
}

impl Cache {
    /// Logits `[rows, classes]`.
    pub fn logits(&self, queries: &Matrix, classes: usize) -> Vec<f32> {
        let queries = unit_rows(queries);
        let mut logits = self.prototypes.logits(&queries);
        if self.rows.rows > 0 {
            let seen = for_each_row(&queries, &self.rows, PIECE, |_, similarities| {
                affinities(similarities, &self.labels, f64::from(self.sharpness), classes, |_| true)
            });
            for (logit, seen) in logits.iter_mut().zip(seen.iter().flatten()) {
                *logit = (f64::from(*logit) + f64::from(self.weight) * seen) as f32;
            }
        }
        logits
    }
}

/// Fits `cache-model` with weight and sharpness chosen by cross-validation.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &CacheModelSettings,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let grid = settings_of.grid()?;
    let (rows, normalizer) = gather_training(training.features, &inputs, &checked.rows, settings_of.normalization)?;
    let rows = unit_rows(&rows);
    let labels: Vec<u32> = checked.labels.iter().map(|&label| label as u32).collect();
    let mut base = prototype_logits(checked, &rows);
    let scale = temper(&mut base, checked.classes, &checked.labels);
    let mut sharpnesses: Vec<f64> = grid.iter().map(|(_, sharpness)| *sharpness).collect();
    sharpnesses.sort_by(f64::total_cmp);
    sharpnesses.dedup();
    let seen = seen(checked, &rows, &labels, &sharpnesses);
    let (mut candidates, mut temperatures) = (Vec::new(), Vec::new());
    for &(weight, sharpness) in &grid {
        let seen = &seen[sharpnesses.partition_point(|other| *other < sharpness)];
        let mut logits = combined(&base, seen, weight);
        temperatures.push(temper(&mut logits, checked.classes, &checked.labels));
        candidates.push((named(weight, sharpness), logits));
    }
    let choice = choose(checked, candidates);
    let (weight, sharpness) = grid[choice.chosen];
    let temperature = temperatures[choice.chosen];
    let kept = if weight == 0.0 { 0 } else { rows.rows };
    let sums = Sums::of(&rows, &checked.labels, checked.classes);
    let cache = Cache {
        prototypes: sums.rule(Metric::Cosine, 1.0).divided(scale * temperature),
        labels: labels[..kept].to_vec(),
        weight: (weight / temperature) as f32,
        sharpness: sharpness as f32,
        rows: if kept == 0 { Matrix::zeros(0, rows.columns) } else { rows },
    };
    let head = Head::new(Method::CacheModel, checked.classes, inputs, normalizer, Rule::Cache(cache));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

fn named(weight: f64, sharpness: f64) -> std::collections::BTreeMap<String, Setting> {
    let mut named = settings([("weight", Setting::Number(weight))]);
    if weight > 0.0 {
        named.insert("sharpness".to_string(), Setting::Number(sharpness));
    }
    named
}

/// Cosines of each row `[rows, classes]` to the prototypes of the folds it is not in.
fn prototype_logits(checked: &Checked, rows: &Matrix) -> Vec<f32> {
    let classes = checked.classes;
    let folds = (0..checked.fold_count).into_par_iter().map(|fold| {
        let (fitted, held) = checked.split(fold);
        let labels: Vec<usize> = fitted.iter().map(|&position| checked.labels[position]).collect();
        let rule = Sums::of(&rows.select_rows(&fitted), &labels, classes).rule(Metric::Cosine, 1.0);
        let logits = rule.logits(&rows.select_rows(&held));
        (held, vec![logits])
    });
    assemble(checked, 1, &folds.collect::<Vec<_>>()).swap_remove(0)
}

/// For each sharpness, what the cached rows of other folds say of each row, `[rows, classes]`.
fn seen(checked: &Checked, rows: &Matrix, labels: &[u32], sharpnesses: &[f64]) -> Vec<Vec<f64>> {
    let by_row = for_each_row(rows, rows, TRAINING_PIECE, |row, similarities| {
        let other = |position: usize| checked.folds[position] != checked.folds[row];
        let of = |sharpness: &f64| affinities(similarities, labels, *sharpness, checked.classes, other);
        sharpnesses.iter().map(of).collect::<Vec<_>>()
    });
    (0..sharpnesses.len()).map(|at| by_row.iter().flat_map(|row| row[at].iter().copied()).collect()).collect()
}

/// Sum over the rows that take part of `exp(-sharpness (1 - cos))`, by class.
fn affinities(
    similarities: &[f32],
    labels: &[u32],
    sharpness: f64,
    classes: usize,
    takes_part: impl Fn(usize) -> bool,
) -> Vec<f64> {
    let mut sums = vec![0.0; classes];
    for (position, (&similarity, &label)) in similarities.iter().zip(labels).enumerate() {
        if takes_part(position) {
            sums[label as usize] += (-sharpness * (1.0 - f64::from(similarity))).exp();
        }
    }
    sums
}

/// Prototypes and cache together; a class without a prototype stays unknown.
fn combined(prototypes: &[f32], seen: &[f64], weight: f64) -> Vec<f32> {
    let sum = |(&logit, &seen): (&f32, &f64)| match f64::from(logit) {
        absent if absent <= ABSENT_LOGIT => logit,
        logit => (logit + weight * seen) as f32,
    };
    prototypes.iter().zip(seen).map(sum).collect()
}

#[cfg(test)]
mod tests;
