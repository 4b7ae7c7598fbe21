//! Rows of a convolution's left-hand matrix: for each output pixel the pixels under the window, ordered (height, width, channel),
//! with zeros where the window leaves the map.
#![allow(unsafe_code)]

use std::ops::Range;

use super::gemm::ROW_STRIDE;
use super::matmul::Source;
use super::simd::Simd;
use super::{Rows, Window};

impl Source for Rows<'_> {
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, rows: Range<usize>, depth: Range<usize>, to: &mut [f32]) {
        for (index, row) in rows.enumerate() {
            let from = &self.values[row * self.stride..][depth.clone()];
            copy(simd, from, &mut to[index * ROW_STRIDE..][..depth.len()]);
        }
    }

    /// Not where all rows fall on the same sets of the first-level cache.
    fn in_place(&self) -> Option<Rows<'_>> {
        (!self.stride.is_multiple_of(CACHE_WAY)).then_some(*self)
    }

    fn about(&self, row: usize) -> (*const f32, usize) {
        (self.values.as_ptr().wrapping_add(row * self.stride), self.stride)
    }
}

/// Values in a way of the first-level cache: 64 sets of lines on the processors at hand.
const CACHE_WAY: usize = 1024;

/// The pixels under a window of an NHWC batch, some channels of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patches<'a> {
    pub input: &'a [f32],
    /// Channels of a pixel.
    pub channels: usize,
    pub window: &'a Window,
    /// First channel taken.
    pub first: usize,
    /// Channels taken.
    pub count: usize,
}

impl Source for Patches<'_> {
    #[inline(always)]
    fn gather<S: Simd>(&self, simd: S, rows: Range<usize>, depth: Range<usize>, to: &mut [f32]) {
        let Some(first) = rows.clone().next() else { return };
        let (mut image, mut y, mut x) = self.window.place(first);
        let runs = self.runs(depth.clone());
        for index in 0..rows.len() {
            self.patch(simd, (image, y, x), runs, &mut to[index * ROW_STRIDE..][..depth.len()]);
            x += 1;
            if x == self.window.output[1] {
                (x, y) = (0, y + 1);
                if y == self.window.output[0] {
                    (y, image) = (0, image + 1);
                }
            }
        }
    }

    fn about(&self, row: usize) -> (*const f32, usize) {
        let Window { input, output, .. } = self.window;
        let values = self.window.input_pixels() * self.channels;
        let per_row = input[1] * self.channels * input[0] / (output[0] * output[1]).max(1);
        (
            self.input
                .as_ptr()
                .wrapping_add(row / self.window.output_pixels() * values + row % self.window.output_pixels() * per_row),
            per_row,
        )
    }
}

/// The runs of a block of the depth: what is contiguous in memory, a row of the window or one pixel of it.
#[derive(Clone, Copy)]
struct Runs {
    /// Values in a run.
    len: usize,
    /// Runs in a row of the window.
    per_row: usize,
    /// Row of the window, run in it and value in that at which the block starts.
    start: (usize, usize, usize),
}

impl Patches<'_> {
    fn runs(&self, depth: Range<usize>) -> Runs {
        let whole_row = self.window.dilation[1] == 1 && self.count == self.channels;
        let (pixels, per_row) = if whole_row { (self.window.kernel[1], 1) } else { (1, self.window.kernel[1]) };
        let len = pixels * self.count;
        let run = depth.start / len;
        Runs { len, per_row, start: (run / per_row, run % per_row, depth.start % len) }
    }

    /// Copies a block of one output pixel's patch.
    #[inline(always)]
    fn patch<S: Simd>(&self, simd: S, (image, y, x): (usize, usize, usize), runs: Runs, to: &mut [f32]) {
        let window = self.window;
        let map_row = window.input[1] * self.channels;
        let left = (x * window.stride[1]) as isize - window.before[1] as isize;
        let (mut ky, mut kx, mut skip) = runs.start;
        let mut at = 0;
        while at < to.len() {
            let end = (at + runs.len - skip).min(to.len());
            let piece = &mut to[at..end];
            let row = (y * window.stride[0] + ky * window.dilation[0]).wrapping_sub(window.before[0]);
            if row < window.input[0] {
                let source = &self.input[(image * window.input[0] + row) * map_row..][..map_row];
                let column = left + (kx * window.dilation[1]) as isize;
                clipped(simd, source, column * self.channels as isize + (self.first + skip) as isize, piece);
            } else {
                piece.fill(0.0);
            }
            (at, skip, kx) = (end, 0, kx + 1);
            if kx == runs.per_row {
                (kx, ky) = (0, ky + 1);
            }
        }
    }
}

/// Copies `from[start..]` to `to`, zeros where `from` ends on either side. A run of several pixels leaves the map by whole
/// pixels; a single pixel is inside or outside as a whole.
#[inline(always)]
fn clipped<S: Simd>(simd: S, from: &[f32], start: isize, to: &mut [f32]) {
    if start >= 0 && start as usize + to.len() <= from.len() {
        return copy(simd, &from[start as usize..start as usize + to.len()], to);
    }
    let left = (-start).clamp(0, to.len() as isize) as usize;
    let right = (from.len() as isize - start).clamp(left as isize, to.len() as isize) as usize;
    to[..left].fill(0.0);
    to[right..].fill(0.0);
    if left < right {
        let begin = (start + left as isize) as usize;
        copy(simd, &from[begin..begin + right - left], &mut to[left..right]);
    }
}

/// Copies short runs without a call.
#[inline(always)]
fn copy<S: Simd>(simd: S, from: &[f32], to: &mut [f32]) {
    let len = to.len();
    assert!(from.len() >= len);
    // SAFETY: every access ends at or before `len`, which both slices hold.
    unsafe {
        if len < S::LANES {
            simd.store_first(to.as_mut_ptr(), simd.load_first(from.as_ptr(), len), len);
            return;
        }
        let mut at = 0;
        while at + S::LANES <= len {
            simd.store_pointer(to.as_mut_ptr().add(at), simd.load_pointer(from.as_ptr().add(at)));
            at += S::LANES;
        }
        if at < len {
            let last = len - S::LANES;
            simd.store_pointer(to.as_mut_ptr().add(last), simd.load_pointer(from.as_ptr().add(last)));
        }
    }
}
