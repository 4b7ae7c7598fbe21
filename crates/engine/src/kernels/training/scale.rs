//! A factor or a summand per channel (or a single one): forward over whole batches, and gradients.

use super::super::Isa;
use super::super::simd::Simd;
use super::activation::sum;
use super::combine::product;
use super::lanes::{Lanes, Operand, Results, Step};

/// `to = values * weight (+ add)` with one factor per channel (or a single one): `values`, `add` and `to` are `[rows, weight.len()]`.
pub fn scale_forward(isa: Isa, values: &[f32], weight: &[f32], add: Option<&[f32]>, to: &mut [f32]) {
    let inputs = [Operand::of(values), Operand::perhaps(add.map(Into::into))];
    Lanes { isa, step: Scale, channels: weight.len(), parameters: [weight], inputs, targets: [to.into()] }.run();
}

/// Inputs: a value and a summand. Parameter: factor.
struct Scale;

impl Step<2, 1, 1, 0> for Scale {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [values, add]: [[S::Vector; G]; 2],
        [weight]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 1, 0> {
        ([sum(simd, product(simd, values, weight), add)], [])
    }
}

/// Gradients of `y = x * weight` with one factor per channel (or a single one): writes `dx = dy * weight (+ add)` and returns that
/// of the weight. `values` (`x`), `dy`, `add` and `dx` are `[rows, weight.len()]`.
pub fn scale_gradient(
    isa: Isa,
    values: &[f32],
    weight: &[f32],
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
) -> Vec<f32> {
    let [sums] = scale_sums(isa, values, weight, dy, add, dx);
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// Like [`scale_gradient`], with the sums in double precision.
pub(super) fn scale_sums(
    isa: Isa,
    values: &[f32],
    weight: &[f32],
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
) -> [Vec<f64>; 1] {
    let inputs = [Operand::of(values), Operand::of(dy), Operand::perhaps(add.map(Into::into))];
    Lanes { isa, step: ScaleBackward, channels: weight.len(), parameters: [weight], inputs, targets: [dx.into()] }.run()
}

/// Inputs: `x`, `dy` and a summand. Parameter: factor.
struct ScaleBackward;

impl Step<3, 1, 1, 1> for ScaleBackward {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [x, dy, add]: [[S::Vector; G]; 3],
        [weight]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 1, 1> {
        ([sum(simd, product(simd, dy, weight), add)], [product(simd, dy, x)])
    }
}

/// `to = values + bias` with one summand per channel (or a single one): `values` and `to` are `[rows, bias.len()]`.
pub fn shift_forward(isa: Isa, values: &[f32], bias: &[f32], to: &mut [f32]) {
    let inputs = [Operand::of(values)];
    Lanes { isa, step: Shift, channels: bias.len(), parameters: [bias], inputs, targets: [to.into()] }.run();
}

struct Shift;

impl Step<1, 1, 1, 0> for Shift {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [values]: [[S::Vector; G]; 1],
        [bias]: [[S::Vector; G]; 1],
    ) -> Results<S, G, 1, 0> {
        ([sum(simd, values, bias)], [])
    }
}
