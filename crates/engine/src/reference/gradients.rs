//! The slow, plain backward pass over a whole batch: the oracle for training.

use std::collections::{BTreeMap, BTreeSet};

use super::convert;
use crate::ops::{self, Real, Value};
use crate::{EngineError, Graph, NodeId, Op, Pixels, Shape, Weights, taps};

/// What a forward and a backward pass leave.
#[derive(Debug, Clone, Default)]
pub struct ReferenceGradients<T> {
    /// Values of the seeds' nodes, `[seeds][images * shape.len()]`.
    pub outputs: Vec<Vec<T>>,
    /// Gradients of the parameters, by key. Running statistics and parameters that nothing reached have none.
    pub parameters: BTreeMap<String, Vec<T>>,
    /// Gradient of the normalised input, `[images, height, width, channels]`.
    pub input: Vec<T>,
}

/// From gradients at some nodes (`seeds`: a node's name, and the gradient of all images there) back to the parameters and the
/// input. Batch norms of `batch_statistics` normalise with the mean and biased variance of the batch, all others with theirs.
///
/// # Errors
/// As [`run`](super::run), and a seed of another length.
pub fn gradients<T: Real>(
    graph: &Graph,
    weights: &Weights,
    input_size: [usize; 2],
    batch_statistics: &BTreeSet<NodeId>,
    pixels: Pixels<'_>,
    images: usize,
    seeds: &[(String, Vec<T>)],
) -> Result<ReferenceGradients<T>, EngineError> {
    let shapes = graph.shapes(input_size)?;
    weights.check(graph)?;
    let names: Vec<String> = seeds.iter().map(|seed| seed.0.clone()).collect();
    let nodes = taps::resolve(graph, &names)?;
    let needed = taps::needed(graph, &nodes);
    let tangent = (0..graph.nodes.len()).find(|&id| needed[id] && matches!(graph.nodes[id].op, Op::Tangent { .. }));
    if let Some(node) = tangent {
        return Err(EngineError::second_derivative(&graph.nodes[node].name));
    }
    pixels.check(images, shapes.first().map_or(0, |shape| shape.len()))?;
    let mut pass = Pass {
        graph,
        parameters: convert::<T>(graph, weights),
        shapes,
        images,
        batch_statistics,
        values: Vec::new(),
        gradients: vec![Vec::new(); graph.nodes.len()],
        found: BTreeMap::new(),
    };
    pass.forward(pixels, &needed);
    for (&node, (_, gradient)) in nodes.iter().zip(seeds) {
        let expected = pass.values[node].len();
        if gradient.len() != expected {
            return Err(EngineError::Batch { expected, found: gradient.len(), images });
        }
        pass.add(node, gradient);
    }
    for id in (0..graph.nodes.len()).rev() {
        pass.backward(id);
    }
    let outputs = nodes.iter().map(|&node| pass.values[node].clone()).collect();
    Ok(ReferenceGradients {
        outputs,
        parameters: pass.found,
        input: pass.gradients.into_iter().next().unwrap_or_default(),
    })
}

struct Pass<'a, T> {
    graph: &'a Graph,
    parameters: BTreeMap<String, Vec<T>>,
    shapes: Vec<Shape>,
    images: usize,
    batch_statistics: &'a BTreeSet<NodeId>,
    values: Vec<Vec<T>>,
    gradients: Vec<Vec<T>>,
    found: BTreeMap<String, Vec<T>>,
}

impl<T: Real> Pass<'_, T> {
    fn image(&self, node: NodeId, image: usize) -> Value<'_, T> {
        let (shape, values) = (self.shapes[node], &self.values[node]);
        Value { shape, values: &values[image * shape.len()..][..shape.len()] }
    }

    fn forward(&mut self, pixels: Pixels<'_>, needed: &[bool]) {
        for (id, node) in self.graph.nodes.iter().enumerate() {
            let value = match &node.op {
                _ if !needed[id] => Vec::new(),
                Op::Input { .. } => (0..self.images).flat_map(|i| pixels.image(i, self.shapes[id].len())).collect(),
                Op::Normalize { .. } if matches!(pixels, Pixels::Normalized(_)) => self.values[node.inputs[0]].clone(),
                Op::BatchNorm { .. } if self.batch_statistics.contains(&id) => self.batch_norm(id),
                _ => (0..self.images).flat_map(|image| self.one(id, image)).collect(),
            };
            self.values.push(value);
        }
    }

    fn one(&self, id: NodeId, image: usize) -> Vec<T> {
        let node = &self.graph.nodes[id];
        let inputs: Vec<_> = node.inputs.iter().map(|&input| self.image(input, image)).collect();
        ops::forward(node, &inputs, self.shapes[id], &|name| &self.parameters[name])
    }

    /// A batch norm as [`ops::forward`] has it, with the statistics of the batch in place of the running ones.
    fn batch_norm(&self, id: NodeId) -> Vec<T> {
        let node = &self.graph.nodes[id];
        let Op::BatchNorm { running_mean, running_variance, .. } = &node.op else { return Vec::new() };
        let (mean, variance) = ops::statistics(&self.values[node.inputs[0]], self.shapes[id].channels());
        let parameter = |name: &str| match name {
            name if name == running_mean => mean.as_slice(),
            name if name == running_variance => variance.as_slice(),
            name => &self.parameters[name],
        };
        let image = |image| ops::forward(node, &[self.image(node.inputs[0], image)], self.shapes[id], &parameter);
        (0..self.images).flat_map(image).collect()
    }

    fn backward(&mut self, id: NodeId) {
        if self.gradients[id].is_empty() {
            return;
        }
        let node = &self.graph.nodes[id];
        let gradient = std::mem::take(&mut self.gradients[id]);
        if let (Op::BatchNorm { weight, bias, epsilon, .. }, true) = (&node.op, self.batch_statistics.contains(&id)) {
            let values = &self.values[node.inputs[0]];
            let (dx, dw, db) = ops::batch_training_backward(values, &self.parameters[weight], *epsilon, &gradient);
            self.add(node.inputs[0], &dx);
            self.add_parameter(weight, &dw);
            self.add_parameter(bias, &db);
        } else {
            self.backward_by_image(id, &gradient);
        }
        if id == 0 {
            self.gradients[0] = gradient;
        }
    }

    fn backward_by_image(&mut self, id: NodeId, gradient: &[T]) {
        let node = &self.graph.nodes[id];
        let length = self.shapes[id].len();
        let mut inputs = vec![Vec::new(); node.inputs.len()];
        for (image, dy) in gradient.chunks_exact(length.max(1)).enumerate() {
            let values: Vec<_> = node.inputs.iter().map(|&input| self.image(input, image)).collect();
            let parameters = &self.parameters;
            let back = ops::backward(node, &values, self.image(id, image), dy, &|name| &parameters[name]);
            inputs.iter_mut().zip(back.inputs).for_each(|(all, one)| all.extend(one));
            for (name, values) in back.parameters {
                self.add_parameter(name, &values);
            }
        }
        for (&input, gradient) in node.inputs.iter().zip(&inputs) {
            self.add(input, gradient);
        }
    }

    fn add(&mut self, node: NodeId, gradient: &[T]) {
        add(&mut self.gradients[node], gradient);
    }

    fn add_parameter(&mut self, name: &str, gradient: &[T]) {
        add(self.found.entry(name.to_owned()).or_default(), gradient);
    }
}

fn add<T: Real>(to: &mut Vec<T>, gradient: &[T]) {
    if to.is_empty() {
        to.extend_from_slice(gradient);
    } else {
        to.iter_mut().zip(gradient).for_each(|(sum, &g)| *sum = *sum + g);
    }
}
