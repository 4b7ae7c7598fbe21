//! Linearisation: a graph that computes, beside a network's values, their directional derivatives by the parameters.
//!
//! With parameters `w` and a direction `v`, every node `z(x; w)` gets a companion `dz = d/de z(x; w + e v)` at `e = 0`, exactly and in one
//! forward pass (forward-mode differentiation as a pass over the graph). The direction's values stand among the weights under
//! [`tangent_key`]s, in the form of the parameters they belong to. By the product rule, for a layer `z = h W`:
//!
//! ```text
//! dz = dh W + h dW
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::training::scope::parameters;
use crate::{Activation, EngineError, Graph, Node, NodeId, Op, ParameterName, Tensor, Weights, ops};

/// Beginning of the keys of the direction and of the names of its nodes.
const PREFIX: &str = "tangent.";

/// The key of the direction along a parameter.
#[must_use]
pub fn tangent_key(parameter: &str) -> ParameterName {
    format!("{PREFIX}{parameter}")
}

/// A graph with the tangents of its nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct Tangents {
    /// The graph. Nodes, modules and outputs of the one it was made from keep their names.
    pub graph: Graph,
    /// For each node of the graph it was made from: where it is now, and its tangent, if it depends on a parameter that moves.
    pub nodes: Vec<(NodeId, Option<NodeId>)>,
}

impl Graph {
    /// The graph with a tangent for every node that depends on a parameter of `moving`.
    ///
    /// ```
    /// use heirloom_engine::{Graph, Node, Op, tangent_key};
    /// let node = |name: &str, op: Op, inputs: &[usize]| Node { name: name.into(), op, inputs: inputs.to_vec() };
    /// let linear = Op::Linear { weight: "w".into(), bias: None, channels: 3 };
    /// let graph = Graph {
    ///     nodes: vec![node("input", Op::Input { channels: 2 }, &[]), node("sum", linear, &[0])],
    ///     parameters: [("w".to_owned(), vec![3, 2])].into(),
    ///     modules: Default::default(),
    ///     outputs: vec![1],
    /// };
    /// let tangents = graph.with_tangents(&["w".to_owned()].into())?;
    /// // Behind the sum of the weights stands that of the direction, `h dW`.
    /// assert_eq!(tangents.nodes[1], (1, Some(2)));
    /// assert_eq!(tangents.graph.parameters[&tangent_key("w")], [3, 2]);
    /// # Ok::<(), heirloom_engine::EngineError>(())
    /// ```
    ///
    /// # Errors
    /// A parameter that the graph does not have, or a graph that holds tangents already.
    pub fn with_tangents(&self, moving: &BTreeSet<ParameterName>) -> Result<Tangents, EngineError> {
        if let Some(name) = moving.iter().find(|name| !self.parameters.contains_key(*name)) {
            return Err(EngineError::MissingParameter { name: name.clone() });
        }
        if self.parameters.keys().any(|key| key.starts_with(PREFIX)) {
            return Err(EngineError::Unsupported { what: "tangents of a network that holds tangents".into() });
        }
        let graph = Graph { parameters: self.parameters.clone(), ..Graph::default() };
        let mut builder = Builder { source: self, moving, graph, nodes: Vec::with_capacity(self.nodes.len()) };
        for node in &self.nodes {
            builder.add(node)?;
        }
        let Builder { mut graph, nodes, .. } = builder;
        graph.modules = self.modules.iter().map(|(name, node)| (name.clone(), nodes[*node].0)).collect();
        graph.outputs = self.outputs.iter().map(|&node| nodes[node].0).collect();
        Ok(Tangents { graph, nodes })
    }
}

impl Tangents {
    /// The weights of the graph: those of the network, and `direction` by the network's own keys. Parameters that `direction` lacks do
    /// not move.
    #[must_use]
    pub fn weights(&self, network: &Weights, direction: &BTreeMap<ParameterName, Vec<f32>>) -> Weights {
        let mut weights = network.clone();
        for (key, shape) in self.graph.parameters.iter().filter(|(key, _)| key.starts_with(PREFIX)) {
            let length = shape.iter().product();
            let values = direction.get(&key[PREFIX.len()..]).filter(|values| values.len() == length).cloned();
            let tensor = Tensor { shape: shape.clone(), values: values.unwrap_or_else(|| vec![0.0; length]) };
            weights.tensors.insert(key.clone(), tensor);
        }
        weights
    }
}

struct Builder<'a> {
    source: &'a Graph,
    moving: &'a BTreeSet<ParameterName>,
    graph: Graph,
    nodes: Vec<(NodeId, Option<NodeId>)>,
}

/// A node to take the tangent of: where it and what it reads are in the new graph.
struct At<'a> {
    node: &'a Node,
    here: NodeId,
    inputs: Vec<NodeId>,
    tangents: Vec<Option<NodeId>>,
}

impl Builder<'_> {
    fn add(&mut self, node: &Node) -> Result<(), EngineError> {
        let inputs: Vec<NodeId> = node.inputs.iter().map(|&input| self.nodes[input].0).collect();
        let tangents: Vec<Option<NodeId>> = node.inputs.iter().map(|&input| self.nodes[input].1).collect();
        let here = self.push(node.name.clone(), node.op.clone(), &inputs);
        let tangent = self.tangent(&At { node, here, inputs, tangents })?;
        self.nodes.push((here, tangent));
        Ok(())
    }

    fn push(&mut self, name: String, op: Op, inputs: &[NodeId]) -> NodeId {
        self.graph.nodes.push(Node { name, op, inputs: inputs.to_vec() });
        self.graph.nodes.len() - 1
    }

    /// A node for a part of the tangent of `at`.
    fn part(&mut self, at: &At<'_>, role: &str, op: Op, inputs: &[NodeId]) -> NodeId {
        self.push(format!("{PREFIX}{}{role}", at.node.name), op, inputs)
    }

    fn sum(&mut self, at: &At<'_>, terms: [Option<NodeId>; 2]) -> Option<NodeId> {
        match terms {
            [Some(first), Some(second)] => Some(self.part(at, "", Op::Add, &[first, second])),
            [first, second] => first.or(second),
        }
    }

    /// The direction along a parameter.
    fn along(&mut self, key: &str) -> ParameterName {
        let (name, shape) = (tangent_key(key), self.source.parameters.get(key).cloned().unwrap_or_default());
        self.graph.parameters.insert(name.clone(), shape);
        name
    }

    /// A parameter of zeros, `length` of them: no parameter moves along it.
    fn zeros(&mut self, length: usize) -> ParameterName {
        let name = format!("{PREFIX}.zeros.{length}");
        self.graph.parameters.insert(name.clone(), vec![length]);
        name
    }

    /// Zeros of the form of `value`, for operators that must have an input.
    fn nothing(&mut self, at: &At<'_>, input: usize) -> NodeId {
        let op = Op::Scale { weight: self.zeros(1) };
        self.part(at, &format!(".nothing{input}"), op, &[at.inputs[input]])
    }

    fn tangent(&mut self, at: &At<'_>) -> Result<Option<NodeId>, EngineError> {
        let moves = parameters(&at.node.op).into_iter().any(|key| self.moving.contains(key));
        let dx = at.tangents.first().copied().flatten();
        if !moves && at.tangents.iter().all(Option::is_none) {
            return Ok(None);
        }
        let op = at.node.op.clone();
        Ok(match op {
            Op::Input { .. } | Op::Normalize { .. } => None,
            Op::Convolution { .. } | Op::Linear { .. } | Op::Scale { .. } | Op::BatchNorm { .. } => {
                let through = dx.map(|dx| {
                    let op = self.linear_part(&op);
                    self.part(at, ".input", op, &[dx])
                });
                let own = moves.then(|| {
                    let op = self.moved(&op);
                    self.part(at, ".weights", op, &at.inputs)
                });
                self.sum(at, [through, own])
            }
            Op::LayerNorm { .. } => {
                let through = dx.map(|dx| self.curved(at, ".input", at.inputs[0], dx));
                let own = moves.then(|| {
                    let op = self.moved(&op);
                    self.part(at, ".weights", op, &at.inputs)
                });
                self.sum(at, [through, own])
            }
            Op::Shift { .. } if !moves => dx,
            Op::Shift { .. } | Op::Tokens { .. } => {
                let dx = dx.unwrap_or_else(|| self.nothing(at, 0));
                let op = self.moved(&op);
                Some(self.part(at, "", op, &[dx]))
            }
            Op::Activate { function } => {
                // The slope of a clip follows from its output, whose kernel the activation then stays joined to.
                let clip = matches!(function, Activation::Relu | Activation::Relu6);
                let value = if clip { at.here } else { at.inputs[0] };
                dx.map(|dx| self.curved(at, "", value, dx))
            }
            ref op if ops::is_curved(op) => dx.map(|dx| self.curved(at, "", at.inputs[0], dx)),
            Op::Add => self.sum(at, [dx, at.tangents.get(1).copied().flatten()]),
            Op::Multiply => {
                let [x, y] = at.inputs[..] else { return Err(wrong(at.node)) };
                let first = dx.map(|dx| self.part(at, ".first", Op::Multiply, &[dx, y]));
                let second = at.tangents[1].map(|dy| self.part(at, ".second", Op::Multiply, &[x, dy]));
                self.sum(at, [first, second])
            }
            Op::Concat => {
                let tangent =
                    |builder: &mut Self, input: usize| at.tangents[input].unwrap_or_else(|| builder.nothing(at, input));
                let inputs: Vec<NodeId> = (0..at.inputs.len()).map(|input| tangent(self, input)).collect();
                Some(self.part(at, "", Op::Concat, &inputs))
            }
            Op::Tangent { .. } => return Err(EngineError::second_derivative(&at.node.name)),
            // Linear in their only input, and without parameters.
            op => dx.map(|dx| self.part(at, "", op, &[dx])),
        })
    }

    fn curved(&mut self, at: &At<'_>, role: &str, value: NodeId, dx: NodeId) -> NodeId {
        self.part(at, role, Op::Tangent { of: Box::new(at.node.op.clone()) }, &[value, dx])
    }

    /// What an operator does to the tangent of its input: the operator without its summands.
    fn linear_part(&mut self, op: &Op) -> Op {
        let mut op = op.clone();
        match &mut op {
            Op::Convolution { bias, .. } | Op::Linear { bias, .. } => *bias = None,
            Op::BatchNorm { weight, bias, running_mean, .. } => {
                let channels = self.source.parameters.get(weight).map_or(0, |shape| shape.iter().product());
                let zeros = self.zeros(channels);
                (*bias, *running_mean) = (zeros.clone(), zeros);
            }
            _ => {}
        }
        op
    }

    /// The operator with the direction in the place of its parameters.
    fn moved(&mut self, op: &Op) -> Op {
        let mut op = op.clone();
        let mut keys: Vec<&mut ParameterName> = Vec::new();
        match &mut op {
            Op::Convolution { weight, bias, .. } | Op::Linear { weight, bias, .. } => {
                keys.push(weight);
                keys.extend(bias.as_mut());
            }
            Op::BatchNorm { weight, bias, .. } | Op::LayerNorm { weight, bias, .. } => keys.extend([weight, bias]),
            Op::Scale { weight: key } | Op::Shift { bias: key } => keys.push(key),
            Op::Tokens { class_token, position } => {
                keys.extend(class_token.as_mut().into_iter().chain(position.as_mut()))
            }
            _ => {}
        }
        for key in keys {
            *key = self.along(key);
        }
        op
    }
}

fn wrong(node: &Node) -> EngineError {
    EngineError::Shape { node: node.name.clone(), reason: format!("{} inputs do not fit", node.inputs.len()) }
}

#[cfg(test)]
mod tests;
