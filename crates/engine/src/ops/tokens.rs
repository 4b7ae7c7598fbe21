//! From maps to token sequences and from sequences to vectors.

use super::{Real, Value};
use crate::Shape;

pub(super) fn flatten_shape(input: Shape) -> Result<Shape, String> {
    if input.positions() == 1 {
        return Ok(Shape::Vector { channels: input.channels() });
    }
    Err(format!("only a 1x1 map can be taken as a vector, found {input}"))
}

pub(super) fn tokens_shape(input: Shape, class_token: bool) -> Result<Shape, String> {
    match input {
        Shape::Map { height, width, channels } => {
            Ok(Shape::Tokens { tokens: height * width + usize::from(class_token), channels })
        }
        _ => Err(format!("tokens are made from a map, found {input}")),
    }
}

pub(super) fn select_shape(input: Shape, index: usize) -> Result<Shape, String> {
    match input {
        Shape::Tokens { tokens, channels } if index < tokens => Ok(Shape::Vector { channels }),
        _ => Err(format!("there is no token {index} in {input}")),
    }
}

pub(super) fn mean_shape(input: Shape, skip: usize) -> Result<Shape, String> {
    match input {
        Shape::Tokens { tokens, channels } if skip < tokens => Ok(Shape::Vector { channels }),
        _ => Err(format!("no token is left of {input} without the first {skip}")),
    }
}

pub(super) fn tokens<T: Real>(
    input: Value<'_, T>,
    output: Shape,
    class_token: Option<&[T]>,
    position: Option<&[T]>,
) -> Vec<T> {
    let mut result = Vec::with_capacity(output.len());
    result.extend_from_slice(class_token.unwrap_or_default());
    result.extend_from_slice(input.values);
    if let Some(position) = position {
        result.iter_mut().zip(position).for_each(|(x, &p)| *x = *x + p);
    }
    result
}

pub(super) fn select<T: Real>(input: Value<'_, T>, index: usize) -> Vec<T> {
    let channels = input.shape.channels();
    input.values[index * channels..(index + 1) * channels].to_vec()
}

pub(super) fn mean<T: Real>(input: Value<'_, T>, skip: usize) -> Vec<T> {
    let channels = input.shape.channels();
    let count = T::from_f64((input.shape.positions() - skip) as f64);
    let rest = &input.values[skip * channels..];
    (0..channels).map(|c| rest.iter().skip(c).step_by(channels).copied().sum::<T>() / count).collect()
}

pub(super) fn select_backward<T: Real>(input: Shape, index: usize, gradient: &[T]) -> Vec<T> {
    let mut result = vec![T::zero(); input.len()];
    result[index * gradient.len()..(index + 1) * gradient.len()].copy_from_slice(gradient);
    result
}

pub(super) fn mean_backward<T: Real>(input: Shape, skip: usize, gradient: &[T]) -> Vec<T> {
    let count = T::from_f64((input.positions() - skip) as f64);
    let mut result = vec![T::zero(); input.len()];
    let rest = &mut result[skip * gradient.len()..];
    rest.iter_mut().enumerate().for_each(|(i, x)| *x = gradient[i % gradient.len()] / count);
    result
}
