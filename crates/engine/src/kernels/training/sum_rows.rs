//! Sums of rows: gradients of biases.

use rayon::prelude::*;

use crate::kernels::simd::{Kernel, Simd, dispatch};
use crate::kernels::{AlignedBuffer, Isa};

/// Chunks of rows that are summed apart, at most.
const CHUNKS: usize = 16;
/// Rows for which it pays to sum a chunk apart.
const CHUNK_ROWS: usize = 256;
/// Rows whose sum starts at zero: long sums lose less.
const BLOCK: usize = 64;

/// Overwrites `to` with the sums of the columns of `values`, `[rows, channels]`.
pub fn sum_rows(isa: Isa, values: &[f32], channels: usize, to: &mut [f32]) {
    assert_eq!(to.len(), channels, "sums of {channels} channels");
    assert!(values.len().is_multiple_of(channels.max(1)), "{} values in rows of {channels}", values.len());
    if channels == 0 {
        return;
    }
    let rows = values.len() / channels;
    let chunks = CHUNKS.min(rows / CHUNK_ROWS).max(1);
    let mut sums = AlignedBuffer::zeroed(chunks * channels);
    sums.par_chunks_exact_mut(channels).enumerate().for_each(|(chunk, to)| {
        let values = &values[chunk * rows / chunks * channels..(chunk + 1) * rows / chunks * channels];
        dispatch(isa, Columns { values, to });
    });
    to.copy_from_slice(&sums[..channels]);
    for chunk in sums.chunks_exact(channels).skip(1) {
        to.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
    }
}

/// Adds the columns of `values` to `to`.
struct Columns<'a> {
    values: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Columns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.to.len();
        for block in self.values.chunks(BLOCK * channels) {
            let mut column = 0;
            while column < channels {
                let end = channels.min(column + 4 * S::LANES);
                columns(simd, block, column, &mut self.to[column..end], channels);
                column = end;
            }
        }
    }
}

/// Adds the columns from `first` on of a block of rows to `to`, at most four vectors of them.
#[inline(always)]
fn columns<S: Simd>(simd: S, block: &[f32], first: usize, to: &mut [f32], channels: usize) {
    let mut sums = [simd.splat(0.0); 4];
    for row in block.chunks_exact(channels) {
        let row = &row[first..first + to.len()];
        for v in 0..4 {
            let from = row.get(v * S::LANES..).unwrap_or_default();
            sums[v] = simd.add(sums[v], simd.load(&from[..from.len().min(S::LANES)]));
        }
    }
    for v in 0..4 {
        if let Some(to) = to.get_mut(v * S::LANES..).filter(|to| !to.is_empty()) {
            let held = simd.load(&to[..to.len().min(S::LANES)]);
            simd.store(to, simd.add(held, sums[v]));
        }
    }
}
