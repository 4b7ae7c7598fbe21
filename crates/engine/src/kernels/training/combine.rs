//! Sums, products, factors and summands per channel, gates: forward over whole batches, and gradients.

use rayon::prelude::*;

use super::super::Isa;
use super::super::simd::Simd;
use super::activation::sum;
use super::elementwise::Elementwise;
use super::lanes::{Lanes, Operand, Results, Step};
use crate::Activation;

/// `to = f(first (+ second))`, all of equal length. The bits are those of the stages.
pub fn sum_forward(isa: Isa, first: &[f32], second: Option<&[f32]>, activation: Option<Activation>, to: &mut [f32]) {
    let step = Sum(activation.map(|function| Elementwise { isa, function }));
    let inputs = [Operand::From(first), Operand::perhaps(second)];
    Lanes { isa, step, channels: 1, parameters: [], inputs, targets: [to] }.run();
}

/// `to += values`
pub fn add_assign(isa: Isa, to: &mut [f32], values: &[f32]) {
    let inputs = [Operand::Target(0), Operand::From(values)];
    Lanes { isa, step: Sum(None), channels: 1, parameters: [], inputs, targets: [to] }.run();
}

/// Inputs: two summands.
struct Sum(Option<Elementwise>);

impl Step<2, 0, 1, 0> for Sum {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [a, b]: [[S::Vector; G]; 2],
        _parameters: [[S::Vector; G]; 0],
    ) -> Results<S, G, 1, 0> {
        let values = sum(simd, a, b);
        ([if let Some(function) = &self.0 { function.forward(simd, values) } else { values }], [])
    }
}

/// `to = first * second`, all of equal length.
pub fn multiply_forward(isa: Isa, first: &[f32], second: &[f32], to: &mut [f32]) {
    let inputs = [Operand::From(first), Operand::From(second)];
    Lanes { isa, step: Product, channels: 1, parameters: [], inputs, targets: [to] }.run();
}

struct Product;

impl Step<2, 0, 1, 0> for Product {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [a, b]: [[S::Vector; G]; 2],
        _parameters: [[S::Vector; G]; 0],
    ) -> Results<S, G, 1, 0> {
        ([product(simd, a, b)], [])
    }
}

/// Gradients of `y = first * second`: `d_first = dy * second`, `d_second = dy * first`, all of equal length.
pub fn multiply_gradient(
    isa: Isa,
    first: &[f32],
    second: &[f32],
    dy: &[f32],
    d_first: &mut [f32],
    d_second: &mut [f32],
) {
    let inputs = [first, second, dy].map(Operand::From);
    Lanes { isa, step: Products, channels: 1, parameters: [], inputs, targets: [d_first, d_second] }.run();
}

struct Products;

impl Step<3, 0, 2, 0> for Products {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [first, second, dy]: [[S::Vector; G]; 3],
        _parameters: [[S::Vector; G]; 0],
    ) -> Results<S, G, 2, 0> {
        ([product(simd, dy, second), product(simd, dy, first)], [])
    }
}

/// `to = values * weight (+ add)` with one factor per channel (or a single one): `values`, `add` and `to` are `[rows, weight.len()]`.
pub fn scale_forward(isa: Isa, values: &[f32], weight: &[f32], add: Option<&[f32]>, to: &mut [f32]) {
    let inputs = [Operand::From(values), Operand::perhaps(add)];
    Lanes { isa, step: Scale, channels: weight.len(), parameters: [weight], inputs, targets: [to] }.run();
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
    single(scale_sums(isa, values, weight, dy, add, dx))
}

fn scale_sums(
    isa: Isa,
    values: &[f32],
    weight: &[f32],
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
) -> [Vec<f64>; 1] {
    let inputs = [Operand::From(values), Operand::From(dy), Operand::perhaps(add)];
    Lanes { isa, step: ScaleBackward, channels: weight.len(), parameters: [weight], inputs, targets: [dx] }.run()
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
    let inputs = [Operand::From(values)];
    Lanes { isa, step: Shift, channels: bias.len(), parameters: [bias], inputs, targets: [to] }.run();
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

/// Sum over the rows of `values` `[rows, channels]`: the gradient of a summand per channel (of a single one with `channels` 1).
#[must_use]
pub fn channel_sums(isa: Isa, values: &[f32], channels: usize) -> Vec<f32> {
    let inputs = [Operand::From(values)];
    single(Lanes { isa, step: Terms, channels, parameters: [], inputs, targets: [] }.run())
}

struct Terms;

impl Step<1, 0, 0, 1> for Terms {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        _simd: S,
        [values]: [[S::Vector; G]; 1],
        _parameters: [[S::Vector; G]; 0],
    ) -> Results<S, G, 0, 1> {
        ([], [values])
    }
}

/// `to = values * gates` with one factor per image and channel: `values` and `to` are `[images, positions, channels]`, `gates`
/// `[images, channels]`.
pub fn gate_forward(isa: Isa, values: &[f32], gates: &[f32], channels: usize, to: &mut [f32]) {
    let image_len = check_gates(values, gates, channels, to);
    to.par_chunks_mut(image_len.max(1)).enumerate().for_each(|(image, to)| {
        let values = &values[image * image_len..][..image_len];
        scale_forward(isa, values, &gates[image * channels..][..channels], None, to);
    });
}

/// Gradients of [`gate_forward`]: writes `dx = dy * gates (+ add)` and, to `d_gates`, the sums of `dy * values` over the positions
/// of an image. `values`, `dy`, `add` and `dx` are `[images, positions, channels]`, `gates` and `d_gates` `[images, channels]`.
pub fn gate_gradient(
    isa: Isa,
    values: &[f32],
    gates: &[f32],
    channels: usize,
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
    d_gates: &mut [f32],
) {
    let image_len = check_gates(values, gates, channels, dx);
    assert!(d_gates.len() == gates.len() && dy.len() == dx.len(), "gradients of gates");
    assert!(add.is_none_or(|add| add.len() == dx.len()), "a summand of another size");
    let images = dx.par_chunks_mut(image_len.max(1)).zip(d_gates.par_chunks_mut(channels.max(1))).enumerate();
    images.for_each(|(image, (dx, d_gates))| {
        let range = image * image_len..(image + 1) * image_len;
        let gates = &gates[image * channels..][..channels];
        let add = add.map(|add| &add[range.clone()]);
        let [sums] = scale_sums(isa, &values[range.clone()], gates, &dy[range], add, dx);
        d_gates.iter_mut().zip(sums).for_each(|(gate, sum)| *gate = sum as f32);
    });
}

/// Values of an image.
fn check_gates(values: &[f32], gates: &[f32], channels: usize, to: &[f32]) -> usize {
    let images = gates.len() / channels.max(1);
    let image_len = values.len() / images.max(1);
    assert!(
        gates.len() == images * channels && values.len() == images * image_len && to.len() == values.len(),
        "{} values, {} gates of {channels} channels",
        values.len(),
        gates.len()
    );
    image_len
}

fn single([sums]: [Vec<f64>; 1]) -> Vec<f32> {
    sums.into_iter().map(|sum| sum as f32).collect()
}

/// Products of vectors.
#[inline(always)]
fn product<S: Simd, const G: usize>(simd: S, mut a: [S::Vector; G], b: [S::Vector; G]) -> [S::Vector; G] {
    for g in 0..G {
        a[g] = simd.multiply(a[g], b[g]);
    }
    a
}
