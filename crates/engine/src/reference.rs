//! The slow, plain interpreter: node by node, image by image, generic over `f32` and `f64`. The oracle for every plan.

mod gradients;

use std::collections::BTreeMap;

use crate::ops::{self, Real, Value};
use crate::{EngineError, Graph, Op, Pixels, Weights, taps};

pub use gradients::{ReferenceGradients, gradients};

/// Values of `taps` for every image of the batch: `[taps][images * shape.len()]`.
///
/// # Errors
/// As [`Plan::compile`](crate::Plan::compile) and [`Plan::run`](crate::Plan::run).
pub fn run<T: Real>(
    graph: &Graph,
    weights: &Weights,
    input_size: [usize; 2],
    taps: &[String],
    pixels: Pixels<'_>,
    images: usize,
) -> Result<Vec<Vec<T>>, EngineError> {
    let shapes = graph.shapes(input_size)?;
    weights.check(graph)?;
    let wanted = taps::resolve(graph, taps)?;
    let needed = taps::needed(graph, &wanted);
    let parameters = convert::<T>(graph, weights);
    let length = shapes.first().map_or(0, |shape| shape.len());
    pixels.check(images, length)?;
    let mut result = vec![Vec::new(); wanted.len()];
    for image in 0..images {
        let mut values: Vec<Vec<T>> = Vec::with_capacity(shapes.len());
        for (id, node) in graph.nodes.iter().enumerate() {
            let value = match &node.op {
                _ if !needed[id] => Vec::new(),
                Op::Input { .. } => pixels.image(image, length),
                Op::Normalize { .. } if matches!(pixels, Pixels::Normalized(_)) => values[node.inputs[0]].clone(),
                _ => {
                    let inputs: Vec<_> =
                        node.inputs.iter().map(|&i| Value { shape: shapes[i], values: &values[i] }).collect();
                    ops::forward(node, &inputs, shapes[id], &|name| &parameters[name])
                }
            };
            values.push(value);
        }
        for (tap, &node) in result.iter_mut().zip(&wanted) {
            tap.extend_from_slice(&values[node]);
        }
    }
    Ok(result)
}

fn convert<T: Real>(graph: &Graph, weights: &Weights) -> BTreeMap<String, Vec<T>> {
    let tensor = |name: &String| weights.tensors.get(name).map(|t| t.values.iter().map(|&x| T::from_f32(x)).collect());
    graph.parameters.keys().filter_map(|name| Some((name.clone(), tensor(name)?))).collect()
}

impl Pixels<'_> {
    /// Refuses a batch of another length.
    pub(crate) fn check(&self, images: usize, length: usize) -> Result<(), EngineError> {
        let found = match self {
            Pixels::Bytes(bytes) => bytes.len(),
            Pixels::Normalized(values) => values.len(),
        };
        let expected = images * length;
        if found == expected { Ok(()) } else { Err(EngineError::Batch { expected, found, images }) }
    }

    pub(crate) fn image<T: Real>(&self, image: usize, length: usize) -> Vec<T> {
        let range = image * length..(image + 1) * length;
        match self {
            Pixels::Bytes(bytes) => bytes[range].iter().map(|&x| T::from_f64(f64::from(x))).collect(),
            Pixels::Normalized(values) => values[range].iter().map(|&x| T::from_f32(x)).collect(),
        }
    }
}

impl Weights {
    /// Checks that every parameter the graph declares is here, with its shape.
    ///
    /// # Errors
    /// The first parameter that is missing or has another shape.
    pub fn check(&self, graph: &Graph) -> Result<(), EngineError> {
        for (name, expected) in &graph.parameters {
            let Some(tensor) = self.tensors.get(name) else {
                return Err(EngineError::MissingParameter { name: name.clone() });
            };
            if &tensor.shape != expected || tensor.values.len() != expected.iter().product::<usize>() {
                let (name, expected, found) = (name.clone(), expected.clone(), tensor.shape.clone());
                return Err(EngineError::ParameterShape { name, expected, found });
            }
        }
        Ok(())
    }
}
