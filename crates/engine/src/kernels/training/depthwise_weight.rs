//! The weight gradient of a depthwise convolution over some images: per channel `sum over pixels of X[pixel at the tap] * dY[pixel]`.
//!
//! One vector of channels at a time, some rows of it: the input is copied with its padding to a buffer that stays in the
//! first-level cache, so that the loop over pixels has no edges; the sums of all taps stay in registers.
#![allow(unsafe_code)]

use crate::kernels::simd::{Kernel, Simd, prefetch};
use crate::kernels::{AlignedBuffer, Window};

/// Pixels of a padded copy to aim for.
const COPY_PIXELS: usize = 384;

/// Output rows that are summed together, and the padded copy of the input that they read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    /// Rows of the output.
    rows: usize,
    /// Pixels of a row of the copy.
    width: usize,
}

impl Band {
    pub fn new(window: &Window) -> Self {
        let width = (window.output[1].max(1) - 1) * window.stride[1] + (window.kernel[1] - 1) * window.dilation[1] + 1;
        let edge = (window.kernel[0] - 1) * window.dilation[0] + 1;
        let rows = 1 + (COPY_PIXELS / width).saturating_sub(edge) / window.stride[0];
        Self { rows: rows.min(window.output[0]).max(1), width }
    }

    /// Rows of the copy for `rows` rows of the output.
    fn height(window: &Window, rows: usize) -> usize {
        (rows - 1) * window.stride[0] + (window.kernel[0] - 1) * window.dilation[0] + 1
    }
}

/// Overwrites `sums`, `[vector of channels, tap, lane]`, with the sums over some images.
pub(super) struct SumImages<'a> {
    pub window: &'a Window,
    pub band: Band,
    pub channels: usize,
    pub images: usize,
    /// From the image at work on.
    pub input: &'a [f32],
    /// From the image at work on.
    pub gradient: &'a [f32],
    pub sums: &'a mut [f32],
    pub values: &'a mut AlignedBuffer,
}

impl Kernel for SumImages<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        self.sums.fill(0.0);
        let height = self.window.output[0];
        if self.window.output_pixels() == 0 {
            return;
        }
        let len = Band::height(self.window, self.band.rows) * self.band.width * S::LANES;
        self.values.grow(len);
        // The margins of a copy of whole maps stay zero.
        self.values[..len].fill(0.0);
        for _ in 0..self.images {
            for y in (0..height).step_by(self.band.rows) {
                let rows = self.band.rows.min(height - y);
                for channel in (0..self.channels).step_by(S::LANES) {
                    self.copy(simd, y, rows, channel);
                    self.taps(simd, y, rows, channel);
                }
            }
            self.input = &self.input[self.window.input_pixels() * self.channels..];
            self.gradient = &self.gradient[self.window.output_pixels() * self.channels..];
        }
    }
}

impl SumImages<'_> {
    /// Copies what some output rows read of a vector of channels; the columns around the map are zeros.
    #[inline(always)]
    fn copy<S: Simd>(&mut self, simd: S, y: usize, rows: usize, channel: usize) {
        let (window, width) = (self.window, self.band.width);
        let count = S::LANES.min(self.channels - channel);
        let left = window.before[1].min(width);
        let right = (window.before[1] + window.input[1]).min(width).max(left);
        let whole = rows == window.output[0];
        let ahead = self.ahead(channel, rows * window.stride[0] * window.input[1] * self.channels, S::LANES);
        for row in 0..Band::height(window, rows) {
            let to = &mut self.values[row * width * S::LANES..][left * S::LANES..right * S::LANES];
            let from = (y * window.stride[0] + row).wrapping_sub(window.before[0]);
            if from >= window.input[0] {
                if !whole {
                    to.fill(0.0);
                }
                continue;
            }
            let pixels = &self.input[from * window.input[1] * self.channels..][..window.input[1] * self.channels];
            for (to, pixel) in to.chunks_exact_mut(S::LANES).zip(pixels.chunks_exact(self.channels)) {
                prefetch(pixel.as_ptr().wrapping_add(channel + ahead));
                simd.store(to, simd.load(&pixel[channel..channel + count]));
            }
        }
    }

    /// How far ahead of a pixel's values lies what is read next at its place: its next channels, or after the last of them the
    /// first of the next band, `band` values further.
    #[inline(always)]
    const fn ahead(&self, channel: usize, band: usize, lanes: usize) -> usize {
        if channel + lanes < self.channels { lanes } else { band.wrapping_sub(channel) }
    }

    /// Adds the products of some output rows, all taps, a vector of channels.
    #[inline(always)]
    fn taps<S: Simd>(&mut self, simd: S, y: usize, rows: usize, channel: usize) {
        let [height, width] = self.window.kernel;
        let part = |tap| Part { y, rows, channel, tap };
        // Twenty-five sums need the registers of sixteen lanes.
        let unit = self.window.dilation[1] == 1;
        if unit && ([height, width] == [3, 3] || [height, width] == [5, 5] && S::LANES == 16) {
            return self.some(simd, part([0, 0]), [height, width]);
        }
        for ky in 0..height {
            let mut kx = 0;
            while kx < width {
                let columns = match width - kx {
                    8.. if unit => 8,
                    7 if unit => 7,
                    5..=6 if unit => 5,
                    4.. => 4,
                    fewer => fewer,
                };
                self.some(simd, part([ky, kx]), [1, columns]);
                kx += columns;
            }
        }
    }

    /// Adds the products of a rectangle of taps, one of those that [`Self::taps`] asks for.
    #[inline(always)]
    fn some<S: Simd>(&mut self, simd: S, part: Part, taps: [usize; 2]) {
        match (taps, self.window.dilation[1]) {
            ([3, 3], 1) => self.part::<S, 3, 3, true>(simd, part),
            ([5, 5], 1) => self.part::<S, 5, 5, true>(simd, part),
            ([1, 8], 1) => self.part::<S, 1, 8, true>(simd, part),
            ([1, 7], 1) => self.part::<S, 1, 7, true>(simd, part),
            ([1, 5], 1) => self.part::<S, 1, 5, true>(simd, part),
            ([1, 4], _) => self.part::<S, 1, 4, false>(simd, part),
            ([1, 3], _) => self.part::<S, 1, 3, false>(simd, part),
            ([1, 2], _) => self.part::<S, 1, 2, false>(simd, part),
            _ => self.part::<S, 1, 1, false>(simd, part),
        }
    }
}

/// Output rows `y..y + rows`, a vector of channels and the first of some taps.
#[derive(Clone, Copy)]
struct Part {
    y: usize,
    rows: usize,
    channel: usize,
    tap: [usize; 2],
}

impl SumImages<'_> {
    /// Adds the products of `Q` rows of `K` taps; `UNIT` where neighbouring taps read neighbouring pixels.
    #[inline(always)]
    fn part<S: Simd, const Q: usize, const K: usize, const UNIT: bool>(&mut self, simd: S, part: Part) {
        let (window, channels, width) = (self.window, self.channels, self.band.width);
        let Part { y, rows, channel, tap } = part;
        let count = S::LANES.min(channels - channel);
        let gradient = &self.gradient[y * window.output[1] * channels..][..rows * window.output[1] * channels];
        assert!(self.values.len() >= Band::height(window, rows) * width * S::LANES && Q + tap[0] <= window.kernel[0]);
        let first = tap[0] * window.dilation[0] * width + tap[1] * window.dilation[1];
        let (below, beside) = (window.dilation[0] * width * S::LANES, window.dilation[1] * S::LANES);
        let ahead = self.ahead(channel, gradient.len(), S::LANES);
        let mut sums = [[simd.splat(0.0); K]; Q];
        for (row, gradient) in gradient.chunks_exact(window.output[1] * channels).enumerate() {
            let start = (row * window.stride[0] * width + first) * S::LANES;
            let mut copy = self.values.as_ptr().wrapping_add(start);
            for pixel in gradient.chunks_exact(channels) {
                prefetch(pixel.as_ptr().wrapping_add(channel + ahead));
                let pixel = &pixel[channel..channel + count];
                // SAFETY: the copy holds, asserted above, the rows that these output rows read at any tap, and its width all
                // columns; the channels were just sliced.
                unsafe {
                    let factor = if count == S::LANES {
                        simd.load_pointer(pixel.as_ptr())
                    } else {
                        simd.load_first(pixel.as_ptr(), count)
                    };
                    for q in 0..Q {
                        for k in 0..K {
                            let offset = q * below + k * if UNIT { S::LANES } else { beside };
                            sums[q][k] = simd.multiply_add(factor, simd.load_pointer(copy.add(offset)), sums[q][k]);
                        }
                    }
                }
                copy = copy.wrapping_add(window.stride[1] * S::LANES);
            }
        }
        for q in 0..Q {
            for k in 0..K {
                let tap = (tap[0] + q) * window.kernel[1] + tap[1] + k;
                let taps = window.kernel[0] * window.kernel[1];
                let to = &mut self.sums[channel * taps + tap * S::LANES..][..S::LANES];
                let held = simd.load(to);
                simd.store(to, simd.add(held, sums[q][k]));
            }
        }
    }
}
