//! Safe transfer (`spec/regularisers-and-adaptation.md` section G): what was transferred is used only where it is shown to be better than
//! what can be had without it.
//!
//! ```text
//! folds of the labelled target rows: each answerer fits on the others and answers the fold it has not seen
//! b = right only by transfer, c = right only by the baseline;     p = P(at least b of b + c heads of a fair coin)
//! ```
//!
//! The baseline is training on the target alone, or the most frequent class where that is right more often. Transfer is chosen where `p`
//! is at most 0.05 (the one-sided exact form of McNemar's test, 1947); otherwise the baseline is, and the reason is given. So what is chosen
//! is never right less often on held-out rows than the baseline.
//!
//! Folds overlap in what they fit on, so that `p` is somewhat too small where few rows are at hand; and the rows that choose are no longer
//! fit to judge: an honest accuracy of the choice needs other rows.

use serde::{Deserialize, Serialize};

/// Largest probability under which a gain is believed.
const LEVEL: f64 = 0.05;

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answerer {
    /// What was transferred.
    Transferred,
    /// Training on the labelled target rows alone.
    TargetOnly,
    /// The most frequent class of the fitted rows.
    Majority,
}

/// The choice and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SafeChoice {
    /// What to use.
    pub chosen: Answerer,
    /// Share of held-out rows that each gets right: transferred, target only, majority.
    pub accuracy: [f64; 3],
    /// What transfer was held against.
    pub baseline: Answerer,
    /// Rows that transfer alone gets right, and rows that the baseline alone does.
    pub apart: [usize; 2],
    /// Probability of a gain this large where there is none.
    pub probability: f64,
    /// Why transfer was not chosen; `None` where it was.
    pub fell_back: Option<String>,
}

/// What is wrong with folds or answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SafeError {
    /// Another number of entries than rows.
    #[error("there are {found} {what} for {rows} rows")]
    Length {
        /// What was counted.
        what: &'static str,
        /// Entries found.
        found: usize,
        /// Rows.
        rows: usize,
    },
    /// Fewer than two folds: nothing is held out.
    #[error("{folds} folds: at least 2 are needed, so that every row is held out once")]
    Folds {
        /// Folds found.
        folds: usize,
    },
    /// An answerer that cannot be fitted.
    #[error("{reason}")]
    Fit {
        /// Why not.
        reason: String,
    },
}

/// Fits on the first rows and answers the second: classes in their order.
pub type Fit<'a> = dyn Fn(&[usize], &[usize]) -> Result<Vec<usize>, SafeError> + 'a;

/// Chooses between what was transferred, training on the target alone, and the most frequent class.
///
/// `labels` are the classes of the labelled target rows and `folds` their folds; rows are named by their places in both. Each answerer is
/// told which rows to fit on and which to answer, and the rows it answers are never among those it fits on.
///
/// ```
/// use heirloom_transfer::safe::{Answerer, safe_transfer};
/// let labels: Vec<usize> = (0..40).map(|row| row % 2).collect();
/// let folds: Vec<usize> = (0..40).map(|row| row / 2 % 5).collect();
/// let knows = |_: &[usize], asked: &[usize]| Ok(asked.iter().map(|row| row % 2).collect());
/// let guesses = |_: &[usize], asked: &[usize]| Ok(asked.iter().map(|row| row / 7 % 2).collect());
/// assert_eq!(safe_transfer(&labels, &folds, &knows, &guesses)?.chosen, Answerer::Transferred);
/// let harmful = safe_transfer(&labels, &folds, &guesses, &knows)?;
/// assert_eq!(harmful.chosen, Answerer::TargetOnly);
/// assert!(harmful.fell_back.is_some());
/// # Ok::<(), heirloom_transfer::safe::SafeError>(())
/// ```
///
/// # Errors
/// Lists of different lengths, fewer than two folds, or an answerer that cannot be fitted.
pub fn safe_transfer(
    labels: &[usize],
    folds: &[usize],
    transferred: &Fit<'_>,
    target_only: &Fit<'_>,
) -> Result<SafeChoice, SafeError> {
    let rows = labels.len();
    if folds.len() != rows {
        return Err(SafeError::Length { what: "folds", found: folds.len(), rows });
    }
    let mut names = folds.to_vec();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(SafeError::Folds { folds: names.len() });
    }
    let majority = |fit: &[usize], asked: &[usize]| Ok(vec![most_frequent(labels, fit); asked.len()]);
    let answerers: [&Fit<'_>; 3] = [transferred, target_only, &majority];
    let mut right = [vec![false; rows], vec![false; rows], vec![false; rows]];
    for name in names {
        let (asked, fit): (Vec<usize>, Vec<usize>) = (0..rows).partition(|row| folds[*row] == name);
        for (right, answerer) in right.iter_mut().zip(answerers) {
            let found = answerer(&fit, &asked)?;
            if found.len() != asked.len() {
                return Err(SafeError::Length { what: "answers", found: found.len(), rows: asked.len() });
            }
            asked.iter().zip(&found).for_each(|(row, class)| right[*row] = labels[*row] == *class);
        }
    }
    Ok(choose(&right))
}

/// The choice from what each answerer got right: transferred, target only, majority.
fn choose(right: &[Vec<bool>; 3]) -> SafeChoice {
    let count = |right: &Vec<bool>| right.iter().filter(|right| **right).count();
    let rows = right[0].len().max(1) as f64;
    let accuracy = [0, 1, 2].map(|at: usize| count(&right[at]) as f64 / rows);
    let (baseline, held) = if count(&right[1]) >= count(&right[2]) {
        (Answerer::TargetOnly, &right[1])
    } else {
        (Answerer::Majority, &right[2])
    };
    let only = |own: &[bool], other: &[bool]| own.iter().zip(other).filter(|(own, other)| **own && !**other).count();
    let apart = [only(&right[0], held), only(held, &right[0])];
    let probability = at_least(apart[0], apart[0] + apart[1]);
    let fell_back = if apart[0] <= apart[1] {
        Some(format!("transfer is right on {} rows that the baseline misses, the baseline on {}", apart[0], apart[1]))
    } else if probability > LEVEL {
        Some(format!("a gain of {} rows to {} may be chance (p = {probability:.2})", apart[0], apart[1]))
    } else {
        None
    };
    let chosen = if fell_back.is_none() { Answerer::Transferred } else { baseline };
    SafeChoice { chosen, accuracy, baseline, apart, probability, fell_back }
}

/// The class that most of these rows have, the first of equals.
fn most_frequent(labels: &[usize], rows: &[usize]) -> usize {
    let classes = rows.iter().map(|row| labels[*row] + 1).max().unwrap_or(1);
    let mut counts = vec![0_usize; classes];
    rows.iter().for_each(|row| counts[labels[*row]] += 1);
    (0..classes).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}

/// Probability of at least `heads` heads of `n` throws of a fair coin; by logarithms, so that no sum overflows.
fn at_least(heads: usize, n: usize) -> f64 {
    let (mut coefficient, mut tail) = (0.0_f64, 0.0);
    for k in 0..=n - heads {
        if k > 0 {
            coefficient += ((n - k + 1) as f64).ln() - (k as f64).ln();
        }
        tail += (coefficient - n as f64 * std::f64::consts::LN_2).exp();
    }
    tail.min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answers(right: [&[bool]; 3]) -> SafeChoice {
        choose(&right.map(<[bool]>::to_vec))
    }

    #[test]
    fn tails_of_the_coin() {
        for (heads, n, expected) in [(0, 0, 1.0), (5, 5, 1.0 / 32.0), (4, 5, 6.0 / 32.0), (9, 12, 299.0 / 4096.0)] {
            assert!((at_least(heads, n) - expected).abs() < 1e-12, "{heads} of {n}");
        }
        assert!(at_least(2000, 3000) < 1e-40, "far beyond the range of powers of two");
    }

    #[test]
    fn five_rows_to_none_are_enough_and_four_are_not() {
        for (gained, chosen) in [(5, Answerer::Transferred), (4, Answerer::TargetOnly)] {
            let own: Vec<bool> = (0..20).map(|row| row < 10 + gained).collect();
            let (base, none) = ((0..20).map(|row| row < 10).collect::<Vec<bool>>(), vec![false; 20]);
            let found = answers([&own, &base, &none]);
            assert_eq!((found.chosen, found.apart), (chosen, [gained, 0]));
            assert_eq!(found.fell_back.is_none(), chosen == Answerer::Transferred);
        }
        let (own, none) = ((0..20).map(|row| row < 10).collect::<Vec<bool>>(), vec![false; 20]);
        let majority = answers([&none, &none, &own]);
        assert_eq!((majority.chosen, majority.baseline), (Answerer::Majority, Answerer::Majority));
    }

    /// Rows that are answered are not fitted on, and each is answered once.
    #[test]
    fn no_answerer_fits_on_what_it_answers() {
        let labels = [0, 1, 1, 0, 1, 1, 0, 1];
        let folds = [3, 3, 9, 9, 4, 4, 4, 3];
        let seen = std::sync::Mutex::new(Vec::new());
        let watch = |fit: &[usize], asked: &[usize]| {
            assert!(asked.iter().all(|row| !fit.contains(row)) && fit.len() + asked.len() == 8);
            assert!(asked.iter().all(|row| folds[*row] == folds[asked[0]]));
            seen.lock().unwrap().extend_from_slice(asked);
            Ok(vec![1; asked.len()])
        };
        let found = safe_transfer(&labels, &folds, &watch, &|_, asked| Ok(vec![0; asked.len()])).unwrap();
        let mut seen = seen.into_inner().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((found.accuracy[0], found.accuracy[1]), (0.625, 0.375));
        assert_eq!(found.baseline, Answerer::Majority, "1 is the most frequent class of the fitted rows");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let fine = |_: &[usize], asked: &[usize]| Ok(vec![0; asked.len()]);
        let short = |_: &[usize], _: &[usize]| Ok(vec![0; 1]);
        let broken = |_: &[usize], _: &[usize]| Err(SafeError::Fit { reason: "no rows".to_owned() });
        assert!(matches!(safe_transfer(&[0; 4], &[0, 1], &fine, &fine), Err(SafeError::Length { .. })));
        assert_eq!(safe_transfer(&[0; 4], &[2; 4], &fine, &fine), Err(SafeError::Folds { folds: 1 }));
        assert!(matches!(safe_transfer(&[0; 4], &[0, 0, 1, 1], &short, &fine), Err(SafeError::Length { .. })));
        assert!(matches!(safe_transfer(&[0; 4], &[0, 0, 1, 1], &fine, &broken), Err(SafeError::Fit { .. })));
    }

    proptest! {
        /// What is chosen is never below a baseline on held-out rows; swapped, at most one of the two is believed.
        #[test]
        fn the_choice_is_never_below_the_baseline(rows in prop::collection::vec(prop::array::uniform3(any::<bool>()), 1..60)) {
            let of = |at: usize| rows.iter().map(|row| row[at]).collect::<Vec<bool>>();
            let found = answers([&of(0), &of(1), &of(2)]);
            let chosen = match found.chosen {
                Answerer::Transferred => found.accuracy[0],
                Answerer::TargetOnly => found.accuracy[1],
                Answerer::Majority => found.accuracy[2],
            };
            prop_assert!(chosen >= found.accuracy[1] && chosen >= found.accuracy[2]);
            prop_assert_eq!(found.fell_back.is_none(), found.chosen == Answerer::Transferred);
            let none = vec![false; rows.len()];
            let swapped = answers([&of(1), &of(0), &none]);
            let plain = answers([&of(0), &of(1), &none]);
            prop_assert!(!(swapped.chosen == Answerer::Transferred && plain.chosen == Answerer::Transferred));
        }
    }
}
