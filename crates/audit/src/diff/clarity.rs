//! How clear the images are that one of two models has wrong: the uncertainty of a third, which never saw them
//! (`spec/what-is-transferred.md` section 5: mistakes of a model that was transferred fall on ambiguous images, those of one from random
//! weights on clear ones).
//!
//! ```text
//! uncertainty of an image = entropy of the referee's probabilities / ln(classes), 0 to 1
//! ```

use heirloom_training::random::{Generator, generator};
use serde::{Deserialize, Serialize};

use crate::Difference;

/// Resamples behind an interval.
const RESAMPLES: usize = 2000;

/// Mean uncertainty of some images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Uncertainty {
    /// Images.
    pub images: usize,
    /// Mean; none without an image.
    pub mean: Option<f64>,
}

/// Uncertainty by who has an image wrong.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clarity {
    /// Images that the first model alone has wrong.
    pub first_alone: Uncertainty,
    /// Images that the second alone has wrong.
    pub second_alone: Uncertainty,
    /// Images that both have wrong.
    pub both: Uncertainty,
    /// Images that both have right.
    pub neither: Uncertainty,
    /// Uncertainty of what the first alone has wrong less that of what the second alone has wrong; none where either has fewer than two.
    pub difference: Option<Difference>,
}

impl Clarity {
    /// From each image's probabilities, `[images, classes]`, the class of each and the answers of both models.
    ///
    /// ```
    /// use heirloom_audit::diff::Clarity;
    /// // The first is wrong on the image that the referee cannot tell, the second on the clear one.
    /// let found = Clarity::of(&[0.5, 0.5, 1.0, 0.0], 2, &[0, 0], &[1, 0], &[0, 1], 0);
    /// assert_eq!((found.first_alone.mean, found.second_alone.mean), (Some(1.0), Some(0.0)));
    /// ```
    #[must_use]
    pub fn of(
        probabilities: &[f32],
        classes: usize,
        labels: &[usize],
        first: &[usize],
        second: &[usize],
        seed: u64,
    ) -> Self {
        let mut groups: [Vec<f64>; 4] = Default::default();
        let images = probabilities.chunks(classes.max(1)).zip(labels).zip(first.iter().zip(second));
        for ((probabilities, label), (first, second)) in images {
            let group = usize::from(first != label) + 2 * usize::from(second != label);
            groups[group].push(entropy(probabilities));
        }
        let [neither, first_alone, second_alone, both] = &groups;
        Self {
            first_alone: Uncertainty::of(first_alone),
            second_alone: Uncertainty::of(second_alone),
            both: Uncertainty::of(both),
            neither: Uncertainty::of(neither),
            difference: difference(first_alone, second_alone, seed),
        }
    }
}

impl Uncertainty {
    fn of(values: &[f64]) -> Self {
        Self { images: values.len(), mean: (!values.is_empty()).then(|| mean(values)) }
    }
}

/// Entropy of probabilities as a share of the largest there can be, 0 to 1.
#[must_use]
pub fn entropy(probabilities: &[f32]) -> f64 {
    let term = |&probability: &f32| {
        let probability = f64::from(probability);
        if probability > 0.0 { -probability * probability.ln() } else { 0.0 }
    };
    let sum: f64 = probabilities.iter().map(term).sum();
    if probabilities.len() > 1 { sum / (probabilities.len() as f64).ln() } else { 0.0 }
}

/// Difference of means with percentiles of the bootstrap, the two groups resampled by themselves.
fn difference(first: &[f64], second: &[f64], seed: u64) -> Option<Difference> {
    if first.len() < 2 || second.len() < 2 {
        return None;
    }
    let mut random = generator(seed, "clarity", &[]);
    let mut values: Vec<f64> =
        (0..RESAMPLES).map(|_| resampled(first, &mut random) - resampled(second, &mut random)).collect();
    values.sort_by(f64::total_cmp);
    let value = mean(first) - mean(second);
    let end = |share: f64| values[((share * (RESAMPLES - 1) as f64).round() as usize).min(RESAMPLES - 1)];
    Some(Difference { value, low: end(0.025).min(value), high: end(0.975).max(value) })
}

fn resampled(values: &[f64], random: &mut Generator) -> f64 {
    let count = values.len();
    (0..count).map(|_| values[((random.uniform() * count as f64) as usize).min(count - 1)]).sum::<f64>() / count as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_sorted_by_who_has_them_wrong() {
        let probabilities: Vec<f32> = [[0.5, 0.5], [1.0, 0.0], [0.9, 0.1], [0.25, 0.75]].concat();
        let found = Clarity::of(&probabilities, 2, &[0, 0, 0, 0], &[0, 1, 0, 1], &[0, 0, 1, 1], 0);
        assert_eq!((found.neither.mean, found.first_alone.mean), (Some(1.0), Some(0.0)));
        let entropy = |p: f64| -(p * p.ln() + (1.0 - p) * (1.0 - p).ln()) / 2.0_f64.ln();
        assert!((found.second_alone.mean.unwrap() - entropy(0.9)).abs() < 1e-6);
        assert!((found.both.mean.unwrap() - entropy(0.25)).abs() < 1e-6);
        assert_eq!(found.difference, None);
    }

    #[test]
    fn the_interval_lies_around_the_difference_and_a_seed_fixes_it() {
        let first: Vec<f64> = (0..50).map(|at| 0.6 + 0.004 * f64::from(at % 10)).collect();
        let second: Vec<f64> = (0..40).map(|at| 0.3 + 0.01 * f64::from(at % 7)).collect();
        let found = difference(&first, &second, 1).unwrap();
        assert!(
            found.low < found.value && found.value < found.high && found.low > 0.25 && found.high < 0.32,
            "{found:?}"
        );
        assert_eq!(difference(&first, &second, 1), Some(found));
    }

    #[test]
    fn one_class_is_never_unclear() {
        assert_eq!(entropy(&[1.0]), 0.0);
    }
}
