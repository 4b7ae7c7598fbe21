//! Accuracy against the number of training rows, with the settings that were chosen: would more images help?

use super::judge::Judged;
use super::narrow::narrowed;
use super::record::{CurveRow, Protocol, Share};
use super::scores::verdicts;
use super::select::Selected;
use super::{FitError, Job, Rows};
use crate::heads::{HeadError, Settings, Training, fit};
use heirloom_data::SplitInput;

/// Shares of the training rows; the whole of them is the measurement itself.
const PARTS: [f64; 3] = [0.125, 0.25, 0.5];
/// Fewest rows of a part: less says nothing.
const FEWEST: usize = 10;

/// The curve, its last point being what was measured. Parts that are too small to fit on are left out.
pub(super) fn curve(
    job: &Job<'_>,
    selected: &Selected,
    judged: &Judged,
    rows: &Rows,
    protocol: Protocol,
    seed: u64,
) -> Result<Vec<CurveRow>, FitError> {
    let settings = narrowed(job.settings, &selected.fitted);
    let splits = splits(rows, protocol);
    let mut points = Vec::new();
    for (index, size) in PARTS.into_iter().enumerate() {
        let (mut right, mut n, mut fitted_on) = (0, 0, 0);
        for (train, test) in &splits {
            let kept = part(train, &rows.labels, size, seed.wrapping_add(index as u64))?;
            let training = job.training(rows, &kept);
            let Some(hits) = hits(job, selected, &settings, &training, test)? else { continue };
            (right, n, fitted_on) = (right + hits, n + test.len(), fitted_on + kept.len());
        }
        let mean = fitted_on / splits.len().max(1);
        if mean >= FEWEST && n == splits.iter().map(|(_, test)| test.len()).sum::<usize>() {
            points.push(CurveRow { rows: mean, accuracy: Share::of(right, n) });
        }
    }
    points.push(whole(judged, rows, &splits, job.classes));
    Ok(points)
}

/// What is fitted on and what is judged: the protocol's own split, or each fold in turn.
fn splits(rows: &Rows, protocol: Protocol) -> Vec<(Vec<usize>, Vec<usize>)> {
    if protocol != Protocol::NestedCv {
        return vec![(rows.train.clone(), rows.test.clone())];
    }
    let mut folds: Vec<usize> = rows.train.iter().map(|place| rows.folds[*place]).collect();
    folds.sort_unstable();
    folds.dedup();
    folds.iter().map(|fold| rows.train.iter().partition(|place| rows.folds[**place] != *fold)).collect()
}

/// A stratified part of `train`.
fn part(train: &[usize], labels: &[usize], size: f64, seed: u64) -> Result<Vec<usize>, FitError> {
    let labels: Vec<usize> = train.iter().map(|place| labels[*place]).collect();
    let split = heirloom_data::hold_out(SplitInput { labels: &labels, groups: None, keys: None }, size, seed)?;
    Ok(split.held_out.into_iter().map(|place| train[place]).collect())
}

/// Judged rows that a head fitted on `training` gets right; `None` when the part holds too little to fit on.
fn hits(
    job: &Job<'_>,
    selected: &Selected,
    settings: &Settings,
    training: &Training<'_>,
    test: &[usize],
) -> Result<Option<usize>, FitError> {
    let fitted = match fit(selected.fitted.head.method(), training, settings) {
        Ok(fitted) => fitted,
        Err(HeadError::OneClass { .. } | HeadError::TooFewFolds { .. } | HeadError::NoRows) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let judged = Judged::by(&fitted.head, job.features, test)?;
    let verdicts = verdicts(&judged, training.labels, job.classes);
    Ok(Some(verdicts.iter().filter(|verdict| verdict.label == verdict.predicted).count()))
}

fn whole(judged: &Judged, rows: &Rows, splits: &[(Vec<usize>, Vec<usize>)], classes: usize) -> CurveRow {
    let verdicts = verdicts(judged, &rows.labels, classes);
    let right = verdicts.iter().filter(|verdict| verdict.label == verdict.predicted).count();
    let fitted_on = splits.iter().map(|(train, _)| train.len()).sum::<usize>() / splits.len().max(1);
    CurveRow { rows: fitted_on, accuracy: Share::of(right, verdicts.len()) }
}
