//! Depthwise convolution: one window per channel, vectorised over channels, a few output pixels of a row at a time.
//! Pixels outside the map are left out of the sum.
#![allow(unsafe_code)]

use std::ops::Range;

use super::epilogue::{self, Block, Place, Stage, Target};
use super::rows::check_rows;
use super::simd::{Kernel, Simd, dispatch, prefetch, prefetch_to_write};
use super::{AlignedBuffer, Isa, RowsMut, Scratch, Stored, StoredMut, StoredRowsMut, Window};

/// A depthwise convolution over maps of one size, with its weights reordered to `[height, width, channels]`.
#[derive(Debug, Clone)]
pub struct Depthwise {
    isa: Isa,
    window: Window,
    channels: usize,
    weight: AlignedBuffer,
}

impl Depthwise {
    /// Reorders the weight `[channels, 1, height, width]`.
    #[must_use]
    pub fn new(isa: Isa, window: Window, weight: &[f32], channels: usize) -> Self {
        let taps = window.kernel[0] * window.kernel[1];
        assert_eq!(
            weight.len(),
            channels * taps,
            "weight of a depthwise convolution of {channels} channels, {window:?}"
        );
        let mut operator = Self { isa: isa.clamped(), window, channels, weight: AlignedBuffer::zeroed(weight.len()) };
        operator.repack(weight);
        operator
    }

    /// The window.
    pub(super) const fn window(&self) -> &Window {
        &self.window
    }

    /// Reorders another weight `[channels, 1, height, width]` in the memory of the last.
    pub(super) fn repack(&mut self, weight: &[f32]) {
        let taps = self.window.kernel[0] * self.window.kernel[1];
        assert_eq!(weight.len(), self.channels * taps, "weight of {} channels, {:?}", self.channels, self.window);
        for (channel, weight) in weight.chunks_exact(taps.max(1)).enumerate() {
            for (tap, value) in weight.iter().enumerate() {
                self.weight[tap * self.channels + channel] = *value;
            }
        }
    }

    /// Takes taps `chosen` of a weight `[channels, kernel]` of a larger window, one for each tap of this one.
    pub(super) fn repack_taps(&mut self, weight: &[f32], kernel: usize, chosen: &[usize]) {
        for (channel, weight) in weight.chunks_exact(kernel.max(1)).enumerate() {
            for (tap, source) in chosen.iter().enumerate() {
                self.weight[tap * self.channels + channel] = weight[*source];
            }
        }
    }

    /// Bytes of the weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.weight.len() * size_of::<f32>()
    }

    /// Computes output pixels `rows`, counted over the batch. `input` is the whole batch, NHWC; `output` and the stages hold the
    /// rows of the range.
    pub fn run(&self, input: &[f32], rows: Range<usize>, output: RowsMut<'_>, stages: &mut [Stage<'_>]) {
        epilogue::check(&output, stages, &rows, self.channels);
        self.check(input.len(), &rows);
        let input = Stored::F32(input);
        let target = Target { values: output.values.as_mut_ptr(), stride: output.stride };
        let mut row = rows.start;
        while row < rows.end {
            let (_, _, x) = self.window.place(row);
            let end = (row + self.window.output[1] - x).min(rows.end);
            let place = Place { row: row - rows.start, range_start: rows.start, column: 0 };
            // SAFETY: the output was checked for the whole range, of which this is row `place.row`.
            let sums = unsafe { target.values.add(place.row * target.stride) };
            let segment = Segment { operator: self, input, row, xs: x..x + end - row, sums, stride: target.stride };
            dispatch(self.isa, segment);
            if !stages.is_empty() {
                let (count, columns) = (end - row, self.channels);
                let block = Block { source: sums, stride: target.stride, rows: count, columns, place, target, stages };
                // SAFETY: the output and the stages were checked for the whole range; the sums are in the output.
                unsafe { block.complete(self.isa) };
            }
            row = end;
        }
    }

    /// All output pixels of a batch, of values that are stored one way or the other.
    pub(crate) fn run_stored(
        &self,
        input: Stored<'_>,
        rows: usize,
        output: StoredRowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        check_rows(output.values.len(), output.stride, rows, self.channels);
        epilogue::check_stages(stages, &(0..rows), self.channels);
        self.check(input.len(), &(0..rows));
        let width = self.window.output[1];
        scratch.values.grow(width * self.channels);
        let (values, halves) = match output.values {
            StoredMut::F32(values) => (values.as_mut_ptr(), None),
            StoredMut::Bf16(halves) => (std::ptr::null_mut(), Some(halves.as_mut_ptr())),
        };
        let target = Target { values, stride: output.stride };
        for row in (0..rows).step_by(width) {
            let sums = scratch.values.as_mut_ptr();
            let stride = self.channels;
            dispatch(self.isa, Segment { operator: self, input, row, xs: 0..width, sums, stride });
            let place = Place { row, range_start: 0, column: 0 };
            let block = Block { source: sums, stride, rows: width, columns: stride, place, target, stages };
            // SAFETY: the output and the stages were checked for all rows, which are whole rows of maps; the sums hold one of those.
            unsafe { block.complete_stored(self.isa, halves) };
        }
    }

    fn check(&self, values: usize, rows: &Range<usize>) {
        let images = self.window.images(values, self.channels);
        let there = images * self.window.output_pixels();
        assert!(rows.end <= there, "rows {rows:?} of {images} images, {:?}", self.window);
    }
}

/// Output pixels `xs` of one row of a map, written to `sums`; `row` is the first of them, counted over the batch.
struct Segment<'a> {
    operator: &'a Depthwise,
    input: Stored<'a>,
    row: usize,
    xs: Range<usize>,
    sums: *mut f32,
    stride: usize,
}

impl Kernel for Segment<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let window = &self.operator.window;
        let full = window.kernel[1];
        let xs = self.xs.clone();
        // Pixels whose window lies inside the map across the width: `inside` is monotone on both sides.
        let mut left = xs.start;
        while left < xs.end && window.inside(1, left).len() < full {
            left += 1;
        }
        let mut right = xs.end;
        while right > left && window.inside(1, right - 1).len() < full {
            right -= 1;
        }
        let mut x = xs.start;
        while x < xs.end {
            let room = if (left..right).contains(&x) { right - x } else { 1 };
            x += match self.input {
                Stored::F32(_) => self.some::<S, false>(simd, x, room),
                Stored::Bf16(_) => self.some::<S, true>(simd, x, room),
            };
        }
    }
}

/// The pixels under the window that one vector of channels reads, halves where `H`.
#[derive(Clone, Copy)]
struct Taps<const H: bool> {
    input: *const f32,
    halves: *const u16,
    weight: *const f32,
    /// Values between input rows, input pixels, window rows, window pixels and output pixels.
    map_row: usize,
    pixel: usize,
    weight_row: usize,
    weight_pixel: usize,
    step: usize,
    rows: usize,
    columns: usize,
}

impl Segment<'_> {
    /// As many output pixels from `x` on as there is room for.
    #[inline(always)]
    fn some<S: Simd, const H: bool>(&self, simd: S, x: usize, room: usize) -> usize {
        match room {
            0..2 => self.pixels::<S, 1, H>(simd, x),
            2..4 => self.pixels::<S, 2, H>(simd, x),
            4..8 => self.pixels::<S, 4, H>(simd, x),
            _ => self.pixels::<S, 8, H>(simd, x),
        }
    }

    /// `P` output pixels from `x` on, which all see the same part of the window. Returns `P`.
    #[inline(always)]
    fn pixels<S: Simd, const P: usize, const H: bool>(&self, simd: S, x: usize) -> usize {
        let Depthwise { window, channels, weight, .. } = self.operator;
        let (image, y, _) = window.place(self.row);
        let (ys, xs) = (window.inside(0, y), window.inside(1, x));
        let first = |axis: usize, at: usize, tap: usize| {
            (at * window.stride[axis] + tap * window.dilation[axis]).wrapping_sub(window.before[axis])
        };
        let empty = ys.is_empty() || xs.is_empty();
        let start = if empty {
            0
        } else {
            (image * window.input[0] + first(0, y, ys.start)) * window.input[1] + first(1, x, xs.start)
        };
        let weight_start = if empty { 0 } else { (ys.start * window.kernel[1] + xs.start) * channels };
        let below = ys.len() * window.dilation[0] * window.input[1] * channels;
        let (values, halves) = match self.input {
            Stored::F32(values) => (values.as_ptr(), std::ptr::null()),
            Stored::Bf16(halves) => (std::ptr::null(), halves.as_ptr()),
        };
        let mut column = 0;
        while column < *channels {
            let count = S::LANES.min(channels - column);
            // SAFETY: `inside` keeps every window pixel in the map and `run` checked that the batch holds the image, so all reads
            // of `count` channels are inside `input` and `weight`; `epilogue::check` covers the output.
            unsafe {
                let taps = Taps::<H> {
                    input: values.wrapping_add(start * channels + column),
                    halves: halves.wrapping_add(start * channels + column),
                    weight: weight.as_ptr().add(weight_start + column),
                    map_row: window.dilation[0] * window.input[1] * channels,
                    pixel: window.dilation[1] * channels,
                    weight_row: window.kernel[1] * channels,
                    weight_pixel: *channels,
                    step: window.stride[1] * channels,
                    rows: if empty { 0 } else { ys.len() },
                    columns: xs.len(),
                };
                let to = self.sums.add((x - self.xs.start) * self.stride + column);
                // The lines that the next row of outputs will be the first to touch.
                for p in 0..P {
                    prefetch_to_write(to.wrapping_add((window.output[1] + p) * self.stride));
                }
                for row in 0..window.stride[0] {
                    let ahead = below + row * window.input[1] * channels;
                    for pixel in 0..P * window.stride[1] {
                        let at = ahead + pixel * channels;
                        prefetch(if H { taps.halves.wrapping_add(at).cast() } else { taps.input.wrapping_add(at) });
                    }
                }
                if count == S::LANES {
                    taps.sum::<S, P, true>(simd, count, to, self.stride);
                } else {
                    taps.sum::<S, P, false>(simd, count, to, self.stride);
                }
            }
            column += S::LANES;
        }
        P
    }
}

impl<const H: bool> Taps<H> {
    /// # Safety
    /// `count` channels of every pixel under the windows of `P` output pixels must be readable, and writable at `to` for the `P`
    /// output pixels; `count` is `LANES` where `FULL`, else less.
    #[inline(always)]
    unsafe fn sum<S: Simd, const P: usize, const FULL: bool>(self, simd: S, count: usize, to: *mut f32, stride: usize) {
        let mut sums = [simd.splat(0.0); P];
        for y in 0..self.rows {
            for x in 0..self.columns {
                // SAFETY: as the caller promises.
                unsafe {
                    let weight = self.weight.add(y * self.weight_row + x * self.weight_pixel);
                    let at = y * self.map_row + x * self.pixel;
                    let weight = if FULL { simd.load_pointer(weight) } else { simd.load_first(weight, count) };
                    for p in 0..P {
                        let at = at + p * self.step;
                        let value = if H {
                            simd.load_first_halves(self.halves.add(at), if FULL { S::LANES } else { count })
                        } else if FULL {
                            simd.load_pointer(self.input.add(at))
                        } else {
                            simd.load_first(self.input.add(at), count)
                        };
                        sums[p] = simd.multiply_add(value, weight, sums[p]);
                    }
                }
            }
        }
        for p in 0..P {
            // SAFETY: as the caller promises.
            unsafe {
                let to = to.add(p * stride);
                if FULL { simd.store_pointer(to, sums[p]) } else { simd.store_first(to, sums[p], count) }
            }
        }
    }
}
