//! H-score with a shrunken covariance (Bao et al. 2019; Ibrahim, Ponomareva, Mazumder 2021): how much of the features' spread lies between the
//! classes.

use heirloom_matrix::Mat;

use super::decomposition::{Decomposition, decompose};
use super::{RankingError, Sample, centred};

/// Everything of the features that does not depend on labels.
pub(super) struct Prepared {
    parts: Decomposition,
    shrinkage: f64,
    /// Mean variance of a column.
    spread: f64,
}

/// Decomposes the centred features once.
pub(super) fn prepare(features: &Mat<f64>) -> Result<Prepared, RankingError> {
    let centred = centred(features);
    let (rows, columns) = (centred.nrows() as f64, centred.ncols() as f64);
    let parts = decompose(&centred)?;
    let spread = parts.squared.iter().sum::<f64>() / (rows * columns);
    // Ledoit and Wolf 2004, with E = F^T F / N: d = ||E - e I||^2, b = sum ||f f^T - E||^2 / N^2, both over the number of columns.
    let squares: f64 = parts.squared.iter().map(|value| (value / rows).powi(2)).sum();
    let distance = squares - columns * spread * spread;
    let fourth: f64 =
        (0..centred.nrows()).map(|row| centred.row(row).iter().map(|value| value * value).sum::<f64>().powi(2)).sum();
    let noise = (fourth / rows - squares) / rows;
    let shrinkage = if distance > 0.0 { (noise.min(distance) / distance).clamp(0.0, 1.0) } else { 1.0 };
    Ok(Prepared { parts, shrinkage, spread })
}

/// The share of class means in each principal direction: `q_k = sum over classes of (sum of U_ik over the class)^2 / n_c`.
fn shares(parts: &Decomposition, labels: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0.0; classes];
    labels.iter().for_each(|label| counts[*label] += 1.0);
    let of_column = |column: usize| {
        let mut sums = vec![0.0; classes];
        labels.iter().zip(parts.left.col(column).iter()).for_each(|(label, value)| sums[*label] += value);
        sums.iter().zip(&counts).filter(|(_, count)| **count > 0.0).map(|(sum, count)| sum * sum / count).sum()
    };
    (0..parts.squared.len()).map(of_column).collect()
}

/// Without shrinkage: `C - 1` for any labels once there are no more rows than columns.
#[cfg(test)]
pub(super) fn plain(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let prepared = prepare(sample.features)?;
    Ok(shares(&prepared.parts, sample.labels, sample.classes).iter().sum())
}

/// With the covariance shrunk; divisors of both covariances are `N - 1`.
pub(super) fn shrunk(prepared: &Prepared, sample: &Sample<'_>) -> f64 {
    let rows = sample.labels.len() as f64;
    let (keep, spread) = (1.0 - prepared.shrinkage, prepared.spread);
    let shares = shares(&prepared.parts, sample.labels, sample.classes);
    let term = |(value, share): (&f64, f64)| value * share / (keep * value / rows + prepared.shrinkage * spread);
    keep / (rows - 1.0) * prepared.parts.squared.iter().zip(shares).map(term).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::tests::sample;

    /// Vector TV4.
    #[test]
    fn figures_are_those_of_the_vector() {
        let toy = sample();
        assert!((plain(&toy.sample()).unwrap() - 1.864_766_832_482).abs() < 1e-9);
        let prepared = prepare(&toy.features).unwrap();
        assert!((prepared.shrinkage - 0.439_484_419_548).abs() < 1e-9, "{}", prepared.shrinkage);
        assert!((shrunk(&prepared, &toy.sample()) - 1.317_688_907_703).abs() < 1e-9);
    }
}
