//! `fit --source A --target B --safe`: the source is used where the labelled rows of the target show that it helps, see [`crate::safe`].
//!
//! ```text
//! folds of the labelled target rows;  transferred: the adapted head, which has seen no label of the target
//!                                     target only: heads fitted and chosen on the other folds
//! accuracy: each fold is answered by what the other folds choose
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::super::judge::{Judged, held_out};
use super::super::scores::most_probable;
use super::super::select::{Selected, select};
use super::super::{FitError, Rows};
use crate::Features;
use crate::heads::{HeadError, Method, Settings, Training};
use crate::safe::{Answerer, SafeChoice, SafeError, safe_transfer};

/// Groups of labelled rows at least: one fold is held out to judge, one to choose, and choosing settings takes two more.
pub(super) const GROUPS: usize = 4;

/// What the choice is made from.
pub(super) struct Candidates<'a> {
    /// Features as they are, of which the target alone is fitted.
    pub features: &'a Features,
    /// Labelled rows of the target in folds, as `train`.
    pub rows: &'a Rows,
    pub classes: usize,
    /// What is fitted on the target alone.
    pub methods: &'a [Method],
    pub settings: &'a Settings,
    /// What the adapted head says of the labelled rows, in their order.
    pub transferred: &'a Judged,
}

/// The choice, what it says of rows that took no part in it, and the head that takes the place of the adapted one.
pub(super) struct Safe {
    pub choice: SafeChoice,
    pub judged: Judged,
    pub fallback: Option<Selected>,
}

impl Candidates<'_> {
    /// Chooses by all labelled rows, and judges choosing so: each fold by what the others choose.
    ///
    /// # Errors
    /// Where neither the source nor the target's own rows beat the most frequent class; heads that cannot be fitted.
    pub fn choose(&self) -> Result<Safe, FitError> {
        let known = Known { candidates: self, by_rows: RefCell::default() };
        let all: Vec<usize> = (0..self.rows.train.len()).collect();
        let choice = known.choice(&all)?;
        let mut folds: Vec<usize> = all.iter().map(|at| self.fold(*at)).collect();
        folds.sort_unstable();
        folds.dedup();
        let mut judged = Judged::default();
        for fold in folds {
            let (held, kept): (Vec<usize>, Vec<usize>) = all.iter().partition(|at| self.fold(**at) == fold);
            judged.extend(known.answers(known.choice(&kept)?.chosen, &kept, &held)?);
        }
        let fallback = match choice.chosen {
            Answerer::Transferred => None,
            Answerer::TargetOnly => Some(select(self.methods, &self.training(&self.rows.train), self.settings)?),
            Answerer::Majority => return Err(FitError::NothingHelps { choice }),
        };
        Ok(Safe { choice, judged, fallback })
    }

    fn training<'b>(&'b self, rows: &'b [usize]) -> Training<'b> {
        let Rows { labels, folds, .. } = self.rows;
        Training { features: self.features, labels, rows, folds, classes: self.classes }
    }

    fn fold(&self, at: usize) -> usize {
        self.rows.folds[self.rows.train[at]]
    }

    fn label(&self, at: usize) -> usize {
        self.rows.labels[self.rows.train[at]]
    }

    /// Probabilities that are the shares of the classes among some rows, the same for each of the others.
    fn shares(&self, fit: &[usize], asked: &[usize]) -> Judged {
        let mut shares = vec![0.0_f32; self.classes];
        fit.iter().for_each(|at| shares[self.label(*at)] += 1.0 / fit.len().max(1) as f32);
        let probabilities = shares.repeat(asked.len());
        let rows = asked.iter().map(|at| self.rows.train[*at]).collect();
        Judged { rows, uncalibrated: probabilities.clone(), probabilities }
    }
}

/// What was fitted on the target alone, by the rows it was fitted on: several choices ask for the same.
struct Known<'a> {
    candidates: &'a Candidates<'a>,
    /// What each says of all labelled rows.
    by_rows: RefCell<BTreeMap<Vec<usize>, Judged>>,
}

impl Known<'_> {
    /// The choice by some of the labelled rows alone.
    fn choice(&self, among: &[usize]) -> Result<SafeChoice, SafeError> {
        let of = |places: &[usize]| -> Vec<usize> { places.iter().map(|place| among[*place]).collect() };
        let labels: Vec<usize> = among.iter().map(|at| self.candidates.label(*at)).collect();
        let folds: Vec<usize> = among.iter().map(|at| self.candidates.fold(*at)).collect();
        let by = |answerer: Answerer, fit: &[usize], asked: &[usize]| -> Result<Vec<usize>, SafeError> {
            let found = self.answers(answerer, &of(fit), &of(asked));
            let judged = found.map_err(|error| SafeError::Fit { reason: error.to_string() })?;
            Ok(judged.probabilities.chunks(self.candidates.classes.max(1)).map(most_probable).collect())
        };
        let transferred = |fit: &[usize], asked: &[usize]| by(Answerer::Transferred, fit, asked);
        let target_only = |fit: &[usize], asked: &[usize]| by(Answerer::TargetOnly, fit, asked);
        safe_transfer(&labels, &folds, &transferred, &target_only)
    }

    /// What one of them says of the rows asked for, where it may learn from the first alone.
    fn answers(&self, answerer: Answerer, fit: &[usize], asked: &[usize]) -> Result<Judged, HeadError> {
        let candidates = self.candidates;
        let among = |judged: &Judged| judged.at(asked, candidates.classes);
        match answerer {
            Answerer::Transferred => Ok(among(candidates.transferred)),
            Answerer::Majority => Ok(candidates.shares(fit, asked)),
            Answerer::TargetOnly => {
                if let Some(judged) = self.by_rows.borrow().get(fit) {
                    return Ok(among(judged));
                }
                let rows: Vec<usize> = fit.iter().map(|at| candidates.rows.train[*at]).collect();
                let training = candidates.training(&rows);
                let (_, judged) = held_out(candidates.methods, &training, candidates.settings, &candidates.rows.train)?;
                let found = among(&judged);
                self.by_rows.borrow_mut().insert(fit.to_vec(), judged);
                Ok(found)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;

    use super::*;
    use crate::{Block, Pooling};

    const ROWS: usize = 40;
    const CLASSES: usize = 2;

    /// A column for each of two classes; five folds.
    fn features() -> Features {
        let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 9 & 1023) as f32 / 1024.0;
        let of = |row: usize, class: usize| f32::from(u8::from(row % CLASSES == class)) + 0.5 * noise(2 * row + class);
        let values = (0..ROWS).flat_map(|row| [of(row, 0), of(row, 1)]).collect();
        let (tap, shape) = ("last".to_owned(), Shape::Vector { channels: 2 });
        let block = Block { tap, shape, pooling: Pooling::MEAN, width: 2, values };
        Features { rows: ROWS, blocks: vec![block] }
    }

    fn rows(labels: Vec<usize>) -> Rows {
        let all: Vec<usize> = (0..ROWS).collect();
        let folds = all.iter().map(|row| row / CLASSES % 5).collect();
        Rows { table: all.clone(), labels, train: all, test: Vec::new(), folds }
    }

    fn said(answer: impl Fn(usize) -> usize) -> Judged {
        let probabilities: Vec<f32> =
            (0..ROWS).flat_map(|row| if answer(row) == 0 { [0.9, 0.1] } else { [0.2, 0.8] }).collect();
        Judged { rows: (0..ROWS).collect(), uncalibrated: probabilities.clone(), probabilities }
    }

    fn choose(labels: Vec<usize>, transferred: &Judged) -> Result<Safe, FitError> {
        let (features, rows) = (features(), rows(labels));
        let settings = Settings { penultimate: "last".to_owned(), ..Settings::default() };
        let candidates = Candidates {
            features: &features,
            rows: &rows,
            classes: CLASSES,
            methods: &[Method::Ncm],
            settings: &settings,
            transferred,
        };
        candidates.choose()
    }

    fn right(safe: &Safe, labels: &[usize]) -> usize {
        let answers = safe.judged.probabilities.chunks(CLASSES).map(most_probable);
        safe.judged.rows.iter().zip(answers).filter(|(row, answer)| labels[**row] == *answer).count()
    }

    #[test]
    fn a_source_that_misleads_is_not_used_and_one_that_knows_more_is() {
        let truth: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
        let harmful = choose(truth.clone(), &said(|row| row / 7 % 2)).unwrap();
        assert_eq!(harmful.choice.chosen, Answerer::TargetOnly);
        assert!(harmful.fallback.is_some() && right(&harmful, &truth) == ROWS);
        assert_eq!(harmful.judged.rows.len(), ROWS);
        // Labels that the columns do not tell.
        let hidden: Vec<usize> = (0..ROWS).map(|row| usize::from(row.wrapping_mul(40_503) >> 4 & 4 > 0)).collect();
        let helpful = choose(hidden.clone(), &said(|row| hidden[row])).unwrap();
        assert_eq!(helpful.choice.chosen, Answerer::Transferred);
        assert!(helpful.fallback.is_none() && right(&helpful, &hidden) == ROWS, "{:?}", helpful.choice);
    }

    /// Labels at random: a model is made only where it is right at least as often as the most frequent class.
    #[test]
    fn where_nothing_beats_the_most_frequent_class_no_model_is_made() {
        let mut refused = 0;
        for seed in 0..20 {
            let random = |row: usize| usize::from((row + ROWS * seed).wrapping_mul(2_654_435_761) >> 13 & 15 < 5);
            match choose((0..ROWS).map(random).collect(), &said(|row| row % 2)) {
                Err(FitError::NothingHelps { choice }) => {
                    assert!(choice.accuracy[2] > choice.accuracy[1], "{choice:?}");
                    refused += 1;
                }
                found => {
                    let choice = found.unwrap().choice;
                    assert!(choice.accuracy[1] >= choice.accuracy[2], "{choice:?}");
                }
            }
        }
        assert!((1..20).contains(&refused), "{refused} of 20");
    }

    /// The labels of a fold change nothing that is said of it.
    #[test]
    fn the_labels_of_a_fold_do_not_touch_its_own_answers() {
        let truth: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
        let noisy = |row: usize| (row + usize::from(row.is_multiple_of(9))) % CLASSES;
        let before = choose(truth.clone(), &said(noisy)).unwrap();
        for fold in 0..5 {
            let of_fold = |row: usize| row / CLASSES % 5 == fold;
            let turned: Vec<usize> =
                (0..ROWS).map(|row| (row + usize::from(of_fold(row) && row < 20)) % CLASSES).collect();
            let after = choose(turned, &said(noisy)).unwrap();
            let of = |safe: &Safe| safe.judged.only(|row| of_fold(*row), CLASSES).probabilities;
            assert_eq!(of(&before), of(&after), "fold {fold}");
            assert_ne!(before.judged.probabilities, after.judged.probabilities, "others learn from it");
        }
    }
}
