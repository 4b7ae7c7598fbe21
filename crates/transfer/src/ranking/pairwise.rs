//! PARC (Bolya, Mittapalli, Hoffman 2021): whether images of one class lie nearer to each other than images of two.

use super::agreement::{pearson, spearman};
use super::{RankingError, Sample};

/// Rows at most: the score takes all pairs.
pub(super) const MOST: usize = 500;

/// `100 Spearman(1 - Pearson of rows, 1 - Pearson of one-hot rows)` over the first rows, with columns standardised.
pub(super) fn score(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let rows = sample.labels.len().min(MOST);
    let columns = standardised(sample, rows);
    if columns.first().is_none_or(Vec::is_empty) {
        return Err(RankingError::Undefined("all features are equal"));
    }
    let (mut features, mut labels) = (Vec::new(), Vec::new());
    for first in 0..rows {
        for second in first + 1..rows {
            let alike =
                pearson(&columns[first], &columns[second]).ok_or(RankingError::Undefined("a row of equal features"))?;
            features.push(1.0 - alike);
            // 1 - Pearson of two one-hot rows is 0 within a class and C / (C - 1) between two: any two numbers give the same ranks.
            labels.push(f64::from(u8::from(sample.labels[first] != sample.labels[second])));
        }
    }
    spearman(&features, &labels).map(|value| 100.0 * value).ok_or(RankingError::Undefined("one class alone"))
}

/// Rows of standardised columns; constant columns are left out.
fn standardised(sample: &Sample<'_>, rows: usize) -> Vec<Vec<f64>> {
    let mut out = vec![Vec::new(); rows];
    for column in 0..sample.features.ncols() {
        let values: Vec<f64> = (0..rows).map(|row| sample.features[(row, column)]).collect();
        let mean = values.iter().sum::<f64>() / rows as f64;
        let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
        if spread > 1e-12 {
            out.iter_mut().zip(&values).for_each(|(row, value)| row.push((value - mean) / spread));
        }
    }
    out
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
