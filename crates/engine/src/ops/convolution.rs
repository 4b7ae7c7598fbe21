//! Convolution and the fully connected layer.

use super::{Real, Value, with_channels};
use crate::kernels::Window;
use crate::{Op, Shape};

/// The window of a convolution over `input`; a vector is a map of one pixel.
pub(crate) fn window(op: &Op, input: Shape) -> Option<Window> {
    let side = match input {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Vector { .. } => [1, 1],
        Shape::Tokens { .. } => return None,
    };
    match op {
        Op::Convolution { kernel, stride, padding, dilation, .. } => {
            Window::new(side, *kernel, *stride, *padding, *dilation, false)
        }
        _ => None,
    }
}

pub(super) fn shape(op: &Op, input: Shape, channels: usize, groups: usize) -> Result<Shape, String> {
    if groups == 0 || !input.channels().is_multiple_of(groups) || !channels.is_multiple_of(groups) {
        return Err(format!(
            "{} input and {channels} output channels do not divide into {groups} groups",
            input.channels()
        ));
    }
    let window = window(op, input).ok_or_else(|| format!("its window does not fit {input}"))?;
    match input {
        Shape::Map { .. } => Ok(Shape::Map { height: window.output[0], width: window.output[1], channels }),
        Shape::Vector { .. } if window.output == [1, 1] => Ok(with_channels(input, channels)),
        _ => Err(format!("a convolution needs a map, found {input}")),
    }
}

pub(super) fn forward<T: Real>(
    op: &Op,
    input: Value<'_, T>,
    output: Shape,
    weight: &[T],
    bias: Option<&[T]>,
    groups: usize,
) -> Vec<T> {
    let Some(window) = window(op, input.shape) else { return Vec::new() };
    let [height, width] = window.input;
    let (inputs, outputs) = (input.shape.channels() / groups, output.channels());
    let [kernel_height, kernel_width] = window.kernel;
    let mut result = Vec::with_capacity(output.len());
    for y in 0..window.output[0] {
        for x in 0..window.output[1] {
            for channel in 0..outputs {
                let first = channel / (outputs / groups) * inputs;
                let mut sum = bias.map_or_else(T::zero, |bias| bias[channel]);
                for ky in 0..kernel_height {
                    let Some(row) = (y * window.stride[0] + ky * window.dilation[0]).checked_sub(window.before[0])
                    else {
                        continue;
                    };
                    for kx in 0..kernel_width {
                        let column = (x * window.stride[1] + kx * window.dilation[1]).checked_sub(window.before[1]);
                        let Some(column) = column.filter(|&column| column < width && row < height) else { continue };
                        let pixel = (row * width + column) * input.shape.channels() + first;
                        for i in 0..inputs {
                            let tap = ((channel * inputs + i) * kernel_height + ky) * kernel_width + kx;
                            sum = sum + input.values[pixel + i] * weight[tap];
                        }
                    }
                }
                result.push(sum);
            }
        }
    }
    result
}

pub(super) fn linear<T: Real>(input: Value<'_, T>, output: Shape, weight: &[T], bias: Option<&[T]>) -> Vec<T> {
    let (inputs, outputs) = (input.shape.channels(), output.channels());
    let mut result = Vec::with_capacity(output.len());
    for row in input.values.chunks_exact(inputs) {
        for channel in 0..outputs {
            let weights = &weight[channel * inputs..(channel + 1) * inputs];
            let product: T = row.iter().zip(weights).map(|(&x, &w)| x * w).sum();
            result.push(bias.map_or(product, |bias| product + bias[channel]));
        }
    }
    result
}

/// Gradients of a convolution: of its input, its weight and its bias, from the gradient of its output.
pub(super) fn backward<T: Real>(
    op: &Op,
    input: Value<'_, T>,
    gradient: Value<'_, T>,
    weight: &[T],
    groups: usize,
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let mut to = (vec![T::zero(); input.values.len()], vec![T::zero(); weight.len()], Vec::new());
    let Some(window) = window(op, input.shape) else { return to };
    let [height, width] = window.input;
    let (inputs, outputs) = (input.shape.channels() / groups, gradient.shape.channels());
    let [kernel_height, kernel_width] = window.kernel;
    for (position, channels) in gradient.values.chunks_exact(outputs).enumerate() {
        let (y, x) = (position / window.output[1], position % window.output[1]);
        for ky in 0..kernel_height {
            let row = (y * window.stride[0] + ky * window.dilation[0]).checked_sub(window.before[0]);
            let Some(row) = row.filter(|&row| row < height) else { continue };
            for kx in 0..kernel_width {
                let column = (x * window.stride[1] + kx * window.dilation[1]).checked_sub(window.before[1]);
                let Some(column) = column.filter(|&column| column < width) else { continue };
                for (channel, &g) in channels.iter().enumerate() {
                    let first = channel / (outputs / groups) * inputs;
                    let pixel = (row * width + column) * input.shape.channels() + first;
                    for i in 0..inputs {
                        let tap = ((channel * inputs + i) * kernel_height + ky) * kernel_width + kx;
                        to.0[pixel + i] = to.0[pixel + i] + g * weight[tap];
                        to.1[tap] = to.1[tap] + g * input.values[pixel + i];
                    }
                }
            }
        }
    }
    to.2 = sum_positions(gradient);
    to
}

/// The sum over positions, per channel.
pub(super) fn sum_positions<T: Real>(gradient: Value<'_, T>) -> Vec<T> {
    let mut sums = vec![T::zero(); gradient.shape.channels()];
    for row in gradient.values.chunks_exact(sums.len()) {
        sums.iter_mut().zip(row).for_each(|(sum, &g)| *sum = *sum + g);
    }
    sums
}

/// Gradients of a fully connected layer: of its input, its weight and its bias.
pub(super) fn linear_backward<T: Real>(
    input: Value<'_, T>,
    gradient: Value<'_, T>,
    weight: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let (inputs, outputs) = (input.shape.channels(), gradient.shape.channels());
    let mut to = (vec![T::zero(); input.values.len()], vec![T::zero(); weight.len()], sum_positions(gradient));
    let rows = input.values.chunks_exact(inputs).zip(gradient.values.chunks_exact(outputs));
    for ((x, g), dx) in rows.zip(to.0.chunks_exact_mut(inputs)) {
        for (channel, &g) in g.iter().enumerate() {
            for i in 0..inputs {
                dx[i] = dx[i] + g * weight[channel * inputs + i];
                to.1[channel * inputs + i] = to.1[channel * inputs + i] + g * x[i];
            }
        }
    }
    to
}
