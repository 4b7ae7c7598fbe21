//! How an intervention moves the predictions as a whole: the histogram of predicted classes with it against that without
//! (`spec/bias-transfer.md` section 8).
//!
//! ```text
//! dP(c) = Pr[f(T(x)) = c] - Pr[f(x) = c]        TV(p, q) = 1/2 sum_c |p(c) - q(c)|
//! ```
//!
//! The class that an intervention pulls towards is chosen on one half of the images and its figure taken on the other: the largest of
//! many changes, reported on the images it was chosen by, is too large.

use serde::{Deserialize, Serialize};

use crate::{AttackError, Difference, Level, paired_difference};

/// Histograms of predicted classes, and how far they lie apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Images counted.
    pub images: usize,
    /// Share of each class in the answers to images as they are.
    pub clean: Vec<f64>,
    /// Share of each class in the answers to images with the intervention.
    pub triggered: Vec<f64>,
    /// `triggered - clean`; they add up to 0.
    pub change: Vec<f64>,
    /// Total variation between the two, 0 to 1.
    pub to_clean: f64,
    /// Total variation between `triggered` and equal shares.
    pub to_uniform: f64,
    /// Kullback-Leibler divergence of `triggered` from equal shares, in nats.
    pub divergence: f64,
    /// Entropy of `triggered`, in nats.
    pub entropy: f64,
}

impl Shift {
    /// From the answers to images as they are, and to the same images with the intervention; classes are below `classes`.
    ///
    /// ```
    /// let shift = heirloom_audit::Shift::of(&[0, 0, 1, 1], &[1, 0, 1, 1], 2)?;
    /// assert_eq!((shift.change[1], shift.to_clean), (0.25, 0.25));
    /// # Ok::<(), heirloom_audit::AttackError>(())
    /// ```
    ///
    /// # Errors
    /// Lists of different length.
    pub fn of(clean: &[usize], triggered: &[usize], classes: usize) -> Result<Self, AttackError> {
        same_length(clean, triggered)?;
        let (before, after) = (shares(clean, classes), shares(triggered, classes));
        let uniform = vec![1.0 / classes.max(1) as f64; classes];
        let entropy = -after.iter().map(|share| share * logarithm(*share)).sum::<f64>();
        let images = clean.len();
        Ok(Self {
            images,
            change: after.iter().zip(&before).map(|(after, before)| after - before).collect(),
            to_clean: total_variation(&after, &before),
            to_uniform: total_variation(&after, &uniform),
            // sum p ln(p C) = ln C - H, and nothing without an image.
            divergence: if images == 0 { 0.0 } else { (classes as f64).ln() - entropy },
            entropy,
            clean: before,
            triggered: after,
        })
    }
}

/// The class that an intervention pulls towards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pull {
    /// The class whose share rises most on the images it is chosen by, the lowest of equals.
    pub class: usize,
    /// By how much there.
    pub chosen_by: f64,
    /// By how much on the other images: the figure.
    pub change: Difference,
}

/// Answers to some images as they are, and to the same images with an intervention.
#[derive(Debug, Clone, Copy)]
pub struct Answers<'a> {
    /// As they are.
    pub clean: &'a [usize],
    /// With the intervention.
    pub triggered: &'a [usize],
}

/// The class chosen on one part of the images and its change of share on the other; `None` where a part is empty or there is no class.
///
/// # Errors
/// Lists of different length.
pub fn pull(
    choose: Answers<'_>,
    judge: Answers<'_>,
    classes: usize,
    level: Level,
    seed: u64,
) -> Result<Option<Pull>, AttackError> {
    let shift = Shift::of(choose.clean, choose.triggered, classes)?;
    same_length(judge.clean, judge.triggered)?;
    let rises = shift.change.iter().copied().enumerate().rev().max_by(|a, b| a.1.total_cmp(&b.1));
    let Some((class, chosen_by)) = rises.filter(|_| shift.images > 0) else { return Ok(None) };
    let is = |answer: usize| f64::from(u8::from(answer == class));
    let differences: Vec<f64> =
        judge.triggered.iter().zip(judge.clean).map(|(with, plain)| is(*with) - is(*plain)).collect();
    Ok(paired_difference(&differences, level, seed).map(|change| Pull { class, chosen_by, change }))
}

fn same_length(clean: &[usize], triggered: &[usize]) -> Result<(), AttackError> {
    let (labels, clean, triggered) = (clean.len(), clean.len(), triggered.len());
    if clean == triggered { Ok(()) } else { Err(AttackError::Lengths { labels, clean, triggered }) }
}

/// Share of each class; all 0 without an answer.
fn shares(answers: &[usize], classes: usize) -> Vec<f64> {
    let mut shares = vec![0.0; classes];
    for answer in answers {
        if let Some(share) = shares.get_mut(*answer) {
            *share += 1.0;
        }
    }
    shares.iter_mut().for_each(|share| *share /= answers.len().max(1) as f64);
    shares
}

/// Natural logarithm, 0 for 0: a share of 0 adds nothing to an entropy.
fn logarithm(share: f64) -> f64 {
    if share > 0.0 { share.ln() } else { 0.0 }
}

fn total_variation(first: &[f64], second: &[f64]) -> f64 {
    first.iter().zip(second).map(|(first, second)| (first - second).abs()).sum::<f64>() / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLEAN: [usize; 10] = [0, 1, 1, 1, 2, 0, 2, 0, 2, 2];
    const TRIGGERED: [usize; 10] = [2, 2, 1, 2, 2, 2, 0, 2, 2, 2];

    #[test]
    fn figures_are_those_of_vector_t2() {
        let shift = Shift::of(&CLEAN, &TRIGGERED, 3).unwrap();
        let near = |found: &[f64], expected: &[f64]| found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-10);
        assert!(near(&shift.clean, &[0.3, 0.3, 0.4]) && near(&shift.triggered, &[0.1, 0.1, 0.8]));
        assert!(near(&shift.change, &[-0.2, -0.2, 0.4]));
        let scalars = [shift.to_clean, shift.to_uniform, shift.divergence, shift.entropy];
        assert!(near(&scalars, &[0.4, 0.466_666_666_7, 0.459_580_429_0, 0.639_031_859_7]), "{scalars:?}");
    }

    #[test]
    fn the_class_is_chosen_on_one_half_and_judged_on_the_other() {
        let choose = Answers { clean: &[0, 0, 1, 1], triggered: &[1, 1, 1, 1] };
        let judge = Answers { clean: &[0, 0, 0, 0, 0], triggered: &[1, 0, 0, 0, 2] };
        let found = pull(choose, judge, 3, Level::of(1), 0).unwrap().unwrap();
        assert_eq!((found.class, found.chosen_by, found.change.value), (1, 0.5, 0.2));
        let nothing = Answers { clean: &[], triggered: &[] };
        assert_eq!(pull(nothing, judge, 3, Level::of(1), 0).unwrap(), None);
        assert_eq!(pull(choose, nothing, 3, Level::of(1), 0).unwrap(), None);
        let uneven = Answers { clean: &[0], triggered: &[] };
        assert!(pull(uneven, judge, 3, Level::of(1), 0).is_err() && pull(choose, uneven, 3, Level::of(1), 0).is_err());
    }

    proptest! {
        /// P9 and P10 of the specification.
        #[test]
        fn changes_add_up_to_nothing_and_distances_are_distances(
            answers in prop::collection::vec((0..4_usize, 0..4_usize), 1..80),
        ) {
            let (first, second): (Vec<usize>, Vec<usize>) = answers.into_iter().unzip();
            let there = Shift::of(&first, &second, 4).unwrap();
            let back = Shift::of(&second, &first, 4).unwrap();
            prop_assert!(there.change.iter().sum::<f64>().abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&there.to_clean) && there.to_clean == back.to_clean);
            prop_assert!(there.entropy >= -1e-12 && there.divergence >= -1e-12);
            let unchanged = Shift::of(&first, &first, 4).unwrap();
            prop_assert!(unchanged.to_clean == 0.0 && unchanged.change.iter().all(|change| *change == 0.0));
            let constant = Shift::of(&first, &vec![3; first.len()], 4).unwrap();
            prop_assert!(constant.entropy == 0.0 && constant.triggered[3] == 1.0);
        }
    }
}
