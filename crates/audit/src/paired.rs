//! Differences measured on the same images: each image gives one number, and images are resampled.

use heirloom_data::augment::{Draws, Key};

use crate::{Difference, Level};

/// Resamples beyond each end of an interval that place it.
const BEYOND: f64 = 50.0;

/// The mean of `differences`, one number from -1 to 1 for each image, with the interval of its bootstrap percentiles at `level`;
/// `None` without an image.
///
/// Where all images say the same, resampling them alone would give an interval of no width. Two made-up images are therefore
/// resampled with the others, one of difference 1 and one of -1 (the correction of Agresti and Min 2005 for matched pairs): the
/// interval is a little wider than plain percentiles, and the value is that of the true images.
///
/// ```
/// use heirloom_audit::{Level, paired_difference};
///
/// let differences = [vec![1.0; 60], vec![0.0; 140]].concat();
/// let difference = paired_difference(&differences, Level::of(1), 0).unwrap();
/// assert!(difference.value == 0.3 && difference.low > 0.22 && difference.high < 0.38);
/// ```
#[must_use]
pub fn paired_difference(differences: &[f64], level: Level, seed: u64) -> Option<Difference> {
    if differences.is_empty() {
        return None;
    }
    let value = differences.iter().sum::<f64>() / differences.len() as f64;
    let padded: Vec<f64> = differences.iter().copied().chain([1.0, -1.0]).collect();
    let replicates = (2.0 * BEYOND / level.alpha).ceil() as usize;
    let mut draws = Draws::of_image(Key { seed, epoch: replicates as u64, row: differences.len() });
    let mut means: Vec<f64> = (0..replicates).map(|_| resampled_mean(&padded, &mut draws)).collect();
    means.sort_by(f64::total_cmp);
    let end = |share: f64| means[((share * (replicates - 1) as f64).round() as usize).min(replicates - 1)];
    let (low, high) = (end(level.alpha / 2.0), end(1.0 - level.alpha / 2.0));
    Some(Difference { value, low: low.min(value), high: high.max(value) })
}

fn resampled_mean(values: &[f64], draws: &mut Draws) -> f64 {
    let total: f64 = (0..values.len()).map(|_| values[draws.below(values.len())]).sum();
    total / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_normal_approximation_where_it_holds() {
        let differences = [vec![1.0; 300], vec![0.0; 500], vec![-1.0; 200]].concat();
        for (comparisons, z) in [(1, 1.96), (10, 2.807)] {
            let found = paired_difference(&differences, Level::of(comparisons), 3).unwrap();
            // Mean 0.1, variance 0.5 - 0.01.
            let half = z * (0.49_f64 / 1000.0).sqrt();
            assert_eq!(found.value, 0.1);
            assert!((found.low - (0.1 - half)).abs() < 0.006 && (found.high - (0.1 + half)).abs() < 0.006, "{found:?}");
        }
    }

    #[test]
    fn images_that_agree_leave_an_interval_of_some_width() {
        for (value, count) in [(0.0, 40), (1.0, 40)] {
            let found = paired_difference(&vec![value; count], Level::of(1), 0).unwrap();
            assert!(found.value == value && found.high - found.low > 0.04, "{found:?}");
        }
        assert_eq!(paired_difference(&[], Level::of(1), 0), None);
    }

    #[test]
    fn a_seed_fixes_the_interval() {
        let differences = [vec![1.0; 10], vec![0.0; 30]].concat();
        let found = |seed| paired_difference(&differences, Level::of(2), seed).unwrap();
        assert_eq!(found(1), found(1));
    }

    /// What is promised is met: of many audits of images with a known mean, the interval holds it in about 95 of 100.
    #[test]
    fn intervals_hold_the_true_mean_as_often_as_they_say() {
        let (mut held, runs, truth) = (0, 400, 0.15);
        for run in 0..runs {
            let mut draws = Draws::of_image(Key { seed: 11, epoch: 0, row: run });
            let differences: Vec<f64> = (0..80).map(|_| f64::from(u8::from(draws.chance(truth)))).collect();
            let found = paired_difference(&differences, Level::of(1), run as u64).unwrap();
            held += usize::from(found.low <= truth && truth <= found.high);
        }
        assert!((372..=396).contains(&held), "{held} of {runs}");
    }
}
