//! Element-wise functions, channel scaling and softmax.

use super::{Real, Value};
use crate::Activation;

fn relu6(x: f64) -> f64 {
    x.clamp(0.0, 6.0)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The function in double precision, rounded once to `T`.
pub(super) fn activate<T: Real>(function: Activation, x: T) -> T {
    x.map(|x| match function {
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => relu6(x),
        Activation::HardSwish => x * relu6(x + 3.0) / 6.0,
        Activation::HardSigmoid => relu6(x + 3.0) / 6.0,
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
    })
}

/// Operations per value, an exponential counted as one.
pub(super) fn cost(function: Activation) -> u64 {
    match function {
        Activation::Relu => 1,
        Activation::Relu6 => 2,
        Activation::HardSigmoid => 4,
        Activation::HardSwish | Activation::Silu => 5,
        Activation::Sigmoid => 4,
        Activation::Gelu => 5,
        Activation::GeluTanh => 9,
    }
}

pub(super) fn scale<T: Real>(input: Value<'_, T>, weight: &[T]) -> Vec<T> {
    let channels = input.shape.channels();
    input.values.iter().enumerate().map(|(i, &x)| x * weight[i % channels]).collect()
}

pub(super) fn softmax<T: Real>(input: Value<'_, T>) -> Vec<T> {
    let mut result = Vec::with_capacity(input.values.len());
    for row in input.values.chunks_exact(input.shape.channels()) {
        result.extend(softmax_row(row));
    }
    result
}

/// Softmax of one row, shifted by its largest value.
pub(super) fn softmax_row<T: Real>(row: &[T]) -> Vec<T> {
    let largest = row.iter().copied().fold(row[0], |a, b| if b > a { b } else { a });
    let exponentials: Vec<T> = row.iter().map(|&x| (x - largest).map(f64::exp)).collect();
    let total: T = exponentials.iter().copied().sum();
    exponentials.into_iter().map(|e| e / total).collect()
}
