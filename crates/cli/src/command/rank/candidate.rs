//! The training images that candidates are judged on, and their features.

use std::path::Path;
use std::time::Instant;

use heirloom_data::Table;
use heirloom_transfer::extract::{ExtractOptions, Extracted, Extraction, Network, TableImages};
use heirloom_transfer::fit::{FitError, SkippedRow};
use heirloom_transfer::ranking::{Candidate, Judge, Score, candidate, requests};
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;

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
        let requests = requests(backbone);
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
    let Extracted { rows: read, features, .. } = rows.features(backbone, extract)?;
    if read != rows.rows {
        let fact = format!("{} of {} images can be read for {}", read.len(), rows.rows.len(), backbone.name);
        return Err(
            Failure::input(fact).hint("the images were changed while they were ranked on; run the command again")
        );
    }
    let classes = rows.table.classes.len();
    let judge = Judge { labels: &rows.labels, folds: &rows.folds, classes, scores: wanted, seed };
    Ok(candidate(backbone, features, &judge, started.elapsed().as_secs_f64())?.0)
}
