//! Pools: largest value and mean of a window, and the mean over all positions, vectorised over channels.

use std::ops::Range;

use super::simd::{Kernel, Simd, dispatch};
use super::{Isa, Rows, RowsMut, Window};

/// Largest value of each window, for output pixels `rows` of the batch; pixels outside the map never win, NaN always does.
pub fn max_pool(isa: Isa, window: &Window, channels: usize, input: &[f32], rows: Range<usize>, output: RowsMut<'_>) {
    check(window, channels, input, &rows, &output);
    dispatch(isa, Pool { window, channels, input, rows, output, rule: Rule::Largest });
}

/// Mean of each window, for output pixels `rows` of the batch. The divisor counts the pixels inside the map, and with
/// `count_padding` also the padded ones (but none beyond the padding, where the output side was rounded up).
pub fn average_pool(
    isa: Isa,
    window: &Window,
    channels: usize,
    input: &[f32],
    rows: Range<usize>,
    output: RowsMut<'_>,
    count_padding: bool,
) {
    check(window, channels, input, &rows, &output);
    dispatch(isa, Pool { window, channels, input, rows, output, rule: Rule::Mean { count_padding } });
}

/// Mean over `positions` rows (pixels or tokens) of each image, the first `skip` left out, for images `images` of the batch.
/// Global average pooling is `skip = 0`.
pub fn mean_positions(
    isa: Isa,
    input: Rows<'_>,
    positions: usize,
    skip: usize,
    channels: usize,
    images: Range<usize>,
    output: RowsMut<'_>,
) {
    input.check(images.end * positions, channels);
    output.check(images.len(), channels);
    let (values, stride) = (input.values, input.stride);
    dispatch(isa, MeanPositions { values, stride, positions, skip, channels, images, output });
}

fn check(window: &Window, channels: usize, input: &[f32], rows: &Range<usize>, output: &RowsMut<'_>) {
    let images = window.images(input.len(), channels);
    assert!(rows.end <= images * window.output_pixels(), "rows {rows:?} of {images} images, {window:?}");
    output.check(rows.len(), channels);
}

#[derive(Clone, Copy)]
enum Rule {
    Largest,
    Mean { count_padding: bool },
}

struct Pool<'a> {
    window: &'a Window,
    channels: usize,
    input: &'a [f32],
    rows: Range<usize>,
    output: RowsMut<'a>,
    rule: Rule,
}

impl Kernel for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { window, channels, input, rows, output, rule } = self;
        let map = window.input_pixels() * channels;
        for (index, row) in rows.enumerate() {
            let (image, y, x) = window.place(row);
            let (ys, xs) = (window.inside(0, y), window.inside(1, x));
            let divisor = match rule {
                Rule::Mean { count_padding: true } => padded(window, 0, y) * padded(window, 1, x),
                _ => ys.len() * xs.len(),
            };
            let map = &input[image * map..][..map];
            let to = &mut output.values[index * output.stride..][..channels];
            for column in (0..channels).step_by(S::LANES) {
                let end = channels.min(column + S::LANES);
                let mut value = simd.splat(if let Rule::Largest = rule { f32::NEG_INFINITY } else { 0.0 });
                for tap_y in ys.clone() {
                    let map_y = y * window.stride[0] + tap_y * window.dilation[0] - window.before[0];
                    for tap_x in xs.clone() {
                        let map_x = x * window.stride[1] + tap_x * window.dilation[1] - window.before[1];
                        let pixel = (map_y * window.input[1] + map_x) * channels;
                        let next = simd.load(&map[pixel + column..pixel + end]);
                        value = match rule {
                            Rule::Largest => largest(simd, value, next),
                            Rule::Mean { .. } => simd.add(value, next),
                        };
                    }
                }
                if let Rule::Mean { .. } = rule {
                    value = simd.divide(value, simd.splat(divisor.max(1) as f32));
                }
                simd.store(&mut to[column..end], value);
            }
        }
    }
}

/// The larger, or NaN where `next` or `value` is NaN.
#[inline(always)]
pub(crate) fn largest<S: Simd>(simd: S, value: S::Vector, next: S::Vector) -> S::Vector {
    // One order keeps a NaN in `next`, the other one in `value`; a sum with zero times both would cost more.
    simd.where_nan(value, value, simd.largest(value, next))
}

/// Pixels of the window along `axis` inside the padded map.
pub(crate) fn padded(window: &Window, axis: usize, at: usize) -> usize {
    let room = window.input[axis] + window.before[axis] + window.after[axis];
    room.saturating_sub(at * window.stride[axis]).div_ceil(window.dilation[axis]).min(window.kernel[axis])
}

/// Mean over positions of values that are stored as `T`.
pub(super) struct MeanPositions<'a, T> {
    pub values: &'a [T],
    pub stride: usize,
    pub positions: usize,
    pub skip: usize,
    pub channels: usize,
    pub images: Range<usize>,
    pub output: RowsMut<'a>,
}

/// What a vector can be read from.
pub(super) trait Lane: Sized {
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::Vector;
}

impl Lane for f32 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::Vector {
        simd.load(from)
    }
}

/// Halves.
impl Lane for u16 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, from: &[Self]) -> S::Vector {
        simd.load_halves(from)
    }
}

/// Positions summed in one run; the sums of runs are then added in order, which keeps the rounding error small.
const RUN: usize = 32;

impl<T: Lane> Kernel for MeanPositions<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let divisor = simd.splat(self.positions.saturating_sub(self.skip).max(1) as f32);
        for (index, image) in self.images.clone().enumerate() {
            let to = &mut self.output.values[index * self.output.stride..][..self.channels];
            for column in (0..self.channels).step_by(S::LANES) {
                let end = self.channels.min(column + S::LANES);
                let mut total = simd.splat(0.0);
                for start in (self.skip..self.positions).step_by(RUN) {
                    let mut sum = simd.splat(0.0);
                    for position in start..self.positions.min(start + RUN) {
                        let row = (image * self.positions + position) * self.stride;
                        sum = simd.add(sum, T::load(simd, &self.values[row + column..row + end]));
                    }
                    total = simd.add(total, sum);
                }
                simd.store(&mut to[column..end], simd.divide(total, divisor));
            }
        }
    }
}
