//! Element-wise functions as polynomials, accurate to about 1e-6 relative, on vectors.

use super::simd::Simd;
use crate::Activation;

/// `exp(r) = 1 + r + r^2 q(r)` for `|r| <= ln(2) / 2`; minimax fit of `q`, relative error 3e-9 before rounding.
const EXPONENTIAL: [f32; 5] = [0.499_999_94, 0.166_665_2, 0.041_668_41, 0.008_368_914, 0.001_381_418_9];

/// `erf(x / sqrt(2)) = x p(s)`, `s = x^2 * ERROR_SCALE - 1`, for `|x| < ERROR_END`; minimax fit of `p`, absolute error 1.2e-7.
const ERROR: [f32; 15] = [
    0.255_079_45,
    -0.127_356_42,
    0.094_810_72,
    -0.077_185_76,
    0.064_086_11,
    -0.052_517_846,
    0.041_132_49,
    -0.029_824_162,
    0.021_492_876,
    -0.016_416_747,
    0.009_271_349,
    -0.002_305_664_4,
    0.001_959_564,
    -0.003_143_349,
    0.001_301_791_2,
];
const ERROR_SCALE: f32 = 0.065_077_05;
/// Beyond it the error function rounds to 1.
const ERROR_END: f32 = 5.543_717;

/// Horner's rule, from the coefficient of the highest power.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(simd: S, x: S::Vector, coefficients: &[f32; N]) -> S::Vector {
    let mut value = simd.splat(coefficients[N - 1]);
    for power in (0..N - 1).rev() {
        value = simd.multiply_add(value, x, simd.splat(coefficients[power]));
    }
    value
}

/// `e^x`, with `x` clamped to -87.33..=88.37 (the results then are the smallest and largest normal numbers).
#[inline(always)]
pub(crate) fn exponential<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let x = simd.smallest(simd.splat(88.37), simd.largest(simd.splat(-87.33), x));
    let power = simd.round(simd.multiply(x, simd.splat(std::f32::consts::LOG2_E)));
    // ln(2) in two parts, the first with zeros at its end, so that the product with `power` is exact.
    let rest = simd.multiply_add(power, simd.splat(-0.693_359_4), x);
    let rest = simd.multiply_add(power, simd.splat(2.121_944_4e-4), rest);
    let tail = simd.multiply(simd.multiply(rest, rest), polynomial(simd, rest, &EXPONENTIAL));
    let value = simd.add(simd.splat(1.0), simd.add(rest, tail));
    simd.multiply(value, simd.power_of_two(power))
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub(crate) fn sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let one = simd.splat(1.0);
    simd.divide(one, simd.add(one, exponential(simd, simd.subtract(simd.splat(0.0), x))))
}

/// `erf(|x| / sqrt(2))`
#[inline(always)]
pub(crate) fn error_function<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let size = simd.absolute(x);
    let s = simd.multiply_add(simd.multiply(x, x), simd.splat(ERROR_SCALE), simd.splat(-1.0));
    let near = simd.multiply(size, polynomial(simd, s, &ERROR));
    simd.where_negative(simd.subtract(simd.splat(ERROR_END), size), simd.splat(1.0), near)
}

/// `x Phi(x) = (x + |x| erf(|x| / sqrt(2))) / 2`
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let error = error_function(simd, x);
    let half = simd.multiply(simd.splat(0.5), x);
    simd.multiply_add(simd.absolute(half), error, half)
}

/// `x (1 + tanh(u)) / 2 = x sigmoid(2 u)`, `u = sqrt(2 / pi) (x + 0.044715 x^3)`
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let cubic = simd.multiply_add(simd.multiply(x, x), simd.splat(0.044_715), simd.splat(1.0));
    let twice = simd.multiply(simd.multiply(x, simd.splat(1.595_769)), cubic);
    simd.multiply(x, sigmoid(simd, twice))
}

#[inline(always)]
fn relu6<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    simd.smallest(simd.splat(6.0), simd.largest(simd.splat(0.0), x))
}

#[inline(always)]
fn hard_sigmoid<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    simd.multiply(relu6(simd, simd.add(x, simd.splat(3.0))), simd.splat(1.0 / 6.0))
}

macro_rules! each {
    ($values:ident, $value:ident => $result:expr) => {
        for slot in $values.iter_mut() {
            let $value = *slot;
            *slot = $result;
        }
    };
}

/// `function` of several vectors.
#[inline(always)]
pub(crate) fn activate<S: Simd, const G: usize>(
    simd: S,
    function: Activation,
    mut values: [S::Vector; G],
) -> [S::Vector; G] {
    match function {
        Activation::Relu => each!(values, x => simd.largest(simd.splat(0.0), x)),
        Activation::Relu6 => each!(values, x => relu6(simd, x)),
        Activation::HardSwish => each!(values, x => simd.multiply(x, hard_sigmoid(simd, x))),
        Activation::HardSigmoid => each!(values, x => hard_sigmoid(simd, x)),
        Activation::Sigmoid => each!(values, x => sigmoid(simd, x)),
        Activation::Silu => each!(values, x => simd.multiply(x, sigmoid(simd, x))),
        Activation::Gelu => each!(values, x => gelu(simd, x)),
        Activation::GeluTanh => each!(values, x => gelu_tanh(simd, x)),
    }
    values
}
