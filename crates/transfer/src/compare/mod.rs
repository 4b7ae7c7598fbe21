//! Ways to adapt beside each other, accuracy against cost: the orchestration of `compare`.
//!
//! ```text
//! table -> readable rows, groups, copies -> draws -> for each backbone, draw, method: a cell (fitted, judged, kept)
//!       -> for each backbone and method: a line with intervals, differences from the best, calibration, cost -> advice
//! ```
//!
//! A cell is kept under a key of everything that decides it, so a comparison that was broken off goes on where it was, and one with a
//! further method computes that method alone. Inside a cell all settings are chosen on its training rows.

mod advice;
pub(crate) mod bootstrap;
pub(crate) mod cell;
mod cost;
mod draws;
mod entry;
mod error;
mod method;
mod origin;
mod record;
mod summary;
mod trained;
mod work;

use std::path::Path;
use std::time::{Duration, Instant};

use heirloom_data::{FeatureTable, Groups, Split, Table};

pub use advice::Advice;
pub use bootstrap::Gap;
pub(crate) use cell::FOLDER as CELLS_FOLDER;
pub use cell::{Cells, Kept, forget, kept, name_of};
pub use cost::Cost;
pub use draws::Draw;
pub use entry::Entry;
pub use error::CompareError;
pub use method::{Adaptation, Auto};
pub use record::{Comparison, DrawRecord, DrawRows, Failed, Line, Rows, Source};

use crate::Features;
use crate::extract::{ExtractOptions, Extraction, Images, TableImages};
use crate::fit::copies::Copies;
use crate::fit::trained::TrainingEvent;
use crate::fit::{FitError, SkippedRow, Watch};
use crate::heads::Settings;
use crate::store::Store;
use cell::Cell;
use origin::{Given, Origin, Seen};
use summary::Summary;
use work::Work;

/// How to compare.
#[derive(Debug, Clone)]
pub struct CompareOptions {
    /// Draws of training rows.
    pub draws: usize,
    /// Training rows of a draw; by default as many as the protocol leaves, see [`Comparison::protocol`].
    pub train_rows: Option<usize>,
    /// Rows of the table to use; `None` uses all.
    pub rows: Option<Vec<usize>>,
    /// Ends each training after this time.
    pub time_limit: Option<Duration>,
    /// Seed of draws, folds and training.
    pub seed: u64,
    /// How to extract.
    pub extract: ExtractOptions,
}

/// Compares ways to adapt backbones to a table. Results are kept in the cache that `store` lies in.
///
/// # Errors
/// A table that nothing can be fitted on, settings that do not fit, an interrupt; a head that cannot be fitted on one draw is listed in
/// [`Comparison::failed`] and stops nothing.
pub fn compare(
    entries: &[Entry<'_>],
    table: &Table,
    store: &Store,
    options: &CompareOptions,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<Comparison, CompareError> {
    let started = Instant::now();
    table.check_for_training().map_err(FitError::from)?;
    let first = entries.first().ok_or(CompareError::Nothing { what: "no backbone to compare on" })?;
    entries.iter().try_for_each(|entry| check_size(&entry.methods, options))?;
    let images = TableImages::new(table, store.cache());
    let readable = Readable::find(first, table, &images, store, options, watch)?;
    let seen = |entry| Origin::Images(Seen { entry, images: &images, store });
    let origins: Vec<Origin<'_>> = entries.iter().map(seen).collect();
    let mut comparison = compared(&origins, table, &readable, store.cache(), options, watch, training)?;
    comparison.seconds = started.elapsed().as_secs_f64();
    Ok(comparison)
}

/// Compares heads on a table of features. Results are kept in the folder `cache`. Pooling targets have no meaning here: blocks are read as
/// they are.
///
/// # Errors
/// As [`compare`]; a method that trains through a network, or one that chooses among layers where the table has one block.
pub fn compare_table(
    table: &FeatureTable,
    methods: &[Adaptation],
    settings: &Settings,
    cache: &Path,
    options: &CompareOptions,
    watch: Watch<'_>,
) -> Result<Comparison, CompareError> {
    let started = Instant::now();
    table.table.check_for_training().map_err(FitError::from)?;
    check_size(methods, options)?;
    check_methods(table, methods)?;
    let readable = Readable::of_table(table, options);
    let origins = [Origin::Table(Given { table, methods, settings })];
    let mut comparison = compared(&origins, &table.table, &readable, cache, options, watch, None)?;
    comparison.seconds = started.elapsed().as_secs_f64();
    Ok(comparison)
}

fn check_size(methods: &[Adaptation], options: &CompareOptions) -> Result<(), CompareError> {
    if methods.is_empty() || options.draws == 0 {
        return Err(CompareError::Nothing { what: "no method or no draw to compare" });
    }
    Ok(())
}

/// Refuses what a table of features has not enough for.
fn check_methods(table: &FeatureTable, methods: &[Adaptation]) -> Result<(), CompareError> {
    for method in methods {
        match method {
            Adaptation::Trained(method) => return Err(CompareError::NoNetwork { method: method.name() }),
            Adaptation::Frozen(method) if method.reads_all_taps() && table.blocks.len() < 2 => {
                let block = table.principal().to_owned();
                return Err(FitError::OneBlock { method: method.name(), block }.into());
            }
            Adaptation::Frozen(_) | Adaptation::Auto(_) => {}
        }
    }
    Ok(())
}

/// Draws, cells and their summary, whatever the rows are.
fn compared(
    origins: &[Origin<'_>],
    table: &Table,
    readable: &Readable,
    cache: &Path,
    options: &CompareOptions,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<Comparison, CompareError> {
    let test = &readable.test;
    check_train_rows(options.train_rows, readable.rows.len() - test.len(), table.classes.len())?;
    let rows = draws::Rows { labels: &readable.labels, groups: &readable.groups, test };
    let draws = draws::draws(rows, options.draws, options.train_rows, options.seed)?;
    let work = Work {
        table,
        cells: Cells::new(cache),
        options,
        watch,
        training,
        draw_digests: draws.iter().map(|draw| readable.digest(draw)).collect(),
        draws,
        rows: readable.rows.clone(),
        labels: readable.labels.clone(),
    };
    let mut summary = Summary::new(&work, readable, !readable.test.is_empty());
    let cells_of = |origin: &Origin<'_>| origin.methods().len() * origin.draws_of(options.draws);
    let mut count = Count { done: 0, all: origins.iter().map(cells_of).sum() };
    for &origin in origins {
        let cells = cells(&work, origin, &mut count)?;
        summary.add(origin, cells);
    }
    Ok(summary.finish())
}

/// The rows that can be read, and what keeps them together.
struct Readable {
    rows: Vec<usize>,
    labels: Vec<usize>,
    groups: Vec<usize>,
    /// Places of the data's own test rows.
    test: Vec<usize>,
    digests: Vec<[u8; 32]>,
    copies: Copies,
    skipped: Vec<SkippedRow>,
    warnings: Vec<String>,
}

impl Readable {
    /// By the last features of the first backbone, which every head needs anyway.
    fn find(
        first: &Entry<'_>,
        table: &Table,
        images: &TableImages<'_>,
        store: &Store,
        options: &CompareOptions,
        watch: Watch<'_>,
    ) -> Result<Self, CompareError> {
        let wanted = options.rows.clone().unwrap_or_else(|| (0..table.rows.len()).collect());
        let all = first.requests(&first.frozen());
        let mut extraction = Extraction::new(first.backbone.into(), images, &wanted, &all);
        (extraction.store, extraction.options) = (Some(store), options.extract.clone());
        (extraction.progress, extraction.cancel) = (watch.progress, watch.cancel);
        if all.len() > 1 {
            // One pass of the network for all that will be read, instead of one for what is read here.
            extraction.fill().map_err(FitError::from)?;
        }
        let last = [Work::last(first.backbone)];
        extraction.requests = &last;
        let extracted = extraction.run().map_err(FitError::from)?;
        let rows = extracted.rows;
        let copies = Copies::find(table, &rows, extracted.features.blocks.first());
        let digests: Result<Vec<[u8; 32]>, _> = images.digests(&rows).into_iter().collect();
        let digests = digests.map_err(|problem| CompareError::Cell { reason: problem.to_string() })?;
        let mut readable = Self::of(table, rows, copies, digests);
        let by_image = extracted.summary.skipped.iter();
        let skipped = by_image.map(|row| SkippedRow { locator: row.locator.clone(), reason: row.reason.clone() });
        readable.skipped.extend(skipped);
        readable.warnings.extend(extracted.summary.warnings);
        Ok(readable)
    }

    /// Rows of a table of features, all of which can be read.
    fn of_table(table: &FeatureTable, options: &CompareOptions) -> Self {
        let rows = options.rows.clone().unwrap_or_else(|| (0..table.table.rows.len()).collect());
        let copies = Copies::of_features(&Features::of_table(table, &rows));
        let digest = |row: &usize| *blake3::hash(table.digest(&[*row]).as_bytes()).as_bytes();
        let digests = rows.iter().map(digest).collect();
        Self::of(&table.table, rows, copies, digests)
    }

    fn of(table: &Table, rows: Vec<usize>, copies: Copies, digests: Vec<[u8; 32]>) -> Self {
        let mut groups = Groups::of_table(table, &rows);
        groups.unite_sets(&copies.groups);
        let is_test = |row: usize| table.rows.get(row).is_some_and(|row| row.split == Some(Split::Test));
        let skipped = table.skipped.iter();
        Self {
            labels: rows.iter().map(|row| table.rows.get(*row).and_then(|row| row.label).unwrap_or(0)).collect(),
            groups: groups.ids(),
            test: (0..rows.len()).filter(|place| is_test(rows[*place])).collect(),
            digests,
            copies,
            skipped: skipped
                .map(|row| SkippedRow { locator: row.locator.clone(), reason: row.reason.clone() })
                .collect(),
            warnings: table.warnings.iter().map(ToString::to_string).collect(),
            rows,
        }
    }

    /// The rows as a fit has them, for what copies say of them.
    fn fit_rows(&self) -> crate::fit::Rows {
        crate::fit::Rows {
            table: self.rows.clone(),
            labels: self.labels.clone(),
            train: Vec::new(),
            test: self.test.clone(),
            folds: Vec::new(),
        }
    }

    /// Everything of the rows that decides a cell of this draw.
    fn digest(&self, draw: &Draw) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut row = |place: usize, fold: usize| {
            hasher.update(&self.digests[place]);
            hasher.update(&(self.labels[place] as u64).to_le_bytes());
            hasher.update(&(fold as u64).to_le_bytes());
        };
        draw.train.iter().zip(&draw.folds).for_each(|(place, fold)| row(*place, *fold));
        row_border(&mut hasher, draw);
        for place in &draw.test {
            hasher.update(&self.digests[*place]);
            hasher.update(&(self.labels[*place] as u64).to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}

/// Where the training rows end.
fn row_border(hasher: &mut blake3::Hasher, draw: &Draw) {
    hasher.update(&(draw.train.len() as u64).to_le_bytes());
    hasher.update(&(draw.test.len() as u64).to_le_bytes());
}

fn check_train_rows(wanted: Option<usize>, available: usize, classes: usize) -> Result<(), CompareError> {
    match wanted {
        Some(wanted) if wanted < 2 * classes || wanted > available => {
            Err(CompareError::TrainRows { wanted, available, classes })
        }
        _ => Ok(()),
    }
}

/// Cells done, for the reader.
struct Count {
    done: usize,
    all: usize,
}

/// The cells of one entry, `[method][draw]`; a reason where a head could not be fitted.
type CellsOfEntry = Vec<Vec<Result<Cell, FitError>>>;

/// Takes what is kept and computes the rest, draw by draw, so that what is done at any time covers every method.
fn cells(work: &Work<'_>, origin: Origin<'_>, count: &mut Count) -> Result<CellsOfEntry, CompareError> {
    let (methods, draws) = (origin.methods(), origin.draws_of(work.draws.len()));
    let mut found: Vec<Vec<Option<Result<Cell, FitError>>>> = Vec::new();
    for &method in methods {
        let load = |draw: usize| {
            let rows = work.draws[draw].test.len();
            work.with_key(origin, method, draw, |key| work.cells.load(key, rows)).map(|cell| cell.map(Ok))
        };
        found.push((0..draws).map(load).collect::<Result<_, _>>()?);
    }
    let kept = found.iter().flatten().flatten().count();
    count.done += kept;
    if kept > 0 {
        work.stage(&format!("{}: {kept} of {} results are there from before", origin.name(), methods.len() * draws));
    }
    let at = |method: Adaptation| methods.iter().position(|other| *other == method);
    let missing: Vec<(Adaptation, usize)> = (0..draws)
        .flat_map(|draw| methods.iter().map(move |method| (*method, draw)))
        .filter(|(method, draw)| method.is_frozen() && at(*method).is_some_and(|at| found[at][*draw].is_none()))
        .collect();
    let announce = |count: &mut Count, method: &str, draw: usize| {
        count.done += 1;
        let (done, all) = (count.done, count.all);
        work.stage(&format!("[{done}/{all}] {method} on {}, draw {} of {draws}", origin.name(), draw + 1));
    };
    if !missing.is_empty() {
        let mut results = Vec::new();
        work.frozen(
            origin,
            &missing,
            |method, draw, cell| results.push((method, draw, cell)),
            |method, draw| announce(count, method.name(), draw),
        )?;
        for (method, draw, cell) in results {
            if let Some(at) = at(method) {
                found[at][draw] = Some(cell);
            }
        }
    }
    for draw in 0..draws {
        for (at, method) in methods.iter().enumerate() {
            let (Adaptation::Trained(trained), Origin::Images(seen)) = (method, origin) else { continue };
            if found[at][draw].is_none() {
                work.go_on()?;
                announce(count, method.name(), draw);
                found[at][draw] = Some(match work.trained(seen, *trained, draw) {
                    Ok(cell) => Ok(cell),
                    Err(CompareError::Fit(error)) => Err(error),
                    Err(other) => return Err(other),
                });
            }
        }
    }
    Ok(found.into_iter().map(|draws| draws.into_iter().flatten().collect()).collect())
}
