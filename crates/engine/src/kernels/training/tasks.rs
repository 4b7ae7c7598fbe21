//! Rows split over the thread pool.

use std::ops::Range;

use rayon::prelude::*;

/// Values that are worth a task of their own.
pub(super) const TASK: usize = 16 * 1024;
/// Most chunks of a sum.
pub(super) const CHUNKS: usize = 16;

/// Calls `work` with runs of rows of `to`, `[rows, columns]`, and the numbers of the rows; which rows come together changes nothing.
pub(super) fn each_run(to: &mut [f32], columns: usize, work: impl Fn(Range<usize>, &mut [f32]) + Sync) {
    let rows = (TASK / columns.max(1)).max(1);
    to.par_chunks_mut(rows * columns.max(1)).enumerate().for_each(|(task, to)| {
        let first = task * rows;
        work(first..first + to.len() / columns.max(1), to);
    });
}

/// Rows of a chunk of a sum over `rows` rows of `columns` values.
pub(super) fn rows_per_chunk(rows: usize, columns: usize) -> usize {
    rows.div_ceil(CHUNKS).max(TASK / columns.max(1)).max(1)
}

/// Calls `work` with chunks of rows of `to`, `[rows, columns]`, and the numbers of the rows, and adds what it returns in order.
pub(super) fn each_chunk<const K: usize>(
    to: &mut [f32],
    columns: usize,
    work: impl Fn(Range<usize>, &mut [f32]) -> [Vec<f64>; K] + Sync,
) -> [Vec<f64>; K] {
    let rows = rows_per_chunk(to.len() / columns.max(1), columns);
    let chunks = to.par_chunks_mut(rows * columns.max(1)).enumerate();
    let partial: Vec<[Vec<f64>; K]> =
        chunks.map(|(chunk, to)| work(chunk * rows..chunk * rows + to.len() / columns.max(1), to)).collect();
    let mut totals = std::array::from_fn(|_| vec![0.0; columns]);
    for sums in &partial {
        for (total, sums) in totals.iter_mut().zip(sums) {
            total.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
        }
    }
    totals
}
