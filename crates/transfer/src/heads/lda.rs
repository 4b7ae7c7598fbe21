//! Linear discriminant analysis with a shrunken covariance: every class is a Gaussian around its own mean, all of them share one
//! covariance (Fisher 1936; the shrinkage by Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
//! matrices"; `spec/easytl.md` section 4.2).
//!
//! With `n` rows of `m` columns in `C` classes, `Z` the rows less their own class's mean, `mu_c` the means, `pi_c = n_c / n`:
//!
//! ```text
//! S   = Z^T Z / (n - C)                       pooled covariance
//! S_l = (1 - l) S + l t I,   t = tr S / m     shrinkage l in (0, 1]
//! score of class c = x S_l^-1 mu_c - mu_c S_l^-1 mu_c / 2 + log pi_c
//! ```
//!
//! With more columns than rows the inverse is taken in the space of the rows (Woodbury), `f = l t`, `k = (1 - l)/(n - C)`:
//!
//! ```text
//! (k Z^T Z + f I)^-1 = (I - Z^T (Z Z^T + (f/k) I)^-1 Z) / f
//! ```
//!
//! Ledoit and Wolf's `l`, with `E = Z^T Z / n` and `e = tr E / m`, is `min(b, d)/d` of `d = ||E - e I||^2` and
//! `b = (sum_i ||z_i||^4 / n - ||E||^2) / n`. It and a grid are candidates; out-of-fold log loss decides, each candidate with the
//! temperature that suits it.
//!
//! scikit-learn's `LinearDiscriminantAnalysis` divides by `n` instead of `n - C`, which rescales the scores but not `log pi_c`. With
//! a given shrinkage its answers are these up to that factor. Its `shrinkage="auto"` is another estimator: one `l` per class, each on
//! columns divided by their standard deviation in that class.

use heirloom_matrix::{Mat, product, solve_positive_definite};

use super::affine::{ABSENT_LOGIT, Affine, Centred, compress};
use super::choice::{Choice, Setting, choose, settings};
use super::dense::{Matrix, smaller_gram, standardise_rows};
use super::input::{Input, gather_raw};
use super::linear::{normalised, out_of_fold};
use super::normalization::Normalization;
use super::temperature::temper;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};

/// Least shrinkage that the formula may give, so that the covariance can be inverted.
const LEAST: f64 = 1e-6;
/// Largest difference of two logits of a row before the temperature; larger ones are scaled down together.
const LARGEST_DIFFERENCE: f64 = 1000.0;

/// How far the covariance is shrunk towards a multiple of the identity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shrinkage {
    /// By the formula of Ledoit and Wolf.
    LedoitWolf,
    /// By this share, above 0 and at most 1.
    Share(f64),
}

/// Settings of `lda`.
#[derive(Debug, Clone, PartialEq)]
pub struct LdaSettings {
    /// Shrinkages to choose from.
    pub shrinkages: Vec<Shrinkage>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for LdaSettings {
    fn default() -> Self {
        let shares = [1.0, 0.7, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003].map(Shrinkage::Share);
        Self {
            shrinkages: [Shrinkage::LedoitWolf].into_iter().chain(shares).collect(),
            normalization: Normalization::UnitVector,
        }
    }
}

impl LdaSettings {
    fn check(&self) -> Result<(), HeadError> {
        let inside = |shrinkage: &Shrinkage| match shrinkage {
            Shrinkage::LedoitWolf => true,
            Shrinkage::Share(share) => *share > 0.0 && *share <= 1.0,
        };
        if self.shrinkages.is_empty() || !self.shrinkages.iter().all(inside) {
            let value = format!("{:?}", self.shrinkages);
            let range = "one or more of ledoit-wolf and shares above 0 and at most 1 are needed";
            return Err(HeadError::Setting { setting: "shrinkages", value, range });
        }
        Ok(())
    }
}

/// Fits `lda` with the shrinkage chosen by cross-validation.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    inputs: Vec<Input>,
    settings_of: &LdaSettings,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    settings_of.check()?;
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let (mut rows, normalizer) = normalised(&raw, &inputs, settings_of.normalization);
    let (local, present) = compress(&checked.labels);
    let (means, norm) = standardise_rows(&mut rows);
    let scatter = Scatter::of(&rows, &local, present.len());
    let shrinkages = strongest_first(&settings_of.shrinkages, &scatter);
    let (choice, scales) = choose_shrinkage(checked, &raw, &inputs, &shrinkages, settings_of.normalization)?;
    let mut model = scatter.solve(shrinkages[choice.chosen].1)?;
    // Before classes without a row are added, whose logit is a fixed number.
    model.weights.iter_mut().chain(&mut model.bias).for_each(|value| *value /= scales[choice.chosen]);
    let rule = Affine::expand(&model, &means, norm, &present, checked.classes);
    let head = Head::new(Method::Lda, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// Candidates with the shares they stand for on all training rows, the largest first.
fn strongest_first(shrinkages: &[Shrinkage], scatter: &Scatter) -> Vec<(Shrinkage, f64)> {
    let mut out: Vec<(Shrinkage, f64)> = shrinkages.iter().map(|&given| (given, scatter.share(given))).collect();
    out.sort_by(|left, right| right.1.total_cmp(&left.1));
    out.dedup();
    out
}

fn named(&(shrinkage, share): &(Shrinkage, f64)) -> std::collections::BTreeMap<String, Setting> {
    let mut named = settings([("shrinkage", Setting::Number(share))]);
    if shrinkage == Shrinkage::LedoitWolf {
        named.insert("estimator".to_string(), Setting::Text("ledoit-wolf".to_string()));
    }
    named
}

/// The choice, and what each candidate's scores are divided by.
fn choose_shrinkage(
    checked: &Checked,
    raw: &Matrix,
    inputs: &[Input],
    shrinkages: &[(Shrinkage, f64)],
    kind: Normalization,
) -> Result<(Choice, Vec<f64>), HeadError> {
    let scores = out_of_fold(checked, raw, inputs, kind, |rows, labels| {
        rules(rows, labels, checked.classes, shrinkages.iter().map(|(shrinkage, _)| *shrinkage))
    })?;
    let (mut candidates, mut scales) = (Vec::new(), Vec::new());
    for (shrinkage, mut scores) in shrinkages.iter().zip(scores) {
        let tamed = tame(&mut scores, checked.classes);
        scales.push(tamed * temper(&mut scores, checked.classes, &checked.labels));
        candidates.push((named(shrinkage), scores));
    }
    Ok((choose(checked, candidates), scales))
}

/// The rule at each shrinkage; its bias is NaN for a class without a row.
fn rules(
    mut rows: Matrix,
    labels: &[usize],
    classes: usize,
    shrinkages: impl Iterator<Item = Shrinkage>,
) -> Result<Vec<Affine>, HeadError> {
    let (local, present) = compress(labels);
    let (means, norm) = standardise_rows(&mut rows);
    let scatter = Scatter::of(&rows, &local, present.len());
    let rules = shrinkages.map(|shrinkage| {
        let model = scatter.solve(scatter.share(shrinkage))?;
        let mut rule = Affine::expand(&model, &means, norm, &present, classes);
        (0..classes).filter(|class| !present.contains(class)).for_each(|class| rule.bias[class] = f32::NAN);
        Ok(rule)
    });
    rules.collect()
}

/// Brings each row's largest score to 0 and all scores down by one factor where they differ by more than
/// [`LARGEST_DIFFERENCE`], so that an absent class stays below every other; returns the factor.
fn tame(scores: &mut [f32], classes: usize) -> f64 {
    let mut widest = 0.0_f64;
    for row in scores.chunks_mut(classes) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        row.iter_mut().for_each(|score| *score -= largest);
        widest =
            row.iter().filter(|score| !score.is_nan()).fold(widest, |widest, &score| widest.max(-f64::from(score)));
    }
    let factor = (widest / LARGEST_DIFFERENCE).max(1.0);
    for score in scores {
        *score = if score.is_nan() { ABSENT_LOGIT as f32 } else { (f64::from(*score) / factor) as f32 };
    }
    factor
}

/// Means and scatter of the classes; everything that does not depend on the shrinkage.
struct Scatter {
    /// Rows less their class's mean, `[rows, columns]`.
    centred: Mat<f64>,
    /// Class means `[columns, classes]`.
    means: Mat<f64>,
    /// Rows of each class as a share.
    priors: Vec<f64>,
    /// The smaller of `Z Z^T` and `Z^T Z`, lower triangle.
    gram: Mat<f64>,
    /// Sum of the squares of all values of `Z`.
    trace: f64,
    /// Sum of the fourth powers of the row norms of `Z`.
    fourth: f64,
}

impl Scatter {
    /// Every class must have a row.
    fn of(rows: &Matrix, labels: &[usize], classes: usize) -> Self {
        let mut counts = vec![0.0_f64; classes];
        let mut means = Mat::zeros(rows.columns, classes);
        for (row, &label) in labels.iter().enumerate() {
            counts[label] += 1.0;
            means.col_mut(label).iter_mut().zip(rows.row(row)).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        for (class, count) in counts.iter().enumerate() {
            means.col_mut(class).iter_mut().for_each(|sum| *sum /= count);
        }
        let centred = Mat::from_fn(rows.rows, rows.columns, |row, column| {
            f64::from(rows.values[row * rows.columns + column]) - means[(column, labels[row])]
        });
        let squares: Vec<f64> =
            (0..rows.rows).map(|row| centred.row(row).iter().map(|value| value * value).sum()).collect();
        Self {
            gram: smaller_gram(&centred),
            centred,
            means,
            priors: counts.iter().map(|count| count / labels.len() as f64).collect(),
            trace: squares.iter().sum(),
            fourth: squares.iter().map(|square| square * square).sum(),
        }
    }

    fn share(&self, shrinkage: Shrinkage) -> f64 {
        match shrinkage {
            Shrinkage::LedoitWolf => self.ledoit_wolf().max(LEAST),
            Shrinkage::Share(share) => share,
        }
    }

    /// The shrinkage of least expected squared error; 1 where the scatter has the shape of the identity.
    fn ledoit_wolf(&self) -> f64 {
        let (rows, columns) = (self.centred.nrows() as f64, self.centred.ncols() as f64);
        let size = self.gram.nrows();
        let entry = |row: usize, column: usize| self.gram[(row, column)].powi(2);
        let below: f64 = (0..size).map(|column| (column + 1..size).map(|row| entry(row, column)).sum::<f64>()).sum();
        let square = (2.0 * below + (0..size).map(|at| entry(at, at)).sum::<f64>()) / (rows * rows);
        let mean = self.trace / (rows * columns);
        let distance = square - columns * mean * mean;
        let error = (self.fourth / rows - square) / rows;
        if distance > 0.0 { (error / distance).clamp(0.0, 1.0) } else { 1.0 }
    }

    /// Weights and bias at a shrinkage.
    fn solve(&self, shrinkage: f64) -> Result<Centred, HeadError> {
        let (rows, columns) = (self.centred.nrows(), self.centred.ncols());
        let freedom = rows.saturating_sub(self.priors.len()).max(1) as f64;
        // Without two different rows in any class there is no covariance: the identity stands in.
        let (kept, floor) = if self.trace > 0.0 {
            ((1.0 - shrinkage) / freedom, shrinkage * self.trace / (freedom * columns as f64))
        } else {
            (0.0, 1.0)
        };
        let weights = if kept == 0.0 {
            Mat::from_fn(columns, self.priors.len(), |column, class| self.means[(column, class)] / floor)
        } else if rows <= columns {
            self.by_rows(kept, floor)?
        } else {
            self.by_columns(kept, floor)?
        };
        let bias = self.priors.iter().enumerate().map(|(class, prior)| {
            let products = weights.col(class).iter().zip(self.means.col(class).iter()).map(|(w, mean)| w * mean);
            prior.ln() - 0.5 * products.sum::<f64>()
        });
        let flat = (0..columns).flat_map(|column| weights.row(column).iter().copied().collect::<Vec<_>>());
        Ok(Centred { weights: flat.collect(), bias: bias.collect() })
    }

    /// `(kept Z^T Z + floor I)^-1 means`.
    fn by_columns(&self, kept: f64, floor: f64) -> Result<Mat<f64>, HeadError> {
        let mut weights = self.means.clone();
        solve(&self.gram, kept, floor, &mut weights)?;
        Ok(weights)
    }

    /// The same through `Z Z^T`.
    fn by_rows(&self, kept: f64, floor: f64) -> Result<Mat<f64>, HeadError> {
        let mut inner = product(self.centred.as_ref(), self.means.as_ref());
        solve(&self.gram, 1.0, floor / kept, &mut inner)?;
        let seen = product(self.centred.transpose(), inner.as_ref());
        Ok(Mat::from_fn(seen.nrows(), seen.ncols(), |row, class| {
            (self.means[(row, class)] - seen[(row, class)]) / floor
        }))
    }
}

/// Replaces `right` by `(factor gram + floor I)^-1 right`.
fn solve(gram: &Mat<f64>, factor: f64, floor: f64, right: &mut Mat<f64>) -> Result<(), HeadError> {
    let size = gram.nrows();
    let mut matrix = gram.clone();
    for column in 0..size {
        matrix.col_mut(column).iter_mut().skip(column).for_each(|value| *value *= factor);
        matrix[(column, column)] += floor;
    }
    let routine = "the Cholesky factorisation";
    solve_positive_definite(&mut matrix, right).map_err(|_| HeadError::Numerical { routine, rows: size, columns: size })
}

#[cfg(test)]
mod tests;
