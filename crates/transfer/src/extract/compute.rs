//! Computing what the store lacks: threads that take blocks of images through the network, one thread that writes finished
//! chunks, and the caller's thread that deals out work and puts rows into their places.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use heirloom_engine::{Plan, PlanOptions, Precision};

use super::chunks::Chunk;
use super::columns::{Column, Columns};
use super::lookup::{describe, key};
use super::notes::Notes;
use super::outputs::{Outputs, compact};
use super::{
    ExtractError, ExtractOptions, Extraction, LIVE_CHUNKS, Network, Progress, Request, SkippedImage, Summary, block,
};
use crate::store::{Base, BlockRecord, SkippedRow, Store, StoreError};

/// One extraction at work.
pub(super) struct Run<'r, 'o> {
    pub extraction: &'r Extraction<'r>,
    pub columns: &'r Columns,
    pub chunks: &'r [Chunk],
    pub outputs: &'r Outputs<'o>,
    /// For every chunk, the distinct columns still to be computed.
    pub missing: Vec<Vec<usize>>,
    pub notes: Notes,
    pub from_store: usize,
    base: &'r Base,
    base_digest: String,
    computed: usize,
    skipped: usize,
    blocks_stored: usize,
    started: Instant,
    seconds: f64,
}

/// A network compiled for a set of columns: what a thread needs to know about the chunk its block belongs to.
#[derive(Debug)]
pub struct Compiled {
    pub(super) plan: Plan,
    /// For every tap of the plan, its columns.
    pub(super) taps: Vec<Vec<Column>>,
}

impl Compiled {
    /// Compiles `network` for `requests`. An [`Extraction`] does so by itself; whoever runs many small ones does it once.
    ///
    /// # Errors
    /// An unknown tap, or a network that does not fit together.
    pub fn new(network: &Network<'_>, requests: &[Request], options: &ExtractOptions) -> Result<Self, ExtractError> {
        super::guarded(|| Self::of(network, Columns::new(network, requests)?.distinct, options))
    }

    /// Compiles `network` for `columns`, those of one tap side by side.
    fn of(network: &Network<'_>, columns: Vec<Column>, options: &ExtractOptions) -> Result<Self, ExtractError> {
        let mut taps = Vec::<Vec<Column>>::new();
        for column in columns {
            match taps.last_mut().filter(|tap| tap[0].tap == column.tap) {
                Some(tap) => tap.push(column),
                None => taps.push(vec![column]),
            }
        }
        let options = PlanOptions {
            input_size: network.preprocess.input_size,
            taps: taps.iter().map(|columns| columns[0].tap.clone()).collect(),
            isa: options.isa,
            precision: options.precision,
        };
        Ok(Self { plan: Plan::compile(network.graph, network.weights, &options)?, taps })
    }

    /// Columns of one image.
    #[must_use]
    pub fn width(&self) -> usize {
        self.taps.iter().flatten().map(|column| column.width).sum()
    }

    /// Whether it was compiled for exactly these columns.
    fn is_for(&self, columns: &[Column]) -> bool {
        self.taps.iter().flatten().eq(columns)
    }
}

/// One block of images of one chunk.
struct Task {
    compiled: Arc<Compiled>,
    chunk: usize,
    positions: Range<usize>,
}

enum Event {
    /// A block of images is through.
    Block { chunk: usize, positions: Range<usize>, result: Result<block::Pooled, ExtractError> },
    /// A chunk has been written, as far as that was possible.
    Written { stored: usize, faults: Vec<StoreError> },
}

/// A chunk being computed.
struct Live {
    /// The distinct columns being computed.
    columns: Vec<usize>,
    /// For each of them `[rows, width]`.
    values: Vec<Vec<f32>>,
    skipped: BTreeMap<usize, String>,
    /// Whether some row's outcome does not follow from the content its key names; then the chunk is not stored.
    unsettled: bool,
    /// Whether some block failed or was given up; then the chunk is dropped.
    lost: bool,
    /// Rows still to come.
    remaining: usize,
}

/// A chunk to be written.
struct Finished {
    chunk: usize,
    columns: Vec<usize>,
    values: Vec<Vec<f32>>,
    skipped: Vec<SkippedRow>,
}

impl<'r, 'o> Run<'r, 'o> {
    pub fn new(
        extraction: &'r Extraction<'r>,
        columns: &'r Columns,
        chunks: &'r [Chunk],
        outputs: &'r Outputs<'o>,
        base: &'r Base,
    ) -> Self {
        let all: Vec<usize> = (0..columns.distinct.len()).collect();
        Self {
            extraction,
            columns,
            chunks,
            outputs,
            missing: vec![all; chunks.len()],
            notes: Notes::default(),
            from_store: 0,
            base,
            base_digest: base.digest(),
            computed: 0,
            skipped: 0,
            blocks_stored: 0,
            started: Instant::now(),
            seconds: 0.0,
        }
    }

    pub fn base_digest(&self) -> &str {
        &self.base_digest
    }

    /// Computes everything that is missing.
    pub fn compute(&mut self) -> Result<(), ExtractError> {
        if self.missing.iter().all(Vec::is_empty) {
            return Ok(());
        }
        if let Err(error) = describe(self.extraction.store, self.base) {
            self.notes.not_stored(0, error);
        }
        self.started = Instant::now();
        let result = self.compute_in_threads();
        self.seconds = self.started.elapsed().as_secs_f64();
        result
    }

    fn compute_in_threads(&mut self) -> Result<(), ExtractError> {
        let stop = AtomicBool::new(false);
        let (task_sender, tasks) = channel();
        let (finished_sender, finished) = channel();
        let (event_sender, events) = channel();
        let tasks = Mutex::new(tasks);
        let (extraction, columns, chunks, base) =
            (self.extraction, self.columns, self.chunks, self.base_digest.clone());
        std::thread::scope(|scope| {
            for _ in 0..extraction.options.threads.max(1) {
                let (events, tasks, stop) = (event_sender.clone(), &tasks, &stop);
                scope.spawn(move || work(extraction, chunks, tasks, &events, stop));
            }
            if let Some(store) = extraction.store {
                let (events, base) = (event_sender.clone(), (base.as_str(), extraction.options.storage));
                scope.spawn(move || write(store, base, columns, chunks, &finished, &events));
            }
            drop(event_sender);
            let result = self.deal(&task_sender, &finished_sender, &events, &stop);
            // Threads end when there is nothing left to receive.
            drop((task_sender, finished_sender));
            result
        })
    }

    /// Deals out chunks, at most a few at a time, and receives what becomes of them.
    fn deal(
        &mut self,
        tasks: &Sender<Task>,
        finished: &Sender<Finished>,
        events: &Receiver<Event>,
        stop: &AtomicBool,
    ) -> Result<(), ExtractError> {
        let mut live = BTreeMap::<usize, Live>::new();
        let (mut next, mut writing, mut failure) = (0, 0, None);
        let mut compiled = self.extraction.compiled.clone();
        loop {
            while failure.is_none() && next < self.chunks.len() && live.len() + writing < self.most_live() {
                match self.begin(next, &mut compiled, tasks) {
                    Ok(begun) => live.extend(begun.map(|begun| (next, begun))),
                    Err(error) => failure = Some(error),
                }
                next += 1;
            }
            if self.extraction.is_cancelled() && failure.is_none() {
                failure = Some(self.cancelled());
            }
            stop.store(failure.is_some(), Ordering::Relaxed);
            if live.is_empty() && writing == 0 {
                break;
            }
            match events.recv() {
                Err(_) => return Err(ExtractError::Internal { what: "all threads ended early".into() }),
                Ok(Event::Written { stored, faults }) => {
                    writing -= 1;
                    self.blocks_stored += stored;
                    faults.into_iter().for_each(|fault| self.notes.not_stored(1, fault));
                }
                Ok(Event::Block { chunk, positions, result }) => {
                    let done = match (result, live.get_mut(&chunk)) {
                        (Ok(pooled), Some(live)) => self.receive(chunk, live, positions, &pooled),
                        (result, Some(live)) => {
                            failure = failure.or(result.err());
                            live.remaining -= positions.len();
                            live.lost = true;
                            live.remaining == 0
                        }
                        (_, None) => false,
                    };
                    if done && let Some(done) = live.remove(&chunk) {
                        writing += usize::from(self.finish_chunk(chunk, done, finished));
                    }
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Chunks that may be in memory together: as many as fit into the memory limit, at least one.
    fn most_live(&self) -> usize {
        let rows = self.chunks.iter().map(|chunk| chunk.rows.len()).max().unwrap_or(0);
        let bytes = (rows * self.columns.width() * 4).max(1) as u64;
        usize::try_from(self.extraction.options.memory_limit / bytes).unwrap_or(usize::MAX).clamp(1, LIVE_CHUNKS)
    }

    /// Begins a chunk; `None` when nothing of it is missing (any more: another process may have written it).
    fn begin(
        &mut self,
        chunk: usize,
        compiled: &mut Option<Arc<Compiled>>,
        tasks: &Sender<Task>,
    ) -> Result<Option<Live>, ExtractError> {
        if let Some(store) = self.extraction.store
            && !self.missing[chunk].is_empty()
        {
            self.missing[chunk] = self.still_missing(store, chunk, &self.missing[chunk]);
            if self.missing[chunk].is_empty() {
                self.from_store += self.chunks[chunk].rows.len();
            }
        }
        let columns = self.missing[chunk].clone();
        if columns.is_empty() {
            return Ok(None);
        }
        let wanted: Vec<Column> = columns.iter().map(|column| self.columns.distinct[*column].clone()).collect();
        let compiled = match compiled.take().filter(|compiled| compiled.is_for(&wanted)) {
            Some(known) => Arc::clone(compiled.insert(known)),
            None => {
                let new = Compiled::of(&self.extraction.network, wanted, &self.extraction.options)?;
                Arc::clone(compiled.insert(Arc::new(new)))
            }
        };
        let (rows, block) = (self.chunks[chunk].rows.len(), self.extraction.options.block.max(1));
        for first in (0..rows).step_by(block) {
            let task = Task { compiled: Arc::clone(&compiled), chunk, positions: first..rows.min(first + block) };
            tasks.send(task).map_err(|_| ExtractError::Internal { what: "all threads ended early".into() })?;
        }
        let values = columns.iter().map(|column| vec![0.0; rows * self.columns.distinct[*column].width]).collect();
        Ok(Some(Live { columns, values, skipped: BTreeMap::new(), unsettled: false, lost: false, remaining: rows }))
    }

    /// Puts a block's rows into their places; whether the chunk is complete.
    fn receive(&mut self, chunk: usize, live: &mut Live, positions: Range<usize>, pooled: &block::Pooled) -> bool {
        live.remaining -= positions.len();
        live.unsettled |= pooled.unsettled;
        self.computed += positions.len();
        self.skipped += pooled.skipped.len();
        let skipped = |row: usize| pooled.skipped.iter().find(|skipped| skipped.row == row);
        for (valid, position) in positions.clone().filter(|row| skipped(*row).is_none()).enumerate() {
            for ((values, pooled), column) in live.values.iter_mut().zip(&pooled.values).zip(&live.columns) {
                let width = self.columns.distinct[*column].width;
                values[position * width..][..width].copy_from_slice(&pooled[valid * width..][..width]);
            }
        }
        live.skipped.extend(pooled.skipped.iter().map(|skipped| (skipped.row, skipped.reason.clone())));
        debug_assert!(positions.end <= self.chunks[chunk].rows.len());
        self.report(self.progress());
        live.remaining == 0
    }

    /// Hands a complete chunk to the outputs and to the writer; whether it is being written.
    fn finish_chunk(&self, chunk: usize, live: Live, finished: &Sender<Finished>) -> bool {
        let Live { columns, mut values, skipped, unsettled, lost, .. } = live;
        if lost {
            return false;
        }
        let valid: Vec<bool> = (0..self.chunks[chunk].rows.len()).map(|row| !skipped.contains_key(&row)).collect();
        let skipped: Vec<SkippedRow> = skipped.into_iter().map(|(row, reason)| SkippedRow { row, reason }).collect();
        let mut part = self.outputs.part(chunk);
        for (values, column) in values.iter_mut().zip(&columns) {
            let width = self.columns.distinct[*column].width;
            compact(values, width, &valid);
            part.take(*column, &self.chunks[chunk], &skipped, values, width);
        }
        if self.extraction.store.is_none() {
            return false;
        }
        if unsettled {
            self.notes.unsettled(columns.len());
            return false;
        }
        finished.send(Finished { chunk, columns, values, skipped }).is_ok()
    }

    /// What was done, once everything is.
    pub fn finish(self) -> Result<Summary, ExtractError> {
        if self.extraction.options.must_store
            && let Some((blocks, source)) = self.notes.take_fault()
        {
            return Err(ExtractError::Store { blocks, source });
        }
        let mut skipped = Vec::new();
        for (index, chunk) in self.chunks.iter().enumerate() {
            let part = self.outputs.part(index);
            let wanted = part.skipped.iter().filter(|(row, _)| chunk.wanted.binary_search(row).is_ok());
            skipped.extend(wanted.map(|(row, reason)| SkippedImage {
                row: chunk.rows[*row],
                locator: self.extraction.images.locator(chunk.rows[*row]),
                reason: reason.clone(),
            }));
        }
        let rows = self.chunks.iter().map(|chunk| chunk.wanted.len()).sum();
        let stored = self.chunks.iter().zip(&self.missing).filter(|(_, missing)| missing.is_empty());
        Ok(Summary {
            rows,
            from_store: stored.map(|(chunk, _)| chunk.wanted.len()).sum(),
            computed: self.computed,
            skipped,
            blocks_stored: self.blocks_stored,
            blocks_not_stored: self.notes.blocks_not_stored(),
            blocks_replaced: self.notes.blocks_replaced(),
            warnings: self.notes.warnings(),
            seconds: 0.0,
            images_per_second: self.images_per_second(),
        })
    }

    fn images_per_second(&self) -> f64 {
        let seconds = if self.seconds > 0.0 { self.seconds } else { self.started.elapsed().as_secs_f64() };
        if self.computed == 0 { 0.0 } else { self.computed as f64 / seconds.max(1e-9) }
    }

    pub fn progress(&self) -> Progress {
        Progress {
            done: self.from_store + self.computed,
            total: self.chunks.iter().map(|chunk| chunk.rows.len()).sum(),
            from_store: self.from_store,
            skipped: self.skipped,
            images_per_second: self.images_per_second(),
        }
    }

    pub fn report(&self, progress: Progress) {
        if let Some(told) = self.extraction.progress {
            told(&progress);
        }
    }

    pub fn cancelled(&self) -> ExtractError {
        let progress = self.progress();
        ExtractError::Cancelled { done: progress.done, rows: progress.total }
    }
}

/// One thread: takes blocks of images through the network until there are no more.
fn work(
    extraction: &Extraction<'_>,
    chunks: &[Chunk],
    tasks: &Mutex<Receiver<Task>>,
    events: &Sender<Event>,
    stop: &AtomicBool,
) {
    let mut bench = block::Bench::default();
    loop {
        let task = match tasks.lock() {
            Ok(tasks) => tasks.recv(),
            Err(_) => return,
        };
        let Ok(Task { compiled, chunk, positions }) = task else { return };
        let result = if stop.load(Ordering::Relaxed) || extraction.is_cancelled() {
            Err(ExtractError::Cancelled { done: 0, rows: 0 })
        } else {
            super::guarded(|| bench.run(extraction, &compiled, &chunks[chunk], positions.clone()))
        };
        if events.send(Event::Block { chunk, positions, result }).is_err() {
            return;
        }
    }
}

/// The writing thread: stores finished chunks until there are no more.
fn write(
    store: &Store,
    (base, storage): (&str, Precision),
    columns: &Columns,
    chunks: &[Chunk],
    finished: &Receiver<Finished>,
    events: &Sender<Event>,
) {
    while let Ok(Finished { chunk, columns: which, values, skipped }) = finished.recv() {
        let (mut stored, mut faults) = (0, Vec::new());
        let chunk = &chunks[chunk];
        for (column, values) in which.iter().zip(&values) {
            let column = &columns.distinct[*column];
            let key = key(base, chunk, column);
            let (rows, skipped) = (chunk.rows.len(), skipped.clone());
            let record = BlockRecord::new(base, &key.rows, &column.tap, column.shape, column.windows, rows, skipped);
            match store.write(record, values, storage) {
                Ok(_) => stored += 1,
                Err(fault) => faults.push(fault),
            }
        }
        if events.send(Event::Written { stored, faults }).is_err() {
            return;
        }
    }
}
