//! Judging: probabilities for rows by heads that were neither fitted nor chosen on them.

use super::select::{Selected, select};
use crate::Features;
use crate::heads::{Head, HeadError, Method, Settings, Training, probabilities};

/// Rows and their probabilities `[rows, classes]`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judged {
    pub rows: Vec<usize>,
    /// By the head's temperature.
    pub probabilities: Vec<f32>,
    /// With a temperature of 1.
    pub uncalibrated: Vec<f32>,
}

impl Judged {
    /// What `head` says of `rows`.
    pub fn by(head: &Head, features: &Features, rows: &[usize]) -> Result<Self, HeadError> {
        let logits = head.logits(features, rows)?;
        let at = |temperature| probabilities(&logits, head.classes(), temperature);
        Ok(Self { rows: rows.to_vec(), probabilities: at(head.temperature()), uncalibrated: at(1.0) })
    }
}

impl Judged {
    /// The rows that `keep` accepts.
    pub fn only(&self, keep: impl Fn(&usize) -> bool, classes: usize) -> Self {
        let mut out = Self::default();
        for (at, row) in self.rows.iter().enumerate().filter(|(_, row)| keep(row)) {
            out.rows.push(*row);
            out.probabilities.extend_from_slice(&self.probabilities[at * classes..(at + 1) * classes]);
            out.uncalibrated.extend_from_slice(&self.uncalibrated[at * classes..(at + 1) * classes]);
        }
        out
    }

    /// The rows at some places.
    pub fn at(&self, places: &[usize], classes: usize) -> Self {
        let of = |values: &[f32]| -> Vec<f32> {
            places.iter().flat_map(|at| &values[at * classes..(at + 1) * classes]).copied().collect()
        };
        Self {
            rows: places.iter().map(|at| self.rows[*at]).collect(),
            probabilities: of(&self.probabilities),
            uncalibrated: of(&self.uncalibrated),
        }
    }

    /// More rows behind these.
    pub fn extend(&mut self, more: Self) {
        self.rows.extend(more.rows);
        self.probabilities.extend(more.probabilities);
        self.uncalibrated.extend(more.uncalibrated);
    }
}

/// Fits on `training` and predicts `rows`.
pub(crate) fn held_out(
    methods: &[Method],
    training: &Training<'_>,
    settings: &Settings,
    rows: &[usize],
) -> Result<(Selected, Judged), HeadError> {
    let selected = select(methods, training, settings)?;
    let judged = Judged::by(&selected.fitted.head, training.features, rows)?;
    Ok((selected, judged))
}

/// Nested cross-validation: each fold of the training rows is predicted by heads fitted, and chosen, on the others alone. The
/// other folds serve as the inner ones.
pub(super) fn nested(methods: &[Method], training: &Training<'_>, settings: &Settings) -> Result<Judged, HeadError> {
    let mut folds: Vec<usize> = training.rows.iter().map(|row| training.folds[*row]).collect();
    folds.sort_unstable();
    folds.dedup();
    let mut judged = Judged::default();
    for fold in folds {
        let (held, kept): (Vec<usize>, Vec<usize>) =
            training.rows.iter().partition(|row| training.folds[**row] == fold);
        let (_, part) = held_out(methods, &Training { rows: &kept, ..*training }, settings, &held)?;
        judged.extend(part);
    }
    Ok(judged)
}
