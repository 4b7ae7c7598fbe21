//! Position embeddings at another input size: bicubic over the grid of patches, antialiased when it shrinks, as timm resamples them.
//! The class token's embedding stays.

use heirloom_engine::{Graph, Op, Shape, Tensor};

use crate::backbone::{Backbone, weights_digest};
use crate::error::ZooError;
use crate::recipe::at_input_size;

/// Parameter of the cubic filter.
const A: f64 = -0.5;
/// Half width of the cubic filter, in pixels of the finer grid.
const SUPPORT: f64 = 2.0;
/// Tokens before the patches: the class token.
const LEADING: usize = 1;

impl Backbone {
    /// The same network for images of `[height, width]` pixels: the position embeddings of a transformer are resampled, all other
    /// weights stay. The resize before the crop keeps its ratio to the input.
    ///
    /// # Errors
    /// A size that the network cannot take.
    pub fn at_input_size(&self, input_size: [usize; 2]) -> Result<Self, ZooError> {
        let wrong = |reason: String| ZooError::Network { name: self.name.clone(), reason };
        let mut resized = self.clone();
        resized.preprocess = at_input_size(&self.preprocess, input_size);
        if let Some((key, from)) = grid(&self.graph, self.preprocess.input_size).map_err(wrong)? {
            let to = grid(&self.graph, input_size).map_err(wrong)?.map_or(from, |(_, grid)| grid);
            let tensor = self.weights.tensors.get(&key).ok_or_else(|| wrong(format!("it has no '{key}'")))?;
            let tensor = resample(tensor, from, to).map_err(wrong)?;
            resized.graph.parameters.insert(key.clone(), tensor.shape.clone());
            resized.weights.tensors.insert(key, tensor);
            resized.weights_digest = weights_digest(&resized.weights);
        }
        resized.graph.shapes(input_size).map_err(|error| wrong(error.to_string()))?;
        Ok(resized)
    }
}

/// Key of the position embeddings and the grid of patches `[rows, columns]` at an input size; `None` for a network without them.
pub(crate) fn grid(graph: &Graph, input_size: [usize; 2]) -> Result<Option<(String, [usize; 2])>, String> {
    let found = graph.nodes.iter().find_map(|node| match &node.op {
        Op::Tokens { position: Some(key), .. } => Some((key.clone(), *node.inputs.first()?)),
        _ => None,
    });
    let Some((key, map)) = found else { return Ok(None) };
    // The embeddings themselves do not fit another size: only the nodes before them count.
    let before =
        Graph { nodes: graph.nodes[..=map].to_vec(), parameters: graph.parameters.clone(), ..Graph::default() };
    let shapes = before.shapes(input_size).map_err(|error| error.to_string())?;
    match (shapes.get(map), &before.nodes[map].op) {
        (Some(Shape::Map { height, width, .. }), Op::Convolution { kernel, .. }) => {
            let [rest_down, rest_across] = [input_size[0] % kernel[0].max(1), input_size[1] % kernel[1].max(1)];
            if rest_down + rest_across > 0 {
                let ([h, w], [kh, kw]) = (input_size, kernel);
                return Err(format!("an input of {h}x{w} pixels does not divide into patches of {kh}x{kw}"));
            }
            Ok(Some((key, [*height, *width])))
        }
        _ => Err(format!("'{key}' is not added to the patches of a convolution")),
    }
}

/// The grid of a square number of patches, as published weights have it; `None` for any other number of tokens.
pub(crate) fn square_grid(tokens: usize) -> Option<[usize; 2]> {
    let patches = tokens.checked_sub(LEADING)?;
    let side = patches.isqrt();
    (side > 0 && side * side == patches).then_some([side; 2])
}

/// Position embeddings `[1, 1 + rows * columns, channels]` on another grid `[rows, columns]`.
pub(crate) fn resample(tensor: &Tensor, from: [usize; 2], to: [usize; 2]) -> Result<Tensor, String> {
    let &[1, tokens, channels] = tensor.shape.as_slice() else {
        return Err(format!("position embeddings have shape {:?}, expected [1, tokens, channels]", tensor.shape));
    };
    if tokens != LEADING + from[0] * from[1] {
        return Err(format!("{tokens} position embeddings do not stand for {} x {} patches", from[0], from[1]));
    }
    if from == to {
        return Ok(tensor.clone());
    }
    let (leading, patches) = tensor.values.split_at(LEADING * channels);
    let patches: Vec<f64> = patches.iter().map(|&value| f64::from(value)).collect();
    // Across, then down.
    let across = along(&patches, [from[0], from[1], channels], to[1]);
    let down = along(&across, [1, from[0], to[1] * channels], to[0]);
    let values: Vec<f32> = leading.iter().copied().chain(down.iter().map(|&value| value as f32)).collect();
    Ok(Tensor { shape: vec![1, LEADING + to[0] * to[1], channels], values })
}

/// Resamples the middle axis of `[outer, axis, inner]` values.
fn along(values: &[f64], [outer, axis, inner]: [usize; 3], to: usize) -> Vec<f64> {
    let mut found = Vec::with_capacity(outer * to * inner);
    let filters: Vec<(usize, Vec<f64>)> = (0..to).map(|place| filter(axis, to, place)).collect();
    for slab in values.chunks(axis * inner) {
        for (first, filter) in &filters {
            let rows = || slab[first * inner..].chunks(inner).zip(filter);
            found.extend((0..inner).map(|place| rows().map(|(row, weight)| row[place] * weight).sum::<f64>()));
        }
    }
    found
}

/// First place and weights, which add up to 1, of what makes up `place` when `from` values become `to`.
fn filter(from: usize, to: usize, place: usize) -> (usize, Vec<f64>) {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let centre = (place as f64 + 0.5) * scale;
    let first = (centre - SUPPORT * stretch + 0.5).floor().max(0.0) as usize;
    let last = ((centre + SUPPORT * stretch + 0.5).floor() as usize).min(from);
    let weights: Vec<f64> = (first..last).map(|at| cubic((at as f64 + 0.5 - centre) / stretch)).collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.iter().map(|weight| weight / sum).collect())
}

/// Keys' cubic convolution kernel.
fn cubic(x: f64) -> f64 {
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < SUPPORT => ((x - 5.0) * x + 8.0) * x * A - 4.0 * A,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests;
