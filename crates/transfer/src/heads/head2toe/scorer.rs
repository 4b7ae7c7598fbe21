//! What a column is worth before any head is fitted on the selection (`spec/head2toe.md` section 3): from a head on all columns, or
//! from the column alone.
//!
//! With `W` the weights of a head on all columns, `h` one normalised column over the training rows, `n_c` the rows of class `c`:
//!
//! ```text
//! group               ||W_j||_2       of the group lasso          standard-deviation   sqrt(mean (h - mean h)^2)
//! l1, l-inf           ||W_j||_1, ||W_j||_inf  of the same         chi2                 sum_c (o_c - e_c)^2 / e_c,
//! layer               ||W_tap||_F     of the same, then group                          o_c = sum of h over c, e_c = n_c mean h
//! l2                  ||W_j||_2       of a ridge-penalised head   anova-f              between over within mean squares
//! random              one draw                                    mutual-information   of the class and the decile of h, in nats
//! extra-trees         by how much cuts at h lower the impurity of the nodes of fifty random trees
//! ```

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::extra_trees;
use super::group_lasso::{Rows, row_norm};
use super::panel::Panel;

/// Columns gathered at a time.
const PIECE: usize = 512;
/// Bins of the mutual information.
const BINS: usize = 10;

/// How columns are ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scorer {
    /// Euclidean norm of a column's weights in the group lasso; the method of the paper.
    #[default]
    Group,
    /// Sum of their absolute values.
    L1,
    /// Euclidean norm of a column's weights in a head with a ridge penalty on all columns.
    L2,
    /// Largest of the absolute values in the group lasso.
    LInf,
    /// Norm of all weights of the column's tap in the group lasso: whole taps, the best first.
    Layer,
    /// By chance, the same in every fold: what any other scorer must beat.
    Random,
    /// Standard deviation of the column.
    StandardDeviation,
    /// Chi-squared statistic of the column's sum per class; a column with negative values is first raised by its least one.
    Chi2,
    /// F statistic of the analysis of variance.
    AnovaF,
    /// Mutual information of class and column, the column cut at its deciles; equal values share a bin.
    MutualInformation,
    /// Importance in a forest of fifty extremely randomised trees, drawn by the settings' seed.
    ExtraTrees,
}

impl Scorer {
    /// Every scorer.
    pub const ALL: [Self; 11] = [
        Self::Group,
        Self::L1,
        Self::L2,
        Self::LInf,
        Self::Layer,
        Self::Random,
        Self::StandardDeviation,
        Self::Chi2,
        Self::AnovaF,
        Self::MutualInformation,
        Self::ExtraTrees,
    ];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::LInf => "l-inf",
            Self::Layer => "layer",
            Self::Random => "random",
            Self::StandardDeviation => "standard-deviation",
            Self::Chi2 => "chi2",
            Self::AnovaF => "anova-f",
            Self::MutualInformation => "mutual-information",
            Self::ExtraTrees => "extra-trees",
        }
    }

    /// Whether the scores come from the group lasso.
    pub(super) const fn reads_group_lasso(self) -> bool {
        matches!(self, Self::Group | Self::L1 | Self::LInf | Self::Layer)
    }

    /// Size of one row of the group lasso's weights.
    pub(super) fn measure(self, row: &[f64]) -> f64 {
        match self {
            Self::L1 => row.iter().map(|weight| weight.abs()).sum(),
            Self::LInf => row.iter().fold(0.0, |largest, weight| largest.max(weight.abs())),
            _ => row_norm(row),
        }
    }
}

/// Scores of all columns that need no head, from the fitted rows.
pub(super) fn scores(scorer: Scorer, panel: &Panel<'_>, rows: &Rows<'_>, seed: u64) -> Vec<f64> {
    if scorer == Scorer::Random {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        return (0..panel.columns()).map(|_| (random.next_u64() >> 11) as f64).collect();
    }
    if scorer == Scorer::ExtraTrees {
        return extra_trees::importances(panel, rows, seed);
    }
    let mut out = vec![0.0; panel.columns()];
    out.par_chunks_mut(PIECE).enumerate().for_each(|(piece, out)| {
        let columns: Vec<usize> = (piece * PIECE..piece * PIECE + out.len()).collect();
        let values = panel.gather(&columns, rows.positions);
        for (column, score) in out.iter_mut().enumerate() {
            let column: Vec<f64> = (0..values.rows).map(|row| f64::from(values.row(row)[column])).collect();
            *score = match scorer {
                Scorer::Chi2 => chi2(&column, rows.labels, rows.classes),
                Scorer::AnovaF => anova_f(&column, rows.labels, rows.classes),
                Scorer::MutualInformation => mutual_information(&column, rows.labels, rows.classes),
                _ => standard_deviation(&column),
            };
        }
    });
    out
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn standard_deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Number of rows of each class, and the sum of `values` over them.
fn class_sums(values: &[f64], labels: &[usize], classes: usize) -> (Vec<f64>, Vec<f64>) {
    let (mut counts, mut sums) = (vec![0.0; classes], vec![0.0; classes]);
    for (&label, value) in labels.iter().zip(values) {
        counts[label] += 1.0;
        sums[label] += value;
    }
    (counts, sums)
}

/// 0 for a column that is 0 throughout.
fn chi2(values: &[f64], labels: &[usize], classes: usize) -> f64 {
    let least = values.iter().copied().fold(0.0, f64::min);
    let raised: Vec<f64> = values.iter().map(|value| value - least).collect();
    let (counts, sums) = class_sums(&raised, labels, classes);
    let mean = mean(&raised);
    let term = |(sum, count): (&f64, &f64)| (sum - count * mean).powi(2) / (count * mean);
    if mean > 0.0 { sums.iter().zip(&counts).map(term).sum() } else { 0.0 }
}

/// Infinite where the classes differ and no class varies.
fn anova_f(values: &[f64], labels: &[usize], classes: usize) -> f64 {
    let (counts, sums) = class_sums(values, labels, classes);
    let mean = mean(values);
    let between: f64 = sums.iter().zip(&counts).map(|(sum, count)| count * (sum / count - mean).powi(2)).sum();
    let within: f64 =
        labels.iter().zip(values).map(|(&label, value)| (value - sums[label] / counts[label]).powi(2)).sum();
    let (above, below) = (between / (classes - 1) as f64, within / (values.len() as f64 - classes as f64).max(1.0));
    if below > 0.0 {
        above / below
    } else if above > 0.0 {
        f64::INFINITY
    } else {
        0.0
    }
}

/// Bin of each value: its share of smaller values, in tenths.
fn deciles(values: &[f64]) -> Vec<usize> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let smaller = |value: f64| sorted.partition_point(|other| *other < value);
    values.iter().map(|&value| smaller(value) * BINS / values.len()).collect()
}

fn mutual_information(values: &[f64], labels: &[usize], classes: usize) -> f64 {
    let count = values.len() as f64;
    let mut joint = vec![0.0_f64; BINS * classes];
    deciles(values).into_iter().zip(labels).for_each(|(bin, label)| joint[bin * classes + label] += 1.0);
    let bins: Vec<f64> = joint.chunks(classes).map(|row| row.iter().sum()).collect();
    let by_class: Vec<f64> = (0..classes).map(|class| joint.iter().skip(class).step_by(classes).sum()).collect();
    let term = |(at, both): (usize, &f64)| match *both {
        0.0 => 0.0,
        both => both / count * (both * count / (bins[at / classes] * by_class[at % classes])).ln(),
    };
    joint.iter().enumerate().map(term).sum()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Reference {
        rows: usize,
        columns: usize,
        classes: usize,
        labels: Vec<usize>,
        chi2: Vec<f64>,
        anova_f: Vec<f64>,
        mutual_information: Vec<f64>,
    }

    /// scikit-learn's `chi2`, `f_classif`, and `mutual_info_classif` of the deciles as discrete features.
    #[test]
    fn statistics_agree_with_scikit_learn() {
        let text = include_str!("../../../tests/data/scorer_reference.json");
        let reference: Reference = serde_json::from_str(text).unwrap();
        let (labels, classes) = (&reference.labels, reference.classes);
        for column in 0..reference.columns {
            // As many zeros as a rectifier leaves, so that values are tied.
            let value = |row: usize| {
                let value = ((row * 37 + column * 101 + row * column * 13) % 211) as f64 / 211.0;
                (value - 0.3).max(0.0)
            };
            let values: Vec<f64> = (0..reference.rows).map(value).collect();
            let cases = [
                (chi2(&values, labels, classes), reference.chi2[column]),
                (anova_f(&values, labels, classes), reference.anova_f[column]),
                (mutual_information(&values, labels, classes), reference.mutual_information[column]),
            ];
            for (found, expected) in cases {
                assert!((found - expected).abs() < 1e-9 * expected.max(1.0), "column {column}: {found} {expected}");
            }
        }
    }

    #[test]
    fn extreme_columns_have_a_score() {
        let labels = [0, 0, 1, 1];
        assert_eq!(anova_f(&[1.0, 1.0, 2.0, 2.0], &labels, 2), f64::INFINITY);
        assert_eq!(anova_f(&[1.0; 4], &labels, 2), 0.0);
        assert_eq!(chi2(&[0.0; 4], &labels, 2), 0.0);
        assert!((chi2(&[-1.0, -1.0, 0.0, 0.0], &labels, 2) - 2.0).abs() < 1e-12);
        assert!((mutual_information(&[0.0, 0.0, 5.0, 7.0], &labels, 2) - 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(mutual_information(&[3.0; 4], &labels, 2), 0.0);
        assert!((standard_deviation(&[1.0, 3.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn rows_are_measured_as_their_scorer_says() {
        let row = [3.0, -4.0];
        let sizes = [Scorer::Group, Scorer::L1, Scorer::LInf].map(|scorer| scorer.measure(&row));
        assert_eq!(sizes, [5.0, 7.0, 4.0]);
    }
}
