//! Pools over halves: the largest value of a window, which stays a half, and the mean over all positions; and the product with one
//! factor per channel that such a mean leads to.

use crate::kernels::pooling::{MeanPositions, largest};
use crate::kernels::simd::{Kernel, Simd, dispatch, dispatch_rounding};
use crate::kernels::{Isa, RowsMut, Window};

/// Largest value of each window of a batch; pixels outside the map never win, NaN always does.
pub fn bf16_max_pool(isa: Isa, window: &Window, channels: usize, input: &[u16], output: &mut [u16]) {
    let images = window.images(input.len(), channels);
    assert_eq!(output.len(), images * window.output_pixels() * channels, "{images} images, {window:?}");
    dispatch(isa, MaxPool { window, channels, input, output });
}

struct MaxPool<'a> {
    window: &'a Window,
    channels: usize,
    input: &'a [u16],
    output: &'a mut [u16],
}

impl Kernel for MaxPool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { window, channels, input, output } = self;
        let (map_len, row_len) = (window.input_pixels() * channels, window.output[1] * channels);
        for (row, to) in output.chunks_exact_mut(row_len.max(1)).enumerate() {
            let (image, y) = (row / window.output[0], row % window.output[0]);
            let map = &input[image * map_len..][..map_len];
            let ys = window.inside(0, y);
            let first_y = (y * window.stride[0] + ys.start * window.dilation[0]).wrapping_sub(window.before[0]);
            for (x, to) in to.chunks_exact_mut(channels).enumerate() {
                let xs = window.inside(1, x);
                let first_x = (x * window.stride[1] + xs.start * window.dilation[1]).wrapping_sub(window.before[1]);
                let taps = Taps {
                    rows: if xs.is_empty() { 0 } else { ys.len() },
                    columns: xs.len(),
                    row_step: window.dilation[0] * window.input[1] * channels,
                    column_step: window.dilation[1] * channels,
                };
                let from =
                    map.get((first_y.wrapping_mul(window.input[1]).wrapping_add(first_x)).wrapping_mul(channels)..);
                let from = from.unwrap_or_default();
                for (chunk, to) in to.chunks_mut(S::LANES).enumerate() {
                    // Exact: the largest of halves is one of them.
                    simd.store_high_halves(to, taps.largest(simd, from, chunk * S::LANES, to.len()));
                }
            }
        }
    }
}

/// The pixels of a window that lie in the map.
#[derive(Clone, Copy)]
struct Taps {
    rows: usize,
    columns: usize,
    row_step: usize,
    column_step: usize,
}

impl Taps {
    /// The largest of each of `count` channels from `channel` on; `from` begins with the first pixel.
    #[inline(always)]
    fn largest<S: Simd>(self, simd: S, from: &[u16], channel: usize, count: usize) -> S::Vector {
        let mut value = simd.splat(f32::NEG_INFINITY);
        for y in 0..self.rows {
            let row = &from[y * self.row_step + channel..];
            for x in 0..self.columns {
                let next = simd.load_halves(&row[x * self.column_step..][..count]);
                value = largest(simd, value, next);
            }
        }
        value
    }
}

/// Mean over `positions` rows of each image, the first `skip` left out: as [`crate::kernels::mean_positions`] sums them.
pub fn bf16_mean_positions(
    isa: Isa,
    input: &[u16],
    positions: usize,
    skip: usize,
    channels: usize,
    output: &mut [f32],
) {
    assert_eq!(input.len(), output.len() * positions, "{positions} positions of {channels} channels");
    let images = 0..output.len() / channels.max(1);
    let output = RowsMut::new(output, channels);
    dispatch(isa, MeanPositions { values: input, stride: channels, positions, skip, channels, images, output });
}

/// Multiplies each image's rows of halves by one factor per channel, where they are, and rounds.
pub fn bf16_gate(values: &mut [u16], positions: usize, channels: usize, factors: &[f32]) {
    let images = values.len() / (positions * channels).max(1);
    assert!(factors.len() >= images * channels, "factors of {images} images of {channels} channels");
    dispatch_rounding(Gate { values, positions, channels, factors });
}

struct Gate<'a> {
    values: &'a mut [u16],
    positions: usize,
    channels: usize,
    factors: &'a [f32],
}

impl Kernel for Gate<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, values) in self.values.chunks_exact_mut(self.channels.max(1)).enumerate() {
            let factors = &self.factors[row / self.positions * self.channels..][..self.channels];
            for (values, factors) in values.chunks_mut(S::LANES).zip(factors.chunks(S::LANES)) {
                let product = simd.multiply(simd.load_halves(values), simd.load(factors));
                simd.store_halves(values, product);
            }
        }
    }
}
