//! Intervals of accuracies and of their differences, by resampling images, whole groups at a time, and draws together: the same
//! resample serves every way to adapt, so differences are paired.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::fit::Share;

/// Resamples.
const REPLICATES: usize = 2000;

/// A difference of two accuracies, -1 to 1, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gap {
    /// The difference.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Gap {
    /// How far the first lies below the second, in points, with the ends of the interval; what rounds to nothing has no sign.
    #[must_use]
    pub fn points_below(&self) -> [String; 3] {
        let points = |difference: f64| format!("{:.1}", (-1000.0 * difference).round() / 10.0 + 0.0);
        [points(self.value), points(self.high), points(self.low)]
    }
}

/// How often every group and every draw is in every resample.
#[derive(Debug)]
pub(crate) struct Resamples {
    groups: Vec<Vec<u16>>,
    draws: Vec<Vec<u16>>,
}

/// Answers of one way to adapt: for each draw (or each of the first of them), the group of every judged row and whether its answer is right.
pub(crate) type Answers = Vec<Vec<(usize, bool)>>;

impl Resamples {
    /// Resamples of `groups` groups and, where `of_draws` says so, of the `draws` draws. Folds of a cross-validation are parts of
    /// one whole and stay together.
    pub fn new(groups: usize, draws: usize, of_draws: bool, seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = |count: usize| {
            let mut times = vec![0_u16; count];
            (0..count).for_each(|_| times[below(&mut random, count)] += 1);
            times
        };
        let every = |_: usize| vec![1_u16; draws];
        Self {
            groups: (0..REPLICATES).map(|_| drawn(groups)).collect(),
            draws: if of_draws {
                (0..REPLICATES).map(|_| drawn(draws)).collect()
            } else {
                (0..REPLICATES).map(every).collect()
            },
        }
    }

    /// The accuracy in every resample.
    pub fn accuracies(&self, answers: &Answers) -> Vec<f64> {
        self.groups.iter().zip(&self.draws).map(|(groups, draws)| weighted(answers, groups, draws)).collect()
    }
}

/// A number below `count`; the bias of the remainder is below 2^-32 for any count of rows there can be.
fn below(random: &mut ChaCha8Rng, count: usize) -> usize {
    (random.next_u64() % count.max(1) as u64) as usize
}

/// The accuracy where groups and draws count as often as said. Answers of some draws alone count once each: a resample of all draws may
/// hold none of them.
fn weighted(answers: &Answers, groups: &[u16], draws: &[u16]) -> f64 {
    let (mut right, mut all) = (0_u64, 0_u64);
    let once = vec![1_u16; answers.len()];
    let draws = if answers.len() == draws.len() { draws } else { &once };
    for (draw, &times) in answers.iter().zip(draws).filter(|(_, times)| **times > 0) {
        for &(group, is_right) in draw {
            let weight = u64::from(times) * u64::from(groups[group]);
            all += weight;
            right += if is_right { weight } else { 0 };
        }
    }
    right as f64 / all.max(1) as f64
}

/// Share of right answers with the interval of its resamples. Where all or none are right these say nothing, and the interval is
/// Wilson's for `rows` rows.
pub(super) fn accuracy(answers: &Answers, resampled: &[f64], rows: usize) -> Share {
    let all = answers.iter().map(Vec::len).sum::<usize>();
    let right = answers.iter().flatten().filter(|(_, right)| *right).count();
    let value = right as f64 / all.max(1) as f64;
    if right == 0 || right == all {
        return Share { value, ..Share::of(if right == 0 { 0 } else { rows }, rows) };
    }
    let (low, high) = middle(resampled.to_vec());
    Share { value, low, high, n: rows }
}

/// `first - second` with the interval of its resamples.
pub(crate) fn gap(value: f64, first: &[f64], second: &[f64]) -> Gap {
    let (low, high) = middle(first.iter().zip(second).map(|(first, second)| first - second).collect());
    Gap { value, low, high }
}

/// What the middle 95 % of `values` lie between.
pub(crate) fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values.get((share * (values.len().saturating_sub(1)) as f64).round() as usize).copied();
    (at(0.025).unwrap_or(0.0), at(0.975).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(right: usize, all: usize) -> Answers {
        vec![(0..all).map(|row| (row, row < right)).collect()]
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_the_binomial_distribution() {
        let resamples = Resamples::new(400, 1, false, 7);
        let answers = answers(300, 400);
        let share = accuracy(&answers, &resamples.accuracies(&answers), 400);
        // 0.75 -+ 1.96 sqrt(0.75 * 0.25 / 400) = 0.75 -+ 0.0424.
        assert!((share.low - 0.7076).abs() < 0.005 && (share.high - 0.7924).abs() < 0.005, "{share:?}");
    }

    #[test]
    fn rows_of_one_group_count_as_one() {
        let whole: Answers = vec![(0..400).map(|row| (row / 40, row < 300)).collect()];
        let resamples = Resamples::new(10, 1, false, 7);
        let share = accuracy(&whole, &resamples.accuracies(&whole), 400);
        assert!(share.high - share.low > 0.3, "{share:?}");
    }

    #[test]
    fn equal_answers_differ_by_nothing_and_shared_mistakes_cancel() {
        let (first, second) = (answers(300, 400), answers(310, 400));
        let resamples = Resamples::new(400, 1, false, 7);
        let (a, b) = (resamples.accuracies(&first), resamples.accuracies(&second));
        let none = gap(0.0, &a, &a);
        assert_eq!((none.low, none.high), (0.0, 0.0));
        let ten = gap(0.025, &b, &a);
        assert!(ten.low > 0.01 && ten.high < 0.045, "paired: {ten:?}");
    }

    #[test]
    fn nothing_has_no_sign() {
        let gap = Gap { value: 0.0, low: -0.0126, high: 0.0004 };
        assert_eq!(gap.points_below(), ["0.0", "0.0", "1.3"]);
        assert_eq!(Gap { value: 0.0006, ..gap }.points_below()[0], "-0.1");
    }

    #[test]
    fn perfect_answers_have_the_interval_of_wilson() {
        let perfect = answers(50, 50);
        let share = accuracy(&perfect, &Resamples::new(50, 1, false, 0).accuracies(&perfect), 50);
        assert_eq!(share, Share::of(50, 50));
        assert!(share.low < 0.95);
    }

    #[test]
    fn draws_that_differ_widen_the_interval() {
        let unequal: Answers = (0..4).map(|draw| (0..100).map(|row| (row, row < 60 + 10 * draw)).collect()).collect();
        let width = |of_draws| {
            let share = accuracy(&unequal, &Resamples::new(100, 4, of_draws, 3).accuracies(&unequal), 100);
            share.high - share.low
        };
        assert!(width(true) > 1.1 * width(false), "{} {}", width(true), width(false));
    }
}
