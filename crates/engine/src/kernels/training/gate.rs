//! One factor per image and channel (squeeze-and-excitation): forward over whole batches, and gradients.

use rayon::prelude::*;

use super::super::Isa;
use super::scale::{scale_forward, scale_sums};

/// `to = values * gates` with one factor per image and channel: `values` and `to` are `[images, positions, channels]`, `gates`
/// `[images, channels]`.
pub fn gate_forward(isa: Isa, values: &[f32], gates: &[f32], channels: usize, to: &mut [f32]) {
    let image_len = check_gates(values, gates, channels, to);
    to.par_chunks_mut(image_len.max(1)).enumerate().for_each(|(image, to)| {
        let values = &values[image * image_len..][..image_len];
        scale_forward(isa, values, &gates[image * channels..][..channels], None, to);
    });
}

/// Gradients of [`gate_forward`]: writes `dx = dy * gates (+ add)` and, to `d_gates`, the sums of `dy * values` over the positions
/// of an image. `values`, `dy`, `add` and `dx` are `[images, positions, channels]`, `gates` and `d_gates` `[images, channels]`.
pub fn gate_gradient(
    isa: Isa,
    values: &[f32],
    gates: &[f32],
    channels: usize,
    dy: &[f32],
    add: Option<&[f32]>,
    dx: &mut [f32],
    d_gates: &mut [f32],
) {
    let image_len = check_gates(values, gates, channels, dx);
    assert!(d_gates.len() == gates.len() && dy.len() == dx.len(), "gradients of gates");
    assert!(add.is_none_or(|add| add.len() == dx.len()), "a summand of another size");
    let images = dx.par_chunks_mut(image_len.max(1)).zip(d_gates.par_chunks_mut(channels.max(1))).enumerate();
    images.for_each(|(image, (dx, d_gates))| {
        let range = image * image_len..(image + 1) * image_len;
        let gates = &gates[image * channels..][..channels];
        let add = add.map(|add| &add[range.clone()]);
        let [sums] = scale_sums(isa, &values[range.clone()], gates, &dy[range], add, dx);
        d_gates.iter_mut().zip(sums).for_each(|(gate, sum)| *gate = sum as f32);
    });
}

/// Values of an image.
fn check_gates(values: &[f32], gates: &[f32], channels: usize, to: &[f32]) -> usize {
    let images = gates.len() / channels.max(1);
    let image_len = values.len() / images.max(1);
    assert!(
        gates.len() == images * channels && values.len() == images * image_len && to.len() == values.len(),
        "{} values, {} gates of {channels} channels",
        values.len(),
        gates.len()
    );
    image_len
}
