//! Sums and products of activations of one shape: forward over whole batches, and gradients.

use super::super::simd::Simd;
use super::super::{Isa, Stored, StoredMut};
use super::activation::sum;
use super::elementwise::Elementwise;
use super::lanes::{Lanes, Operand, Results, Step};
use crate::Activation;

/// `to = f(first (+ second))`, all of equal length. The bits are those of the stages.
pub fn sum_forward<'a>(
    isa: Isa,
    first: impl Into<Stored<'a>>,
    second: Option<Stored<'a>>,
    activation: Option<Activation>,
    to: impl Into<StoredMut<'a>>,
) {
    let step = Sum(activation.map(|function| Elementwise { isa, function }));
    let inputs = [Operand::From(first.into()), Operand::perhaps(second)];
    Lanes { isa, step, channels: 1, parameters: [], inputs, targets: [to.into()] }.run();
}

/// `to += values`
pub fn add_assign<'a>(isa: Isa, to: impl Into<StoredMut<'a>>, values: impl Into<Stored<'a>>) {
    let inputs = [Operand::Target(0), Operand::From(values.into())];
    Lanes { isa, step: Sum(None), channels: 1, parameters: [], inputs, targets: [to.into()] }.run();
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
    let inputs = [Operand::of(first), Operand::of(second)];
    Lanes { isa, step: Product, channels: 1, parameters: [], inputs, targets: [to.into()] }.run();
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
    let inputs = [first, second, dy].map(Operand::of);
    Lanes { isa, step: Products, channels: 1, parameters: [], inputs, targets: [d_first.into(), d_second.into()] }
        .run();
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

/// Products of vectors.
#[inline(always)]
pub(super) fn product<S: Simd, const G: usize>(simd: S, mut a: [S::Vector; G], b: [S::Vector; G]) -> [S::Vector; G] {
    for g in 0..G {
        a[g] = simd.multiply(a[g], b[g]);
    }
    a
}
