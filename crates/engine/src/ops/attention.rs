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

/// Gradient of queries, keys and values. With `p` the weights of a query and `o` its output:
/// `dv += p dy`, `dp = dy . v`, `ds = p (dp - sum p dp)`, `dq += scale ds k`, `dk += scale ds q`.
pub(super) fn backward<T: Real>(input: Value<'_, T>, gradient: Value<'_, T>, heads: usize) -> Vec<T> {
    let (tokens, channels) = (gradient.shape.positions(), gradient.shape.channels());
    let width = channels / heads;
    let start = |token: usize, kind: usize, head: usize| token * 3 * channels + kind * channels + head * width;
    let x = input.values;
    let dot = |a: &[T], b: &[T]| a.iter().zip(b).map(|(&a, &b)| a * b).sum::<T>();
    let scale = T::from_f64(1.0 / (width as f64).sqrt());
    let mut result = vec![T::zero(); input.values.len()];
    for head in 0..heads {
        for query in 0..tokens {
            let q = start(query, 0, head);
            let score = |key: usize| dot(&x[q..q + width], &x[start(key, 1, head)..][..width]) * scale;
            let weights = softmax_row(&(0..tokens).map(score).collect::<Vec<T>>());
            let dy = &gradient.values[query * channels + head * width..][..width];
            let slopes: Vec<T> = (0..tokens).map(|key| dot(dy, &x[start(key, 2, head)..][..width])).collect();
            let mean = dot(&weights, &slopes);
            for key in 0..tokens {
                let (k, v) = (start(key, 1, head), start(key, 2, head));
                let slope = weights[key] * (slopes[key] - mean) * scale;
                for i in 0..width {
                    result[v + i] = result[v + i] + weights[key] * dy[i];
                    result[q + i] = result[q + i] + slope * x[k + i];
                    result[k + i] = result[k + i] + slope * x[q + i];
                }
            }
        }
    }
    result
}
