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
