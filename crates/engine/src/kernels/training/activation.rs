//! Gradients of the element-wise functions.

use super::super::simd::Simd;
use super::super::{Isa, Stored, StoredMut};
use super::elementwise::Elementwise;
use super::lanes::{Lanes, Operand, Results, Step};
use crate::Activation;

/// `dx = dy * f'(x) (+ add)`, all of equal length. `x` is the value before the function; for [`Activation::Relu`] and
/// [`Activation::Relu6`] the value behind it may be given instead. At kinks the derivative is PyTorch's: zero for `Relu` at 0,
/// `Relu6` at 0 and 6, `HardSigmoid` at -3 and 3 and `HardSwish` at -3, one for `HardSwish` at 3.
///
/// ```
/// use heirloom_engine::{Activation, kernels::{Isa, training::activation_gradient}};
/// let mut dx = [0.0; 3];
/// activation_gradient(Isa::detect(), Activation::Relu, &[-1.0, 0.0, 2.0], &[5.0, 6.0, 7.0], None, &mut dx);
/// assert_eq!(dx, [0.0, 0.0, 7.0]);
/// ```
pub fn activation_gradient<'a>(
    isa: Isa,
    function: Activation,
    x: impl Into<Stored<'a>>,
    dy: impl Into<Stored<'a>>,
    add: Option<Stored<'a>>,
    dx: impl Into<StoredMut<'a>>,
) {
    run(isa, function, Operand::From(dy.into()), x.into(), add, dx.into());
}

/// Like [`activation_gradient`], from `dy` into itself.
pub fn activation_gradient_in_place<'a>(
    isa: Isa,
    function: Activation,
    x: impl Into<Stored<'a>>,
    add: Option<Stored<'a>>,
    gradient: impl Into<StoredMut<'a>>,
) {
    run(isa, function, Operand::Target(0), x.into(), add, gradient.into());
}

fn run(isa: Isa, function: Activation, dy: Operand<'_>, x: Stored<'_>, add: Option<Stored<'_>>, dx: StoredMut<'_>) {
    let inputs = [dy, Operand::From(x), Operand::perhaps(add)];
    let step = Backward(Elementwise { isa, function });
    Lanes { isa, step, channels: 1, parameters: [], inputs, targets: [dx] }.run();
}

/// Inputs: `dy`, `x` and a summand.
struct Backward(Elementwise);

impl Step<3, 0, 1, 0> for Backward {
    #[inline(always)]
    fn step<S: Simd, const G: usize>(
        &self,
        simd: S,
        [dy, x, add]: [[S::Vector; G]; 3],
        _parameters: [[S::Vector; G]; 0],
    ) -> Results<S, G, 1, 0> {
        ([sum(simd, self.0.backward(simd, x, dy), add)], [])
    }
}

/// Sums of vectors.
#[inline(always)]
pub(super) fn sum<S: Simd, const G: usize>(simd: S, mut a: [S::Vector; G], b: [S::Vector; G]) -> [S::Vector; G] {
    for g in 0..G {
        a[g] = simd.add(a[g], b[g]);
    }
    a
}
