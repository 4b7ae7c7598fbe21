//! From nodes to units: which operators run together in training, and which values they keep.

use super::TrainingOptions;
use super::scope::Scope;
use super::unit::{BatchNorm, Unit, Work, is_clip};
use crate::kernels::Normalization;
use crate::{Activation, EngineError, Graph, NodeId, Op, Shape, ops};

/// Every needed node in one unit, units in the order in which they can run.
pub(super) fn units(
    graph: &Graph,
    shapes: &[Shape],
    outputs: &[NodeId],
    scope: &Scope,
    options: &TrainingOptions,
) -> Result<Vec<Unit>, EngineError> {
    let builder = Builder { graph, shapes, outputs, scope, options, readers: readers(graph, scope) };
    let mut finished = vec![false; graph.nodes.len()];
    let mut units = Vec::new();
    for first in 0..graph.nodes.len() {
        if finished[first] || !scope.needed[first] {
            continue;
        }
        let chain = builder.chain(first, &finished);
        chain.iter().for_each(|&node| finished[node] = true);
        units.push(builder.unit(&chain)?);
    }
    Ok(units)
}

fn readers(graph: &Graph, scope: &Scope) -> Vec<Vec<NodeId>> {
    let mut readers = vec![Vec::new(); graph.nodes.len()];
    for (id, node) in graph.nodes.iter().enumerate().filter(|(id, _)| scope.needed[*id]) {
        node.inputs.iter().for_each(|&input| readers[input].push(id));
    }
    readers
}

struct Builder<'a> {
    graph: &'a Graph,
    shapes: &'a [Shape],
    outputs: &'a [NodeId],
    scope: &'a Scope,
    options: &'a TrainingOptions,
    readers: Vec<Vec<NodeId>>,
}

impl Builder<'_> {
    /// The one node that reads `node`, if the value need not stand anywhere else.
    fn only_reader(&self, node: NodeId) -> Option<NodeId> {
        match self.readers[node][..] {
            [reader] if !self.outputs.contains(&node) => Some(reader),
            _ => None,
        }
    }

    fn activation(&self, node: NodeId) -> Option<Activation> {
        match self.graph.nodes[node].op {
            Op::Activate { function } => Some(function),
            _ => None,
        }
    }

    /// `first` and what is computed with it.
    fn chain(&self, first: NodeId, finished: &[bool]) -> Vec<NodeId> {
        let mut chain = vec![first];
        let mut last = first;
        let mut clips_only = match self.graph.nodes[first].op {
            Op::Convolution { .. } | Op::Linear { .. } | Op::Add => true,
            Op::BatchNorm { .. } => false,
            _ => return chain,
        };
        if let (Op::BatchNorm { .. }, Some(sum)) = (&self.graph.nodes[first].op, self.only_reader(first)) {
            let node = &self.graph.nodes[sum];
            let other_is_finished = node.inputs.iter().any(|&other| other != first && finished[other]);
            if matches!(node.op, Op::Add) && other_is_finished {
                chain.push(sum);
                (last, clips_only) = (sum, true);
            }
        }
        let next = self
            .only_reader(last)
            .filter(|&next| self.activation(next).is_some_and(|function| !clips_only || is_clip(function)));
        chain.extend(next);
        chain
    }

    fn unit(&self, chain: &[NodeId]) -> Result<Unit, EngineError> {
        let (first, last) = (chain[0], chain[chain.len() - 1]);
        let node = &self.graph.nodes[first];
        let mut inputs = node.inputs.clone();
        for pair in chain.windows(2) {
            let others = self.graph.nodes[pair[1]].inputs.iter().filter(|&&input| input != pair[0]);
            inputs.extend(others);
        }
        if let Op::Tangent { .. } = node.op {
            return Err(EngineError::second_derivative(&node.name));
        }
        let function = if chain.len() > 1 { self.activation(last) } else { None };
        let work = self
            .work(first, function)
            .ok_or_else(|| EngineError::Shape { node: node.name.clone(), reason: "its window does not fit".into() })?;
        let mut unit = Unit { node: last, inputs, work, keeps: Vec::new() };
        if self.scope.gradient[last] {
            unit.keeps = self.keeps(&unit);
        }
        Ok(unit)
    }

    fn work(&self, id: NodeId, activation: Option<Activation>) -> Option<Work> {
        let node = &self.graph.nodes[id];
        let input = node.inputs.first().map_or(self.shapes[id], |&input| self.shapes[input]);
        let channels = [input.channels(), self.shapes[id].channels()];
        Some(match node.op.clone() {
            Op::Input { .. } => Work::Input,
            Op::Normalize { mean, std } => Work::Normalize(Normalization::new(self.options.isa, &mean, &std)),
            Op::Convolution { weight, bias, groups, .. } => {
                let window = ops::convolution_window(&node.op, input)?;
                Work::Convolution { weight, bias, window, channels, groups, relu: activation }
            }
            Op::Linear { weight, bias, .. } => Work::Linear { weight, bias, channels, relu: activation },
            Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon } => {
                let batch = self.scope.batch_statistics.contains(&id);
                let norm = BatchNorm { node: id, weight, bias, running_mean, running_variance, epsilon, batch };
                Work::BatchNorm { norm, activation }
            }
            Op::Add => Work::Add { activation },
            Op::Activate { function } => Work::Activate(function),
            Op::LayerNorm { weight, bias, epsilon } => Work::LayerNorm { weight, bias, epsilon },
            Op::Attention { heads } => Work::Attention { heads },
            Op::Softmax => Work::Softmax,
            Op::Multiply if node.inputs.get(1).map(|&second| self.shapes[second]) == Some(input) => Work::Multiply,
            Op::Multiply => Work::Gate,
            Op::Scale { weight } => Work::Scale { weight },
            Op::Shift { bias } => Work::Shift { bias },
            Op::Concat => Work::Concat,
            Op::Subsample { stride } => Work::Subsample { stride },
            Op::PadChannels { before, .. } => Work::PadChannels { before },
            Op::MaxPool { .. } => Work::MaxPool(ops::pooling_window(&node.op, input)?),
            Op::AveragePool { count_padding, .. } => {
                Work::AveragePool { window: ops::pooling_window(&node.op, input)?, count_padding }
            }
            Op::GlobalAveragePool => Work::Mean { skip: 0 },
            Op::MeanTokens { skip } => Work::Mean { skip },
            Op::Flatten => Work::Flatten,
            Op::Tokens { class_token, position } => Work::Tokens { class_token, position },
            Op::SelectToken { index } => Work::SelectToken { index },
            Op::Tangent { .. } => return None,
        })
    }

    /// The values that the unit's backward pass reads.
    fn keeps(&self, unit: &Unit) -> Vec<NodeId> {
        let (input, output) = (unit.inputs.first().copied(), [unit.node]);
        let with_clip = |mut keeps: Vec<NodeId>, clip: &Option<Activation>| {
            keeps.extend(clip.iter().flat_map(|_| output));
            keeps
        };
        match &unit.work {
            Work::Convolution { weight, relu, .. } | Work::Linear { weight, relu, .. } => {
                with_clip(input.into_iter().filter(|_| self.scope.trains(weight)).collect(), relu)
            }
            Work::BatchNorm { activation, .. } if unit.inputs.len() > 1 => {
                with_clip(input.into_iter().collect(), activation)
            }
            Work::Add { activation } => with_clip(Vec::new(), activation),
            Work::Activate(function) if is_clip(*function) => output.to_vec(),
            Work::BatchNorm { .. } | Work::Activate(_) | Work::LayerNorm { .. } => input.into_iter().collect(),
            Work::Attention { .. } | Work::MaxPool(_) => input.into_iter().collect(),
            Work::Scale { weight } => input.into_iter().filter(|_| self.scope.trains(weight)).collect(),
            Work::Multiply | Work::Gate => unit.inputs.clone(),
            Work::Softmax => output.to_vec(),
            _ => Vec::new(),
        }
    }
}
