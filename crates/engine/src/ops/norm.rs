//! Pixel normalisation, batch normalisation in inference form and layer normalisation.

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
