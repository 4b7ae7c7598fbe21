//! Pixel normalisation, batch normalisation in inference form and layer normalisation.

use super::convolution::sum_positions;
use super::{Real, Value};
use crate::Shape;

pub(super) fn normalize_shape(input: Shape, mean: &[f32], std: &[f32]) -> Result<Shape, String> {
    let channels = input.channels();
    if mean.len() != channels || std.len() != channels {
        return Err(format!("{} means and {} deviations for {channels} channels", mean.len(), std.len()));
    }
    if std.iter().any(|&x| !x.is_finite() || x <= 0.0) {
        return Err(format!("standard deviations must be positive, found {std:?}"));
    }
    Ok(input)
}

pub(super) fn normalize<T: Real>(input: Value<'_, T>, mean: &[f32], std: &[f32]) -> Vec<T> {
    let white = T::from_f64(255.0);
    let channels = input.shape.channels();
    let channel = |i: usize| (T::from_f32(mean[i % channels]), T::from_f32(std[i % channels]));
    let one = |(i, &x): (usize, &T)| (x / white - channel(i).0) / channel(i).1;
    input.values.iter().enumerate().map(one).collect()
}

/// `parameters`: weight, bias, running mean, running variance.
pub(super) fn batch<T: Real>(input: Value<'_, T>, parameters: [&[T]; 4], epsilon: f64) -> Vec<T> {
    let [weight, bias, mean, variance] = parameters;
    let channels = input.shape.channels();
    let one = |(i, &x): (usize, &T)| {
        let channel = i % channels;
        let deviation = variance[channel].map(|v| (v + epsilon).sqrt());
        (x - mean[channel]) / deviation * weight[channel] + bias[channel]
    };
    input.values.iter().enumerate().map(one).collect()
}

pub(super) fn layer<T: Real>(input: Value<'_, T>, weight: &[T], bias: &[T], epsilon: f64) -> Vec<T> {
    let channels = input.shape.channels();
    let count = T::from_f64(channels as f64);
    let mut result = Vec::with_capacity(input.values.len());
    for row in input.values.chunks_exact(channels) {
        let mean = row.iter().copied().sum::<T>() / count;
        let variance = row.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() / count;
        let deviation = variance.map(|v| (v + epsilon).sqrt());
        result.extend((0..channels).map(|c| (row[c] - mean) / deviation * weight[c] + bias[c]));
    }
    result
}

/// Gradients of batch normalisation with running statistics: of the input, the weight and the bias.
pub(super) fn batch_backward<T: Real>(
    input: Value<'_, T>,
    parameters: [&[T]; 4],
    epsilon: f64,
    gradient: Value<'_, T>,
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let [weight, _, mean, variance] = parameters;
    let channels = input.shape.channels();
    let mut to = (Vec::with_capacity(input.values.len()), vec![T::zero(); channels], sum_positions(gradient));
    for (i, (&x, &g)) in input.values.iter().zip(gradient.values).enumerate() {
        let c = i % channels;
        let deviation = variance[c].map(|v| (v + epsilon).sqrt());
        to.0.push(g * weight[c] / deviation);
        to.1[c] = to.1[c] + g * (x - mean[c]) / deviation;
    }
    to
}

/// Mean and biased variance per channel over all positions of a whole batch.
pub(crate) fn statistics<T: Real>(values: &[T], channels: usize) -> (Vec<T>, Vec<T>) {
    let count = T::from_f64((values.len() / channels.max(1)) as f64);
    let each = |c: usize| values.iter().skip(c).step_by(channels).copied();
    let mean: Vec<T> = (0..channels).map(|c| each(c).sum::<T>() / count).collect();
    let variance = (0..channels).map(|c| each(c).map(|x| (x - mean[c]) * (x - mean[c])).sum::<T>() / count).collect();
    (mean, variance)
}

/// Gradients of batch normalisation with the statistics of the batch (Ioffe and Szegedy 2015, section 3), over a whole batch:
/// `dx = w / s (dy - mean(dy) - xhat mean(dy xhat))`, `dw = sum dy xhat`, `db = sum dy`, with `xhat = (x - mean) / s`.
pub(crate) fn batch_training_backward<T: Real>(
    values: &[T],
    weight: &[T],
    epsilon: f64,
    gradient: &[T],
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let channels = weight.len();
    let count = T::from_f64((values.len() / channels.max(1)) as f64);
    let (mean, variance) = statistics(values, channels);
    let deviation: Vec<T> = variance.iter().map(|v| v.map(|v| (v + epsilon).sqrt())).collect();
    let normal = |i: usize| (values[i] - mean[i % channels]) / deviation[i % channels];
    let mut to = (Vec::with_capacity(values.len()), vec![T::zero(); channels], vec![T::zero(); channels]);
    for (i, &g) in gradient.iter().enumerate() {
        let c = i % channels;
        to.1[c] = to.1[c] + g * normal(i);
        to.2[c] = to.2[c] + g;
    }
    for (i, &g) in gradient.iter().enumerate() {
        let c = i % channels;
        to.0.push(weight[c] / deviation[c] * (g - to.2[c] / count - normal(i) * to.1[c] / count));
    }
    to
}

/// Gradients of layer normalisation: of the input, the weight and the bias.
pub(super) fn layer_backward<T: Real>(
    input: Value<'_, T>,
    weight: &[T],
    epsilon: f64,
    gradient: Value<'_, T>,
) -> (Vec<T>, Vec<T>, Vec<T>) {
    let channels = input.shape.channels();
    let count = T::from_f64(channels as f64);
    let mut to = (Vec::with_capacity(input.values.len()), vec![T::zero(); channels], sum_positions(gradient));
    for (row, dy) in input.values.chunks_exact(channels).zip(gradient.values.chunks_exact(channels)) {
        let mean = row.iter().copied().sum::<T>() / count;
        let variance = row.iter().map(|&x| (x - mean) * (x - mean)).sum::<T>() / count;
        let deviation = variance.map(|v| (v + epsilon).sqrt());
        let normal = |c: usize| (row[c] - mean) / deviation;
        let first = (0..channels).map(|c| dy[c] * weight[c]).sum::<T>() / count;
        let second = (0..channels).map(|c| dy[c] * weight[c] * normal(c)).sum::<T>() / count;
        for c in 0..channels {
            to.0.push((dy[c] * weight[c] - first - normal(c) * second) / deviation);
            to.1[c] = to.1[c] + dy[c] * normal(c);
        }
    }
    to
}
