//! A network that is no published architecture, stored node by node beside its weights: one with another classifier, with unfolded
//! batch norms, or rewired. Owns every check of such a graph: read from a file, it is input and not a fact.

use std::collections::BTreeSet;

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Op, Padding, Shape};
use serde::{Deserialize, Serialize};

use crate::parameters;

/// Largest length, step or number of channels of an operator.
const LARGEST: usize = 1 << 20;

/// The graph with the names that matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredNetwork {
    /// The graph; its logits, if any, are called `logits`.
    pub graph: Graph,
    /// Default taps in depth order.
    pub taps: Vec<String>,
    /// Name of the penultimate vector or map.
    pub features: String,
}

impl StoredNetwork {
    /// Whether the network can be run on what `preprocess` makes. `Err` says what is wrong.
    pub(crate) fn check(&self, preprocess: &Preprocess, classes: Option<usize>) -> Result<(), String> {
        begins_with_its_input(&self.graph, preprocess)?;
        names_are_unique(&self.graph)?;
        let nodes = self.graph.nodes.len();
        if let Some(id) = self.graph.modules.values().chain(&self.graph.outputs).find(|id| **id >= nodes) {
            return Err(format!("node {id} is named as an output, the network has {nodes} nodes"));
        }
        for node in &self.graph.nodes {
            if let Some(number) = numbers(&node.op).into_iter().find(|&number| number > LARGEST) {
                return Err(format!("node '{}': {number} is beyond {LARGEST}", node.name));
            }
        }
        parameters_are_used(&self.graph)?;
        let shapes = self.graph.shapes(preprocess.input_size).map_err(|error| error.to_string())?;
        for name in self.taps.iter().chain([&self.features]) {
            self.graph.find(name).ok_or_else(|| format!("no node or module is called '{name}'"))?;
        }
        let logits = self.graph.find("logits").and_then(|id| shapes.get(id));
        match (logits, classes) {
            (Some(Shape::Vector { channels }), None) if *channels > 0 => Ok(()),
            (Some(Shape::Vector { channels }), Some(classes)) if *channels == classes => Ok(()),
            (Some(shape), Some(classes)) => Err(format!("classes is {classes}, the logits are {shape}")),
            (Some(shape), None) => Err(format!("the logits are {shape}, expected a vector")),
            (None, Some(1..)) => Err("classes is given, but the network has no node or module 'logits'".into()),
            (None, _) => Ok(()),
        }
    }
}

fn begins_with_its_input(graph: &Graph, preprocess: &Preprocess) -> Result<(), String> {
    match graph.nodes.get(..2).map(|nodes| [&nodes[0].op, &nodes[1].op]) {
        Some([Op::Input { channels: 3 }, Op::Normalize { mean, std }]) => {
            let fits = mean[..] == preprocess.mean && std[..] == preprocess.std;
            fits.then_some(())
                .ok_or_else(|| format!("the network normalises by {mean:?} and {std:?}, preprocess says otherwise"))
        }
        _ => Err("the network does not begin with an input of 3 channels and its normalisation".into()),
    }
}

fn names_are_unique(graph: &Graph) -> Result<(), String> {
    let mut names = BTreeSet::new();
    match graph.nodes.iter().find(|node| !names.insert(&node.name)) {
        Some(node) => Err(format!("two nodes are called '{}'", node.name)),
        None => Ok(()),
    }
}

fn parameters_are_used(graph: &Graph) -> Result<(), String> {
    let used: BTreeSet<&str> =
        graph.nodes.iter().flat_map(|node| parameters::of(&node.op)).map(|(key, _)| key).collect();
    match graph.parameters.keys().find(|key| !used.contains(key.as_str())) {
        Some(key) => Err(format!("parameter '{key}' is declared, but no node uses it")),
        None => Ok(()),
    }
}

/// The lengths, steps and channel numbers of an operator.
fn numbers(op: &Op) -> Vec<usize> {
    let padded = |padding: &Padding| if let Padding::Explicit(sides) = padding { sides.to_vec() } else { Vec::new() };
    match op {
        Op::Convolution { channels, kernel, stride, padding, dilation, groups, .. } => {
            [[*channels, *groups], *kernel, *stride, *dilation].concat().into_iter().chain(padded(padding)).collect()
        }
        Op::MaxPool { kernel, stride, padding, .. } | Op::AveragePool { kernel, stride, padding, .. } => {
            [*kernel, *stride].concat().into_iter().chain(padded(padding)).collect()
        }
        Op::Linear { channels, .. } => vec![*channels],
        Op::Subsample { stride } => stride.to_vec(),
        Op::PadChannels { before, after } => vec![*before, *after],
        Op::SelectToken { index: number } | Op::MeanTokens { skip: number } | Op::Attention { heads: number } => {
            vec![*number]
        }
        Op::Tangent { of } => numbers(of),
        _ => Vec::new(),
    }
}
