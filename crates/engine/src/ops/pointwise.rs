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
    input.values.iter().enumerate().map(|(i, &x)| x * weight[i % weight.len()]).collect()
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

/// The derivative, with PyTorch's values at the kinks.
pub(super) fn derivative<T: Real>(function: Activation, x: T) -> T {
    x.map(|x| match function {
        Activation::Relu => f64::from(x > 0.0),
        Activation::Relu6 => f64::from(x > 0.0 && x < 6.0),
        Activation::HardSwish if x <= -3.0 => 0.0,
        Activation::HardSwish if x >= 3.0 => 1.0,
        Activation::HardSwish => x / 3.0 + 0.5,
        Activation::HardSigmoid => f64::from(x > -3.0 && x < 3.0) / 6.0,
        Activation::Sigmoid => sigmoid(x) * (1.0 - sigmoid(x)),
        Activation::Silu => sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x))),
        Activation::Gelu => {
            let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
            0.5 * (1.0 + libm::erf(x / std::f64::consts::SQRT_2)) + x * density
        }
        Activation::GeluTanh => {
            let factor = (2.0 / std::f64::consts::PI).sqrt();
            let tanh = (factor * (x + 0.044_715 * x * x * x)).tanh();
            0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * factor * (1.0 + 3.0 * 0.044_715 * x * x)
        }
    })
}

/// Gradients of a scaling: of the input and of the factors (a single one where `weight` holds one value).
pub(super) fn scale_backward<T: Real>(input: Value<'_, T>, weight: &[T], gradient: &[T]) -> (Vec<T>, Vec<T>) {
    let mut factors = vec![T::zero(); weight.len()];
    for (i, (&x, &g)) in input.values.iter().zip(gradient).enumerate() {
        factors[i % weight.len()] = factors[i % weight.len()] + x * g;
    }
    (gradient.iter().enumerate().map(|(i, &g)| g * weight[i % weight.len()]).collect(), factors)
}

/// Adds one value per channel, or one for all.
pub(super) fn shift<T: Real>(input: Value<'_, T>, bias: &[T]) -> Vec<T> {
    input.values.iter().enumerate().map(|(i, &x)| x + bias[i % bias.len()]).collect()
}

/// The gradient of a shift's summands.
pub(super) fn shift_backward<T: Real>(values: usize, gradient: &[T]) -> Vec<T> {
    let mut sums = vec![T::zero(); values];
    gradient.iter().enumerate().for_each(|(i, &g)| sums[i % values] = sums[i % values] + g);
    sums
}

/// `dx = y (dy - sum(y dy))` for each row of a softmax `y`.
pub(super) fn softmax_backward<T: Real>(output: Value<'_, T>, gradient: &[T]) -> Vec<T> {
    let channels = output.shape.channels();
    let mut result = Vec::with_capacity(gradient.len());
    for (y, dy) in output.values.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
        let mean: T = y.iter().zip(dy).map(|(&y, &dy)| y * dy).sum();
        result.extend(y.iter().zip(dy).map(|(&y, &dy)| y * (dy - mean)));
    }
    result
}
