//! Clipping of gradients, by their norm over all tensors or value by value.

use rayon::prelude::*;

use super::{CHUNK, Gradients};

/// Guards the division when the norm is tiny, as in PyTorch's `clip_grad_norm_`.
const GUARD: f64 = 1e-6;

/// Euclidean norm over all gradients: sums in `f64` over fixed pieces, added in order of name and position.
#[must_use]
pub fn global_norm(gradients: &Gradients) -> f64 {
    let pieces: Vec<&[f32]> = gradients.values().flat_map(|values| values.chunks(CHUNK)).collect();
    let sums: Vec<f64> = pieces.into_par_iter().map(square_sum).collect();
    sums.into_iter().sum::<f64>().sqrt()
}

/// Eight running sums, so that the additions do not wait for each other.
fn square_sum(values: &[f32]) -> f64 {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0_f64; 8];
    for block in blocks {
        sums.iter_mut().zip(block).for_each(|(sum, &value)| *sum += square(value));
    }
    sums.into_iter().chain(rest.iter().map(|&value| square(value))).sum()
}

/// Scales all gradients so that their common norm is at most `maximum`, and returns the norm that they had. Gradients whose
/// norm is no finite number are left as they are: that is divergence, and for the caller to report.
pub fn clip_by_global_norm(gradients: &mut Gradients, maximum: f64) -> f64 {
    let norm = global_norm(gradients);
    let scale = maximum / (norm + GUARD);
    if norm.is_finite() && scale < 1.0 {
        let scale = scale as f32;
        pieces_mut(gradients).into_par_iter().for_each(|piece| piece.iter_mut().for_each(|value| *value *= scale));
    }
    norm
}

/// Moves every value into `-maximum ..= maximum`; a value that is no number stays one.
pub fn clip_by_value(gradients: &mut Gradients, maximum: f32) {
    let maximum = maximum.abs();
    let clip = |value: &mut f32| {
        if value.abs() > maximum {
            *value = maximum.copysign(*value);
        }
    };
    pieces_mut(gradients).into_par_iter().for_each(|piece| piece.iter_mut().for_each(clip));
}

fn pieces_mut(gradients: &mut Gradients) -> Vec<&mut [f32]> {
    gradients.values_mut().flat_map(|values| values.chunks_mut(CHUNK)).collect()
}
