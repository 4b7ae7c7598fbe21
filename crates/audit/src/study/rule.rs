//! How claims are judged by their contrast.

use heirloom_transfer::study::Verdict;

use super::Estimate;

/// How a contrast is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// It is at least so much.
    AtLeast(f64),
    /// It is no lower than minus this margin.
    NotBelow(f64),
    /// It is no higher than this margin.
    NotAbove(f64),
}

impl Rule {
    pub fn verdict(self, Estimate { value, low, high }: Estimate) -> Verdict {
        match self {
            Self::AtLeast(smallest) => Verdict::of(value, low, high, smallest),
            Self::NotBelow(margin) => Verdict::not_below(low, high, margin),
            Self::NotAbove(margin) => Verdict::not_below(-high, -low, margin),
        }
    }

    pub const fn size(self) -> f64 {
        match self {
            Self::AtLeast(size) | Self::NotBelow(size) | Self::NotAbove(size) => size,
        }
    }
}
