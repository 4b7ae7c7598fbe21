//! One step of a plan.

use super::buffers::Buffer;
use super::schedule::Slotted;
use crate::{EngineError, Graph, Isa, Node, Op, Pixels, Shape, Weights, ops};

/// Memory that kernels need while they run.
#[derive(Debug, Default)]
pub(crate) struct Scratch {}

/// A group of nodes with everything it needs to run.
#[derive(Debug)]
pub(crate) struct Step {
    pub slotted: Slotted,
    nodes: Vec<Node>,
    shapes: Vec<Shape>,
    input_shapes: Vec<Shape>,
    weights: Weights,
}

impl Step {
    /// Builds the step that runs `slotted`.
    pub fn build(
        graph: &Graph,
        weights: &Weights,
        shapes: &[Shape],
        slotted: Slotted,
        _isa: Isa,
    ) -> Result<Self, EngineError> {
        let nodes: Vec<Node> = slotted.group.nodes().map(|id| graph.nodes[id].clone()).collect();
        let node_shapes = slotted.group.nodes().map(|id| shapes[id]).collect();
        let input_shapes = graph.nodes[slotted.group.anchor].inputs.iter().map(|&id| shapes[id]).collect();
        let names = nodes.iter().flat_map(|node| {
            let input = graph.nodes[slotted.group.anchor].inputs.first().map_or(shapes[0], |&id| shapes[id]);
            ops::parameter_shapes(node, input, shapes[slotted.group.anchor])
        });
        let used = Weights {
            tensors: names.filter_map(|(name, _)| Some((name.clone(), weights.tensors.get(&name)?.clone()))).collect(),
        };
        Ok(Self { slotted, nodes, shapes: node_shapes, input_shapes, weights: used })
    }

    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        0
    }

    /// Bytes of scratch memory for blocks of `images` images.
    pub fn scratch_bytes(&self, _images: usize) -> usize {
        0
    }

    /// Runs the step on `images` images.
    pub fn run(&self, _isa: Isa, pixels: Pixels<'_>, images: usize, slots: &mut [Buffer], _scratch: &mut Scratch) {
        let length = |shape: &Shape| shape.len();
        for image in 0..images {
            let mut value: Vec<f32> = Vec::new();
            for (at, node) in self.nodes.iter().enumerate() {
                let mut inputs: Vec<(Shape, Vec<f32>)> = Vec::new();
                if at == 0 {
                    for (shape, &slot) in self.input_shapes.iter().zip(&self.slotted.inputs) {
                        let all = slots[slot].values(images * length(shape));
                        inputs.push((*shape, all[image * shape.len()..][..shape.len()].to_vec()));
                    }
                } else {
                    inputs.push((self.shapes[at - 1], value.clone()));
                    if let Some(slot) = self.slotted.operands[at - 1] {
                        let shape = self.shapes[at];
                        let all = slots[slot].values(images * shape.len());
                        inputs.push((shape, all[image * shape.len()..][..shape.len()].to_vec()));
                    }
                }
                let input_values: Vec<_> =
                    inputs.iter().map(|(shape, values)| ops::Value { shape: *shape, values }).collect();
                let shape = self.shapes[at];
                value = match (&node.op, pixels) {
                    (Op::Input { .. }, _) | (Op::Normalize { .. }, Pixels::Normalized(_)) => {
                        pixels.image(image, shape.len())
                    }
                    (Op::Normalize { .. }, _) => {
                        let raw: Vec<f32> = pixels.image(image, shape.len());
                        ops::forward(node, &[ops::Value { shape, values: &raw }], shape, &|_| &[])
                    }
                    _ => ops::forward(node, &input_values, shape, &|name| &self.weights.tensors[name].values),
                };
                let last = at + 1 == self.nodes.len();
                let slot = if last {
                    Some(self.slotted.output)
                } else {
                    self.slotted.writes.iter().find(|write| write.0 == at).map(|write| write.1)
                };
                if let Some(slot) = slot {
                    let all = slots[slot].values_mut(images * shape.len());
                    all[image * shape.len()..][..shape.len()].copy_from_slice(&value);
                }
            }
        }
    }
}
