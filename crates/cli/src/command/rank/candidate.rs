//! One candidate: its features of the training images, the probe and the scores.

use std::path::Path;
use std::time::Instant;

use heirloom_data::Table;
use heirloom_transfer::extract::{ExtractOptions, Extracted, Extraction, Network, Request, TableImages};
use heirloom_transfer::fit::{FitError, SkippedRow};
use heirloom_transfer::ranking::{Mat, Sample, Score, Scored, all, probe};
use heirloom_transfer::store::Store;
use heirloom_transfer::{Block, Pooling};
use heirloom_zoo::Backbone;
use serde::Serialize;

use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;

/// Classes of the source from which an answer can be told from chance; a classifier of fewer is of another task.
const SOURCE_CLASSES: usize = 2;

/// What was measured of a candidate.
#[derive(Debug, Clone, Serialize)]
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
    /// Whether the probe answers each image right, out of fold.
    #[serde(skip)]
    pub right: Vec<bool>,
    /// Log loss of the probe, out of fold, calibrated.
    pub log_loss: f64,
    /// Its scores.
    pub scores: Vec<Scored>,
    /// Seconds for features, and for the probe.
    pub seconds: [f64; 2],
}

/// The rows that all candidates are judged on.
pub struct Rows<'a> {
    table: &'a Table,
    images: TableImages<'a>,
    store: Store,
    /// Rows of the table that can be read.
    pub rows: Vec<usize>,
    /// Fold of each.
    pub folds: Vec<usize>,
    labels: Vec<usize>,
    /// Rows that cannot be read.
    pub skipped: Vec<SkippedRow>,
}

impl<'a> Rows<'a> {
    /// The rows that the first candidate can read.
    pub fn find(first: &Backbone, table: &'a Table, cache: &Path, extract: &ExtractOptions) -> Result<Self, Failure> {
        let images = TableImages::new(table, cache);
        let mut rows = Self {
            table,
            images,
            store: Store::new(cache),
            rows: (0..table.rows.len()).collect(),
            folds: Vec::new(),
            labels: Vec::new(),
            skipped: table
                .skipped
                .iter()
                .map(|row| SkippedRow { locator: row.locator.clone(), reason: row.reason.clone() })
                .collect(),
        };
        let extracted = rows.features(first, extract)?;
        let named = extracted.summary.skipped;
        rows.skipped.extend(named.into_iter().map(|row| SkippedRow { locator: row.locator, reason: row.reason }));
        let read = extracted.rows;
        rows.labels = read.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        rows.rows = read;
        Ok(rows)
    }

    /// Rows that could be read, their features, and the source's answers where there are any.
    fn features(&self, backbone: &Backbone, extract: &ExtractOptions) -> Result<Extracted, Failure> {
        interrupt::note("finished features stay in the cache; run the same command again to go on from there");
        let mut requests: Vec<Request> = vec![(backbone.features.clone(), Pooling::MEAN)];
        requests.extend(backbone.logits.clone().map(|logits| (logits, Pooling::MEAN)));
        let progress = Progress::new("images");
        let report = |state: &heirloom_transfer::extract::Progress| progress.report(state.done, state.total);
        let _watching = Watching::begin();
        let mut extraction = Extraction::new(Network::from(backbone), &self.images, &self.rows, &requests);
        (extraction.store, extraction.options) = (Some(&self.store), extract.clone());
        extraction.progress = Some(&report);
        extraction.cancel = Some(&STOP);
        Ok(extraction.run().map_err(FitError::from)?)
    }
}

/// Everything of one candidate.
pub fn measure(
    backbone: &Backbone,
    rows: &Rows<'_>,
    wanted: &[Score],
    seed: u64,
    extract: &ExtractOptions,
) -> Result<Candidate, Failure> {
    let started = Instant::now();
    let Extracted { rows: read, mut features, .. } = rows.features(backbone, extract)?;
    if read != rows.rows {
        let fact = format!("{} of {} images can be read for {}", read.len(), rows.rows.len(), backbone.name);
        return Err(
            Failure::input(fact).hint("the images were changed while they were ranked on; run the command again")
        );
    }
    let read_seconds = started.elapsed().as_secs_f64();
    let logits = features.blocks.iter().position(|block| Some(&block.tap) == backbone.logits.as_ref());
    let logits = logits.filter(|_| features.blocks.len() > 1).map(|at| features.blocks.remove(at));
    let source = logits.filter(|logits| logits.width >= SOURCE_CLASSES).map(|logits| softmax(&logits));
    let classes = rows.table.classes.len();
    let started = Instant::now();
    let judged = probe(&features, &rows.labels, &rows.folds, classes).map_err(FitError::from)?;
    let probe_seconds = started.elapsed().as_secs_f64();
    let matrix = matrix(&features.blocks[0]);
    let sample = Sample { features: &matrix, labels: &rows.labels, classes, source: source.as_ref(), seed };
    let cost = backbone.graph.cost(backbone.preprocess.input_size, std::slice::from_ref(&backbone.features));
    Ok(Candidate {
        name: backbone.name.clone(),
        digest: backbone.weights_digest.clone(),
        parameters: backbone.graph.parameters.values().map(|shape| shape.iter().product::<usize>()).sum(),
        flops: cost.map_err(FitError::from)?.flops,
        input_size: backbone.preprocess.input_size,
        width: matrix.ncols(),
        right: judged.right,
        log_loss: judged.log_loss,
        scores: all(&sample, wanted),
        seconds: [read_seconds, probe_seconds],
    })
}

fn matrix(block: &Block) -> Mat<f64> {
    let rows = block.values.len() / block.width.max(1);
    Mat::from_fn(rows, block.width, |row, column| f64::from(block.values[row * block.width + column]))
}

/// Probabilities of the source's classes.
fn softmax(logits: &Block) -> Mat<f64> {
    let rows: Vec<Vec<f64>> = logits
        .values
        .chunks(logits.width.max(1))
        .map(|row| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exponentials: Vec<f64> = row.iter().map(|value| f64::from(value - largest).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            exponentials.into_iter().map(|value| value / sum).collect()
        })
        .collect();
    Mat::from_fn(rows.len(), logits.width, |row, column| rows[row][column])
}
