//! The physical limit that speeds are compared with: multiply-adds on registers alone.

use std::hint::black_box;

use super::Isa;
use super::simd::{Kernel, Simd, dispatch};

/// Independent sums, enough to cover the latency of the multiply-add on two units.
const SUMS: usize = 12;

/// Runs `steps` steps of multiply-adds on registers and returns how many floating-point operations that were (two each).
#[must_use]
pub fn multiply_adds(isa: Isa, steps: u64) -> u64 {
    dispatch(isa, Peak { steps })
}

/// Copies `from` to `to`, which is as long, and returns the bytes that were read and written.
#[must_use]
pub fn copied_bytes(from: &[u64], to: &mut [u64]) -> u64 {
    to.copy_from_slice(black_box(from));
    black_box(&to);
    2 * size_of_val(from) as u64
}

struct Peak {
    steps: u64,
}

impl Kernel for Peak {
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> u64 {
        let (factor, summand) = (simd.splat(black_box(0.999)), simd.splat(black_box(0.001)));
        let mut sums = [simd.splat(black_box(1.0)); SUMS];
        for _ in 0..self.steps {
            for sum in &mut sums {
                *sum = simd.multiply_add(*sum, factor, summand);
            }
        }
        let mut total = simd.splat(0.0);
        for sum in sums {
            total = simd.add(total, sum);
        }
        black_box(simd.sum(total));
        self.steps * (SUMS * S::LANES * 2) as u64
    }
}
