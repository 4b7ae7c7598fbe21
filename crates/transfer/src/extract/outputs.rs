//! The matrices that an extraction fills: for every chunk, the rows asked for, of every distinct column.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::chunks::Chunk;
use super::columns::Columns;
use crate::store::SkippedRow;

/// One chunk's part of the matrices, and its rows without features.
#[derive(Debug, Default)]
pub(super) struct Part<'o> {
    /// For every distinct column `[wanted rows, width]`; empty when nothing is kept in memory.
    pub columns: Vec<&'o mut [f32]>,
    /// Position in the chunk -> why it has no features.
    pub skipped: BTreeMap<usize, String>,
}

/// One part per chunk. Chunks are filled by different threads, each by one at a time.
#[derive(Debug)]
pub(super) struct Outputs<'o> {
    parts: Vec<Mutex<Part<'o>>>,
}

impl<'o> Outputs<'o> {
    /// Outputs that only remember skipped rows.
    pub fn none(chunks: &[Chunk]) -> Self {
        Self { parts: chunks.iter().map(|_| Mutex::default()).collect() }
    }

    /// Cuts the matrices `values`, one per distinct column, into one part per chunk.
    pub fn new(chunks: &[Chunk], columns: &Columns, values: &'o mut [Vec<f32>]) -> Self {
        let mut parts: Vec<Part<'o>> = chunks.iter().map(|_| Part::default()).collect();
        for (values, column) in values.iter_mut().zip(&columns.distinct) {
            let mut rest = values.as_mut_slice();
            for (part, chunk) in parts.iter_mut().zip(chunks) {
                let (own, others) = rest.split_at_mut(chunk.wanted.len() * column.width);
                part.columns.push(own);
                rest = others;
            }
        }
        Self { parts: parts.into_iter().map(Mutex::new).collect() }
    }

    /// The part of chunk `index`.
    pub fn part(&self, index: usize) -> MutexGuard<'_, Part<'o>> {
        self.parts[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Part<'_> {
    /// Copies the wanted rows of one column out of `values`, `[valid rows, width]`: the rows of the chunk without `skipped`.
    pub fn take(&mut self, column: usize, chunk: &Chunk, skipped: &[SkippedRow], values: &[f32], width: usize) {
        for row in skipped {
            self.skipped.entry(row.row).or_insert_with(|| row.reason.clone());
        }
        let Some(out) = self.columns.get_mut(column) else { return };
        for (out, position) in out.chunks_exact_mut(width.max(1)).zip(&chunk.wanted) {
            let before = skipped.partition_point(|row| row.row < *position);
            let is_skipped = skipped.get(before).is_some_and(|row| row.row == *position);
            let first = (position - before) * width;
            if let Some(values) = values.get(first..first + width).filter(|_| !is_skipped) {
                out.copy_from_slice(values);
            }
        }
    }
}

/// Moves the rows to keep together and drops the others.
pub(super) fn compact(values: &mut Vec<f32>, width: usize, keep: &[bool]) {
    if keep.iter().all(|keep| *keep) {
        return;
    }
    let mut kept = 0;
    for (row, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
        values.copy_within(row * width..(row + 1) * width, kept * width);
        kept += 1;
    }
    values.truncate(kept * width);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_rows_are_found_among_the_valid_ones() {
        let chunk =
            Chunk { rows: (10..16).collect(), wanted: vec![0, 2, 3, 5], digests: Vec::new(), key: String::new() };
        let skipped = [1, 3].map(|row| SkippedRow { row, reason: "empty".into() });
        let mut out = [0.0; 4];
        let mut part = Part { columns: vec![&mut out], skipped: BTreeMap::new() };
        part.take(0, &chunk, &skipped, &[10.0, 12.0, 14.0, 15.0], 1);
        assert_eq!(part.skipped.keys().copied().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(out, [10.0, 12.0, 0.0, 15.0]);
        let mut values = out.to_vec();
        compact(&mut values, 1, &[true, true, false, true]);
        assert_eq!(values, [10.0, 12.0, 15.0]);
    }
}
