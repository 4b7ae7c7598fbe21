//! N-LEEP (Li et al. 2021): LEEP with the components of a mixture of normal distributions in place of the source's classes, so that it needs no
//! classifier. Components have diagonal covariances: with few rows full ones cannot be estimated.

use heirloom_data::augment::{Draws, Key};
use heirloom_matrix::{Mat, product};

use super::conditional::leep_of;
use super::shared::Shared;
use super::{RankingError, Sample};

/// Components for each class, and rows of each class that it takes for them.
const COMPONENTS: usize = 5;
const ROWS: usize = 25;
/// Share of the variance that is kept, and directions at most.
const SHARE: f64 = 0.8;
const DIRECTIONS: usize = 128;
/// Rounds of expectation and maximisation, and the change of the likelihood per row that ends them, as in the published program.
const ROUNDS: usize = 100;
const TOLERANCE: f64 = 1e-3;
/// Logarithm of a share below which it is 0.
const UNDERFLOW: f64 = -700.0;
/// Least variance of a column within a component, as a share of its variance over all rows.
const FLOOR: f64 = 1e-3;

pub(super) fn score(shared: &Shared<'_>, sample: &Sample<'_>) -> Result<f64, RankingError> {
    let (rows, classes) = (sample.labels.len(), sample.classes);
    if rows < ROWS * classes {
        let reason =
            format!("a mixture of {COMPONENTS} components for each of {classes} classes takes {}", ROWS * classes);
        return Err(RankingError::TooFew { rows, reason });
    }
    let reduced = shared.parts()?.principal(SHARE, DIRECTIONS);
    let soft = responsibilities(&reduced, COMPONENTS * classes, sample.seed);
    let of_row = |row: usize| (0..soft.ncols()).map(move |component| (row, component));
    let by_row: Vec<f64> = (0..rows).flat_map(of_row).map(|place| soft[place]).collect();
    leep_of(&by_row, COMPONENTS * classes, sample.labels, classes)
}

/// The share of every component in every row.
fn responsibilities(x: &Mat<f64>, components: usize, seed: u64) -> Mat<f64> {
    let mut mixture = Mixture::begin(x, components, seed);
    let squares = Mat::from_fn(x.nrows(), x.ncols(), |row, column| x[(row, column)] * x[(row, column)]);
    let (mut soft, mut before) = mixture.shares(x, &squares);
    for _ in 1..ROUNDS {
        mixture.maximise(x, &squares, &soft);
        let (next, likelihood) = mixture.shares(x, &squares);
        soft = next;
        if (likelihood - before).abs() < TOLERANCE {
            break;
        }
        before = likelihood;
    }
    soft
}

struct Mixture {
    weights: Vec<f64>,
    /// `[components, columns]`.
    means: Mat<f64>,
    variances: Mat<f64>,
    floor: Vec<f64>,
}

impl Mixture {
    /// Means at rows that lie far from each other (k-means++, Arthur and Vassilvitskii 2007), variances of all rows.
    fn begin(x: &Mat<f64>, components: usize, seed: u64) -> Self {
        let (rows, columns) = (x.nrows(), x.ncols());
        let mut draws = Draws::of_image(Key { seed, epoch: 4, row: rows });
        let spread: Vec<f64> =
            (0..columns).map(|column| x.col(column).iter().map(|v| v * v).sum::<f64>() / rows as f64).collect();
        let mut chosen = vec![draws.below(rows)];
        let mut nearest = distances(x, chosen[0]);
        while chosen.len() < components {
            let mut left = draws.unit() * nearest.iter().sum::<f64>();
            let next = nearest.iter().position(|value| {
                left -= value;
                left < 0.0
            });
            let next = next.unwrap_or_else(|| draws.below(rows));
            chosen.push(next);
            nearest.iter_mut().zip(distances(x, next)).for_each(|(value, other)| *value = value.min(other));
        }
        Self {
            weights: vec![1.0 / components as f64; components],
            means: Mat::from_fn(components, columns, |component, column| x[(chosen[component], column)]),
            variances: Mat::from_fn(components, columns, |_, column| spread[column].max(f64::MIN_POSITIVE)),
            floor: spread.iter().map(|value| (FLOOR * value).max(f64::MIN_POSITIVE)).collect(),
        }
    }

    /// Shares of the components, and the mean logarithm of the likelihood.
    fn shares(&self, x: &Mat<f64>, squares: &Mat<f64>) -> (Mat<f64>, f64) {
        let mut soft = self.densities(x, squares);
        let (rows, components) = (soft.nrows(), soft.ncols());
        // Component by component: a column is in one piece.
        let mut largest = vec![f64::NEG_INFINITY; rows];
        for component in 0..components {
            let values = soft.col_as_slice(component);
            largest.iter_mut().zip(values).for_each(|(largest, value)| *largest = largest.max(*value));
        }
        let mut sums = vec![0.0; rows];
        for component in 0..components {
            let values = soft.col_as_slice_mut(component).iter_mut().zip(&largest);
            sums.iter_mut().zip(values).for_each(|(sum, (value, largest))| {
                let below = *value - largest;
                // An exponential that underflows takes long and weighs nothing.
                *value = if below > UNDERFLOW { below.exp() } else { 0.0 };
                *sum += *value;
            });
        }
        for component in 0..components {
            soft.col_as_slice_mut(component).iter_mut().zip(&sums).for_each(|(value, sum)| *value /= sum);
        }
        let likelihood = largest.iter().zip(&sums).map(|(largest, sum)| largest + sum.ln()).sum::<f64>();
        (soft, likelihood / rows.max(1) as f64)
    }

    /// Logarithms of weight times density, `[rows, components]`. Distances are taken apart, `x^2 / v - 2 x m / v + m^2 / v`, so that they are
    /// products of matrices.
    fn densities(&self, x: &Mat<f64>, squares: &Mat<f64>) -> Mat<f64> {
        let (columns, components) = (x.ncols(), self.weights.len());
        let of = |factor: &dyn Fn(f64) -> f64| {
            Mat::from_fn(columns, components, |column, component| {
                factor(self.means[(component, column)]) / self.variances[(component, column)]
            })
        };
        let mut out = product(squares.as_ref(), of(&|_| -0.5).as_ref());
        let linear = product(x.as_ref(), of(&|mean| mean).as_ref());
        for component in 0..components {
            let of_column = |column: usize| {
                let (mean, variance) = (self.means[(component, column)], self.variances[(component, column)]);
                mean * mean / variance + (std::f64::consts::TAU * variance).ln()
            };
            let constant =
                self.weights[component].max(f64::MIN_POSITIVE).ln() - 0.5 * (0..columns).map(of_column).sum::<f64>();
            let added = linear.col_as_slice(component).iter().map(|value| value + constant);
            out.col_as_slice_mut(component).iter_mut().zip(added).for_each(|(value, added)| *value += added);
        }
        out
    }

    fn maximise(&mut self, x: &Mat<f64>, squares: &Mat<f64>, soft: &Mat<f64>) {
        let [first, second] = [x, squares].map(|values| product(soft.transpose(), values.as_ref()));
        for component in 0..self.weights.len() {
            let share: f64 = soft.col_as_slice(component).iter().sum();
            self.weights[component] = share / x.nrows().max(1) as f64;
            if share < f64::EPSILON {
                // An empty component stays where it is.
                continue;
            }
            for column in 0..x.ncols() {
                let mean = first[(component, column)] / share;
                self.means[(component, column)] = mean;
                let variance = second[(component, column)] / share - mean * mean;
                self.variances[(component, column)] = variance.max(self.floor[column]);
            }
        }
    }
}

/// Squared distance of every row to one of them.
fn distances(x: &Mat<f64>, to: usize) -> Vec<f64> {
    let mut out = vec![0.0; x.nrows()];
    for column in 0..x.ncols() {
        let values = x.col_as_slice(column);
        out.iter_mut().zip(values).for_each(|(sum, value)| *sum += (value - values[to]).powi(2));
    }
    out
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
        let found = leep_of(soft.as_flattened(), 4, &[0, 0, 0, 1, 1, 1, 2, 2], 3).unwrap();
        assert!((found + 0.223_295_506_596).abs() < 1e-9, "{found}");
    }

    #[test]
    fn well_separated_classes_score_near_the_best_and_labels_at_random_do_not() {
        let mut draws = Draws::of_image(Key { seed: 3, epoch: 0, row: 0 });
        let features =
            Mat::from_fn(120, 6, |row, column| draws.normal() * 0.3 + if column == row % 2 { 4.0 } else { 0.0 });
        let labels: Vec<usize> = (0..120).map(|row| row % 2).collect();
        let sample =
            Sample { features: &features, labels: &labels, classes: 2, source: Err(&RankingError::NoSource), seed: 0 };
        let shared = Shared::new(&features);
        let found = score(&shared, &sample).unwrap();
        assert!(found <= 0.0 && found > -0.05, "{found}");
        assert_eq!(found, score(&shared, &sample).unwrap(), "a seed fixes it");
        let mixed: Vec<usize> = (0..120).map(|row| row / 7 % 2).collect();
        assert!(score(&shared, &Sample { labels: &mixed, ..sample }).unwrap() < -0.4);
        assert!(matches!(
            score(&shared, &Sample { classes: 5, ..sample }),
            Err(RankingError::TooFew { rows: 120, .. })
        ));
    }
}
