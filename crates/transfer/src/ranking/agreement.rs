//! How two rankings agree.

use std::cmp::Ordering;

/// Pearson's correlation; `None` where one of both is constant.
#[must_use]
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len().max(1) as f64;
    let (mean_x, mean_y) = (x.iter().sum::<f64>() / count, y.iter().sum::<f64>() / count);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (a, b) in x.iter().zip(y) {
        let (a, b) = (a - mean_x, b - mean_y);
        (xy, xx, yy) = (xy + a * b, xx + a * a, yy + b * b);
    }
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// Spearman's rank correlation; equal values share the mean of their ranks.
#[must_use]
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    pearson(&average_ranks(x), &average_ranks(y))
}

/// The same with a variable of two values: `low` holds the other variable's values where it has the lower one, `high` where it has the higher;
/// both are sorted. Sorted apart and merged, they take one pass where ranks of pairs would take two sorts.
pub(super) fn spearman_of_two(low: &mut [f64], high: &mut [f64]) -> Option<f64> {
    low.sort_unstable_by(f64::total_cmp);
    high.sort_unstable_by(f64::total_cmp);
    let (mut of_low, mut of_high) = (low.iter().peekable(), high.iter().peekable());
    let count = (low.len() + high.len()) as f64;
    let (mut below, mut ranks, mut ties) = (0.0, 0.0, 0.0);
    while let Some(value) = smaller(of_low.peek().copied(), of_high.peek().copied()) {
        let equal_low = std::iter::from_fn(|| of_low.next_if(|other| **other == value)).count() as f64;
        let equal_high = std::iter::from_fn(|| of_high.next_if(|other| **other == value)).count() as f64;
        let equal = equal_low + equal_high;
        ranks += equal_high * (below + (equal - 1.0) / 2.0);
        ties += equal * (equal * equal - 1.0);
        below += equal;
    }
    let (high, low) = (high.len() as f64, low.len() as f64);
    let spread = (count * (count * count - 1.0) - ties) / 12.0 * (low * high / count);
    (spread > 0.0).then(|| (ranks - high * (count - 1.0) / 2.0) / spread.sqrt())
}

fn smaller(a: Option<&f64>, b: Option<&f64>) -> Option<f64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(*b)),
        (one, other) => one.or(other).copied(),
    }
}

fn average_ranks(values: &[f64]) -> Vec<f64> {
    // Values beside their places, so that the sort stays in one piece of memory; the order of equals does not matter.
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let middle = first as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|(_, at)| ranks[*at] = middle);
        first += equal.len();
    }
    ranks
}

/// Kendall's tau weighted by rank (Vigna 2015), additive hyperbolic weights `1/(r_i + 1) + 1/(r_j + 1)` with rank 0 the largest; the mean of
/// ranks by `x` (ties by `y`) and by `y` (ties by `x`). Ties count nothing. `None` where one of both is constant.
///
/// ```
/// use heirloom_transfer::ranking::weighted_kendall;
///
/// let (accuracy, score) = ([72.8, 82.7, 85.3, 86.6, 88.8], [0.948, 0.934, 0.950, 0.946, 0.953]);
/// assert!((weighted_kendall(&accuracy, &score).unwrap() - 0.578_467_153_285).abs() < 1e-9);
/// ```
#[must_use]
pub fn weighted_kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    Some(0.5 * (one_sided(x, y)? + one_sided(y, x)?))
}

/// With ranks by `x`, ties by `y`.
fn one_sided(x: &[f64], y: &[f64]) -> Option<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|a, b| x[*b].total_cmp(&x[*a]).then(y[*b].total_cmp(&y[*a])));
    let mut rank = vec![0.0; x.len()];
    order.iter().enumerate().for_each(|(place, at)| rank[*at] = place as f64);
    let (mut agree, mut of_x, mut of_y) = (0.0, 0.0, 0.0);
    for first in 0..x.len() {
        for second in first + 1..x.len() {
            let weight = 1.0 / (rank[first] + 1.0) + 1.0 / (rank[second] + 1.0);
            let (a, b) = (sign(x[first], x[second]), sign(y[first], y[second]));
            (agree, of_x, of_y) = (agree + weight * a * b, of_x + weight * a * a, of_y + weight * b * b);
        }
    }
    (of_x > 0.0 && of_y > 0.0).then(|| agree / (of_x * of_y).sqrt())
}

fn sign(first: f64, second: f64) -> f64 {
    match first.total_cmp(&second) {
        Ordering::Less => -1.0,
        Ordering::Equal => 0.0,
        Ordering::Greater => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Vector TV11.
    #[test]
    fn agreement_is_that_of_the_vector() {
        let (x, y) = ([72.8, 82.7, 85.3, 86.6, 88.8], [0.948, 0.934, 0.950, 0.946, 0.953]);
        assert!((one_sided(&x, &y).unwrap() - 0.565_693_430_657).abs() < 1e-9);
        assert!((spearman(&x, &y).unwrap() - 0.5).abs() < 1e-12);
        assert!((pearson(&x, &y).unwrap() - 0.179_957_168_294).abs() < 1e-9);
        let tied = weighted_kendall(&[3.0, 2.0, 2.0, 1.0], &[4.0, 3.0, 1.0, 1.0]).unwrap();
        assert!((tied - 0.872_402_414_515).abs() < 1e-9, "{tied}");
        assert_eq!(weighted_kendall(&[1.0, 1.0], &[1.0, 2.0]), None);
    }

    proptest! {
        /// Few values, so that many are equal.
        #[test]
        fn two_values_correlate_as_any_others_do(values in prop::collection::vec((0..6_i32, any::<bool>()), 0..40)) {
            let of = |wanted: bool| values.iter().filter(move |(_, high)| *high == wanted).map(|(value, _)| f64::from(*value));
            let found = spearman_of_two(&mut of(false).collect::<Vec<_>>(), &mut of(true).collect::<Vec<_>>());
            let (x, y): (Vec<f64>, Vec<f64>) = values.iter().map(|(x, high)| (f64::from(*x), f64::from(u8::from(*high)))).unzip();
            match spearman(&x, &y) {
                Some(slow) => prop_assert!((found.unwrap() - slow).abs() < 1e-12, "{found:?} {slow}"),
                None => prop_assert_eq!(found, None),
            }
        }

        #[test]
        fn agreement_is_symmetric_and_blind_to_rising_maps(values in prop::collection::vec((-5.0..5.0_f64, -5.0..5.0_f64), 3..12)) {
            let (x, y): (Vec<f64>, Vec<f64>) = values.into_iter().unzip();
            let found = weighted_kendall(&x, &y).unwrap();
            prop_assert!((found - weighted_kendall(&y, &x).unwrap()).abs() < 1e-12);
            let mapped: Vec<f64> = x.iter().map(|value| value.exp()).collect();
            prop_assert!((found - weighted_kendall(&mapped, &y).unwrap()).abs() < 1e-12);
            prop_assert!((weighted_kendall(&x, &x).unwrap() - 1.0).abs() < 1e-12);
            let turned: Vec<f64> = x.iter().map(|value| -value).collect();
            prop_assert!(weighted_kendall(&x, &turned).unwrap() < 0.0);
        }
    }
}
