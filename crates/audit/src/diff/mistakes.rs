//! Mistakes that two models share and mistakes that one of them makes alone (`spec/what-is-transferred.md` section 5; Neyshabur, Sedghi,
//! Zhang 2020, section 3.2). With `e_A`, `e_B` whether a model is wrong on an image,
//!
//! ```text
//! common = mean(e_A and e_B)      uncommon = mean(e_A xor e_B)      Jaccard = common / (common + uncommon)
//! consistency = (o - c) / (1 - c)   o = mean(e_A = e_B), c = a_A a_B + (1 - a_A)(1 - a_B), accuracies a   (Geirhos et al. 2020, kappa)
//! ```
//!
//! Models that are right often agree often: `c` is what two models of these accuracies share if their errors have nothing to do with each other.

use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use super::DiffError;
use crate::{Difference, Level, mcnemar, paired_difference};

/// Mistakes of two models on the same images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mistakes {
    /// Images judged.
    pub images: usize,
    /// Share that the first model answers right.
    pub first: Share,
    /// Share that the second answers right.
    pub second: Share,
    /// Accuracy of the second less that of the first, on the same images.
    pub change: Option<Difference>,
    /// Probability of a change as large by chance, by McNemar's exact test.
    pub change_by_chance: f64,
    /// Share on which both are wrong.
    pub common: Share,
    /// The same if errors of the two had nothing to do with each other.
    pub common_expected: f64,
    /// Share on which one of the two is wrong.
    pub uncommon: Share,
    /// The same if errors had nothing to do with each other.
    pub uncommon_expected: f64,
    /// Share on which the first alone is wrong.
    pub first_alone: Share,
    /// Share on which the second alone is wrong.
    pub second_alone: Share,
    /// Of the images on which both are wrong, those with the same wrong answer; none without such an image.
    pub same_answer: Option<Share>,
    /// Images that both have wrong, of those that either has wrong; none without a mistake.
    pub jaccard: Option<f64>,
    /// Agreement on what is right and wrong beyond chance, 1 at most; none where chance alone would agree on everything.
    pub consistency: Option<f64>,
    /// Share on which the two answer differently.
    pub disagreement: Share,
    /// The same by class.
    pub classes: Vec<ClassMistakes>,
}

/// Mistakes on the images of one class, in images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassMistakes {
    /// The class.
    pub class: usize,
    /// Its images.
    pub images: usize,
    /// Both are wrong.
    pub both: usize,
    /// The first alone is wrong.
    pub first_alone: usize,
    /// The second alone is wrong.
    pub second_alone: usize,
}

/// Images by who has them wrong.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    images: usize,
    both: usize,
    first_alone: usize,
    second_alone: usize,
    same_answer: usize,
    disagree: usize,
}

impl Counts {
    fn add(&mut self, label: usize, first: usize, second: usize) {
        self.images += 1;
        match (first != label, second != label) {
            (true, true) => self.both += 1,
            (true, false) => self.first_alone += 1,
            (false, true) => self.second_alone += 1,
            (false, false) => {}
        }
        self.same_answer += usize::from(first != label && first == second);
        self.disagree += usize::from(first != second);
    }
}

impl Mistakes {
    /// Mistakes of two lists of answers; `seed` fixes the interval of the change.
    ///
    /// ```
    /// use heirloom_audit::diff::Mistakes;
    /// let found = Mistakes::of(&[0, 1, 2, 0], &[0, 1, 1, 1], &[0, 2, 1, 0], 0)?;
    /// assert_eq!((found.common.value, found.uncommon.value), (0.25, 0.5));
    /// # Ok::<(), heirloom_audit::diff::DiffError>(())
    /// ```
    ///
    /// # Errors
    /// Lists of different length, or no image.
    pub fn of(labels: &[usize], first: &[usize], second: &[usize], seed: u64) -> Result<Self, DiffError> {
        if labels.len() != first.len() || labels.len() != second.len() {
            let [labels, first, second] = [labels.len(), first.len(), second.len()];
            return Err(DiffError::Lengths { labels, first, second });
        }
        if labels.is_empty() {
            return Err(DiffError::TooFew { images: 0, needed: 1 });
        }
        let mut all = Counts::default();
        let mut classes = vec![Counts::default(); labels.iter().max().map_or(0, |most| most + 1)];
        for ((&label, &first), &second) in labels.iter().zip(first).zip(second) {
            all.add(label, first, second);
            classes[label].add(label, first, second);
        }
        let right = |answers: &[usize]| -> Vec<f64> {
            labels.iter().zip(answers).map(|(label, answer)| f64::from(u8::from(label == answer))).collect()
        };
        let changes: Vec<f64> = right(second).iter().zip(right(first)).map(|(second, first)| second - first).collect();
        Ok(Self { change: paired_difference(&changes, Level::of(1), seed), ..Self::told(all, &classes) })
    }

    fn told(all: Counts, classes: &[Counts]) -> Self {
        let share = |part: usize| Share::of(part, all.images);
        let [first, second] = [all.first_alone, all.second_alone].map(|alone| share(all.images - all.both - alone));
        let [wrong, other] = [1.0 - first.value, 1.0 - second.value];
        let uncommon = all.first_alone + all.second_alone;
        let uncommon_expected = wrong * second.value + other * first.value;
        let either = all.both + uncommon;
        let class = |(class, counts): (usize, &Counts)| ClassMistakes {
            class,
            images: counts.images,
            both: counts.both,
            first_alone: counts.first_alone,
            second_alone: counts.second_alone,
        };
        Self {
            images: all.images,
            first,
            second,
            change: None,
            change_by_chance: mcnemar(all.first_alone, all.second_alone),
            common: share(all.both),
            common_expected: wrong * other,
            uncommon: share(uncommon),
            uncommon_expected,
            first_alone: share(all.first_alone),
            second_alone: share(all.second_alone),
            same_answer: (all.both > 0).then(|| Share::of(all.same_answer, all.both)),
            jaccard: (either > 0).then(|| all.both as f64 / either as f64),
            consistency: (uncommon_expected > 0.0).then(|| 1.0 - share(uncommon).value / uncommon_expected),
            disagreement: share(all.disagree),
            classes: classes.iter().enumerate().filter(|(_, counts)| counts.images > 0).map(class).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vector_t5() {
        let (y, a, b) = ([0, 1, 2, 0, 1, 2, 0, 1], [0, 1, 2, 1, 1, 0, 2, 1], [0, 2, 2, 1, 1, 0, 0, 0]);
        let found = Mistakes::of(&y, &a, &b, 0).unwrap();
        assert_eq!((found.common.value, found.uncommon.value, found.disagreement.value), (0.25, 0.375, 0.375));
        assert_eq!((found.first_alone.value, found.second_alone.value), (0.125, 0.25));
        assert_eq!((found.jaccard, found.same_answer.map(|share| (share.value, share.n))), (Some(0.4), Some((1.0, 2))));
        let of_class =
            |at: usize| (found.classes[at].both, found.classes[at].first_alone, found.classes[at].second_alone);
        assert_eq!([of_class(0), of_class(1), of_class(2)], [(1, 1, 0), (0, 0, 2), (1, 0, 0)]);
        // Accuracies 5/8 and 4/8: chance shares 3/8 x 4/8 of the mistakes and differs on half of the images.
        assert_eq!((found.common_expected, found.uncommon_expected, found.consistency), (0.1875, 0.5, Some(0.25)));
        assert_eq!(found.change.unwrap().value, -0.125);
    }

    fn answers() -> impl Strategy<Value = (Vec<usize>, Vec<usize>, Vec<usize>)> {
        (1..40_usize).prop_flat_map(|images| {
            let list = || prop::collection::vec(0..4_usize, images);
            (list(), list(), list())
        })
    }

    proptest! {
        /// P6.
        #[test]
        fn every_image_counts_once_and_the_two_sides_are_alike((labels, a, b) in answers()) {
            let (there, back) = (Mistakes::of(&labels, &a, &b, 0).unwrap(), Mistakes::of(&labels, &b, &a, 0).unwrap());
            let right = (0..labels.len()).filter(|&at| a[at] == labels[at] && b[at] == labels[at]).count();
            let right = right as f64 / labels.len() as f64;
            prop_assert!((there.common.value + there.uncommon.value + right - 1.0).abs() < 1e-12);
            prop_assert_eq!(there.uncommon, back.uncommon);
            prop_assert_eq!(there.first_alone, back.second_alone);
            let same = Mistakes::of(&labels, &a, &a, 0).unwrap();
            prop_assert_eq!((same.uncommon.value, same.disagreement.value), (0.0, 0.0));
            prop_assert!(same.consistency.is_none_or(|value| value == 1.0));
        }
    }

    #[test]
    fn lists_that_do_not_belong_together_are_refused() {
        assert!(Mistakes::of(&[0, 1], &[0], &[0, 1], 0).unwrap_err().to_string().contains("2 labels, 1 answers"));
        assert!(Mistakes::of(&[], &[], &[], 0).is_err());
    }
}
