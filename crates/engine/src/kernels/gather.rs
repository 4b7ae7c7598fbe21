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
        for index in 0..rows.len() {
            self.patch(simd, (image, y, x), depth.clone(), &mut to[index * ROW_STRIDE..][..depth.len()]);
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

impl Patches<'_> {
    /// Copies values `depth` of one output pixel's patch.
    #[inline(always)]
    fn patch<S: Simd>(&self, simd: S, (image, y, x): (usize, usize, usize), depth: Range<usize>, to: &mut [f32]) {
        let window = self.window;
        // A run is what is contiguous in memory: a row of the window, or one pixel of it.
        let whole_row = window.dilation[1] == 1 && self.count == self.channels;
        let (pixels, runs_per_row) = if whole_row { (window.kernel[1], 1) } else { (1, window.kernel[1]) };
        let run_len = pixels * self.count;
        let map_row = window.input[1] * self.channels;
        let mut at = depth.start;
        while at < depth.end {
            let run = at / run_len;
            let (ky, kx) = (run / runs_per_row, run % runs_per_row);
            let skip = at - run * run_len;
            let end = ((run + 1) * run_len).min(depth.end);
            let piece = &mut to[at - depth.start..end - depth.start];
            at = end;
            let row = (y * window.stride[0] + ky * window.dilation[0]).wrapping_sub(window.before[0]);
            if row >= window.input[0] {
                piece.fill(0.0);
                continue;
            }
            let column = (x * window.stride[1] + kx * window.dilation[1]) as isize - window.before[1] as isize;
            let source = &self.input[(image * window.input[0] + row) * map_row..][..map_row];
            let start = column * self.channels as isize + (self.first + skip) as isize;
            clipped(simd, source, start, piece);
        }
    }
}

/// Copies `from[start..]` to `to`, zeros where `from` ends on either side. A run of several pixels leaves the map by whole
/// pixels; a single pixel is inside or outside as a whole.
#[inline(always)]
fn clipped<S: Simd>(simd: S, from: &[f32], start: isize, to: &mut [f32]) {
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
