//! Operators that join, cut or pad activations.

use super::{Real, Value, with_channels};
use crate::Shape;

pub(super) fn add_shape(inputs: &[Shape]) -> Result<Shape, String> {
    if inputs[0] == inputs[1] { Ok(inputs[0]) } else { Err(format!("cannot add {} and {}", inputs[0], inputs[1])) }
}

pub(super) fn multiply_shape(inputs: &[Shape]) -> Result<Shape, String> {
    let gate = inputs[1].positions() == 1 && inputs[1].channels() == inputs[0].channels();
    if inputs[0] == inputs[1] || gate {
        Ok(inputs[0])
    } else {
        Err(format!("cannot multiply {} by {}", inputs[0], inputs[1]))
    }
}

pub(super) fn concat_shape(inputs: &[Shape]) -> Result<Shape, String> {
    let channels = inputs.iter().map(|shape| shape.channels()).sum();
    let first = with_channels(inputs[0], channels);
    if inputs.iter().any(|&shape| with_channels(shape, channels) != first) {
        return Err(format!("cannot concatenate {inputs:?} over channels"));
    }
    Ok(first)
}

pub(super) fn subsample_shape(input: Shape, stride: [usize; 2]) -> Result<Shape, String> {
    match input {
        Shape::Map { height, width, channels } if stride[0] > 0 && stride[1] > 0 => {
            Ok(Shape::Map { height: height.div_ceil(stride[0]), width: width.div_ceil(stride[1]), channels })
        }
        _ => Err(format!("cannot take every {stride:?}-th pixel of {input}")),
    }
}

pub(super) fn add<T: Real>(first: Value<'_, T>, second: Value<'_, T>) -> Vec<T> {
    first.values.iter().zip(second.values).map(|(&a, &b)| a + b).collect()
}

pub(super) fn multiply<T: Real>(first: Value<'_, T>, second: Value<'_, T>) -> Vec<T> {
    let period = second.values.len();
    first.values.iter().enumerate().map(|(i, &a)| a * second.values[i % period]).collect()
}

pub(super) fn concat<T: Real>(inputs: &[Value<'_, T>], output: Shape) -> Vec<T> {
    let mut result = Vec::with_capacity(output.len());
    for position in 0..output.positions() {
        for input in inputs {
            let channels = input.shape.channels();
            result.extend_from_slice(&input.values[position * channels..(position + 1) * channels]);
        }
    }
    result
}

pub(super) fn subsample<T: Real>(input: Value<'_, T>, output: Shape, stride: [usize; 2]) -> Vec<T> {
    let (Shape::Map { width, channels, .. }, Shape::Map { height: rows, width: columns, .. }) = (input.shape, output)
    else {
        return Vec::new();
    };
    let mut result = Vec::with_capacity(output.len());
    for y in 0..rows {
        for x in 0..columns {
            let pixel = (y * stride[0] * width + x * stride[1]) * channels;
            result.extend_from_slice(&input.values[pixel..pixel + channels]);
        }
    }
    result
}

pub(super) fn pad_channels<T: Real>(input: Value<'_, T>, output: Shape, before: usize) -> Vec<T> {
    let (inputs, outputs) = (input.shape.channels(), output.channels());
    let mut result = vec![T::zero(); output.len()];
    for (source, target) in input.values.chunks_exact(inputs).zip(result.chunks_exact_mut(outputs)) {
        target[before..before + inputs].copy_from_slice(source);
    }
    result
}

/// Gradients of a product: `dy * b` and `dy * a`, the second summed over positions where it is one value per channel.
pub(super) fn multiply_backward<T: Real>(first: Value<'_, T>, second: Value<'_, T>, gradient: &[T]) -> Vec<Vec<T>> {
    let period = second.values.len();
    let mut other = vec![T::zero(); period];
    for (i, (&g, &a)) in gradient.iter().zip(first.values).enumerate() {
        other[i % period] = other[i % period] + g * a;
    }
    vec![gradient.iter().enumerate().map(|(i, &g)| g * second.values[i % period]).collect(), other]
}

pub(super) fn concat_backward<T: Real>(inputs: &[Value<'_, T>], gradient: Value<'_, T>) -> Vec<Vec<T>> {
    let mut first = 0;
    let mut part = |input: &Value<'_, T>| {
        let channels = input.shape.channels();
        let rows = gradient.values.chunks_exact(gradient.shape.channels());
        let values = rows.flat_map(|row| row[first..first + channels].iter().copied()).collect();
        first += channels;
        values
    };
    inputs.iter().map(&mut part).collect()
}

pub(super) fn subsample_backward<T: Real>(input: Shape, gradient: Value<'_, T>, stride: [usize; 2]) -> Vec<T> {
    let mut result = vec![T::zero(); input.len()];
    let (Shape::Map { width, channels, .. }, Shape::Map { width: columns, .. }) = (input, gradient.shape) else {
        return result;
    };
    for (position, row) in gradient.values.chunks_exact(channels).enumerate() {
        let (y, x) = (position / columns, position % columns);
        let pixel = (y * stride[0] * width + x * stride[1]) * channels;
        result[pixel..pixel + channels].copy_from_slice(row);
    }
    result
}

pub(super) fn pad_channels_backward<T: Real>(input: Shape, gradient: Value<'_, T>, before: usize) -> Vec<T> {
    let rows = gradient.values.chunks_exact(gradient.shape.channels());
    rows.flat_map(|row| row[before..before + input.channels()].iter().copied()).collect()
}
