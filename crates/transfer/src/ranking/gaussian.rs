//! GBC (Pandy et al. 2022): how little the classes overlap, each taken for a normal distribution with a diagonal covariance.

use heirloom_matrix::Mat;

use super::shared::Shared;
use super::{RankingError, Sample};

/// Least variance of a column within a class.
const FLOOR: f64 = 1e-4;
/// Principal directions that are kept.
const DIRECTIONS: usize = 64;

/// `-sum over pairs of classes of exp(-Bhattacharyya distance)` on the first principal directions.
pub(super) fn score(shared: &Shared<'_>, sample: &Sample<'_>) -> Result<f64, RankingError> {
    let counts = sample.counts();
    if let Some(few) = counts.iter().filter(|count| **count > 0).min().filter(|few| **few < 2) {
        let reason = "a class of one row has no variance".to_owned();
        return Err(RankingError::TooFew { rows: *few, reason });
    }
    Ok(overlap(&shared.parts()?.principal(1.0, DIRECTIONS), sample.labels, sample.classes))
}

/// The same on features as they are.
pub(super) fn overlap(features: &Mat<f64>, labels: &[usize], classes: usize) -> f64 {
    let moments: Vec<(Vec<f64>, Vec<f64>)> =
        (0..classes).filter_map(|class| of_class(features, labels, class)).collect();
    let mut sum = 0.0;
    for (first, (mean, variance)) in moments.iter().enumerate() {
        for (other_mean, other) in &moments[first + 1..] {
            let mut distance = 0.0;
            for column in 0..mean.len() {
                let middle = 0.5 * (variance[column] + other[column]);
                distance += (mean[column] - other_mean[column]).powi(2) / (8.0 * middle);
                distance += 0.5 * (middle / (variance[column] * other[column]).sqrt()).ln();
            }
            sum += 2.0 * (-distance).exp();
        }
    }
    -sum
}

fn of_class(features: &Mat<f64>, labels: &[usize], class: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let rows: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
    let count = rows.len() as f64;
    let mean = |column: usize| rows.iter().map(|row| features[(*row, column)]).sum::<f64>() / count;
    let means: Vec<f64> = (0..features.ncols()).map(mean).collect();
    let variance = |column: usize| {
        let squares: f64 = rows.iter().map(|row| (features[(*row, column)] - means[column]).powi(2)).sum();
        (squares / count).max(FLOOR)
    };
    let variances = (0..features.ncols()).map(variance).collect();
    (!rows.is_empty()).then_some((means, variances))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::sample;

    /// Vector TV6.
    #[test]
    fn the_overlap_is_that_of_the_vector() {
        let toy = sample();
        let found = overlap(&toy.features, &toy.labels, 3);
        assert!((found + 0.001_772_796_332).abs() < 1e-11, "{found}");
    }
}
