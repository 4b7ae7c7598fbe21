//! Element-wise functions and their derivatives inside other kernels. The long ones are compiled once per instruction set and
//! called for a few vectors at a time, which costs nothing beside the memory traffic of the kernels that use them.
#![allow(unsafe_code)]

use super::super::Isa;
use super::super::math::activate;
use super::super::simd::{Kernel, Simd, dispatch};
use super::derivative::backward;
use crate::Activation;

/// Vectors of one call.
const GROUP: usize = 4;
/// Values of one call on the widest processor.
const VALUES: usize = 64;

/// The functions that are a few comparisons, so short that a call would cost more.
macro_rules! piecewise {
    () => {
        Activation::Relu | Activation::Relu6 | Activation::HardSwish | Activation::HardSigmoid
    };
}

/// A function at work on one instruction set.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elementwise {
    pub isa: Isa,
    pub function: Activation,
}

/// Values on the stack, as the vectors that hold them like it.
#[repr(align(64))]
struct Values([f32; VALUES]);

impl Elementwise {
    /// `f(x)`, with the bits of [`activate`]; at most four vectors.
    #[inline(always)]
    pub(super) fn forward<S: Simd, const G: usize>(&self, simd: S, mut x: [S::Vector; G]) -> [S::Vector; G] {
        if let piecewise!() = self.function {
            return activate(simd, self.function, x);
        }
        let mut values = Values([0.0; VALUES]);
        spill(simd, x, &mut values);
        dispatch(self.isa, Forward(self.function, &mut values));
        fill(simd, &values, &mut x);
        x
    }

    /// `dy * f'(x)`; at most four vectors.
    #[inline(always)]
    pub(super) fn backward<S: Simd, const G: usize>(
        &self,
        simd: S,
        x: [S::Vector; G],
        mut dy: [S::Vector; G],
    ) -> [S::Vector; G] {
        if let piecewise!() = self.function {
            return backward(simd, self.function, x, dy);
        }
        let (mut values, mut gradient) = (Values([0.0; VALUES]), Values([0.0; VALUES]));
        spill(simd, x, &mut values);
        spill(simd, dy, &mut gradient);
        dispatch(self.isa, Backward(self.function, &values, &mut gradient));
        fill(simd, &gradient, &mut dy);
        dy
    }
}

#[inline(always)]
fn spill<S: Simd, const G: usize>(simd: S, vectors: [S::Vector; G], to: &mut Values) {
    const { assert!(G <= GROUP && GROUP * S::LANES <= VALUES) };
    for g in 0..G {
        // SAFETY: the assertion.
        unsafe { simd.store_pointer(to.0.as_mut_ptr().add(g * S::LANES), vectors[g]) };
    }
}

#[inline(always)]
fn fill<S: Simd, const G: usize>(simd: S, from: &Values, vectors: &mut [S::Vector; G]) {
    const { assert!(G <= GROUP && GROUP * S::LANES <= VALUES) };
    for g in 0..G {
        // SAFETY: the assertion.
        vectors[g] = unsafe { simd.load_pointer(from.0.as_ptr().add(g * S::LANES)) };
    }
}

struct Forward<'a>(Activation, &'a mut Values);

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut x = [simd.splat(0.0); GROUP];
        fill(simd, self.1, &mut x);
        spill(simd, activate(simd, self.0, x), self.1);
    }
}

struct Backward<'a>(Activation, &'a Values, &'a mut Values);

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (mut x, mut dy) = ([simd.splat(0.0); GROUP], [simd.splat(0.0); GROUP]);
        fill(simd, self.1, &mut x);
        fill(simd, self.2, &mut dy);
        spill(simd, backward(simd, self.0, x, dy), self.2);
    }
}
