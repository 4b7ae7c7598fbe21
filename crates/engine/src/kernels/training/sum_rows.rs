//! Sums of rows: gradients of biases.

use super::lanes::{Lanes, Operand, Results, Step};
use crate::kernels::simd::Simd;
use crate::kernels::{Isa, Stored};

/// Overwrites `to` with the sums of the columns of `values`, `[rows, channels]`; with one channel the sum of them all.
pub fn sum_rows<'a>(isa: Isa, values: impl Into<Stored<'a>>, channels: usize, to: &mut [f32]) {
    assert_eq!(to.len(), channels, "sums of {channels} channels");
    let inputs = [Operand::From(values.into())];
    let [sums] = Lanes { isa, step: Terms, channels, parameters: [], inputs, targets: [] }.run();
    to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum as f32);
}

/// Input: a term.
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
