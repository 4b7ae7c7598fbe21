//! Extraction: from images to pooled features, each computed once and kept in the [`Store`].
//!
//! ```text
//! rows -> digests -> which blocks exist -> for the missing: read, decode, resize, run the network, pool -> store and memory
//! ```
//!
//! Work is parallel over blocks of images: one task prepares a few images, runs the network on its own thread and pools the
//! taps while they are in the cache. The bits of a row depend on neither the number of threads nor the size of a block. At
//! most [`LIVE_CHUNKS`] runs of 256 rows are in memory at a time, so [`Extraction::fill`] needs the same memory for any
//! number of images.

mod block;
mod chunks;
mod columns;
mod compute;
mod error;
mod images;
mod lookup;
mod memory;
mod network;
mod notes;
mod outputs;
mod parity;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use heirloom_engine::{Isa, Precision};

pub use compute::Compiled;
pub use error::ExtractError;
pub use images::{Images, Prepared, Scratch, TableImages};
pub use memory::default_memory_limit;
pub use network::{Network, graph_digest};
pub use parity::{LEAST_COSINE, Parity, PrecisionChoice, parity};

use crate::store::Store;
use crate::{Block, Features, Pooling};
use chunks::Chunk;
use columns::Columns;
use outputs::Outputs;

/// A tap and how to pool it.
pub type Request = (String, Pooling);

/// Most chunks of 256 rows that are in memory at a time: one being computed, one being begun, one being written.
pub const LIVE_CHUNKS: usize = 3;

/// Which part of a table one of several processes extracts. Chunks of 256 rows are dealt out in turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1 to `count`.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

/// How to extract. The default uses every processor and half of the available memory.
#[derive(Debug, Clone)]
pub struct ExtractOptions {
    /// Threads that run the network.
    pub threads: usize,
    /// Images that a thread takes through the network together.
    pub block: usize,
    /// Bytes that the features of all requests may take; see [`default_memory_limit`].
    pub memory_limit: u64,
    /// The part of the table to extract; everything when `None`.
    pub shard: Option<Shard>,
    /// Whether features that cannot be stored are an error instead of a warning.
    pub must_store: bool,
    /// Which kernels to use.
    pub isa: Isa,
    /// Precision of the network's products; [`ExtractOptions::in_precision`] sets it with the kernels that are best for it.
    pub precision: Precision,
    /// What features are rounded to before anything uses or keeps them: bf16 halves the store.
    pub storage: Precision,
    /// What a check of the precision found, for the record.
    pub parity: Option<Parity>,
}

impl ExtractOptions {
    /// Images of a block unless said otherwise: enough rows for the smallest maps, few enough that the widest stay cached.
    pub const BLOCK: usize = 4;
}

impl Default for ExtractOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            block: Self::BLOCK,
            memory_limit: default_memory_limit(),
            shard: None,
            must_store: false,
            isa: Isa::detect(),
            precision: Precision::F32,
            storage: Precision::F32,
            parity: None,
        }
    }
}

/// How far an extraction is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Images done, those found in the store included.
    pub done: usize,
    /// Images to do.
    pub total: usize,
    /// Images found in the store.
    pub from_store: usize,
    /// Images skipped so far.
    pub skipped: usize,
    /// Images computed per second so far.
    pub images_per_second: f64,
}

/// An image without features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedImage {
    /// Row of the table.
    pub row: usize,
    /// Its path, or file and row.
    pub locator: String,
    /// Why.
    pub reason: String,
}

/// What an extraction did.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    /// Rows asked for (those of other shards not counted).
    pub rows: usize,
    /// Rows whose features were all in the store.
    pub from_store: usize,
    /// Rows that went through the network.
    pub computed: usize,
    /// Rows asked for that have no features, in table order.
    pub skipped: Vec<SkippedImage>,
    /// Blocks written to the store.
    pub blocks_stored: usize,
    /// Blocks that should have been written and were not.
    pub blocks_not_stored: usize,
    /// Stored blocks that could not be used and were computed anew.
    pub blocks_replaced: usize,
    /// What is worth telling: the first reason of each kind above.
    pub warnings: Vec<String>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Images computed per second of computing; 0 when everything was in the store.
    pub images_per_second: f64,
}

/// Features of the rows that have them.
#[derive(Debug, Clone, PartialEq)]
pub struct Extracted {
    /// The features: one block per request, in the order of the requests.
    pub features: Features,
    /// Table row of every row of the features, rising.
    pub rows: Vec<usize>,
    /// What was done.
    pub summary: Summary,
}

/// An extraction to be run: what, of which images, with which network, and where it is kept.
///
/// ```no_run
/// use heirloom_transfer::{Pooling, extract::{Extraction, Network}, store::Store};
///
/// let backbone = heirloom_zoo::open("mobilenetv2_1.0")?;
/// let table = heirloom_data::Table::open("photos".as_ref(), &Default::default())?;
/// let rows: Vec<usize> = (0..table.rows.len()).collect();
/// let requests = [(backbone.features.clone(), Pooling::MEAN)];
/// let store = Store::open_default()?;
/// let mut extraction = Extraction::new(Network::from(&backbone), &table, &rows, &requests);
/// extraction.store = Some(&store);
/// let extracted = extraction.run()?;
/// println!("{} rows of {} columns", extracted.features.rows, extracted.features.width());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Extraction<'a> {
    /// The network.
    pub network: Network<'a>,
    /// The images.
    pub images: &'a dyn Images,
    /// Rows wanted; their order does not matter.
    pub rows: &'a [usize],
    /// What to read from each image.
    pub requests: &'a [Request],
    /// Where features are kept; without one, nothing is kept and only the wanted rows are computed. With one, all rows of a
    /// chunk of 256 that holds a wanted row are.
    pub store: Option<&'a Store>,
    /// How to extract.
    pub options: ExtractOptions,
    /// The network compiled for exactly these requests; compiled when it is needed if `None`.
    pub compiled: Option<Arc<Compiled>>,
    /// Told after every block of images.
    pub progress: Option<&'a (dyn Fn(&Progress) + Sync)>,
    /// Stops the extraction when set; what is finished stays in the store.
    pub cancel: Option<&'a AtomicBool>,
}

impl<'a> Extraction<'a> {
    /// An extraction with default options, without a store.
    #[must_use]
    pub fn new(network: Network<'a>, images: &'a dyn Images, rows: &'a [usize], requests: &'a [Request]) -> Self {
        let options = ExtractOptions::default();
        Self { network, images, rows, requests, store: None, options, compiled: None, progress: None, cancel: None }
    }

    /// Extracts into memory (and the store, if there is one).
    ///
    /// # Errors
    /// An unknown tap or row, features larger than the memory limit (found before the run), a network that cannot be run, or
    /// the flag to stop. Broken images are skipped and named in the summary; a store that cannot be written is a warning
    /// unless [`ExtractOptions::must_store`] is set.
    pub fn run(&self) -> Result<Extracted, ExtractError> {
        guarded(|| self.run_unguarded())
    }

    /// Fills the store and keeps nothing in memory.
    ///
    /// # Errors
    /// As [`Extraction::run`].
    pub fn fill(&self) -> Result<Summary, ExtractError> {
        guarded(|| {
            let started = Instant::now();
            let columns = Columns::new(&self.network, self.requests)?;
            let chunks = self.chunks()?;
            let largest = chunks.iter().map(|chunk| chunk.rows.len()).max().unwrap_or(0);
            columns.check_memory(self.requests, largest, self.options.memory_limit)?;
            let outputs = Outputs::none(&chunks);
            self.complete(&columns, &chunks, &outputs, started)
        })
    }

    fn run_unguarded(&self) -> Result<Extracted, ExtractError> {
        let started = Instant::now();
        let columns = Columns::new(&self.network, self.requests)?;
        let chunks = self.chunks()?;
        let wanted: usize = chunks.iter().map(|chunk| chunk.wanted.len()).sum();
        columns.check_memory(self.requests, wanted, self.options.memory_limit)?;
        let mut values: Vec<Vec<f32>> =
            columns.distinct.iter().map(|column| vec![0.0; wanted * column.width]).collect();
        let outputs = Outputs::new(&chunks, &columns, &mut values);
        let summary = self.complete(&columns, &chunks, &outputs, started)?;
        let all = chunks.iter().flat_map(Chunk::wanted_rows).collect::<Vec<_>>();
        let (rows, features) = self.assemble(&columns, &all, values, &summary);
        Ok(Extracted { features, rows, summary })
    }

    /// Looks up what is stored, computes the rest, and says what was done.
    fn complete(
        &self,
        columns: &Columns,
        chunks: &[Chunk],
        outputs: &Outputs<'_>,
        started: Instant,
    ) -> Result<Summary, ExtractError> {
        let base = self.base();
        let mut run = compute::Run::new(self, columns, chunks, outputs, &base);
        run.look_up()?;
        run.compute()?;
        let mut summary = run.finish()?;
        summary.seconds = started.elapsed().as_secs_f64();
        Ok(summary)
    }

    /// Drops the rows without features and puts the blocks in the order of the requests.
    fn assemble(
        &self,
        columns: &Columns,
        rows: &[usize],
        mut values: Vec<Vec<f32>>,
        summary: &Summary,
    ) -> (Vec<usize>, Features) {
        let skipped: Vec<usize> = summary.skipped.iter().map(|skipped| skipped.row).collect();
        let keep: Vec<bool> = rows.iter().map(|row| skipped.binary_search(row).is_err()).collect();
        for (values, column) in values.iter_mut().zip(&columns.distinct) {
            outputs::compact(values, column.width, &keep);
        }
        let rows: Vec<usize> = rows.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(row, _)| *row).collect();
        let mut uses = vec![0_usize; values.len()];
        columns.requests.iter().for_each(|(_, column)| uses[*column] += 1);
        let mut blocks = Vec::with_capacity(self.requests.len());
        for ((tap, pooling), (shape, column)) in self.requests.iter().zip(&columns.requests) {
            uses[*column] -= 1;
            let values =
                if uses[*column] == 0 { std::mem::take(&mut values[*column]) } else { values[*column].clone() };
            let width = columns.distinct[*column].width;
            blocks.push(Block { tap: tap.clone(), shape: *shape, pooling: *pooling, width, values });
        }
        (rows.clone(), Features { rows: rows.len(), blocks })
    }

    fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(|flag| flag.load(Ordering::Relaxed))
    }
}

/// Turns a panic, which would be a fault of the program, into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, ExtractError>) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(internal(panic.as_ref())))
}

fn internal(panic: &(dyn std::any::Any + Send)) -> ExtractError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let what = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "unknown fault".into());
    ExtractError::Internal { what }
}

#[cfg(test)]
mod tests;
