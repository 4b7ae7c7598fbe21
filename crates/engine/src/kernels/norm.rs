//! Layer normalisation over the channels of a row, in two passes: the mean, then the variance about it.

use std::ops::Range;

use super::simd::{Kernel, Simd, dispatch};
use super::{Isa, Rows, RowsMut};

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over each of the rows; `weight.len()` channels.
/// `input` holds the rows of the whole batch, `output` those of the range.
pub fn layer_norm(
    isa: Isa,
    input: Rows<'_>,
    rows: Range<usize>,
    weight: &[f32],
    bias: &[f32],
    epsilon: f64,
    output: RowsMut<'_>,
) {
    assert_eq!(weight.len(), bias.len(), "weight and bias of a layer norm");
    input.check(rows.end, weight.len());
    output.check(rows.len(), weight.len());
    dispatch(isa, LayerNorm { input, rows, weight, bias, epsilon, output });
}

struct LayerNorm<'a> {
    input: Rows<'a>,
    rows: Range<usize>,
    weight: &'a [f32],
    bias: &'a [f32],
    epsilon: f64,
    output: RowsMut<'a>,
}

impl Kernel for LayerNorm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.weight.len();
        for (index, row) in self.rows.clone().enumerate() {
            let from = &self.input.values[row * self.input.stride..][..channels];
            let to = &mut self.output.values[index * self.output.stride..][..channels];
            normalize(simd, from, self.weight, self.bias, self.epsilon, to);
        }
    }
}

#[inline(always)]
fn normalize<S: Simd>(simd: S, from: &[f32], weight: &[f32], bias: &[f32], epsilon: f64, to: &mut [f32]) {
    let channels = from.len();
    let mean = total(simd, from) / channels as f32;
    let mut squares = [simd.splat(0.0); 4];
    for (step, column) in (0..channels).step_by(S::LANES).enumerate() {
        let values = &from[column..channels.min(column + S::LANES)];
        // Lanes beyond the row hold the mean, so they add nothing.
        let difference = simd.subtract(load_or(simd, values, mean), simd.splat(mean));
        squares[step % 4] = simd.multiply_add(difference, difference, squares[step % 4]);
    }
    let variance = simd.sum(four(simd, squares)) / channels as f32;
    let scale = (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32;
    for column in (0..channels).step_by(S::LANES) {
        let end = channels.min(column + S::LANES);
        let centred = simd.subtract(simd.load(&from[column..end]), simd.splat(mean));
        let scaled = simd.multiply(centred, simd.splat(scale));
        simd.store(
            &mut to[column..end],
            simd.multiply_add(scaled, simd.load(&weight[column..end]), simd.load(&bias[column..end])),
        );
    }
}

/// Sum of a row, in an order fixed by its length.
#[inline(always)]
pub(crate) fn total<S: Simd>(simd: S, from: &[f32]) -> f32 {
    let mut sums = [simd.splat(0.0); 4];
    for (step, values) in from.chunks(S::LANES).enumerate() {
        sums[step % 4] = simd.add(sums[step % 4], simd.load(values));
    }
    simd.sum(four(simd, sums))
}

#[inline(always)]
pub(crate) fn four<S: Simd>(simd: S, sums: [S::Vector; 4]) -> S::Vector {
    simd.add(simd.add(sums[0], sums[1]), simd.add(sums[2], sums[3]))
}

/// The values of a vector, `filler` in the lanes beyond.
#[inline(always)]
pub(crate) fn load_or<S: Simd>(simd: S, from: &[f32], filler: f32) -> S::Vector {
    if from.len() >= S::LANES {
        return simd.load(from);
    }
    let mut lanes = [filler; 16];
    lanes[..from.len()].copy_from_slice(from);
    simd.load(&lanes)
}
