//! DELTA (Li et al. 2019): feature maps are held to those of the pretrained network, important channels more than others.
//!
//! ```text
//! penalty  = alpha/2 * mean over images of  sum_c a_c |F_c - F0_c|^2 / positions       (summed over the watched layers)
//! gradient = alpha a_c (F - F0) / (positions images)
//! a        = C softmax(increase / 5),  increase_c: how much the loss grows when channel c of the source is set to 0
//! ```

use rayon::prelude::*;

use super::error::{same_length, strength};
use super::{Penalty, RegularizerError};

/// Divisor of the increases before their softmax, as released.
const TEMPERATURE: f64 = 5.0;

/// Activations of one layer for a batch, channels last: `[images, positions, channels]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureMap<'f> {
    /// The activations.
    pub values: &'f [f32],
    /// Images of the batch.
    pub images: usize,
    /// Height times width.
    pub positions: usize,
    /// Channels.
    pub channels: usize,
}

/// The penalty of one layer, and its gradient with respect to `current`. `attention` has a weight for each channel
/// ([`attention`]); without it all are 1.
///
/// # Errors
/// A negative strength, no values, or lengths that do not fit.
pub fn penalty(
    current: FeatureMap<'_>,
    source: &[f32],
    attention: Option<&[f64]>,
    alpha: f64,
) -> Result<Penalty, RegularizerError> {
    strength("the strength of DELTA", alpha)?;
    let FeatureMap { values, images, positions, channels } = current;
    let image = positions * channels;
    if values.is_empty() {
        return Err(RegularizerError::Length { what: "the feature map".into(), found: 0, expected: images * image });
    }
    same_length("the feature map", values.len(), images * image)?;
    same_length("the feature map of the source", source.len(), values.len())?;
    same_length("the attention", attention.map_or(channels, <[f64]>::len), channels)?;
    let scale = alpha / (positions as f64 * images as f64);
    let weight = |index: usize| attention.map_or(scale, |attention| scale * attention[index % channels]);
    let mut gradient = vec![0.0_f32; values.len()];
    let sums: Vec<f64> = gradient
        .par_chunks_mut(image)
        .zip(values.par_chunks(image).zip(source.par_chunks(image)))
        .map(|(gradient, (values, source))| {
            let mut sum = 0.0;
            for (index, (out, (&value, &source))) in gradient.iter_mut().zip(values.iter().zip(source)).enumerate() {
                let distance = f64::from(value) - f64::from(source);
                *out = (weight(index) * distance) as f32;
                sum += weight(index) * distance * distance;
            }
            sum
        })
        .collect();
    Ok(Penalty { value: 0.5 * sums.into_iter().sum::<f64>(), gradient })
}

/// Weights of the channels from the increases of the loss; their mean is 1.
#[must_use]
pub fn attention(increases: &[f64]) -> Vec<f64> {
    let largest = increases.iter().fold(f64::NEG_INFINITY, |largest, &value| largest.max(value));
    let shares: Vec<f64> = increases.iter().map(|value| ((value - largest) / TEMPERATURE).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| increases.len() as f64 * share / sum).collect()
}

#[cfg(test)]
mod tests;
