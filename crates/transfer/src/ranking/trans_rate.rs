//! TransRate (Huang et al. 2022): the rate at which features can be coded, less that within classes.

use heirloom_matrix::{Mat, log_determinant};

use super::decomposition::gram;
use super::shared::Shared;
use super::{RankingError, Sample};

/// How finely is coded.
const DISTORTION: f64 = 1e-4;

/// The score of features scaled to a mean squared row length of 1: the rate depends on their scale.
pub(super) fn score(shared: &Shared<'_>, sample: &Sample<'_>) -> Result<f64, RankingError> {
    let gram = shared.gram();
    let total: f64 = (0..gram.nrows()).map(|at| gram[(at, at)]).sum();
    if total.is_nan() || total <= 0.0 {
        return Err(RankingError::Undefined("all features are equal, or one is not finite"));
    }
    of_centred(shared, sample, sample.labels.len() as f64 / total)
}

/// The score of centred features with their squares scaled; classes are not centred again.
fn of_centred(shared: &Shared<'_>, sample: &Sample<'_>, scale: f64) -> Result<f64, RankingError> {
    let count = sample.labels.len();
    let mut within = Vec::new();
    for class in 0..sample.classes {
        let rows: Vec<usize> = (0..count).filter(|row| sample.labels[*row] == class).collect();
        if !rows.is_empty() {
            within.push(rate(of_rows(shared, &rows), rows.len(), scale)?);
        }
    }
    let all = rate(shared.gram().clone(), count, scale)?;
    Ok(all - within.iter().sum::<f64>() / within.len().max(1) as f64)
}

/// The smaller Gram matrix of some rows, lower triangle; `rows` rise.
fn of_rows(shared: &Shared<'_>, rows: &[usize]) -> Mat<f64> {
    let centred = shared.centred();
    if centred.nrows() <= centred.ncols() {
        // Products of all rows are there already.
        return Mat::from_fn(rows.len(), rows.len(), |row, column| shared.gram()[(rows[row], rows[column])]);
    }
    gram(&Mat::from_fn(rows.len(), centred.ncols(), |row, column| centred[(rows[row], column)]))
}

/// `1/2 ln det(I + Z Z^T / (n e))` from the lower triangle of `Z Z^T` or `Z^T Z`: the determinants are equal.
fn rate(mut gram: Mat<f64>, rows: usize, scale: f64) -> Result<f64, RankingError> {
    let scale = scale / (rows as f64 * DISTORTION);
    for column in 0..gram.ncols() {
        gram.col_as_slice_mut(column).iter_mut().for_each(|value| *value *= scale);
        gram[(column, column)] += 1.0;
    }
    Ok(0.5 * log_determinant(&mut gram).map_err(|_| RankingError::Numerical("the decomposition"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::sample;

    /// Vector TV5.
    #[test]
    fn the_rate_is_that_of_the_vector() {
        let toy = sample();
        let found = of_centred(&Shared::new(&toy.features), &toy.sample(), 1.0).unwrap();
        assert!((found - 2.743_645_464_877).abs() < 1e-8, "{found}");
        let scaled = Mat::from_fn(8, 3, |row, column| 7.0 * toy.features[(row, column)]);
        let of = |features: &Mat<f64>| score(&Shared::new(features), &Sample { features, ..toy.sample() }).unwrap();
        assert!((of(&toy.features) - of(&scaled)).abs() < 1e-9);
    }

    /// From products of columns the rate is that from products of rows.
    #[test]
    fn either_product_gives_the_same() {
        let toy = sample();
        let wide = Mat::from_fn(8, 20, |row, column| toy.features[(row, column % 3)] * (1.0 + column as f64).sqrt());
        let narrow = Mat::from_fn(8, 3, |row, column| {
            let squares: f64 = (column..20).step_by(3).map(|at| 1.0 + at as f64).sum();
            toy.features[(row, column)] * squares.sqrt()
        });
        let of = |features: &Mat<f64>| score(&Shared::new(features), &Sample { features, ..toy.sample() }).unwrap();
        assert!((of(&wide) - of(&narrow)).abs() < 1e-9, "{} {}", of(&wide), of(&narrow));
    }
}
