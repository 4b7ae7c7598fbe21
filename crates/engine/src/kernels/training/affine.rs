//! The forward pass of a batch norm, a sum and a function behind it.

use super::super::simd::Simd;
use super::super::{Isa, Stored, StoredMut};
use super::activation::sum;
use super::elementwise::Elementwise;
use super::lanes::{Lanes, Operand, Results, Step};
use crate::Activation;

/// `to = f(x * scale + shift (+ add))` of `values` `[rows, channels]`, with one factor and one summand per channel; `add` and `to`
/// have the shape of the values. The bits are those of [`transform`](crate::kernels::transform) with the same stages.
///
/// ```
/// use heirloom_engine::{Activation, kernels::{Isa, training::affine_forward}};
/// let mut to = [0.0; 4];
/// let (scale, shift) = ([2.0, 3.0], [1.0, -10.0]);
/// affine_forward(Isa::detect(), &[1.0, 2.0, 3.0, 4.0], &scale, &shift, None, Some(Activation::Relu), &mut to);
/// assert_eq!(to, [3.0, 0.0, 7.0, 2.0]);
/// ```
pub fn affine_forward<'a>(
    isa: Isa,
    values: impl Into<Stored<'a>>,
    scale: &[f32],
    shift: &[f32],
    add: Option<Stored<'a>>,
    activation: Option<Activation>,
    to: impl Into<StoredMut<'a>>,
) {
    let step = Forward(activation.map(|function| Elementwise { isa, function }));
    let inputs = [Operand::From(values.into()), Operand::perhaps(add)];
    Lanes { isa, step, channels: scale.len(), parameters: [scale, shift], inputs, targets: [to.into()] }.run();
}

/// Inputs: the value and a summand. Parameters: factor and summand.
struct Forward(Option<Elementwise>);

impl Step<2, 2, 1, 0> for Forward {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [values, add]: [[S::Vector; G]; 2],
        [scale, shift]: [[S::Vector; G]; 2],
    ) -> Results<S, G, 1, 0> {
        let values = sum(simd, affine(simd, values, scale, shift), add);
        ([if let Some(function) = &self.0 { function.forward(simd, values) } else { values }], [])
    }
}

/// `x * scale + shift` as the stage of that name rounds it.
#[inline(always)]
pub(super) fn affine<S: Simd, const G: usize>(
    simd: S,
    mut values: [S::Vector; G],
    scale: [S::Vector; G],
    shift: [S::Vector; G],
) -> [S::Vector; G] {
    for g in 0..G {
        values[g] = simd.multiply_add(values[g], scale[g], shift[g]);
    }
    values
}
