//! Rank correlation over targets, with an interval that resamples targets and what was measured on each.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::compare::bootstrap::middle;

/// Spearman's rank correlation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Correlation {
    /// Targets.
    pub n: usize,
    /// The correlation, -1 to 1.
    pub value: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A quantity of one target: its estimate, and its value in every resample of the target's images and draws.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    pub value: f64,
    pub resampled: Vec<f64>,
}

/// The correlation of two quantities over targets; `None` for fewer than three or where one never varies.
pub(super) fn correlation(pairs: &[(Measured, Measured)], seed: u64) -> Option<Correlation> {
    let count = pairs.len();
    let values: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (x.value, y.value)).collect();
    let value = spearman(&values).filter(|_| count > 2)?;
    let replicates = pairs.iter().map(|(x, y)| x.resampled.len().min(y.resampled.len())).min()?;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let resampled = (0..replicates).filter_map(|replicate| {
        let drawn = (0..count).map(|_| {
            let (x, y) = &pairs[(random.next_u64() % count as u64) as usize];
            (x.resampled[replicate], y.resampled[replicate])
        });
        spearman(&drawn.collect::<Vec<_>>())
    });
    let (low, high) = middle(resampled.collect());
    Some(Correlation { n: count, value, low, high })
}

/// Correlation of the ranks, ties sharing their mean rank.
fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let x = ranks(&pairs.iter().map(|pair| pair.0).collect::<Vec<_>>());
    let y = ranks(&pairs.iter().map(|pair| pair.1).collect::<Vec<_>>());
    let mean = (pairs.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let spread = (product(&x, &x) * product(&y, &y)).sqrt();
    (spread > 0.0).then(|| product(&x, &y) / spread)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let rank = |value: &f64| {
        let below = values.iter().filter(|other| *other < value).count() as f64;
        let equal = values.iter().filter(|other| *other == value).count() as f64;
        below + (equal - 1.0) / 2.0
    };
    values.iter().map(rank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certain(value: f64) -> Measured {
        Measured { value, resampled: vec![value; 500] }
    }

    #[test]
    fn ranks_share_ties() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [2.5, 0.0, 2.5, 1.0]);
    }

    /// By hand: ranks 0 1 2 3 4 against 1 0 2 4 3 differ by 1 four times, 1 - 6 * 4 / (5 * 24) = 0.8.
    #[test]
    fn a_known_correlation() {
        let pairs = [(1.0, 20.0), (2.0, 10.0), (3.0, 30.0), (4.0, 50.0), (5.0, 40.0)];
        assert!((spearman(&pairs).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!(spearman(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn the_interval_holds_the_estimate_and_narrows_with_targets() {
        let pairs = |count: usize| -> Vec<(Measured, Measured)> {
            (0..count).map(|at| (certain(at as f64), certain(-(at as f64) + 2.5 * ((at * 7 % 5) as f64)))).collect()
        };
        let few = correlation(&pairs(8), 1).unwrap();
        let many = correlation(&pairs(40), 1).unwrap();
        assert!(few.low <= few.value && few.value <= few.high, "{few:?}");
        assert!(many.high - many.low < few.high - few.low, "{few:?} {many:?}");
        assert_eq!(correlation(&pairs(2), 1), None);
    }

    #[test]
    fn noise_within_targets_widens_the_interval() {
        let sure: Vec<(Measured, Measured)> =
            (0..12).map(|at| (certain(f64::from(at)), certain(f64::from(-at)))).collect();
        let unsure: Vec<(Measured, Measured)> = sure
            .iter()
            .enumerate()
            .map(|(target, (x, y))| {
                let noise = |at: usize| (((at * 37 + target * 61) % 97) as f64 / 97.0 - 0.5) * 16.0;
                (x.clone(), Measured { value: y.value, resampled: (0..500).map(|at| y.value + noise(at)).collect() })
            })
            .collect();
        let (sure, unsure) = (correlation(&sure, 0).unwrap(), correlation(&unsure, 0).unwrap());
        assert!((sure.value + 1.0).abs() < 1e-12 && sure.high < -0.99);
        assert!(unsure.high > sure.high + 0.1, "{unsure:?}");
    }
}
