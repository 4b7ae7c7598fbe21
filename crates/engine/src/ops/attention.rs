//! Multi-head softmax attention over the tokens of one image.

use super::{Real, Value, pointwise::softmax_row};
use crate::Shape;

pub(super) fn shape(input: Shape, heads: usize) -> Result<Shape, String> {
    match input {
        Shape::Tokens { tokens, channels } if heads > 0 && channels.is_multiple_of(3 * heads) => {
            Ok(Shape::Tokens { tokens, channels: channels / 3 })
        }
        _ => Err(format!("{input} does not hold queries, keys and values of {heads} heads")),
    }
}

/// Two products of `[tokens, tokens]` by `[tokens, channels]`, and the softmax.
pub(super) fn flops(input: Shape, heads: usize) -> u64 {
    let (tokens, channels) = (input.positions() as u64, input.channels() as u64 / 3);
    4 * tokens * tokens * channels + 6 * heads as u64 * tokens * tokens
}

pub(super) fn forward<T: Real>(input: Value<'_, T>, output: Shape, heads: usize) -> Vec<T> {
    let (tokens, channels) = (output.positions(), output.channels());
    let width = channels / heads;
    let part = |token: usize, kind: usize, head: usize| {
        let start = token * 3 * channels + kind * channels + head * width;
        &input.values[start..start + width]
    };
    let scale = T::from_f64(1.0 / (width as f64).sqrt());
    let mut result = vec![T::zero(); output.len()];
    for head in 0..heads {
        for query in 0..tokens {
            let dot = |key: usize| part(query, 0, head).iter().zip(part(key, 1, head)).map(|(&q, &k)| q * k).sum::<T>();
            let scores: Vec<T> = (0..tokens).map(|key| dot(key) * scale).collect();
            let target = &mut result[query * channels + head * width..][..width];
            for (key, &weight) in softmax_row(&scores).iter().enumerate() {
                target.iter_mut().zip(part(key, 2, head)).for_each(|(t, &v)| *t = *t + weight * v);
            }
        }
    }
    result
}
