//! The fitted model as a network: beside the values of the pretrained one their derivative along the direction found, and a classifier on
//! both. With `h` the penultimate vector, `dh` its derivative along the direction and `W`, `b` the head,
//!
//! ```text
//! f(x; w0) + J(x) v + shift = h (W + dW)^T + dh W^T + b + shift
//! ```

use std::collections::{BTreeMap, BTreeSet};

use heirloom_engine::{EngineError, Graph, Node, NodeId, Op, Shape, Tensor};
use heirloom_zoo::Backbone;

/// Name of the vector that the classifier reads: the penultimate one and its derivative.
pub(crate) const FEATURES: &str = "linearised.features";

/// A classifier in a network.
struct Classifier {
    node: NodeId,
    input: NodeId,
    weight: String,
    bias: String,
}

/// `network` moved along `direction`, by its own keys, with `shift` added to the head's bias. `None` where the classifier is no single
/// linear layer with a bias.
pub(crate) fn moved(
    network: &Backbone,
    direction: &BTreeMap<String, Vec<f32>>,
    shift: &[f64],
) -> Result<Option<Backbone>, EngineError> {
    let Some(classifier) = classifier(network) else { return Ok(None) };
    let Classifier { node, input, weight, bias } = &classifier;
    let body = body(&network.graph, &classifier);
    let moving: BTreeSet<String> = direction.keys().filter(|key| body.parameters.contains_key(*key)).cloned().collect();
    let tangents = body.with_tangents(&moving)?;
    let (value, tangent) = tangents.nodes[*input];
    let mut weights = network.weights.clone();
    let (Some(head), Some(offsets)) = (weights.tensors.remove(weight), weights.tensors.remove(bias)) else {
        return Ok(None);
    };
    let mut weights = tangents.weights(&weights, direction);
    let (mut graph, classes) = (tangents.graph.clone(), offsets.values.len());
    let shape = body.shapes(network.preprocess.input_size)?[*input];
    let columns = shape.len();
    let vector = vector(&mut graph, [Some(value), tangent], shape);
    let width = columns * if tangent.is_some() { 2 } else { 1 };
    let op = Op::Linear { weight: weight.clone(), bias: Some(bias.clone()), channels: classes };
    let logits = push(&mut graph, &network.graph.nodes[*node].name, op, &[vector]);
    if graph.find("logits").is_none() {
        graph.modules.insert("logits".to_owned(), logits);
    }
    graph.outputs = vec![logits];
    graph.parameters.extend([(weight.clone(), vec![classes, width]), (bias.clone(), vec![classes])]);
    let change = direction.get(weight).cloned().unwrap_or_else(|| vec![0.0; head.values.len()]);
    let rows = head.values.chunks(columns.max(1)).zip(change.chunks(columns.max(1)));
    let row = |(row, change): (&[f32], &[f32])| -> Vec<f32> {
        let moved = row.iter().zip(change).map(|(value, change)| value + change);
        moved.chain(row.iter().copied().take(width - columns)).collect()
    };
    let values: Vec<f32> = rows.flat_map(row).collect();
    let offsets = offsets.values.iter().zip(shift).map(|(&bias, shift)| (f64::from(bias) + shift) as f32).collect();
    weights.tensors.insert(weight.clone(), Tensor { shape: vec![classes, width], values });
    weights.tensors.insert(bias.clone(), Tensor { shape: vec![classes], values: offsets });
    Ok(Some(Backbone {
        weights_digest: heirloom_zoo::weights_digest(&weights),
        taps: network.taps.iter().filter(|tap| graph.find(tap).is_some()).cloned().collect(),
        features: FEATURES.to_owned(),
        logits: Some("logits".to_owned()),
        graph,
        weights,
        ..network.clone()
    }))
}

fn classifier(network: &Backbone) -> Option<Classifier> {
    let [weight, bias] = <[String; 2]>::try_from(network.classifier_parameters()).ok()?;
    let reads = |op: &Op| match op {
        Op::Linear { weight: key, .. } | Op::Convolution { weight: key, .. } => *key == weight,
        _ => false,
    };
    let node = network.graph.nodes.iter().position(|node| reads(&node.op))?;
    let input = *network.graph.nodes[node].inputs.first()?;
    Some(Classifier { node, input, weight, bias })
}

/// The network up to what its classifier reads.
fn body(graph: &Graph, classifier: &Classifier) -> Graph {
    let mut body = graph.clone();
    body.nodes.truncate(classifier.node);
    body.modules.retain(|_, node| *node < classifier.node);
    body.outputs = vec![classifier.input];
    body.parameters.retain(|key, _| *key != classifier.weight && *key != classifier.bias);
    body
}

/// The vector that the classifier reads; nodes that may be missing are left out.
fn vector(graph: &mut Graph, parts: [Option<NodeId>; 2], shape: Shape) -> NodeId {
    let parts: Vec<NodeId> = parts.into_iter().flatten().collect();
    if let Shape::Vector { .. } = shape {
        return push(graph, FEATURES, Op::Concat, &parts);
    }
    let joined = push(graph, "linearised.map", Op::Concat, &parts);
    push(graph, FEATURES, Op::Flatten, &[joined])
}

fn push(graph: &mut Graph, name: &str, op: Op, inputs: &[NodeId]) -> NodeId {
    graph.nodes.push(Node { name: name.to_owned(), op, inputs: inputs.to_vec() });
    graph.nodes.len() - 1
}
