//! TransRate (Huang et al. 2022): the rate at which features can be coded, less that within classes.

use heirloom_matrix::{Mat, product, symmetric_eigen};

use super::{RankingError, Sample, centred};

/// How finely is coded.
const DISTORTION: f64 = 1e-4;

/// The score of features scaled to a mean squared row length of 1: the rate depends on their scale.
pub(super) fn score(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let centred = centred(sample.features);
    let rows = centred.nrows().max(1) as f64;
    let total: f64 =
        (0..centred.nrows()).map(|row| centred.row(row).iter().map(|value| value * value).sum::<f64>()).sum();
    if total.is_nan() || total <= 0.0 {
        return Err(RankingError::Undefined("all features are equal, or one is not finite"));
    }
    let scale = (rows / total).sqrt();
    let scaled = Mat::from_fn(centred.nrows(), centred.ncols(), |row, column| scale * centred[(row, column)]);
    of_centred(&scaled, sample.labels, sample.classes)
}

/// The score of centred features as they are; classes are not centred again.
pub(super) fn of_centred(features: &Mat<f64>, labels: &[usize], classes: usize) -> Result<f64, RankingError> {
    let all: Vec<usize> = (0..labels.len()).collect();
    let mut within = Vec::new();
    for class in 0..classes {
        let rows: Vec<usize> = all.iter().copied().filter(|row| labels[*row] == class).collect();
        if !rows.is_empty() {
            within.push(rate(features, &rows)?);
        }
    }
    Ok(rate(features, &all)? - within.iter().sum::<f64>() / within.len().max(1) as f64)
}

/// `1/2 ln det(I + Z Z^T / (n e))`, from the smaller of the two matrices.
fn rate(features: &Mat<f64>, rows: &[usize]) -> Result<f64, RankingError> {
    let part = Mat::from_fn(rows.len(), features.ncols(), |row, column| features[(rows[row], column)]);
    let gram = if part.nrows() <= part.ncols() {
        product(part.as_ref(), part.transpose())
    } else {
        product(part.transpose(), part.as_ref())
    };
    let (values, _) = symmetric_eigen(gram.as_ref()).map_err(|_| RankingError::Numerical("the eigendecomposition"))?;
    let scale = 1.0 / (rows.len() as f64 * DISTORTION);
    Ok(0.5 * values.iter().map(|value| (value.max(0.0) * scale).ln_1p()).sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::sample;

    /// Vector TV5.
    #[test]
    fn the_rate_is_that_of_the_vector() {
        let toy = sample();
        let found = of_centred(&centred(&toy.features), &toy.labels, 3).unwrap();
        assert!((found - 2.743_645_464_877).abs() < 1e-8, "{found}");
        let scaled = Mat::from_fn(8, 3, |row, column| 7.0 * toy.features[(row, column)]);
        let (plain, scaled) = (score(&toy.sample()), score(&Sample { features: &scaled, ..toy.sample() }));
        assert!((plain.unwrap() - scaled.unwrap()).abs() < 1e-9);
    }
}
