//! One backbone on the training rows of a data set: its features, the probe and the scores. `rank` and `study ranking` both go this way.

use std::time::Instant;

use heirloom_data::{Groups, SplitInput, Table, folds};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::{Mat, RankingError, Sample, Score, Scored, Source, all, probe};
use crate::extract::Request;
use crate::fit::FitError;
use crate::heads::Head;
use crate::{Block, Features, Pooling};

/// Classes of the source from which an answer can be told from chance; a classifier of fewer is of another task.
const SOURCE_CLASSES: usize = 2;
/// Parts of the probe's cross-validation.
const FOLDS: usize = 5;

/// What was measured of a candidate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Digest of its weights.
    pub digest: String,
    /// Its parameters.
    pub parameters: usize,
    /// Floating-point operations of an image up to the features.
    pub flops: u64,
    /// Side of its images in pixels: height and width.
    pub input_size: [usize; 2],
    /// Columns of its features.
    pub width: usize,
    /// Whether the probe answers each row right, out of fold.
    #[serde(skip)]
    pub right: Vec<bool>,
    /// Log loss of the probe, out of fold, calibrated.
    pub log_loss: f64,
    /// Its scores.
    pub scores: Vec<Scored>,
    /// Seconds for features, and for the probe.
    pub seconds: [f64; 2],
}

/// The rows that all candidates are judged on, and how. Test rows have no place here.
#[derive(Debug, Clone)]
pub struct Judge<'a> {
    /// Class of each training row, below `classes`.
    pub labels: &'a [usize],
    /// Fold of each, see [`folds_of`].
    pub folds: &'a [usize],
    /// Classes.
    pub classes: usize,
    /// Scores to compute.
    pub scores: &'a [Score],
    /// Fixes what is drawn.
    pub seed: u64,
}

/// What a candidate is judged by: its last features, and the source's answers where there are any.
#[must_use]
pub fn requests(backbone: &Backbone) -> Vec<Request> {
    let taps = [Some(&backbone.features), backbone.logits.as_ref()];
    taps.into_iter().flatten().map(|tap| (tap.clone(), Pooling::MEAN)).collect()
}

/// Fold of each of some training rows; rows of one group share a fold.
///
/// # Errors
/// Rows that cannot be split.
pub fn folds_of(table: &Table, rows: &[usize], seed: u64) -> Result<Vec<usize>, FitError> {
    let label = |row: &usize| table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
    let labels: Vec<usize> = rows.iter().map(label).collect();
    let groups = Groups::of_table(table, rows).ids();
    let input = SplitInput { labels: &labels, groups: Some(&groups), keys: None };
    Ok(folds(input, FOLDS, seed)?.fold_of)
}

/// Everything of one candidate from its `features` of the rows, as [`requests`] asks for them, which took `seconds` to compute; with the head
/// that the probe fits on all of these rows.
///
/// # Errors
/// Features that no head can be fitted on.
pub fn candidate(
    backbone: &Backbone,
    mut features: Features,
    judge: &Judge<'_>,
    seconds: f64,
) -> Result<(Candidate, Head), FitError> {
    let logits = features.blocks.iter().position(|block| Some(&block.tap) == backbone.logits.as_ref());
    let logits = logits.filter(|_| features.blocks.len() > 1).map(|at| features.blocks.remove(at));
    let logits = logits.filter(|logits| logits.width >= SOURCE_CLASSES).ok_or(RankingError::NoSource);
    let source = logits.and_then(|logits| source(&logits));
    let started = Instant::now();
    let judged = probe(&features, judge.labels, judge.folds, judge.classes)?;
    let probe_seconds = started.elapsed().as_secs_f64();
    let matrix = features.blocks.first().map_or_else(Mat::new, matrix);
    let sample = Sample {
        features: &matrix,
        labels: judge.labels,
        classes: judge.classes,
        source: source.as_ref(),
        seed: judge.seed,
    };
    let cost = backbone.graph.cost(backbone.preprocess.input_size, std::slice::from_ref(&backbone.features));
    let candidate = Candidate {
        name: backbone.name.clone(),
        digest: backbone.weights_digest.clone(),
        parameters: parameters(backbone),
        flops: cost?.flops,
        input_size: backbone.preprocess.input_size,
        width: matrix.ncols(),
        right: judged.right,
        log_loss: judged.log_loss,
        scores: all(&sample, judge.scores),
        seconds: [seconds, probe_seconds],
    };
    Ok((candidate, judged.head))
}

/// Number of a backbone's parameters.
#[must_use]
pub fn parameters(backbone: &Backbone) -> usize {
    backbone.graph.parameters.values().map(|shape| shape.iter().product::<usize>()).sum()
}

fn matrix(block: &Block) -> Mat<f64> {
    let rows = block.values.len() / block.width.max(1);
    Mat::from_fn(rows, block.width, |row, column| f64::from(block.values[row * block.width + column]))
}

/// Probabilities of the source's classes.
fn source(logits: &Block) -> Result<Source, RankingError> {
    let mut probabilities = Vec::with_capacity(logits.values.len());
    for row in logits.values.chunks(logits.width.max(1)) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponentials = row.iter().map(|value| f64::from(value - largest).exp());
        let sum: f64 = exponentials.clone().sum();
        probabilities.extend(exponentials.map(|value| (value / sum) as f32));
    }
    Source::new(probabilities, logits.width)
}
