//! How well a score tells one kind of images from another (`spec/robustness.md` section 4.1). With positives the images to be told, and
//! a larger score for what is more like them,
//!
//! ```text
//! area          P(S+ > S-) + P(S+ = S-) / 2                                 area under the receiver operating characteristic
//! precision     sum over thresholds of (R_i - R_(i-1)) P_i                  average precision; by chance the share of positives
//! false alarms  share of negatives at or above the largest threshold that keeps 95 % of the positives
//! ```

use serde::{Deserialize, Serialize};

/// Share of the positives that has to be found.
const RECALL: f64 = 0.95;

/// How well a score tells positives from negatives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detected {
    /// Area under the receiver operating characteristic; 0.5 by chance.
    pub area: f64,
    /// Average precision.
    pub precision: f64,
    /// Average precision by chance: the share of positives.
    pub base_rate: f64,
    /// Share of negatives that are false alarms where 95 % of the positives are found.
    pub false_alarms: f64,
}

impl Detected {
    /// From the scores of both kinds; `None` where there are none of either, or a score is no number.
    ///
    /// ```
    /// use heirloom_audit::robustness::Detected;
    /// let found = Detected::of(&[0.9, 0.4], &[0.1, 0.5, 0.2]).unwrap();
    /// assert!((found.area - 5.0 / 6.0).abs() < 1e-12 && found.base_rate == 0.4);
    /// ```
    #[must_use]
    pub fn of(positives: &[f64], negatives: &[f64]) -> Option<Self> {
        if positives.is_empty() || negatives.is_empty() || positives.iter().chain(negatives).any(|score| score.is_nan())
        {
            return None;
        }
        let mut all: Vec<(f64, bool)> = positives.iter().map(|score| (*score, true)).collect();
        all.extend(negatives.iter().map(|score| (*score, false)));
        all.sort_by(|left, right| right.0.total_cmp(&left.0));
        let (count, others) = (positives.len() as f64, negatives.len() as f64);
        let (mut found, mut alarms) = (0.0, 0.0);
        let (mut area, mut precision, mut false_alarms) = (0.0, 0.0, None);
        // From the highest score down; equal scores are one threshold.
        for equal in all.chunk_by(|left, right| left.0 == right.0) {
            let own = equal.iter().filter(|(_, positive)| *positive).count() as f64;
            let other = equal.len() as f64 - own;
            area += own * (others - alarms - other / 2.0);
            (found, alarms) = (found + own, alarms + other);
            precision += own / count * found / (found + alarms);
            if false_alarms.is_none() && found / count >= RECALL {
                false_alarms = Some(alarms / others);
            }
        }
        let false_alarms = false_alarms.unwrap_or(1.0);
        Some(Self { area: area / (count * others), precision, base_rate: count / (count + others), false_alarms })
    }

    /// The mean of several.
    #[must_use]
    pub fn mean(all: &[Self]) -> Option<Self> {
        let of = |value: fn(&Self) -> f64| all.iter().map(value).sum::<f64>() / all.len() as f64;
        (!all.is_empty()).then(|| Self {
            area: of(|one| one.area),
            precision: of(|one| one.precision),
            base_rate: of(|one| one.base_rate),
            false_alarms: of(|one| one.false_alarms),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vector_tv4() {
        let outside = [-0.3, -0.5, -0.5, -0.9];
        let inside = [-0.99, -0.95, -0.9, -0.8, -0.6, -0.97, -0.5, -0.85];
        let found = Detected::of(&outside, &inside).unwrap();
        assert!((found.area - 0.828_125).abs() < 1e-12, "{found:?}");
        assert!((found.precision - 0.736_111_111).abs() < 1e-9, "{found:?}");
        assert!((found.false_alarms - 0.625).abs() < 1e-12 && (found.base_rate - 1.0 / 3.0).abs() < 1e-12);
        // The released rule takes a point beyond the threshold here and finds 0.3; the standard one finds none.
        let outside: Vec<f64> = (1..=20).map(f64::from).collect();
        let inside = [1.2, 1.4, 1.6, 0.5, 0.2, -1.0, -2.0, -3.0, -4.0, -5.0];
        assert_eq!(Detected::of(&outside, &inside).unwrap().false_alarms, 0.0);
    }

    fn scores() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
        let list = || prop::collection::vec((-8..8).prop_map(f64::from), 1..20);
        (list(), list())
    }

    proptest! {
        /// Property 4: turning the scores turns the area, rising maps change nothing, swapping the kinds turns the area.
        #[test]
        fn areas_turn_with_scores_and_kinds((positives, negatives) in scores()) {
            let found = Detected::of(&positives, &negatives).unwrap();
            let each = |map: fn(&f64) -> f64| {
                let of = |list: &[f64]| list.iter().map(map).collect::<Vec<f64>>();
                Detected::of(&of(&positives), &of(&negatives)).unwrap()
            };
            prop_assert!((each(|score| -score).area - (1.0 - found.area)).abs() < 1e-12);
            prop_assert_eq!(each(|score| score.exp()), found);
            prop_assert!((Detected::of(&negatives, &positives).unwrap().area - (1.0 - found.area)).abs() < 1e-12);
            let constant = each(|_| 1.0);
            prop_assert!((constant.precision - constant.base_rate).abs() < 1e-12 && constant.area == 0.5);
            prop_assert!((0.0..=1.0).contains(&found.precision) && (0.0..=1.0).contains(&found.false_alarms));
        }
    }

    #[test]
    fn what_cannot_be_told_has_no_figure() {
        assert_eq!(Detected::of(&[], &[1.0]), None);
        assert_eq!(Detected::of(&[f64::NAN], &[1.0]), None);
        assert_eq!(Detected::mean(&[]), None);
    }
}
