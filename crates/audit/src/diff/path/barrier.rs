//! How far a curve between two ends rises above the straight line between its ends (`spec/what-is-transferred.md` section 8; Frankle et al.
//! 2020, arXiv 1912.05671, section 2):
//!
//! ```text
//! B = max over share of  l(share) - ((1 - share) l(0) + share l(1))
//! ```
//!
//! For accuracies the same of what is lost.

/// Where a curve rises most above the straight line between its ends, and by how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// Place in the list of points.
    pub point: usize,
    /// The rise; 0 at the ends.
    pub height: f64,
}

/// The highest rise of `(share, value)` points whose shares lie between 0 and 1; the ends have to be among them. Points without a value
/// are infinitely high. `None` without ends.
///
/// ```
/// use heirloom_audit::diff::rise;
/// let curve = [(0.0, Some(0.2)), (0.5, Some(0.9)), (1.0, Some(0.4))];
/// let rise = rise(&curve).unwrap();
/// assert!(rise.point == 1 && (rise.height - 0.6).abs() < 1e-12);
/// ```
#[must_use]
pub fn rise(points: &[(f64, Option<f64>)]) -> Option<Rise> {
    let end = |share: f64| points.iter().find(|point| point.0 == share).and_then(|point| point.1);
    let (first, last) = (end(0.0)?, end(1.0)?);
    let height = |(share, value): (f64, Option<f64>)| {
        value.map_or(f64::INFINITY, |value| value - ((1.0 - share) * first + share * last))
    };
    let inside = points.iter().enumerate().filter(|(_, point)| (0.0..=1.0).contains(&point.0));
    let rises = inside.map(|(place, point)| Rise { point: place, height: height(*point) });
    rises.max_by(|left, right| left.height.total_cmp(&right.height).then(right.point.cmp(&left.point)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evenly(values: &[f64]) -> Vec<(f64, Option<f64>)> {
        let last = (values.len() - 1) as f64;
        values.iter().enumerate().map(|(at, value)| (at as f64 / last, Some(*value))).collect()
    }

    #[test]
    fn vector_t9() {
        let loss = |t: f64| (t * t - 1.0).powi(2);
        let values: Vec<f64> = (0..5).map(|at| loss(-1.0 + 2.2 * f64::from(at) / 4.0)).collect();
        for (found, expected) in values.iter().zip([0.0, 0.636_006_25, 0.9801, 0.333_506_25, 0.1936]) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
        let found = rise(&evenly(&values)).unwrap();
        assert!(found.point == 2 && (found.height - 0.8833).abs() < 1e-9, "{found:?}");
        let accuracies = [80.0, 79.0, 40.0, 1.0, 0.5, 1.0, 38.0, 76.0, 78.0].map(|accuracy: f64| -accuracy);
        let found = rise(&evenly(&accuracies)).unwrap();
        assert!((found.height - 78.5).abs() < 1e-9, "{found:?}");
    }

    proptest! {
        /// P8: a rise is never negative, none for a convex curve, and the same from either end.
        #[test]
        fn a_rise_is_never_negative_and_the_same_from_either_end(values in prop::collection::vec(-5.0..5.0, 2..12)) {
            let points = evenly(&values);
            let mirrored: Vec<(f64, Option<f64>)> = points.iter().rev().map(|(share, value)| (1.0 - share, *value)).collect();
            let (there, back) = (rise(&points).unwrap(), rise(&mirrored).unwrap());
            prop_assert!(there.height >= 0.0 && (there.height - back.height).abs() < 1e-9);
            let convex: Vec<f64> = (0..9).map(|at| (f64::from(at) - 3.0).powi(2) + values[0]).collect();
            prop_assert!(rise(&evenly(&convex)).unwrap().height < 1e-9);
        }
    }

    #[test]
    fn a_point_that_cannot_be_told_is_a_barrier_and_points_outside_count_nothing() {
        let points = [(-0.5, Some(9.0)), (0.0, Some(1.0)), (0.5, None), (1.0, Some(1.0)), (1.5, None)];
        assert_eq!(rise(&points), Some(Rise { point: 2, height: f64::INFINITY }));
        assert_eq!(rise(&points[..3]), None);
    }
}
