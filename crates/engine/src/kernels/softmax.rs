//! Softmax of rows: the largest value is subtracted first, so that nothing overflows.

use super::math::exponential;
use super::norm::load_or;
use super::simd::{Kernel, Simd, dispatch};
use super::{Isa, RowsMut};

/// Replaces each of `rows` rows of `columns` values by its softmax.
pub fn softmax(isa: Isa, values: RowsMut<'_>, rows: usize, columns: usize) {
    values.check(rows, columns);
    dispatch(isa, Softmax { values, rows, columns });
}

struct Softmax<'a> {
    values: RowsMut<'a>,
    rows: usize,
    columns: usize,
}

impl Kernel for Softmax<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in 0..self.rows {
            let values = &mut self.values.values[row * self.values.stride..][..self.columns];
            let sum = exponentials(simd, values, 1.0);
            let factor = simd.splat(1.0 / sum);
            for chunk in values.chunks_mut(S::LANES) {
                let scaled = simd.multiply(simd.load(chunk), factor);
                simd.store(chunk, scaled);
            }
        }
    }
}

/// Replaces `x` by `exp(factor * (x - largest))` for a `factor > 0` and returns the sum, in an order fixed by the length.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(simd: S, values: &mut [f32], factor: f32) -> f32 {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for chunk in values.chunks(S::LANES) {
        largest = simd.largest(largest, load_or(simd, chunk, f32::NEG_INFINITY));
    }
    let (largest, factor) = (simd.splat(simd.maximum(largest)), simd.splat(factor));
    let mut sums = [simd.splat(0.0); 2];
    let mut tail = 0.0;
    for (step, chunk) in values.chunks_mut(S::LANES).enumerate() {
        let value = exponential(simd, simd.multiply(factor, simd.subtract(simd.load(chunk), largest)));
        simd.store(chunk, value);
        if chunk.len() == S::LANES {
            sums[step % 2] = simd.add(sums[step % 2], value);
        } else {
            tail = simd.sum(simd.load(chunk));
        }
    }
    simd.sum(simd.add(sums[0], sums[1])) + tail
}
