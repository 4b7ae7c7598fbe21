//! Derivatives of the element-wise functions, on vectors. Where a function has a kink the value is PyTorch's.

use super::super::math::{error_function, exponential, sigmoid};
use super::super::simd::Simd;
use crate::Activation;

/// `1 / sqrt(2 pi)`
const DENSITY: f32 = 0.398_942_3;
/// `2 sqrt(2 / pi)` and the factor of the cube in the tanh approximation of GELU.
const TANH: [f32; 2] = [1.595_769, 0.044_715];

macro_rules! each {
    ($x:ident, $dy:ident, $value:ident, $gradient:ident => $result:expr) => {{
        let mut results = $dy;
        for (result, &$value) in results.iter_mut().zip(&$x) {
            let $gradient = *result;
            *result = $result;
        }
        results
    }};
}

/// `dy * f'(x)` of several vectors. Outside the slopes of a piecewise function `dy` is left out, not multiplied by zero.
#[inline(always)]
pub(super) fn backward<S: Simd, const G: usize>(
    simd: S,
    function: Activation,
    x: [S::Vector; G],
    dy: [S::Vector; G],
) -> [S::Vector; G] {
    match function {
        Activation::Relu => each!(x, dy, x, dy => between(simd, x, 0.0, f32::INFINITY, dy)),
        Activation::Relu6 => each!(x, dy, x, dy => between(simd, x, 0.0, 6.0, dy)),
        Activation::HardSigmoid => {
            each!(x, dy, x, dy => between(simd, x, -3.0, 3.0, simd.multiply(dy, simd.splat(1.0 / 6.0))))
        }
        Activation::HardSwish => each!(x, dy, x, dy => hard_swish(simd, x, dy)),
        Activation::Sigmoid => each!(x, dy, x, dy => {
            let y = sigmoid(simd, x);
            simd.multiply(dy, simd.multiply(y, simd.subtract(simd.splat(1.0), y)))
        }),
        Activation::Silu => each!(x, dy, x, dy => {
            let y = sigmoid(simd, x);
            let rest = simd.subtract(simd.splat(1.0), y);
            simd.multiply(dy, simd.multiply(y, simd.multiply_add(x, rest, simd.splat(1.0))))
        }),
        Activation::Gelu => each!(x, dy, x, dy => simd.multiply(dy, gelu(simd, x))),
        Activation::GeluTanh => each!(x, dy, x, dy => simd.multiply(dy, gelu_tanh(simd, x))),
    }
}

/// `dy` where `low < x < high`, else zero.
#[inline(always)]
fn between<S: Simd>(simd: S, x: S::Vector, low: f32, high: f32, dy: S::Vector) -> S::Vector {
    let zero = simd.splat(0.0);
    let above = simd.where_negative(simd.subtract(simd.splat(low), x), dy, zero);
    if high == f32::INFINITY {
        return above;
    }
    simd.where_negative(simd.subtract(x, simd.splat(high)), above, zero)
}

/// `x / 3 + 1 / 2` between -3 and 3, zero up to -3, one from 3 on.
#[inline(always)]
fn hard_swish<S: Simd>(simd: S, x: S::Vector, dy: S::Vector) -> S::Vector {
    let slope = simd.multiply_add(x, simd.splat(1.0 / 3.0), simd.splat(0.5));
    let below = simd.where_negative(simd.subtract(x, simd.splat(3.0)), simd.multiply(dy, slope), dy);
    simd.where_negative(simd.subtract(simd.splat(-3.0), x), below, simd.splat(0.0))
}

/// `Phi(x) + x phi(x)`
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let half = simd.splat(0.5);
    let error = error_function(simd, x);
    let signed = simd.where_negative(x, simd.subtract(simd.splat(0.0), error), error);
    let distribution = simd.multiply_add(half, signed, half);
    let exponent = simd.multiply(simd.multiply(x, x), simd.splat(-0.5));
    simd.multiply_add(simd.multiply(x, simd.splat(DENSITY)), exponential(simd, exponent), distribution)
}

/// Derivative of `x s(u)`, `u = a (x + b x^3)`: `s + x s (1 - s) a (1 + 3 b x^2)`, where `s` is the logistic function.
#[inline(always)]
fn gelu_tanh<S: Simd>(simd: S, x: S::Vector) -> S::Vector {
    let [scale, cube] = TANH;
    let (one, square) = (simd.splat(1.0), simd.multiply(x, x));
    let scaled = simd.multiply(x, simd.splat(scale));
    let s = sigmoid(simd, simd.multiply(scaled, simd.multiply_add(square, simd.splat(cube), one)));
    let slope = simd.multiply(scaled, simd.multiply_add(square, simd.splat(3.0 * cube), one));
    simd.multiply_add(simd.multiply(s, simd.subtract(one, s)), slope, s)
}
