//! Kernels that are nothing but their stages, and the normalisation of raw pixels.
#![allow(unsafe_code)]

use std::ops::Range;

use super::epilogue::{self, Block, Place, Stage, Target};
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
    let place = Place { row: 0, range_start: rows.start, column: 0 };
    let block = Block { source, stride: input.stride, rows: rows.len(), columns, place, target, stages };
    // SAFETY: the operands were just checked for these rows and columns, and the input holds them.
    unsafe { block.complete(isa) };
}

/// Like [`transform`], from a buffer into itself; `values` holds the rows of the range.
pub fn transform_in_place(isa: Isa, values: RowsMut<'_>, rows: Range<usize>, columns: usize, stages: &mut [Stage<'_>]) {
    epilogue::check(&values, stages, &rows, columns);
    let target = Target { values: values.values.as_mut_ptr(), stride: values.stride };
    let place = Place { row: 0, range_start: rows.start, column: 0 };
    let block =
        Block { source: target.values, stride: target.stride, rows: rows.len(), columns, place, target, stages };
    // SAFETY: the operands were just checked for these rows and columns; the source is the target.
    unsafe { block.complete(isa) };
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
