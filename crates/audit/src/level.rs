//! How sure an interval is where several comparisons are made: each of `m` intervals at `1 - 0.05 / m` (Bonferroni), so that all of
//! them hold together in 95 of 100 audits.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use crate::Difference;

/// Chance that one interval or more of a family misses its figure.
const FAMILY: f64 = 0.05;

/// The confidence of each of several intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Comparisons that are made together.
    pub comparisons: usize,
    /// Chance that one interval misses its figure: 0.05 over the number of comparisons.
    pub alpha: f64,
    /// Standard deviations to either side.
    pub z: f64,
}

impl Level {
    /// The level of each of `comparisons` intervals; one has 95 %.
    #[must_use]
    pub fn of(comparisons: usize) -> Self {
        let alpha = FAMILY / comparisons.max(1) as f64;
        Self { comparisons, alpha, z: normal_quantile(alpha) }
    }

    /// `part` of `n` with Wilson's interval (Wilson 1927) at this level; all of 0 to 1 for nothing.
    ///
    /// ```
    /// let share = heirloom_audit::Level::of(1).share(4, 7);
    /// assert!((share.low - 0.250454).abs() < 1e-5 && (share.high - 0.841783).abs() < 1e-5);
    /// ```
    #[must_use]
    pub fn share(self, part: usize, n: usize) -> Share {
        if n == 0 {
            return Share::of(0, 0);
        }
        let (count, squared) = (n as f64, self.z * self.z);
        let value = part as f64 / count;
        let scale = 1.0 + squared / count;
        let middle = (value + squared / (2.0 * count)) / scale;
        let half = self.z * (value * (1.0 - value) / count + squared / (4.0 * count * count)).sqrt() / scale;
        Share { value, low: (middle - half).max(0.0), high: (middle + half).min(1.0), n }
    }

    /// The weighted sum of differences `first - second` of shares measured independently, from the distances of each interval's ends
    /// to its share (Zou and Donner 2008; for one term Newcombe's method 10). Weights are not negative.
    #[must_use]
    pub fn weighted_difference(self, terms: &[WeightedPair]) -> Difference {
        let (mut value, mut down, mut up) = (0.0, 0.0, 0.0);
        for term in terms {
            let ([part, n], [other_part, other_n]) = (term.first, term.second);
            let (first, second) = (self.share(part, n), self.share(other_part, other_n));
            let squared = |distance: f64| (term.weight * distance).powi(2);
            value += term.weight * (first.value - second.value);
            down += squared(first.value - first.low) + squared(second.high - second.value);
            up += squared(first.high - first.value) + squared(second.value - second.low);
        }
        Difference { value, low: (value - down.sqrt()).max(-1.0), high: (value + up.sqrt()).min(1.0) }
    }
}

/// Two shares, each a part and a number of images, and how much their difference counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedPair {
    /// What the difference is multiplied with.
    pub weight: f64,
    /// Images that count, and all images.
    pub first: [usize; 2],
    /// The same of what is subtracted.
    pub second: [usize; 2],
}

/// `z` with a chance of `alpha` that a standard normal value lies beyond `-z` or `z`.
fn normal_quantile(alpha: f64) -> f64 {
    let beyond = |z: f64| libm::erfc(z / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (0.0, 40.0);
    // Sixty halvings of 40 leave less than the last digit of a number near 1.
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if beyond(middle) > alpha { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (comparisons, z) in [(1, 1.959_963_984_540_054), (5, 2.575_829_303_548_901), (50, 3.290_526_731_491_926)] {
            let level = Level::of(comparisons);
            assert!((level.z - z).abs() < 1e-12, "{level:?}");
        }
    }

    #[test]
    fn one_comparison_has_the_interval_of_a_share_alone() {
        for (part, n) in [(0, 7), (4, 7), (900, 1000)] {
            let (ours, alone) = (Level::of(1).share(part, n), Share::of(part, n));
            assert!((ours.low - alone.low).abs() < 1e-12 && (ours.high - alone.high).abs() < 1e-12, "{part} of {n}");
        }
        let (one, ten) = (Level::of(1).share(4, 7), Level::of(10).share(4, 7));
        assert!(ten.low < one.low && ten.high > one.high && ten.value == one.value);
    }

    #[test]
    fn one_term_is_newcombes_difference() {
        let level = Level::of(1);
        let pair = |weight| WeightedPair { weight, first: [56, 70], second: [48, 80] };
        let (ours, known) =
            (level.weighted_difference(&[pair(1.0)]), Difference::of(Share::of(56, 70), Share::of(48, 80)));
        assert!((ours.low - known.low).abs() < 1e-12 && (ours.high - known.high).abs() < 1e-12);
        // Two independent halves of the same difference have its value and a narrower interval.
        let halves = level.weighted_difference(&[pair(0.5), pair(0.5)]);
        assert!((halves.value - ours.value).abs() < 1e-12 && halves.low > ours.low && halves.high < ours.high);
    }
}
