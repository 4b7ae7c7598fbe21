//! Reading what the store already has.

use super::chunks::{Chunk, in_parallel};
use super::columns::Column;
use super::compute::Run;
use super::{ExtractError, Progress};
use crate::store::{Base, BlockKey, Store, StoreError};

impl Run<'_, '_> {
    /// Takes from the store what is there, chunks in parallel, and notes what is missing.
    pub fn look_up(&mut self) -> Result<(), ExtractError> {
        let Some(store) = self.extraction.store else { return Ok(()) };
        let found: Vec<std::sync::Mutex<Vec<usize>>> = self.missing.iter().map(|_| Default::default()).collect();
        in_parallel(self.extraction.options.threads, self.chunks.len(), |chunk| {
            if !self.extraction.is_cancelled()
                && let Ok(mut missing) = found[chunk].lock()
            {
                *missing = self.still_missing(store, chunk, &self.missing[chunk]);
            }
        });
        self.missing = found.into_iter().map(|missing| missing.into_inner().unwrap_or_default()).collect();
        let stored = self.missing.iter().zip(self.chunks).filter(|(missing, _)| missing.is_empty());
        self.from_store = stored.map(|(_, chunk)| chunk.rows.len()).sum();
        self.report(Progress { done: self.from_store, from_store: self.from_store, ..self.progress() });
        if self.extraction.is_cancelled() { Err(self.cancelled()) } else { Ok(()) }
    }

    /// The columns of `columns` that the store does not have, or not in a usable form; the others are read.
    pub fn still_missing(&self, store: &Store, chunk: usize, columns: &[usize]) -> Vec<usize> {
        let take = |column: &usize| match self.take(store, chunk, *column) {
            Ok(found) => !found,
            Err(error) => {
                self.notes.replaced(&error);
                true
            }
        };
        columns.iter().copied().filter(take).collect()
    }

    /// Takes one block; `false` when it is not there. Where nothing is kept in memory only its header is read.
    fn take(&self, store: &Store, index: usize, column: usize) -> Result<bool, StoreError> {
        let (chunk, wanted) = (&self.chunks[index], &self.columns.distinct[column]);
        let key = key(self.base_digest(), chunk, wanted);
        let Some(block) = store.open(&key)? else { return Ok(false) };
        let record = block.record();
        if record.rows != chunk.rows.len() || record.shape != wanted.shape {
            let what = format!("it has {} rows of shape {}", record.rows, record.shape);
            return Err(StoreError::corrupt(&store.path(&key), what));
        }
        let mut part = self.outputs.part(index);
        let whole = record.skipped.is_empty() && chunk.wanted.len() == chunk.rows.len();
        match part.columns.get_mut(column) {
            Some(out) if whole => block.read_into(out).map(|_| ())?,
            Some(_) => {
                let (record, values) = block.read()?;
                part.take(column, chunk, &record.skipped, &values, wanted.width);
            }
            None => part.take(column, chunk, &record.skipped, &[], wanted.width),
        }
        Ok(true)
    }
}

/// The key of one column of one chunk.
pub(super) fn key(base: &str, chunk: &Chunk, column: &Column) -> BlockKey {
    BlockKey { base: base.into(), tap: column.tap.clone(), windows: column.windows, rows: chunk.key.clone() }
}

/// Writes the base's description; a store that cannot be written shows when the first block is.
pub(super) fn describe(store: Option<&Store>, base: &Base) -> Result<(), StoreError> {
    store.map_or(Ok(()), |store| store.describe(base))
}
