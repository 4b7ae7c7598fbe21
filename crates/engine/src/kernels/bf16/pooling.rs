//! Pools over halves: the largest value of a window, which stays a half, and the mean over all positions; and the product with one
//! factor per channel that such a mean leads to.

use crate::kernels::pooling::largest;
use crate::kernels::simd::{Kernel, Simd, dispatch, dispatch_rounding};
use crate::kernels::{Isa, Window};

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
        let map = window.input_pixels() * channels;
        for (row, to) in output.chunks_exact_mut(channels.max(1)).enumerate() {
            let (image, y, x) = window.place(row);
            let (ys, xs) = (window.inside(0, y), window.inside(1, x));
            let map = &input[image * map..][..map];
            for column in (0..channels).step_by(S::LANES) {
                let end = channels.min(column + S::LANES);
                let mut value = simd.splat(f32::NEG_INFINITY);
                for tap_y in ys.clone() {
                    let map_y = y * window.stride[0] + tap_y * window.dilation[0] - window.before[0];
                    for tap_x in xs.clone() {
                        let map_x = x * window.stride[1] + tap_x * window.dilation[1] - window.before[1];
                        let pixel = (map_y * window.input[1] + map_x) * channels;
                        value = largest(simd, value, simd.load_halves(&map[pixel + column..pixel + end]));
                    }
                }
                // Exact: the largest of halves is one of them.
                simd.store_high_halves(&mut to[column..end], value);
            }
        }
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
    dispatch(isa, MeanPositions { input, positions, skip, channels, output });
}

struct MeanPositions<'a> {
    input: &'a [u16],
    positions: usize,
    skip: usize,
    channels: usize,
    output: &'a mut [f32],
}

/// Positions summed in one run, as in the mean of `f32`.
const RUN: usize = 32;

impl Kernel for MeanPositions<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let divisor = simd.splat(self.positions.saturating_sub(self.skip).max(1) as f32);
        for (image, to) in self.output.chunks_exact_mut(self.channels.max(1)).enumerate() {
            for column in (0..self.channels).step_by(S::LANES) {
                let end = self.channels.min(column + S::LANES);
                let mut total = simd.splat(0.0);
                for start in (self.skip..self.positions).step_by(RUN) {
                    let mut sum = simd.splat(0.0);
                    for position in start..self.positions.min(start + RUN) {
                        let row = (image * self.positions + position) * self.channels;
                        sum = simd.add(sum, simd.load_halves(&self.input[row + column..row + end]));
                    }
                    total = simd.add(total, sum);
                }
                simd.store(&mut to[column..end], simd.divide(total, divisor));
            }
        }
    }
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
