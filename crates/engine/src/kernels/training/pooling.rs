//! Pools in training: the forward kernels over whole batches, and their gradients.
//!
//! A gradient is computed for bands of input rows. Each band visits the output pixels whose windows reach it, in order, so a
//! pixel's sum does not depend on the bands.

use std::ops::Range;

use rayon::prelude::*;

use super::super::pooling::{average_pool, largest, max_pool, mean_positions, padded};
use super::super::simd::{Kernel, Simd, dispatch};
use super::super::{Isa, Rows, RowsMut, Stored, Window};
use super::lanes::{Lanes, Operand, Results, Step};
use super::tasks::{CHUNKS, each_run};

/// Fewest rows of a band, so that few windows are visited twice.
const BAND: usize = 8;

/// [`max_pool`] of a whole batch; `input` is `[images, height, width, channels]`.
pub fn max_pool_forward(isa: Isa, window: &Window, channels: usize, input: &[f32], to: &mut [f32]) {
    each_run(to, channels, |rows, to| {
        max_pool(isa, window, channels, input, rows, RowsMut::new(to, channels));
    });
}

/// [`average_pool`] of a whole batch; `input` is `[images, height, width, channels]`.
pub fn average_pool_forward(
    isa: Isa,
    window: &Window,
    channels: usize,
    input: &[f32],
    count_padding: bool,
    to: &mut [f32],
) {
    each_run(to, channels, |rows, to| {
        average_pool(isa, window, channels, input, rows, RowsMut::new(to, channels), count_padding);
    });
}

/// [`mean_positions`] of a whole batch; `input` is `[images, positions, channels]` and `to` `[images, channels]`.
pub fn mean_positions_forward(isa: Isa, input: &[f32], positions: usize, skip: usize, channels: usize, to: &mut [f32]) {
    to.par_chunks_mut(channels.max(1)).enumerate().for_each(|(image, to)| {
        let (rows, to) = (Rows::new(input, channels), RowsMut::new(to, channels));
        mean_positions(isa, rows, positions, skip, channels, image..image + 1, to);
    });
}

/// Gradient of [`max_pool`]: `dy` goes to the largest value of its window, to the first in row-major order among equals.
/// `input`, `add` (added to the result) and `dx` are `[images, height, width, channels]`, `dy` has the shape of the output.
pub fn max_pool_gradient(
    isa: Isa,
    window: &Window,
    channels: usize,
    input: &[f32],
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
) {
    assert_eq!(input.len(), dx.len(), "values of a pool and their gradient");
    bands(isa, window, channels, Rule::Largest(input), dy, add, dx);
}

/// Gradient of [`average_pool`]: each window's `dy` spread evenly over the pixels that were counted. `add` (added to the result)
/// and `dx` are `[images, height, width, channels]`, `dy` has the shape of the output.
pub fn average_pool_gradient(
    isa: Isa,
    window: &Window,
    channels: usize,
    count_padding: bool,
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
) {
    bands(isa, window, channels, Rule::Mean { count_padding }, dy, add, dx);
}

/// Gradient of [`mean_positions`]: `dy` `[images, channels]` over `positions - skip` in all positions but the first `skip`, which
/// get zeros. `add` (added to the result) and `dx` are `[images, positions, channels]`.
pub fn mean_positions_gradient(
    isa: Isa,
    dy: &[f32],
    positions: usize,
    skip: usize,
    channels: usize,
    add: Option<&[f32]>,
    dx: &mut [f32],
) {
    let image_len = positions * channels;
    assert_eq!(dx.len(), dy.len() * positions, "gradients of a mean of {positions} positions");
    assert!(add.is_none_or(|add| add.len() == dx.len()), "a summand of another size");
    let divisor = positions.saturating_sub(skip).max(1) as f32;
    dx.par_chunks_mut(image_len.max(1)).enumerate().for_each(|(image, dx)| {
        let add = add.map(|add| &add[image * image_len..][..image_len]);
        let values: Vec<f32> = dy[image * channels..][..channels].iter().map(|dy| dy / divisor).collect();
        let first = skip.min(positions) * channels;
        start(add.map(|add| &add[..first]), &mut dx[..first]);
        let inputs = [Operand::perhaps(add.map(|add| Stored::F32(&add[first..])))];
        Lanes { isa, step: Spread, channels, parameters: [&values], inputs, targets: [(&mut dx[first..]).into()] }
            .run();
    });
}

/// Input: a summand. Parameter: the value that every row gets.
struct Spread;

impl Step<1, 1, 1, 0> for Spread {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [add]: [[S::Vector; G]; 1],
        [value]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 1, 0> {
        ([super::activation::sum(simd, value, add)], [])
    }
}

/// What a gradient begins with: another gradient, or zeros.
pub(super) fn start(add: Option<&[f32]>, dx: &mut [f32]) {
    match add {
        Some(add) => dx.copy_from_slice(add),
        None => dx.fill(0.0),
    }
}

#[derive(Debug, Clone, Copy)]
enum Rule<'a> {
    /// With the input of the forward pass.
    Largest(&'a [f32]),
    Mean {
        count_padding: bool,
    },
}

fn bands(isa: Isa, window: &Window, channels: usize, rule: Rule<'_>, dy: &[f32], add: Option<&[f32]>, dx: &mut [f32]) {
    let (input_len, output_len) = (window.input_pixels() * channels, window.output_pixels() * channels);
    let images = dx.len() / input_len.max(1);
    assert!(
        dx.len() == images * input_len && dy.len() == images * output_len,
        "{} and {} values of gradients of {channels} channels, {window:?}",
        dx.len(),
        dy.len()
    );
    assert!(add.is_none_or(|add| add.len() == dx.len()), "a summand of another size");
    let rows = window.input[0].div_ceil(CHUNKS.div_ceil(images.max(1))).max(BAND);
    let row_len = window.input[1] * channels;
    dx.par_chunks_mut(input_len.max(1)).enumerate().for_each(|(image, dx)| {
        let dy = &dy[image * output_len..][..output_len];
        dx.par_chunks_mut(rows * row_len).enumerate().for_each(|(band, dx)| {
            let at = image * input_len + band * rows * row_len;
            start(add.map(|add| &add[at..][..dx.len()]), dx);
            let rule = match rule {
                Rule::Largest(input) => Rule::Largest(&input[image * input_len..][..input_len]),
                mean => mean,
            };
            let rows = band * rows..band * rows + dx.len() / row_len;
            dispatch(isa, Band { window, channels, rule, dy, rows, dx });
        });
    });
}

/// Input rows `rows` of one image.
struct Band<'a> {
    window: &'a Window,
    channels: usize,
    /// With the input of this image.
    rule: Rule<'a>,
    dy: &'a [f32],
    rows: Range<usize>,
    dx: &'a mut [f32],
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { window, channels, rule, dy, rows, dx } = self;
        let place = |axis: usize, at: usize, tap: usize| {
            (at * window.stride[axis] + tap * window.dilation[axis]).wrapping_sub(window.before[axis])
        };
        let mut taps = Vec::with_capacity(window.kernel[0] * window.kernel[1]);
        for y in 0..window.output[0] {
            let ys = window.inside(0, y);
            if ys.clone().all(|tap| !rows.contains(&place(0, y, tap))) {
                continue;
            }
            for x in 0..window.output[1] {
                let xs = window.inside(1, x);
                taps.clear();
                for y in ys.clone().map(|tap| place(0, y, tap)) {
                    let pixels = xs.clone().map(|tap| (y * window.input[1] + place(1, x, tap)) * channels);
                    taps.extend(pixels.map(|pixel| Tap { pixel, here: rows.contains(&y) }));
                }
                let divisor = match rule {
                    Rule::Mean { count_padding: true } => padded(window, 0, y) * padded(window, 1, x),
                    _ => taps.len(),
                };
                let share = simd.splat(divisor.max(1) as f32);
                let dy = &dy[(y * window.output[1] + x) * channels..][..channels];
                let first = rows.start * window.input[1] * channels;
                for column in (0..channels).step_by(S::LANES) {
                    let width = S::LANES.min(channels - column);
                    let gradient = simd.load(&dy[column..column + width]);
                    let to = Columns { dx, first, column, width };
                    match rule {
                        Rule::Largest(input) => choose(simd, input, gradient, &taps, to),
                        Rule::Mean { .. } => spread(simd, simd.divide(gradient, share), &taps, to),
                    }
                }
            }
        }
    }
}

/// A pixel under a window.
#[derive(Debug, Clone, Copy)]
struct Tap {
    /// Its first value in the image.
    pixel: usize,
    /// Whether it is in the band.
    here: bool,
}

/// A vector of channels of a band's gradient.
struct Columns<'a> {
    dx: &'a mut [f32],
    /// Where the band starts in the image.
    first: usize,
    column: usize,
    width: usize,
}

impl Columns<'_> {
    /// Adds `value` to the gradient of a pixel in the band.
    #[inline(always)]
    fn add<S: Simd>(&mut self, simd: S, tap: Tap, value: S::Vector) {
        let slot = &mut self.dx[tap.pixel - self.first + self.column..][..self.width];
        let sum = simd.add(simd.load(slot), value);
        simd.store(slot, sum);
    }
}

/// Adds `share` to the pixels in the band.
#[inline(always)]
fn spread<S: Simd>(simd: S, share: S::Vector, taps: &[Tap], mut to: Columns<'_>) {
    for tap in taps.iter().filter(|tap| tap.here) {
        to.add(simd, *tap, share);
    }
}

/// Adds `gradient` to the first of the largest pixels, where that is in the band.
#[inline(always)]
fn choose<S: Simd>(simd: S, input: &[f32], gradient: S::Vector, taps: &[Tap], mut to: Columns<'_>) {
    let zero = simd.splat(0.0);
    let mut winner = simd.splat(f32::NEG_INFINITY);
    for tap in taps {
        winner = largest(simd, winner, simd.load(&input[tap.pixel + to.column..][..to.width]));
    }
    let mut left = gradient;
    for tap in taps {
        // Negative where another pixel is larger; equal infinities and a NaN are not.
        let behind = simd.subtract(simd.load(&input[tap.pixel + to.column..][..to.width]), winner);
        if tap.here {
            to.add(simd, *tap, simd.where_negative(behind, zero, left));
        }
        left = simd.where_negative(behind, left, zero);
    }
}
