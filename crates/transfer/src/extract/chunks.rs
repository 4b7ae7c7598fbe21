//! Which runs of 256 table rows an extraction touches, and their keys.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::images::in_table_order;
use super::{ExtractError, Extraction};
use crate::store::{CHUNK_ROWS, Digest, rows_key, unreadable_row};

/// Rows that are computed and stored together.
#[derive(Debug, Clone)]
pub(super) struct Chunk {
    /// Table rows, rising: 256 consecutive ones, or without a store the wanted ones among them.
    pub rows: Vec<usize>,
    /// Positions in `rows` of the rows asked for, rising.
    pub wanted: Vec<usize>,
    /// Content digest of each row; empty without a store.
    pub digests: Vec<Digest>,
    /// Key of the rows; empty without a store.
    pub key: String,
}

impl Chunk {
    /// Table rows asked for.
    pub fn wanted_rows(&self) -> impl Iterator<Item = usize> {
        self.wanted.iter().map(|position| self.rows[*position])
    }
}

impl Extraction<'_> {
    /// The chunks that hold a wanted row, in table order, with their keys.
    pub(super) fn chunks(&self) -> Result<Vec<Chunk>, ExtractError> {
        let total = self.images.rows();
        let wanted = in_table_order(self.rows);
        if let Some(row) = wanted.iter().copied().find(|row| *row >= total) {
            return Err(ExtractError::Row { row, rows: total });
        }
        let shard = self.shard()?;
        let groups = wanted.chunk_by(|a, b| a / CHUNK_ROWS == b / CHUNK_ROWS);
        let mine = groups.filter(|group| shard(group[0] / CHUNK_ROWS));
        let mut chunks: Vec<Chunk> = mine.map(|wanted| self.chunk(wanted, total)).collect();
        if self.store.is_some() {
            self.add_keys(&mut chunks)?;
        }
        Ok(chunks)
    }

    fn chunk(&self, wanted: &[usize], total: usize) -> Chunk {
        let first = wanted[0] / CHUNK_ROWS * CHUNK_ROWS;
        let rows: Vec<usize> = match self.store {
            Some(_) => (first..total.min(first + CHUNK_ROWS)).collect(),
            None => wanted.to_vec(),
        };
        let wanted = match self.store {
            Some(_) => wanted.iter().map(|row| row - first).collect(),
            None => (0..wanted.len()).collect(),
        };
        Chunk { rows, wanted, digests: Vec::new(), key: String::new() }
    }

    fn shard(&self) -> Result<impl Fn(usize) -> bool + use<>, ExtractError> {
        let (index, count) = self.options.shard.map_or((1, 1), |shard| (shard.index, shard.count));
        if index == 0 || index > count {
            return Err(ExtractError::Shard { index, count });
        }
        Ok(move |chunk: usize| chunk % count == index - 1)
    }

    fn add_keys(&self, chunks: &mut [Chunk]) -> Result<(), ExtractError> {
        let rows: usize = chunks.iter().map(|chunk| chunk.rows.len()).sum();
        let slots: Vec<Mutex<&mut Chunk>> = chunks.iter_mut().map(Mutex::new).collect();
        in_parallel(self.options.threads, slots.len(), |index| {
            let Ok(mut chunk) = slots[index].lock() else { return };
            if !self.is_cancelled() {
                let digests = self.images.digests(&chunk.rows);
                chunk.digests = digests.into_iter().map(|digest| digest.unwrap_or_else(|_| unreadable_row())).collect();
                chunk.key = rows_key(&chunk.digests);
            }
        });
        self.images.keep_digests();
        if self.is_cancelled() { Err(ExtractError::Cancelled { done: 0, rows }) } else { Ok(()) }
    }
}

/// Calls `work` for every index below `count`, on at most `threads` threads. Which thread does what changes nothing.
pub(super) fn in_parallel(threads: usize, count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    let drain = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                break;
            }
            work(index);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(count) {
            scope.spawn(drain);
        }
        drain();
    });
}
