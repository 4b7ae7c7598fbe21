//! Kernels that are nothing but their stages, and the normalisation of raw pixels.
#![allow(unsafe_code)]

use std::ops::Range;

use super::epilogue::{self, Place, Stage, Target, complete_block};
use super::simd::{Kernel, Simd, dispatch};
use super::{AlignedBuffer, Isa, Rows, RowsMut};

/// Copies rows `rows` of `columns` channels through the stages: activations, sums, products, per-channel maps, gates, or nothing
/// (a copy between strides). `input` holds the rows of the whole batch, `output` and the stages those of the range.
///
/// ```
/// use heirloom_engine::{Activation, kernels::{Isa, Rows, RowsMut, Stage, transform}};
/// let mut output = [0.0; 3];
/// let mut stages = [Stage::Add(Rows::new(&[1.0, 1.0, 1.0], 3)), Stage::Activate(Activation::Relu)];
/// transform(Isa::detect(), Rows::new(&[-2.0, 0.0, 2.0], 3), 0..1, 3, RowsMut::new(&mut output, 3), &mut stages);
/// assert_eq!(output, [0.0, 1.0, 3.0]);
/// ```
pub fn transform(
    isa: Isa,
    input: Rows<'_>,
    rows: Range<usize>,
    columns: usize,
    output: RowsMut<'_>,
    stages: &mut [Stage<'_>],
) {
    input.check(rows.end, columns);
    epilogue::check(&output, stages, &rows, columns);
    let target = Target { values: output.values.as_mut_ptr(), stride: output.stride };
    // With no rows the input may be shorter than its first row's start.
    if rows.is_empty() || columns == 0 {
        return;
    }
    let source = input.values[rows.start * input.stride..].as_ptr();
    dispatch(isa, Transform { source, stride: input.stride, rows, columns, target, stages });
}

/// Like [`transform`], from a buffer into itself; `values` holds the rows of the range.
pub fn transform_in_place(isa: Isa, values: RowsMut<'_>, rows: Range<usize>, columns: usize, stages: &mut [Stage<'_>]) {
    epilogue::check(&values, stages, &rows, columns);
    let target = Target { values: values.values.as_mut_ptr(), stride: values.stride };
    dispatch(isa, Transform { source: target.values, stride: target.stride, rows, columns, target, stages });
}

struct Transform<'a, 'b> {
    source: *const f32,
    stride: usize,
    rows: Range<usize>,
    columns: usize,
    target: Target,
    stages: &'a mut [Stage<'b>],
}

impl Kernel for Transform<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        // A few rows at a time, so that a row's channels are visited while it is in the first-level cache.
        for row in (0..self.rows.len()).step_by(8) {
            let count = (self.rows.len() - row).min(8);
            let place = Place { row, range_start: self.rows.start, column: 0 };
            // SAFETY: `epilogue::check` passed for these rows and columns, and the source holds them.
            unsafe {
                let source = self.source.add(row * self.stride);
                complete_block(simd, source, self.stride, count, self.columns, place, self.target, self.stages);
            }
        }
    }
}

/// The normalisation `(pixel / 255 - mean) / std` of interleaved channels.
#[derive(Debug, Clone)]
pub struct Normalization {
    isa: Isa,
    /// Factor and summand of a whole number of vectors and of pixels.
    scale: AlignedBuffer,
    shift: AlignedBuffer,
}

impl Normalization {
    /// One mean and one standard deviation per channel, in units of 1 = white.
    #[must_use]
    pub fn new(isa: Isa, mean: &[f32], std: &[f32]) -> Self {
        assert!(
            mean.len() == std.len() && !mean.is_empty(),
            "{} means and {} standard deviations",
            mean.len(),
            std.len()
        );
        let channels = mean.len();
        let len = channels * 16;
        let (mut scale, mut shift) = (AlignedBuffer::zeroed(len), AlignedBuffer::zeroed(len));
        for at in 0..len {
            let (mean, std) = (f64::from(mean[at % channels]), f64::from(std[at % channels]));
            scale[at] = (1.0 / (255.0 * std)) as f32;
            shift[at] = (-mean / std) as f32;
        }
        Self { isa: isa.clamped(), scale, shift }
    }

    /// Normalises whole pixels.
    pub fn run(&self, pixels: &[u8], output: &mut [f32]) {
        assert_eq!(pixels.len(), output.len(), "bytes and values");
        dispatch(self.isa, Normalize { operator: self, pixels, output });
    }
}

struct Normalize<'a> {
    operator: &'a Normalization,
    pixels: &'a [u8],
    output: &'a mut [f32],
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Normalization { scale, shift, .. } = self.operator;
        let period = scale.len();
        for (bytes, values) in self.pixels.chunks(period).zip(self.output.chunks_mut(period)) {
            let steps = bytes.chunks(S::LANES).zip(values.chunks_mut(S::LANES));
            for ((bytes, values), (scale, shift)) in steps.zip(scale.chunks(S::LANES).zip(shift.chunks(S::LANES))) {
                let mut padded = [0; 16];
                let bytes = if bytes.len() == S::LANES {
                    bytes
                } else {
                    padded[..bytes.len()].copy_from_slice(bytes);
                    &padded
                };
                // SAFETY: `bytes` holds at least `LANES` bytes, and no variant has more than 16 lanes.
                let pixel = unsafe { simd.load_bytes(bytes.as_ptr()) };
                simd.store(values, simd.multiply_add(pixel, simd.load(scale), simd.load(shift)));
            }
        }
    }
}
