//! What a study says of a claim that was written down before the run.

use serde::{Deserialize, Serialize};

/// Whether a claim holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The 95 % interval leaves nothing out on the claimed side of zero, and the estimate reaches the smallest effect of interest.
    Holds,
    /// The whole interval lies short of the smallest effect of interest.
    DoesNotHold,
    /// Neither.
    CannotBeTold,
}

impl Verdict {
    /// Of an effect that is claimed to be at least `smallest` (above 0); turn the sign of all for one that is claimed to be negative.
    ///
    /// ```
    /// use heirloom_transfer::study::Verdict;
    /// assert_eq!(Verdict::of(3.0, 1.0, 5.0, 2.0), Verdict::Holds);
    /// assert_eq!(Verdict::of(0.5, -0.5, 1.5, 2.0), Verdict::DoesNotHold);
    /// assert_eq!(Verdict::of(3.0, -1.0, 7.0, 2.0), Verdict::CannotBeTold);
    /// ```
    #[must_use]
    pub fn of(estimate: f64, low: f64, high: f64, smallest: f64) -> Self {
        if high < smallest {
            Self::DoesNotHold
        } else if low > 0.0 && estimate >= smallest {
            Self::Holds
        } else {
            Self::CannotBeTold
        }
    }

    /// Of the claim that an effect is no lower than `-margin`.
    #[must_use]
    pub fn not_below(low: f64, high: f64, margin: f64) -> Self {
        if low > -margin {
            Self::Holds
        } else if high < -margin {
            Self::DoesNotHold
        } else {
            Self::CannotBeTold
        }
    }

    /// Of the claim that there is no effect of interest: the whole interval lies within `margin` of 0.
    #[must_use]
    pub fn within(low: f64, high: f64, margin: f64) -> Self {
        if low > -margin && high < margin {
            Self::Holds
        } else if low > margin || high < -margin {
            Self::DoesNotHold
        } else {
            Self::CannotBeTold
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::CannotBeTold => "cannot be told here",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_margin_is_kept_broken_or_open() {
        assert_eq!(Verdict::not_below(-1.9, 1.0, 2.0), Verdict::Holds);
        assert_eq!(Verdict::not_below(-6.0, -2.5, 2.0), Verdict::DoesNotHold);
        assert_eq!(Verdict::not_below(-3.0, 1.0, 2.0), Verdict::CannotBeTold);
    }

    #[test]
    fn no_effect_needs_the_whole_interval_within_the_margin() {
        assert_eq!(Verdict::within(-4.0, 4.9, 5.0), Verdict::Holds);
        assert_eq!(Verdict::within(5.5, 9.0, 5.0), Verdict::DoesNotHold);
        assert_eq!(Verdict::within(-9.0, -5.5, 5.0), Verdict::DoesNotHold);
        assert_eq!(Verdict::within(1.0, 9.0, 5.0), Verdict::CannotBeTold);
    }
}
