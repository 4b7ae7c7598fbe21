//! The difference of two shares with its interval.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

/// A difference of shares, -1 to 1, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The difference.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Difference {
    /// `first - second` by Newcombe's hybrid of the two Wilson intervals (Newcombe 1998, method 10), for shares measured
    /// independently. Shares of the same images vary together, so that the interval is rather too wide.
    #[must_use]
    pub fn of(first: Share, second: Share) -> Self {
        let value = first.value - second.value;
        let down = (first.value - first.low).hypot(second.high - second.value);
        let up = (first.high - first.value).hypot(second.value - second.low);
        Self { value, low: value - down, high: value + up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_published_values() {
        // Newcombe 1998, table II, method 10: 56 of 70 less 48 of 80 gives 0.0524 to 0.3339; 9 of 10 less 3 of 10 gives 0.1705 to 0.8090.
        for (first, second, low, high) in [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)] {
            let found = Difference::of(Share::of(first.0, first.1), Share::of(second.0, second.1));
            assert!((found.low - low).abs() < 1e-4 && (found.high - high).abs() < 1e-4, "{found:?}");
        }
    }
}
