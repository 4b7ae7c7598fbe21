//! N-LEEP (Li et al. 2021): LEEP with the components of a mixture of normal distributions in place of the source's classes, so that it needs no
//! classifier. Components have diagonal covariances: with few rows full ones cannot be estimated.

use heirloom_data::augment::{Draws, Key};
use heirloom_matrix::Mat;

use super::conditional::leep_of;
use super::decomposition::decompose;
use super::{RankingError, Sample, centred};

/// Components for each class, and rows of each class that it takes for them.
const COMPONENTS: usize = 5;
const ROWS: usize = 25;
/// Share of the variance that is kept, and directions at most.
const SHARE: f64 = 0.8;
const DIRECTIONS: usize = 128;
/// Rounds of expectation and maximisation, and the change of the likelihood per row that ends them.
const ROUNDS: usize = 60;
const TOLERANCE: f64 = 1e-5;
/// Least variance of a column within a component, as a share of its variance over all rows.
const FLOOR: f64 = 1e-3;

pub(super) fn score(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let (rows, classes) = (sample.labels.len(), sample.classes);
    if rows < ROWS * classes {
        let reason =
            format!("a mixture of {COMPONENTS} components for each of {classes} classes takes {}", ROWS * classes);
        return Err(RankingError::TooFew { rows, reason });
    }
    let reduced = decompose(&centred(sample.features))?.principal(SHARE, DIRECTIONS);
    leep_of(&responsibilities(&reduced, COMPONENTS * classes, sample.seed), sample.labels, classes)
}

/// The share of every component in every row.
fn responsibilities(x: &Mat<f64>, components: usize, seed: u64) -> Mat<f64> {
    let mut mixture = Mixture::begin(x, components, seed);
    let mut before = f64::NEG_INFINITY;
    loop {
        let (soft, likelihood) = mixture.shares(x);
        mixture.rounds += 1;
        if mixture.rounds >= ROUNDS || (likelihood - before).abs() < TOLERANCE {
            return soft;
        }
        before = likelihood;
        mixture.maximise(x, &soft);
    }
}

struct Mixture {
    weights: Vec<f64>,
    /// `[components, columns]`.
    means: Mat<f64>,
    variances: Mat<f64>,
    floor: Vec<f64>,
    rounds: usize,
}

impl Mixture {
    /// Means at rows that lie far from each other (k-means++, Arthur and Vassilvitskii 2007), variances of all rows.
    fn begin(x: &Mat<f64>, components: usize, seed: u64) -> Self {
        let (rows, columns) = (x.nrows(), x.ncols());
        let mut draws = Draws::of_image(Key { seed, epoch: 4, row: rows });
        let spread: Vec<f64> =
            (0..columns).map(|column| x.col(column).iter().map(|v| v * v).sum::<f64>() / rows as f64).collect();
        let distance = |row: usize, to: usize| -> f64 {
            (0..columns).map(|column| (x[(row, column)] - x[(to, column)]).powi(2)).sum()
        };
        let mut chosen = vec![draws.below(rows)];
        let mut nearest: Vec<f64> = (0..rows).map(|row| distance(row, chosen[0])).collect();
        while chosen.len() < components {
            let mut left = draws.unit() * nearest.iter().sum::<f64>();
            let next = nearest.iter().position(|value| {
                left -= value;
                left < 0.0
            });
            let next = next.unwrap_or_else(|| draws.below(rows));
            chosen.push(next);
            nearest.iter_mut().enumerate().for_each(|(row, value)| *value = value.min(distance(row, next)));
        }
        Self {
            weights: vec![1.0 / components as f64; components],
            means: Mat::from_fn(components, columns, |component, column| x[(chosen[component], column)]),
            variances: Mat::from_fn(components, columns, |_, column| spread[column].max(f64::MIN_POSITIVE)),
            floor: spread.iter().map(|value| (FLOOR * value).max(f64::MIN_POSITIVE)).collect(),
            rounds: 0,
        }
    }

    /// Shares of the components, and the mean logarithm of the likelihood.
    fn shares(&self, x: &Mat<f64>) -> (Mat<f64>, f64) {
        let (rows, columns, components) = (x.nrows(), x.ncols(), self.weights.len());
        let constant = |component: usize| {
            let logarithms: f64 = (0..columns).map(|column| self.variances[(component, column)].ln()).sum();
            self.weights[component].max(f64::MIN_POSITIVE).ln()
                - 0.5 * (logarithms + columns as f64 * std::f64::consts::TAU.ln())
        };
        let constants: Vec<f64> = (0..components).map(constant).collect();
        let mut soft = Mat::zeros(rows, components);
        let mut likelihood = 0.0;
        for row in 0..rows {
            let density = |component: usize| {
                let distance: f64 = (0..columns)
                    .map(|column| {
                        (x[(row, column)] - self.means[(component, column)]).powi(2)
                            / self.variances[(component, column)]
                    })
                    .sum();
                constants[component] - 0.5 * distance
            };
            let densities: Vec<f64> = (0..components).map(density).collect();
            let largest = densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = densities.iter().map(|value| (value - largest).exp()).sum();
            likelihood += largest + sum.ln();
            for (component, value) in densities.iter().enumerate() {
                soft[(row, component)] = (value - largest).exp() / sum;
            }
        }
        (soft, likelihood / rows.max(1) as f64)
    }

    fn maximise(&mut self, x: &Mat<f64>, soft: &Mat<f64>) {
        let rows = x.nrows();
        for component in 0..self.weights.len() {
            let share: f64 = soft.col(component).iter().sum();
            self.weights[component] = share / rows.max(1) as f64;
            if share < f64::EPSILON {
                // An empty component stays where it is.
                continue;
            }
            for column in 0..x.ncols() {
                let weighted = |value: &dyn Fn(f64) -> f64| {
                    (0..rows).map(|row| soft[(row, component)] * value(x[(row, column)])).sum::<f64>() / share
                };
                let mean = weighted(&|value| value);
                self.means[(component, column)] = mean;
                self.variances[(component, column)] = weighted(&|value| (value - mean).powi(2)).max(self.floor[column]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector TV10: LEEP of given shares of components.
    #[test]
    fn shares_of_components_give_the_score_of_the_vector() {
        let soft = [
            [0.9, 0.1, 0.0, 0.0],
            [0.8, 0.2, 0.0, 0.0],
            [0.95, 0.05, 0.0, 0.0],
            [0.1, 0.8, 0.1, 0.0],
            [0.0, 0.9, 0.1, 0.0],
            [0.0, 0.7, 0.2, 0.1],
            [0.0, 0.0, 0.1, 0.9],
            [0.05, 0.05, 0.3, 0.6],
        ];
        let soft = Mat::from_fn(8, 4, |row, column| soft[row][column]);
        let found = leep_of(&soft, &[0, 0, 0, 1, 1, 1, 2, 2], 3).unwrap();
        assert!((found + 0.223_295_506_596).abs() < 1e-9, "{found}");
    }

    #[test]
    fn well_separated_classes_score_near_the_best_and_labels_at_random_do_not() {
        let mut draws = Draws::of_image(Key { seed: 3, epoch: 0, row: 0 });
        let features =
            Mat::from_fn(120, 6, |row, column| draws.normal() * 0.3 + if column == row % 2 { 4.0 } else { 0.0 });
        let labels: Vec<usize> = (0..120).map(|row| row % 2).collect();
        let sample = Sample { features: &features, labels: &labels, classes: 2, source: None, seed: 0 };
        let found = score(&sample).unwrap();
        assert!(found <= 0.0 && found > -0.05, "{found}");
        assert_eq!(found, score(&sample).unwrap(), "a seed fixes it");
        let mixed: Vec<usize> = (0..120).map(|row| row / 7 % 2).collect();
        assert!(score(&Sample { labels: &mixed, ..sample }).unwrap() < -0.4);
        assert!(matches!(score(&Sample { classes: 5, ..sample }), Err(RankingError::TooFew { rows: 120, .. })));
    }
}
