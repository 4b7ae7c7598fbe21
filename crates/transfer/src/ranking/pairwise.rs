//! PARC (Bolya, Mittapalli, Hoffman 2021): whether images of one class lie nearer to each other than images of two.

use heirloom_matrix::{Mat, add_gram};

use super::agreement::spearman_of_two;
use super::{RankingError, Sample};

/// Rows at most: the score takes all pairs.
pub(super) const MOST: usize = 500;

/// `100 Spearman(1 - Pearson of rows, 1 - Pearson of one-hot rows)` over the first rows, with columns standardised.
pub(super) fn score(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let rows = unit_rows(standardised(sample, sample.labels.len().min(MOST))?)?;
    let count = rows.nrows();
    let mut alike = Mat::zeros(count, count);
    add_gram(&mut alike, rows.as_ref());
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for first in 0..count {
        let (label, others) = (sample.labels[first], &sample.labels[first + 1..count]);
        // 1 - Pearson of two one-hot rows is 0 within a class and C / (C - 1) between two: any two numbers give the same ranks.
        for (alike, other) in alike.col_as_slice(first)[first + 1..].iter().zip(others) {
            if *other == label { &mut within } else { &mut between }.push(1.0 - alike);
        }
    }
    let found = spearman_of_two(&mut within, &mut between).map(|value| 100.0 * value);
    found.ok_or(RankingError::Undefined("one class alone"))
}

/// The first rows with columns standardised, `[rows, columns]`; constant columns are left out.
fn standardised(sample: &Sample<'_>, rows: usize) -> Result<Mat<f64>, RankingError> {
    let moments = |column: usize| {
        let values = &sample.features.col_as_slice(column)[..rows];
        let mean = values.iter().sum::<f64>() / rows as f64;
        let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
        (column, mean, spread)
    };
    let columns: Vec<(usize, f64, f64)> =
        (0..sample.features.ncols()).map(moments).filter(|(_, _, spread)| *spread > 1e-12).collect();
    if columns.is_empty() {
        return Err(RankingError::Undefined("all features are equal"));
    }
    Ok(Mat::from_fn(rows, columns.len(), |row, at| {
        let (column, mean, spread) = columns[at];
        (sample.features[(row, column)] - mean) / spread
    }))
}

/// Rows less their mean, of length 1: their products are Pearson's correlations.
fn unit_rows(mut x: Mat<f64>) -> Result<Mat<f64>, RankingError> {
    let (mut means, mut lengths) = (vec![0.0; x.nrows()], vec![0.0; x.nrows()]);
    for column in 0..x.ncols() {
        means.iter_mut().zip(x.col_as_slice(column)).for_each(|(mean, value)| *mean += value);
    }
    means.iter_mut().for_each(|mean| *mean /= x.ncols() as f64);
    for column in 0..x.ncols() {
        let centred = x.col_as_slice(column).iter().zip(&means).map(|(value, mean)| value - mean);
        lengths.iter_mut().zip(centred).for_each(|(length, value)| *length += value * value);
    }
    if lengths.iter().any(|length| *length <= 0.0) {
        return Err(RankingError::Undefined("a row of equal features"));
    }
    for column in 0..x.ncols() {
        let of_rows = means.iter().zip(&lengths);
        let values = x.col_as_slice_mut(column).iter_mut();
        values.zip(of_rows).for_each(|(value, (mean, length))| *value = (*value - mean) / length.sqrt());
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::sample;

    /// Vector TV7 has 75.051706314311: there, distances of equal labels differ by rounding (0 and 2e-16) and do not tie. Rounded to nine
    /// digits first, the reference gives the value here.
    #[test]
    fn the_correlation_is_that_of_the_vector_with_equal_labels_tied() {
        let found = score(&sample().sample()).unwrap();
        assert!((found - 75.047_877_438_646).abs() < 1e-9, "{found}");
    }
}
