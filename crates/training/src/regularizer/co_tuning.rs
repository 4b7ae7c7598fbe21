//! Co-tuning (You et al. 2020; `spec/regularisers-and-adaptation.md` section A5): the classifier of the source stays beside the new one, and
//! learns what source classes images of a target class look like.
//!
//! ```text
//! R[t, s] = how far target class t is source class s                  rows sum to 1
//!   direct   mean over images of t of the source's probabilities q
//!   reverse  proportional to p(t | s) mean(q[s]), p(t | s) from a classifier that tells target classes from q
//! penalty  = strength * mean over images of -sum_s R[t, s] ln p_s         gradient by the source's logits = strength (p - R[t]) / images
//! ```

use serde::{Deserialize, Serialize};

use super::error::{same_length, strength};
use super::{Penalty, RegularizerError};

/// Weight of the source's classifier in the loss, as in the paper.
pub const STRENGTH: f64 = 2.3;

/// How far every target class is each source class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Relationship {
    source_classes: usize,
    /// `[target, source]`.
    shares: Vec<f64>,
}

impl Relationship {
    /// The mean of the source's `probabilities`, `[images, source classes]`, over the images of each target class. A class without images
    /// has the mean of all.
    ///
    /// # Errors
    /// Lists that do not fit together, a label beyond the classes.
    pub fn direct(
        probabilities: &[f32],
        source_classes: usize,
        labels: &[usize],
        classes: usize,
    ) -> Result<Self, RegularizerError> {
        same_length("the source's probabilities", probabilities.len(), labels.len() * source_classes)?;
        let mut shares = vec![0.0; classes * source_classes];
        for (row, label) in probabilities.chunks(source_classes.max(1)).zip(labels) {
            let sums = shares.get_mut(label * source_classes..(label + 1) * source_classes);
            let beyond = || RegularizerError::Setting { setting: "a label", value: *label as f64, range: "a class" };
            sums.ok_or_else(beyond)?.iter_mut().zip(row).for_each(|(sum, share)| *sum += f64::from(*share));
        }
        Ok(Self::normalised(source_classes, shares, &marginal(probabilities, source_classes)))
    }

    /// From `given`, how probable each target class is where the source is sure of a source class, `[source, target]`, and the source's
    /// probabilities of images.
    ///
    /// # Errors
    /// Lists that do not fit together.
    pub fn reverse(
        given: &[f32],
        probabilities: &[f32],
        source_classes: usize,
        classes: usize,
    ) -> Result<Self, RegularizerError> {
        same_length("the probabilities of target classes", given.len(), source_classes * classes)?;
        let marginal = marginal(probabilities, source_classes);
        let share = |target: usize, source: usize| f64::from(given[source * classes + target]) * marginal[source];
        let shares = (0..classes * source_classes).map(|at| share(at / source_classes, at % source_classes)).collect();
        Ok(Self::normalised(source_classes, shares, &marginal))
    }

    fn normalised(source_classes: usize, mut shares: Vec<f64>, marginal: &[f64]) -> Self {
        for row in shares.chunks_mut(source_classes.max(1)) {
            let sum: f64 = row.iter().sum();
            if sum > 0.0 {
                row.iter_mut().for_each(|share| *share /= sum);
            } else {
                row.copy_from_slice(marginal);
            }
        }
        Self { source_classes, shares }
    }

    /// Source classes.
    #[must_use]
    pub const fn source_classes(&self) -> usize {
        self.source_classes
    }

    /// `[target, source]`, rows of sum 1.
    #[must_use]
    pub fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// The penalty on the source's logits `[images, source classes]`; `targets` has shares of the target classes, `[images, target classes]`.
    ///
    /// # Errors
    /// Lists that do not fit together, a strength out of range.
    pub fn penalty(&self, logits: &[f32], targets: &[f64], weight: f64) -> Result<Penalty, RegularizerError> {
        strength("the strength of co-tuning", weight)?;
        let source = self.source_classes.max(1);
        let (classes, images) = (self.shares.len() / source, logits.len() / source);
        same_length("shares of target classes", targets.len(), images * classes)?;
        let (mut value, mut gradient) = (0.0, Vec::with_capacity(logits.len()));
        for (logits, targets) in logits.chunks(source).zip(targets.chunks(classes.max(1))) {
            let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponentials: Vec<f64> = logits.iter().map(|logit| f64::from(logit - largest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            for (class, (logit, exponential)) in logits.iter().zip(&exponentials).enumerate() {
                let of_target = |(target, share): (usize, &f64)| share * self.shares[target * source + class];
                let wanted: f64 = targets.iter().enumerate().map(of_target).sum();
                value -= wanted * (f64::from(logit - largest) - sum.ln());
                gradient.push((weight * (exponential / sum - wanted) / images as f64) as f32);
            }
        }
        Ok(Penalty { value: weight * value / images.max(1) as f64, gradient })
    }
}

/// Mean of the source's probabilities.
fn marginal(probabilities: &[f32], source_classes: usize) -> Vec<f64> {
    let mut sums = vec![0.0; source_classes];
    for row in probabilities.chunks(source_classes.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, share)| *sum += f64::from(*share));
    }
    let all: f64 = sums.iter().sum();
    let even = 1.0 / source_classes.max(1) as f64;
    sums.iter().map(|sum| if all > 0.0 { sum / all } else { even }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROBABILITIES: [f32; 12] = [0.7, 0.2, 0.1, 0.5, 0.4, 0.1, 0.1, 0.2, 0.7, 0.2, 0.2, 0.6];

    #[test]
    fn vector_tv5() {
        let direct = Relationship::direct(&PROBABILITIES, 3, &[0, 0, 1, 1], 2).unwrap();
        for (found, expected) in direct.shares().iter().zip([0.6, 0.3, 0.1, 0.15, 0.2, 0.65]) {
            assert!((found - expected).abs() < 1e-7, "{found} {expected}");
        }
        let of = |weight| direct.penalty(&[1.0, 0.0, -1.0], &[0.0, 1.0], weight).unwrap().value;
        assert!((of(1.0) - 1.907_605_964_444).abs() < 1e-6, "{}", of(1.0));
        assert!((of(STRENGTH) - 4.387_493_718_222).abs() < 1e-6, "{}", of(STRENGTH));
    }

    #[test]
    fn the_reverse_goes_by_bayes() {
        // Source class 0 is all target 0, class 2 all target 1, class 1 half of each.
        let given = [1.0, 0.0, 0.5, 0.5, 0.0, 1.0];
        let reverse = Relationship::reverse(&given, &PROBABILITIES, 3, 2).unwrap();
        // Means 0.375, 0.25, 0.375: target 0 has 0.375 and 0.125.
        for (found, expected) in reverse.shares().iter().zip([0.75, 0.25, 0.0, 0.0, 0.25, 0.75]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn lists_that_do_not_fit_are_refused() {
        assert!(Relationship::direct(&PROBABILITIES, 3, &[0], 2).is_err());
        assert!(Relationship::direct(&PROBABILITIES, 3, &[0, 0, 5, 1], 2).is_err());
        let direct = Relationship::direct(&PROBABILITIES, 3, &[0, 0, 1, 1], 2).unwrap();
        assert!(
            direct.penalty(&[0.0; 3], &[1.0], 1.0).is_err() && direct.penalty(&[0.0; 3], &[1.0, 0.0], -1.0).is_err()
        );
    }

    proptest! {
        /// Property 5, and the gradient beside differences.
        #[test]
        fn rows_sum_to_one_and_the_gradient_is_the_slope(
            logits in prop::collection::vec(-2.0..2.0_f32, 6),
            share in 0.0..1.0_f64,
        ) {
            let related = Relationship::direct(&PROBABILITIES, 3, &[0, 1, 1, 0], 3).unwrap();
            for row in related.shares().chunks(3) {
                prop_assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            }
            let targets = [share, 1.0 - share, 0.0, 0.0, 0.5, 0.5];
            let found = related.penalty(&logits, &targets, 2.0).unwrap();
            for at in 0..6 {
                let moved = |by: f32| {
                    let mut logits = logits.clone();
                    logits[at] += by;
                    related.penalty(&logits, &targets, 2.0).unwrap().value
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                prop_assert!((slope - f64::from(found.gradient[at])).abs() < 1e-3, "{slope} {}", found.gradient[at]);
            }
            prop_assert_eq!(related.penalty(&logits, &targets, 0.0).unwrap().value, 0.0);
        }
    }
}
