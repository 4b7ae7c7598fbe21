//! LogME (You et al. 2021, 2022): the evidence of Bayesian linear regression of each class on the features, maximised over both precisions.
//!
//! The released program counts `D` directions in one place and the non-zero ones in another, which matters where there are fewer rows than
//! columns; here the non-zero ones are counted in both. Features and targets are centred, which stands for an intercept and takes one row's
//! freedom: counted as free, it would let the noise of as many directions as there are other rows shrink without end.

use super::decomposition::Decomposition;
use super::{RankingError, Sample};

/// Rounds of the fixed point at most, and the relative change of the ratio of precisions that ends them; at its maximum the evidence is flat, so
/// that what is left of the change is squared in it.
const ROUNDS: usize = 200;
const TOLERANCE: f64 = 1e-9;

/// Mean over classes of the largest evidence per free row.
pub(super) fn score(parts: &Decomposition, sample: &Sample<'_>) -> Result<f64, RankingError> {
    let rows = sample.labels.len() as f64;
    let counts = sample.counts();
    let sums = parts.class_sums(sample.labels, sample.classes);
    let of_class = |class: usize| {
        let share = counts[class] as f64 / rows;
        // U^T (t - share) for the class's column t of the one-hot labels.
        let onto = |sums: &Vec<f64>| (sums[class] - share * sums.iter().sum::<f64>()).powi(2);
        let projected: Vec<f64> = sums.iter().map(onto).collect();
        evidence(&parts.squared, &projected, rows * share * (1.0 - share), rows - 1.0)
    };
    let present = (0..sample.classes).filter(|class| counts[*class] > 0);
    let values = present.map(of_class).collect::<Result<Vec<f64>, _>>()?;
    Ok(values.iter().sum::<f64>() / values.len().max(1) as f64)
}

/// The largest evidence of one target, per row: `squared` and `projected` are the squared singular values and the target's squared coordinates in
/// their directions, `length` is the target's squared length.
fn evidence(squared: &[f64], projected: &[f64], length: f64, rows: f64) -> Result<f64, RankingError> {
    // Rows that no direction takes; where there are none, what lies beyond all directions is rounding alone.
    let spare = (rows - squared.len() as f64).max(0.0);
    let beyond = if spare > 0.0 { (length - projected.iter().sum::<f64>()).max(0.0) } else { 0.0 };
    let smallest = squared.iter().copied().fold(f64::INFINITY, f64::min);
    let (mut alpha, mut beta) = (1.0, 1.0);
    let mut fit = Fit::of(squared, projected, beyond, alpha / beta);
    for _ in 0..ROUNDS {
        let before: f64 = alpha / beta;
        if fit.weights <= 0.0 || fit.residual <= 0.0 {
            break;
        }
        (alpha, beta) = (fit.directions / fit.weights, (spare + fit.unused) / fit.residual);
        fit = Fit::of(squared, projected, beyond, alpha / beta);
        // As many directions as rows may leave no noise at all: the ratio goes to 0, and the evidence to its limit there.
        if (alpha / beta - before).abs() <= TOLERANCE * before || alpha / beta <= f64::EPSILON * smallest {
            break;
        }
    }
    let determinant: f64 = squared.iter().map(|value| (alpha + beta * value).ln()).sum();
    let kept = squared.len() as f64;
    let evidence = 0.5 * (kept * alpha.ln() + rows * beta.ln() - determinant)
        - 0.5 * (beta * fit.residual + alpha * fit.weights)
        - 0.5 * rows * std::f64::consts::TAU.ln();
    if evidence.is_finite() { Ok(evidence / rows) } else { Err(RankingError::Undefined("evidence that is not finite")) }
}

/// What the regression at one ratio of precisions gives.
struct Fit {
    /// Effective number of directions.
    directions: f64,
    /// Directions less that number, without the rounding of a difference.
    unused: f64,
    /// Squared length of the weights.
    weights: f64,
    /// Squared length of what is left.
    residual: f64,
}

impl Fit {
    fn of(squared: &[f64], projected: &[f64], beyond: f64, ratio: f64) -> Self {
        let mut fit = Self { directions: 0.0, unused: 0.0, weights: 0.0, residual: beyond };
        for (value, target) in squared.iter().zip(projected) {
            let inverse = 1.0 / (value + ratio);
            // The part that is left is of order 1 however large the ratio becomes.
            let left = ratio * inverse;
            fit.directions += value * inverse;
            fit.unused += left;
            fit.weights += value * target * inverse * inverse;
            fit.residual += target * left * left;
        }
        fit
    }
}

#[cfg(test)]
mod tests {
    use heirloom_matrix::Mat;

    use super::*;
    use crate::ranking::decomposition::decompose;
    use crate::ranking::tests::sample;

    fn raw(features: &Mat<f64>, labels: &[usize]) -> Vec<f64> {
        let parts = decompose(features).unwrap();
        let sums = parts.class_sums(labels, 3);
        let of_class = |class: usize| {
            let projected: Vec<f64> = sums.iter().map(|sums| sums[class].powi(2)).collect();
            let count = labels.iter().filter(|label| **label == class).count() as f64;
            evidence(&parts.squared, &projected, count, labels.len() as f64).unwrap()
        };
        (0..3).map(of_class).collect()
    }

    /// Vector TV1: neither features nor targets are centred there.
    #[test]
    fn evidence_is_that_of_the_vector() {
        let toy = sample();
        let found = raw(&toy.features, &toy.labels);
        for (found, expected) in found.iter().zip([-0.457_410_830_648, -0.510_836_468_079, -0.393_714_769_573]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    /// The same where there are fewer rows than columns, which the released program gets wrong.
    #[test]
    fn fewer_rows_than_columns_are_counted_right() {
        let toy = sample();
        let wide = Mat::from_fn(8, 10, |row, column| {
            let value = toy.features[(row, column % 3)];
            [value, value * value, (2.0 * value).sin(), value.cos()][column / 3]
        });
        let mean = raw(&wide, &toy.labels).iter().sum::<f64>() / 3.0;
        assert!((mean + 0.395_764_467_546).abs() < 1e-8, "{mean}");
    }

    /// As many directions as free rows: the evidence is that of one row less without centring, in the basis of all that sums to 0.
    #[test]
    fn centring_takes_one_row() {
        let toy = sample();
        let wide = Mat::from_fn(8, 10, |row, column| (1.0 + row as f64 * 1.7 + column as f64 * row as f64).sin());
        let centred = crate::ranking::centred(&wide);
        let found = score(&decompose(&centred).unwrap(), &toy.sample()).unwrap();
        // Helmert's rows.
        let basis = Mat::from_fn(7, 8, |row, column| {
            let place = row as f64 + 1.0;
            let scale = (place * (place + 1.0)).sqrt();
            if column <= row {
                1.0 / scale
            } else if column == row + 1 {
                -place / scale
            } else {
                0.0
            }
        });
        let parts = decompose(&heirloom_matrix::product(basis.as_ref(), wide.as_ref())).unwrap();
        let of_class = |class: usize| {
            let target = Mat::from_fn(8, 1, |row, _| f64::from(u8::from(toy.labels[row] == class)));
            let target = heirloom_matrix::product(basis.as_ref(), target.as_ref());
            let onto = heirloom_matrix::product(parts.left.transpose(), target.as_ref());
            let projected: Vec<f64> = onto.col(0).iter().map(|value| value * value).collect();
            evidence(&parts.squared, &projected, target.col(0).iter().map(|value| value * value).sum(), 7.0).unwrap()
        };
        let expected = (0..3).map(of_class).sum::<f64>() / 3.0;
        assert_eq!(parts.squared.len(), 7);
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    /// The precision of the weights grows without end, and the evidence goes to that of noise alone, `(ln b - 1 - ln 2 pi) / 2` with `b` rows over
    /// length.
    #[test]
    fn a_target_that_features_do_not_foretell_has_the_evidence_of_noise() {
        let found = evidence(&[4.0, 1.0], &[1e-3, 1e-4], 1.0, 4.0).unwrap();
        let expected = 0.5 * (4.0_f64.ln() - 1.0 - std::f64::consts::TAU.ln());
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    /// Features that explain every row leave no noise; what remains is the evidence of the weights' precision alone,
    /// `(n ln(n / sum t/s) - sum ln s - n ln 2 pi - n) / 2` over `n` rows.
    #[test]
    fn features_that_explain_every_row_have_a_finite_evidence() {
        let (squared, projected) = ([4.0, 1.0], [1.0, 0.1]);
        let found = evidence(&squared, &projected, 1.1 + 1e-15, 2.0).unwrap();
        let expected = (2.0 / 0.35_f64).ln() - 0.5 * 4.0_f64.ln() - std::f64::consts::TAU.ln() - 1.0;
        assert!((found - 0.5 * expected).abs() < 1e-9, "{found} {}", 0.5 * expected);
    }

    #[test]
    fn the_scale_of_features_does_not_matter() {
        let toy = sample();
        let scaled = Mat::from_fn(8, 3, |row, column| 0.01 * toy.features[(row, column)]);
        let (plain, scaled) = (raw(&toy.features, &toy.labels), raw(&scaled, &toy.labels));
        assert!(plain.iter().zip(&scaled).all(|(a, b)| (a - b).abs() < 1e-8), "{plain:?} {scaled:?}");
    }
}
