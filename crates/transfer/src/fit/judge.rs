//! Judging: probabilities for rows by heads that were neither fitted nor chosen on them.

use super::select::{Selected, select};
use crate::heads::{HeadError, Method, Settings, Training};

/// Rows and their calibrated probabilities `[rows, classes]`.
#[derive(Debug, Clone, Default)]
pub(super) struct Judged {
    pub rows: Vec<usize>,
    pub probabilities: Vec<f32>,
}

/// Fits on `training` and predicts `rows`.
pub(super) fn held_out(
    methods: &[Method],
    training: &Training<'_>,
    settings: &Settings,
    rows: &[usize],
) -> Result<(Selected, Judged), HeadError> {
    let selected = select(methods, training, settings)?;
    let probabilities = selected.fitted.head.probabilities(training.features, rows)?;
    Ok((selected, Judged { rows: rows.to_vec(), probabilities }))
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
        judged.rows.extend(part.rows);
        judged.probabilities.extend(part.probabilities);
    }
    Ok(judged)
}
