//! Directional derivatives: from a value `x` and its tangent `dx` to the tangent of an operator's output, `d/de of(x + e dx)` at
//! `e = 0`. Operators that are linear in their input need none of this: they are applied to the tangent itself.
//!
//! ```text
//! element-wise f:  dy = f'(x) dx                       softmax y:  dy = y (dx - sum(y dx))
//! maximum:         dy = dx where the maximum lies      layer norm: dy = w (dx - mean(dx) - n mean(n dx)) / s,  n = (x - mean) / s
//! attention:       do = dp v + p dv,  p = softmax(scale q k'),  dp = p (ds - sum(p ds)),  ds = scale (dq k' + q dk')
//! ```

use super::pointwise::{self, softmax_row};
use super::{Real, Value, infer, pooling};
use crate::{Node, Op, Shape};

/// Whether there is a tangent to take: every other operator is linear in its input or has none.
pub(crate) const fn is_curved(op: &Op) -> bool {
    matches!(op, Op::Activate { .. } | Op::MaxPool { .. } | Op::LayerNorm { .. } | Op::Softmax | Op::Attention { .. })
}

pub(super) fn shape(of: &Op, inputs: &[Shape]) -> Result<Shape, String> {
    if !is_curved(of) {
        return Err("the tangent of an operator that is linear in its input is the operator itself".into());
    }
    let [value, tangent] = inputs else { return Err("a tangent needs a value and its tangent".into()) };
    if value != tangent {
        return Err(format!("a value of {value} cannot have a tangent of {tangent}"));
    }
    infer(&Node { name: String::new(), op: of.clone(), inputs: vec![0] }, &inputs[..1], [0, 0])
}

/// Operations of `of` cost this much more with its tangent.
pub(super) fn flops(of: &Op, input: Shape, plain: u64) -> u64 {
    match of {
        Op::Activate { .. } => plain + input.len() as u64,
        Op::MaxPool { .. } => plain,
        Op::Attention { .. } => 3 * plain,
        _ => 2 * plain,
    }
}

pub(crate) fn forward<'a, T: Real>(
    of: &Op,
    x: Value<'_, T>,
    dx: Value<'_, T>,
    output: Shape,
    parameter: &dyn Fn(&str) -> &'a [T],
) -> Vec<T> {
    match of {
        Op::Activate { function } => {
            let slope = |(&x, &dx): (&T, &T)| dx * pointwise::derivative(*function, x);
            x.values.iter().zip(dx.values).map(slope).collect()
        }
        Op::MaxPool { .. } => pooling::tangent(of, x, dx, output),
        Op::LayerNorm { weight, epsilon, .. } => layer_norm(x, dx, parameter(weight), *epsilon),
        Op::Softmax => rows(x, dx, |x, dx, to| to.extend(softmax_tangent(&softmax_row(x), dx))),
        Op::Attention { heads } => attention(x, dx, output, *heads),
        _ => Vec::new(),
    }
}

fn rows<T: Real>(x: Value<'_, T>, dx: Value<'_, T>, row: impl Fn(&[T], &[T], &mut Vec<T>)) -> Vec<T> {
    let channels = x.shape.channels();
    let mut result = Vec::with_capacity(x.values.len());
    for (x, dx) in x.values.chunks_exact(channels).zip(dx.values.chunks_exact(channels)) {
        row(x, dx, &mut result);
    }
    result
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).map(|(&a, &b)| a * b).sum()
}

/// `p (ds - sum(p ds))` for the values `p` of a softmax.
fn softmax_tangent<'t, T: Real>(p: &'t [T], ds: &'t [T]) -> impl Iterator<Item = T> + use<'t, T> {
    let mean = dot(p, ds);
    let tangents: Vec<T> = p.iter().zip(ds).map(|(&p, &ds)| p * (ds - mean)).collect();
    tangents.into_iter()
}

fn layer_norm<T: Real>(x: Value<'_, T>, dx: Value<'_, T>, weight: &[T], epsilon: f64) -> Vec<T> {
    let count = T::from_f64(x.shape.channels() as f64);
    rows(x, dx, |x, dx, to| {
        let mean = x.iter().copied().sum::<T>() / count;
        let variance = x.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() / count;
        let deviation = variance.map(|v| (v + epsilon).sqrt());
        let normal: Vec<T> = x.iter().map(|&x| (x - mean) / deviation).collect();
        let (first, second) = (dx.iter().copied().sum::<T>() / count, dot(&normal, dx) / count);
        to.extend((0..x.len()).map(|c| weight[c] * (dx[c] - first - normal[c] * second) / deviation));
    })
}

fn attention<T: Real>(x: Value<'_, T>, dx: Value<'_, T>, output: Shape, heads: usize) -> Vec<T> {
    let (tokens, channels) = (output.positions(), output.channels());
    let width = channels / heads;
    let start = |token: usize, kind: usize, head: usize| token * 3 * channels + kind * channels + head * width;
    let part = |of: Value<'_, T>, token: usize, kind: usize, head: usize| -> Vec<T> {
        of.values[start(token, kind, head)..][..width].to_vec()
    };
    let scale = T::from_f64(1.0 / (width as f64).sqrt());
    let mut result = vec![T::zero(); output.len()];
    for head in 0..heads {
        let all = |of, kind| (0..tokens).map(|token| part(of, token, kind, head)).collect::<Vec<_>>();
        let (keys, values, d_keys, d_values) = (all(x, 1), all(x, 2), all(dx, 1), all(dx, 2));
        for query in 0..tokens {
            let (q, dq) = (part(x, query, 0, head), part(dx, query, 0, head));
            let scores: Vec<T> = keys.iter().map(|key| dot(&q, key) * scale).collect();
            let slopes: Vec<T> =
                keys.iter().zip(&d_keys).map(|(key, d_key)| (dot(&dq, key) + dot(&q, d_key)) * scale).collect();
            let weights = softmax_row(&scores);
            let target = &mut result[query * channels + head * width..][..width];
            for (key, slope) in softmax_tangent(&weights, &slopes).enumerate() {
                for (c, to) in target.iter_mut().enumerate() {
                    *to = *to + slope * values[key][c] + weights[key] * d_values[key][c];
                }
            }
        }
    }
    result
}
