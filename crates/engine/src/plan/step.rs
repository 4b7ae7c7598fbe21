//! One step of a plan: an anchor's kernel, the stages fused behind it, and the buffers they use.

use super::PlanOptions;
use super::schedule::Slotted;
use super::stages::{self, StageData};
use super::work::{Call, Work};
use crate::kernels::{AlignedBuffer, Scratch, Stored, StoredMut, round_in_place};
use crate::{EngineError, Graph, Isa, NodeId, Pixels, Shape, Weights};

/// A group of nodes with everything it needs to run.
#[derive(Debug)]
pub(crate) struct Step {
    pub slotted: Slotted,
    work: Work,
    stages: Vec<StageData>,
    /// Shapes of the anchor's inputs, and whether they are kept as halves.
    inputs: Vec<(Shape, bool)>,
    shape: Shape,
    /// How the value is left.
    output: Output,
}

/// How a step leaves its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    F32,
    /// Rounded to bf16, as halves.
    Halves,
    /// Rounded to bf16, as `f32`.
    Rounded,
}

impl Step {
    /// Builds the step that runs `slotted`.
    pub fn build(
        graph: &Graph,
        weights: &Weights,
        (shapes, rounded): (&[Shape], &[bool]),
        slotted: Slotted,
        options: &PlanOptions,
    ) -> Result<Self, EngineError> {
        let anchor = slotted.group.anchor;
        let (node, shape) = (&graph.nodes[anchor], shapes[anchor]);
        let work = Work::build(options.isa, options.precision, weights, node, shapes, shape)
            .ok_or_else(|| EngineError::Shape { node: node.name.clone(), reason: "its window does not fit".into() })?;
        let operand = |at: usize| at.checked_sub(1).and_then(|at| slotted.operands[at]);
        let tiles = options.isa.has_tiles();
        let halves = |id: Option<NodeId>| tiles && id.is_some_and(|id| rounded[id]);
        let mut stages = Vec::new();
        for (at, id) in slotted.group.nodes().enumerate() {
            let operand = operand(at).map(|slot| (slot, halves(second(graph, &slotted, id))));
            stages.extend(stages::of_node(graph, weights, id, shapes[id].channels(), operand));
            stages.extend(slotted.writes.iter().any(|write| write.0 == at).then_some(StageData::Write));
        }
        let inputs = node.inputs.iter().map(|&id| (shapes[id], halves(Some(id)))).collect();
        let last = slotted.group.nodes().next_back().unwrap_or(anchor);
        let output = match (rounded[last], tiles) {
            (false, _) => Output::F32,
            (true, true) => Output::Halves,
            (true, false) => Output::Rounded,
        };
        Ok(Self { slotted, work, stages, inputs, shape, output })
    }

    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.work.bytes() + self.stages.iter().map(StageData::bytes).sum::<usize>()
    }

    /// Bytes read and written for `images` images: inputs, added values, output and weights, each once.
    pub fn bytes(&self, images: usize) -> u64 {
        let size = |halves: bool| if halves { 2 } else { 4 };
        let inputs: usize = self.inputs.iter().map(|&(shape, halves)| size(halves) * shape.len()).sum();
        let added = self.stages.iter().map(|stage| match stage {
            StageData::Add(_) | StageData::Write => 4,
            StageData::AddBf16(_) => 2,
            _ => 0,
        });
        let values = (size(self.output == Output::Halves) + added.sum::<usize>()) * self.shape.len();
        (images * (inputs + values) + self.weight_bytes()) as u64
    }

    /// Runs the step on `images` images.
    pub fn run(&self, isa: Isa, pixels: Pixels<'_>, images: usize, slots: &mut [AlignedBuffer], scratch: &mut Scratch) {
        let mut output = std::mem::take(&mut slots[self.slotted.output]);
        let mut writes: Vec<_> = self.slotted.writes.iter().map(|write| std::mem::take(&mut slots[write.1])).collect();
        let stored = |slot: usize, shape: Shape, halves: bool| {
            let len = images * shape.len();
            if halves {
                Stored::Bf16(slots[slot].halves().get(..len).unwrap_or_default())
            } else {
                Stored::F32(slots[slot].get(..len).unwrap_or_default())
            }
        };
        let inputs: Vec<(Stored<'_>, Shape)> = self
            .slotted
            .inputs
            .iter()
            .zip(&self.inputs)
            .map(|(&slot, &(shape, halves))| (stored(slot, shape, halves), shape))
            .collect();
        let rows = images * self.shape.positions();
        let call = Call {
            isa,
            images,
            pixels,
            inputs: &inputs,
            in_place: self.slotted.inputs.first() == Some(&self.slotted.output),
            shape: self.shape,
            stages: stages::bind(&self.stages, rows, self.shape.channels(), slots, &mut writes),
            scratch,
        };
        let len = images * self.shape.len();
        match self.output {
            Output::Halves => self.work.run(call, StoredMut::Bf16(&mut output.halves_mut()[..len])),
            Output::F32 => self.work.run(call, StoredMut::F32(&mut output[..len])),
            Output::Rounded => {
                self.work.run(call, StoredMut::F32(&mut output[..len]));
                round_in_place(&mut output[..len]);
            }
        }
        slots[self.slotted.output] = output;
        for (write, buffer) in self.slotted.writes.iter().zip(writes) {
            slots[write.1] = buffer;
        }
    }
}

/// The second operand of a sum inside a group.
fn second(graph: &Graph, slotted: &Slotted, node: NodeId) -> Option<NodeId> {
    let inside = |id: &NodeId| slotted.group.nodes().any(|other| other == *id);
    graph.nodes[node].inputs.iter().copied().find(|id| !inside(id))
}
