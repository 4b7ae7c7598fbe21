//! What a plan has to compute: which nodes are needed, which of them have a gradient, which parameters get one.

use std::collections::BTreeSet;

use super::TrainingOptions;
use crate::{EngineError, Graph, NodeId, Op, ParameterName, taps};

#[derive(Debug)]
pub(super) struct Scope {
    /// Nodes that an output depends on.
    pub needed: Vec<bool>,
    /// Needed nodes through which a gradient has to pass: some trained parameter, or the wanted input, lies at or before them.
    pub gradient: Vec<bool>,
    pub trainable: BTreeSet<ParameterName>,
    /// Batch norms that use the statistics of the batch.
    pub batch_statistics: BTreeSet<NodeId>,
    pub input_gradient: bool,
}

impl Scope {
    pub fn new(graph: &Graph, options: &TrainingOptions, outputs: &[NodeId]) -> Result<Self, EngineError> {
        let trainable = options.trainable.clone();
        for name in &trainable {
            if !graph.parameters.contains_key(name) {
                return Err(EngineError::MissingParameter { name: name.clone() });
            }
        }
        let batch_statistics = batch_norms(graph, &options.batch_statistics)?;
        let needed = taps::needed(graph, outputs);
        let mut gradient = vec![false; graph.nodes.len()];
        for (id, node) in graph.nodes.iter().enumerate() {
            let own = parameters(&node.op).into_iter().any(|name| trainable.contains(name));
            let input = matches!(node.op, Op::Input { .. }) && options.input_gradient;
            gradient[id] = needed[id] && (own || input || node.inputs.iter().any(|&input| gradient[input]));
        }
        Ok(Self { needed, gradient, trainable, batch_statistics, input_gradient: options.input_gradient })
    }

    /// Whether the parameter gets a gradient.
    pub fn trains(&self, parameter: &str) -> bool {
        self.trainable.contains(parameter)
    }
}

fn batch_norms(graph: &Graph, names: &BTreeSet<String>) -> Result<BTreeSet<NodeId>, EngineError> {
    let nodes = taps::resolve(graph, &names.iter().cloned().collect::<Vec<_>>())?;
    for (&node, name) in nodes.iter().zip(names) {
        if !matches!(graph.nodes[node].op, Op::BatchNorm { .. }) {
            let reason = format!("'{name}' is no batch norm and has no statistics");
            return Err(EngineError::Shape { node: graph.nodes[node].name.clone(), reason });
        }
    }
    Ok(nodes.into_iter().collect())
}

/// Keys of the parameters that can have a gradient.
pub(crate) fn parameters(op: &Op) -> Vec<&str> {
    match op {
        Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
            std::iter::once(weight.as_str()).chain(bias.as_deref()).collect()
        }
        Op::BatchNorm { weight, bias, .. } | Op::LayerNorm { weight, bias, .. } => vec![weight, bias],
        Op::Scale { weight: name } | Op::Shift { bias: name } => vec![name],
        Op::Tokens { class_token, position } => class_token.as_deref().into_iter().chain(position.as_deref()).collect(),
        _ => Vec::new(),
    }
}
