//! The attack success rate of an intervention: how often a right answer turns wrong when the intervention is put on the image
//! (Salman et al. 2022, arXiv 2207.02842; `spec/bias-transfer.md` section 3).
//!
//! ```text
//! ASR = #{i : f(x_i) = y_i and f(T(x_i)) != y_i} / #{i : f(x_i) = y_i}
//! ```
//!
//! An intervention also hides a part of the image, so that even a model which never met it has a rate above 0: the rate says
//! something only beside that of a model from a clean source and of one trained from scratch, on the same images.

use std::collections::BTreeMap;

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

/// What an intervention does to a model's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attack {
    /// Share of the images that are answered right as they are.
    pub clean: Share,
    /// Share that is answered right with the intervention.
    pub triggered: Share,
    /// Attack success rate, over the images answered right as they are; `None` where there is none: undefined, not 0.
    pub success: Option<Share>,
    /// Share of all images whose answer changes.
    pub flipped: Share,
    /// The class most often answered with the intervention, the lowest of equals; `None` without images.
    pub favourite: Option<usize>,
    /// Share of all images that are then answered so.
    pub concentration: Share,
}

/// Why there is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttackError {
    /// Lists of different length.
    #[error(
        "{labels} labels, {clean} answers without and {triggered} with the intervention: one of each for every image"
    )]
    Lengths {
        /// Labels given.
        labels: usize,
        /// Answers on images as they are.
        clean: usize,
        /// Answers on images with the intervention.
        triggered: usize,
    },
}

impl Attack {
    /// The measure from each image's class, the answer to it as it is, and the answer to it with the intervention.
    ///
    /// ```
    /// let attack = heirloom_audit::Attack::of(&[0, 0, 1, 1], &[0, 0, 1, 0], &[1, 0, 1, 0])?;
    /// assert_eq!(attack.success.map(|rate| (rate.value, rate.n)), Some((1.0 / 3.0, 3)));
    /// # Ok::<(), heirloom_audit::AttackError>(())
    /// ```
    ///
    /// # Errors
    /// Lists of different length.
    pub fn of(labels: &[usize], clean: &[usize], triggered: &[usize]) -> Result<Self, AttackError> {
        if labels.len() != clean.len() || labels.len() != triggered.len() {
            let (labels, clean, triggered) = (labels.len(), clean.len(), triggered.len());
            return Err(AttackError::Lengths { labels, clean, triggered });
        }
        let count = |holds: &dyn Fn(usize) -> bool| (0..labels.len()).filter(|image| holds(*image)).count();
        let right = count(&|image| clean[image] == labels[image]);
        let broken = count(&|image| clean[image] == labels[image] && triggered[image] != labels[image]);
        let of_all = |part| Share::of(part, labels.len());
        let (favourite, most) = most_frequent(triggered);
        Ok(Self {
            clean: of_all(right),
            triggered: of_all(count(&|image| triggered[image] == labels[image])),
            success: (right > 0).then(|| Share::of(broken, right)),
            flipped: of_all(count(&|image| triggered[image] != clean[image])),
            favourite,
            concentration: of_all(most),
        })
    }
}

/// The most frequent class and its count, the lowest class of equals.
fn most_frequent(classes: &[usize]) -> (Option<usize>, usize) {
    let mut counts = BTreeMap::<usize, usize>::new();
    classes.iter().for_each(|class| *counts.entry(*class).or_default() += 1);
    let most = counts.into_iter().rev().max_by_key(|(_, count)| *count);
    most.map_or((None, 0), |(class, count)| (Some(class), count))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LABELS: [usize; 10] = [0, 0, 1, 1, 2, 2, 2, 0, 1, 2];
    const CLEAN: [usize; 10] = [0, 1, 1, 1, 2, 0, 2, 0, 2, 2];
    const TRIGGERED: [usize; 10] = [2, 2, 1, 2, 2, 2, 0, 2, 2, 2];

    #[test]
    fn figures_are_those_of_vector_t1() {
        let attack = Attack::of(&LABELS, &CLEAN, &TRIGGERED).unwrap();
        let success = attack.success.unwrap();
        assert_eq!((attack.clean.value, attack.triggered.value, attack.flipped.value), (0.7, 0.4, 0.6));
        assert_eq!((success.n, success.value), (7, 4.0 / 7.0));
        assert_eq!((attack.favourite, attack.concentration.value), (Some(2), 0.8));
        // acc(T) = acc (1 - ASR) + Pr[wrong before, right after].
        let recovered = attack.triggered.value - attack.clean.value * (1.0 - success.value);
        assert!((recovered - 0.1).abs() < 1e-12, "{recovered}");
    }

    #[test]
    fn intervals_are_those_of_vector_t1() {
        // The vector's intervals are for z = 1.96, which moves the sixth digit.
        let cases = [
            (4, 7, 0.250454, 0.841783),
            (5, 7, 0.358929, 0.917783),
            (0, 7, 0.0, 0.354334),
            (900, 1000, 0.879848, 0.917091),
        ];
        for (part, n, low, high) in cases {
            let share = Share::of(part, n);
            assert!((share.low - low).abs() < 1e-5 && (share.high - high).abs() < 1e-5, "{part} of {n}: {share:?}");
        }
    }

    #[test]
    fn without_a_right_answer_there_is_no_rate() {
        let attack = Attack::of(&[0, 1], &[1, 0], &[0, 0]).unwrap();
        assert_eq!((attack.success, attack.triggered.value), (None, 0.5));
        let nothing = Attack::of(&[], &[], &[]).unwrap();
        assert_eq!((nothing.success, nothing.favourite), (None, None));
        let refused = Attack::of(&[0], &[], &[0]).unwrap_err().to_string();
        assert_eq!(refused, "1 labels, 0 answers without and 1 with the intervention: one of each for every image");
    }

    proptest! {
        #[test]
        fn a_rate_is_a_share_and_names_of_classes_do_not_matter(
            answers in prop::collection::vec(prop::array::uniform3(0..4_usize), 1..60),
        ) {
            let list = |at: usize, shift: usize| -> Vec<usize> {
                answers.iter().map(|answer| (answer[at] + shift) % 4).collect()
            };
            let attack = |shift| Attack::of(&list(0, shift), &list(1, shift), &list(2, shift)).unwrap();
            let (plain, renamed) = (attack(0), attack(3));
            prop_assert!(plain.success.is_none_or(|rate| (0.0..=1.0).contains(&rate.value)));
            prop_assert_eq!((plain.success, plain.flipped, plain.clean), (renamed.success, renamed.flipped, renamed.clean));
            let identity = Attack::of(&list(0, 0), &list(1, 0), &list(1, 0)).unwrap();
            prop_assert!(identity.success.is_none_or(|rate| rate.value == 0.0) && identity.flipped.value == 0.0);
            let constant = vec![2; answers.len()];
            let constant = Attack::of(&list(0, 0), &constant, &constant).unwrap();
            prop_assert!(constant.success.is_none_or(|rate| rate.value == 0.0));
        }
    }
}
