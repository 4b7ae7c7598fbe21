//! Softmax of rows in double precision, for solvers that compare losses to the last digits.
//!
//! Plain Rust that the compiler turns into vectors of each instruction set: products and sums are rounded apart and chains
//! have a fixed number, so the bits do not depend on the instruction set.

use super::Isa;
use super::simd::{Kernel, Simd, dispatch};

/// Chains in which a row is summed.
const CHAINS: usize = 8;
/// `1/k!`: the exponential's series, whose next term is below 2e-16 for `|x| <= ln(2)/2`.
const SERIES: [f64; 13] = [
    1.0,
    1.0,
    1.0 / 2.0,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5040.0,
    1.0 / 40320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
    1.0 / 479_001_600.0,
];
/// `1.5 * 2^52`: added to a number, it leaves the nearest integer in the last bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Below it the exponential is taken for 0.
const LEAST: f64 = -708.0;

/// `e^x` for `x <= 0`, to a few units in the last place, without a branch or a call that would keep it out of vectors.
#[inline(always)]
fn exponential(x: f64) -> f64 {
    let inside = if x < LEAST { LEAST } else { x };
    let shifted = inside * std::f64::consts::LOG2_E + ROUND;
    let power = shifted - ROUND;
    // ln(2) in two parts, the first with zeros at its end, so that its product with `power` is exact.
    let rest = (inside - power * 0.693_147_180_369_123_8) - power * 1.908_214_929_270_587_7e-10;
    let series = SERIES.iter().rev().fold(0.0, |value, coefficient| value * rest + coefficient);
    let scale = f64::from_bits(shifted.to_bits().wrapping_add(1023) << 52);
    if x < LEAST { 0.0 } else { series * scale }
}

/// Values folded in interleaved chains, and those in order.
#[inline(always)]
fn fold(values: &[f64], start: f64, step: impl Fn(f64, f64) -> f64 + Copy) -> f64 {
    let mut chains = [start; CHAINS];
    let pieces = values.chunks_exact(CHAINS);
    let tail = pieces.remainder();
    for piece in pieces {
        chains.iter_mut().zip(piece).for_each(|(chain, &value)| *chain = step(*chain, value));
    }
    let rest = tail.iter().copied();
    chains.into_iter().chain(rest).fold(start, step)
}

/// Replaces each row of `columns` values by its softmax and writes `ln(sum(exp(values)))` of the row to `normalizers`.
///
/// # Panics
/// If `values` is not `normalizers.len()` rows long.
pub fn softmax_double(isa: Isa, values: &mut [f64], columns: usize, normalizers: &mut [f64]) {
    assert_eq!(values.len(), columns * normalizers.len(), "{} rows of {columns} values", normalizers.len());
    if columns > 0 {
        dispatch(isa, SoftmaxDouble { values, columns, normalizers });
    }
}

struct SoftmaxDouble<'a> {
    values: &'a mut [f64],
    columns: usize,
    normalizers: &'a mut [f64],
}

impl Kernel for SoftmaxDouble<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        for (row, normalizer) in self.values.chunks_exact_mut(self.columns).zip(self.normalizers) {
            *normalizer = softmax_row(row);
        }
    }
}

/// Replaces a row by its softmax; returns the logarithm of the sum of its exponentials.
#[inline(always)]
fn softmax_row(row: &mut [f64]) -> f64 {
    let top = fold(row, f64::NEG_INFINITY, |a, b| if a > b { a } else { b });
    row.iter_mut().for_each(|value| *value = exponential(*value - top));
    let sum = fold(row, 0.0, |a, b| a + b);
    let factor = 1.0 / sum;
    row.iter_mut().for_each(|value| *value *= factor);
    top + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_agree_with_the_standard_library() {
        for step in 0..200_000 {
            let x = -f64::from(step) * 0.003_539;
            let (found, expected) = (exponential(x), x.exp());
            assert!((found - expected).abs() <= 1e-15 * expected, "{x}: {found:e} {expected:e}");
        }
        assert_eq!((exponential(0.0), exponential(-708.5), exponential(f64::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn rows_of_any_length_sum_to_one() {
        for length in 1..12 {
            let mut row: Vec<f64> = (0..length).map(|i| f64::from(i * 7 % 5) - 1.5).collect();
            let plain = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            assert!((softmax_row(&mut row) - plain).abs() < 1e-14, "{length}");
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-14, "{length}");
        }
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let logits: Vec<f64> = (0..7 * 37).map(|i| f64::from(i * 7919 % 1009) / 31.0).collect();
        let of = |isa| {
            let (mut values, mut normalizers) = (logits.clone(), [0.0; 7]);
            softmax_double(isa, &mut values, 37, &mut normalizers);
            (values, normalizers)
        };
        for isa in Isa::available() {
            assert_eq!(of(isa), of(Isa::Portable), "{isa:?}");
        }
    }
}
