//! H-score with a shrunken covariance (Bao et al. 2019; Ibrahim, Ponomareva, Mazumder 2021): how much of the features' spread lies between the
//! classes.

use heirloom_matrix::Mat;

#[cfg(test)]
use super::RankingError;
use super::Sample;
use super::decomposition::Decomposition;

/// How far the covariance is drawn towards equal variances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shrinkage {
    share: f64,
    /// Mean variance of a column.
    spread: f64,
}

impl Shrinkage {
    /// Ledoit and Wolf 2004, with E = F^T F / N: d = ||E - e I||^2, b = sum ||f f^T - E||^2 / N^2, both over the number of columns.
    pub fn of(centred: &Mat<f64>, parts: &Decomposition) -> Self {
        let (rows, columns) = (centred.nrows() as f64, centred.ncols() as f64);
        let spread = parts.squared.iter().sum::<f64>() / (rows * columns);
        let squares: f64 = parts.squared.iter().map(|value| (value / rows).powi(2)).sum();
        let distance = squares - columns * spread * spread;
        let fourth: f64 = squared_lengths(centred).iter().map(|length| length * length).sum();
        let noise = (fourth / rows - squares) / rows;
        let share = if distance > 0.0 { (noise.min(distance) / distance).clamp(0.0, 1.0) } else { 1.0 };
        Self { share, spread }
    }
}

/// Squared length of each row.
fn squared_lengths(x: &Mat<f64>) -> Vec<f64> {
    let mut lengths = vec![0.0; x.nrows()];
    for column in 0..x.ncols() {
        lengths.iter_mut().zip(x.col_as_slice(column)).for_each(|(length, value)| *length += value * value);
    }
    lengths
}

/// The share of class means in each principal direction: `q_k = sum over classes of (sum of U_ik over the class)^2 / n_c`.
fn shares(parts: &Decomposition, sample: &Sample<'_>) -> Vec<f64> {
    let counts = sample.counts();
    let of_direction = |sums: Vec<f64>| {
        sums.iter().zip(&counts).filter(|(_, count)| **count > 0).map(|(sum, count)| sum * sum / *count as f64).sum()
    };
    parts.class_sums(sample.labels, sample.classes).into_iter().map(of_direction).collect()
}

/// Without shrinkage: `C - 1` for any labels once there are no more rows than columns.
#[cfg(test)]
pub(super) fn plain(sample: &Sample<'_>) -> Result<f64, RankingError> {
    let parts = super::decomposition::decompose(&super::centred(sample.features))?;
    Ok(shares(&parts, sample).iter().sum())
}

/// With the covariance shrunk; divisors of both covariances are `N - 1`.
pub(super) fn shrunk(parts: &Decomposition, shrinkage: Shrinkage, sample: &Sample<'_>) -> f64 {
    let rows = sample.labels.len() as f64;
    let (keep, spread) = (1.0 - shrinkage.share, shrinkage.spread);
    let shares = shares(parts, sample);
    let term = |(value, share): (&f64, f64)| value * share / (keep * value / rows + shrinkage.share * spread);
    keep / (rows - 1.0) * parts.squared.iter().zip(shares).map(term).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::shared::Shared;
    use crate::ranking::tests::sample;

    /// Vector TV4.
    #[test]
    fn figures_are_those_of_the_vector() {
        let toy = sample();
        assert!((plain(&toy.sample()).unwrap() - 1.864_766_832_482).abs() < 1e-9);
        let shared = Shared::new(&toy.features);
        let shrinkage = shared.shrinkage().unwrap();
        assert!((shrinkage.share - 0.439_484_419_548).abs() < 1e-9, "{}", shrinkage.share);
        let found = shrunk(shared.parts().unwrap(), shrinkage, &toy.sample());
        assert!((found - 1.317_688_907_703).abs() < 1e-9, "{found}");
    }
}
