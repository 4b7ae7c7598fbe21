//! From maps to token sequences and from sequences to vectors, in training.

use rayon::prelude::*;

use super::super::{Isa, Stored};
use super::combine::sum_forward;
use super::pooling::start;

/// Values summed over images in one task.
const RUN: usize = 4096;

/// Token sequences from maps: an optional class token `[channels]` put first, then an optional position embedding added to all.
/// `map` is `[images, pixels, channels]`, `to` `[images, tokens, channels]`, `position` `[tokens, channels]`.
pub fn tokens_forward(
    isa: Isa,
    map: &[f32],
    images: usize,
    class_token: Option<&[f32]>,
    position: Option<&[f32]>,
    to: &mut [f32],
) {
    let (class, image_len) = (class_token.unwrap_or_default(), map.len() / images.max(1));
    assert!(
        map.len() == images * image_len && to.len() == images * (class.len() + image_len),
        "{} values of {images} maps for {} values of tokens",
        map.len(),
        to.len()
    );
    to.par_chunks_mut((class.len() + image_len).max(1)).enumerate().for_each(|(image, to)| {
        let map = &map[image * image_len..][..image_len];
        let (first, rest) = to.split_at_mut(class.len());
        sum_forward(isa, class, position.map(|position| Stored::F32(&position[..class.len()])), None, first);
        sum_forward(isa, map, position.map(|position| Stored::F32(&position[class.len()..][..image_len])), None, rest);
    });
}

/// The part of [`tokens_forward`]'s gradient that belongs to the map: `dy` without each image's class token (plus `add`).
/// `dy` is `[images, tokens, channels]`; `add` and `dx` are `[images, pixels, channels]`, `leading = tokens - pixels`.
/// Those of class token and position embedding are [`image_sums`].
pub fn tokens_gradient(
    isa: Isa,
    dy: &[f32],
    images: usize,
    leading: usize,
    channels: usize,
    add: Option<&[f32]>,
    dx: &mut [f32],
) {
    let (image_len, skip) = (dx.len() / images.max(1), leading * channels);
    assert!(
        dx.len() == images * image_len && dy.len() == images * (skip + image_len),
        "{} gradients of tokens for {} values of {images} maps",
        dy.len(),
        dx.len()
    );
    dx.par_chunks_mut(image_len.max(1)).enumerate().for_each(|(image, dx)| {
        let dy = &dy[image * (skip + image_len) + skip..][..image_len];
        sum_forward(isa, dy, add.map(|add| Stored::F32(&add[image * image_len..][..image_len])), None, dx);
    });
}

/// Sum over the images of the first `count` values of each; `values` is `[images, ..]`. The gradient of a position embedding, and,
/// with `count` channels, of a class token.
#[must_use]
pub fn image_sums(values: &[f32], images: usize, count: usize) -> Vec<f32> {
    let image_len = values.len() / images.max(1);
    assert!(values.len() == images * image_len && count <= image_len, "{count} of {} values", values.len());
    let mut totals = vec![0.0; count];
    totals.par_chunks_mut(RUN).enumerate().for_each(|(run, totals)| {
        let mut sums = vec![0.0; totals.len()];
        for image in 0..images {
            let values = &values[image * image_len + run * RUN..][..totals.len()];
            sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        totals.iter_mut().zip(sums).for_each(|(total, sum)| *total = sum as f32);
    });
    totals
}

/// Token `index` of each image: from `[images, tokens, channels]` to `[images, channels]`.
pub fn select_token_forward(values: &[f32], tokens: usize, index: usize, channels: usize, to: &mut [f32]) {
    assert!(index < tokens && values.len() == to.len() * tokens, "token {index} of {tokens}");
    for (to, values) in to.chunks_exact_mut(channels.max(1)).zip(values.chunks_exact((tokens * channels).max(1))) {
        to.copy_from_slice(&values[index * channels..][..channels]);
    }
}

/// Gradient of [`select_token_forward`]: zeros (or `add`) but for the token selected. `dy` is `[images, channels]`, `add` and `dx` are
/// `[images, tokens, channels]`.
pub fn select_token_gradient(
    dy: &[f32],
    tokens: usize,
    index: usize,
    channels: usize,
    add: Option<&[f32]>,
    dx: &mut [f32],
) {
    assert!(index < tokens && dx.len() == dy.len() * tokens, "token {index} of {tokens}");
    let image_len = tokens * channels;
    dx.par_chunks_mut(image_len.max(1)).enumerate().for_each(|(image, dx)| {
        start(add.map(|add| &add[image * image_len..][..image_len]), dx);
        let dy = &dy[image * channels..][..channels];
        dx[index * channels..][..channels].iter_mut().zip(dy).for_each(|(dx, &dy)| *dx += dy);
    });
}
