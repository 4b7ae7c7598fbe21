//! One step of a plan: an anchor's kernel, the stages fused behind it, and the buffers they use.

use super::PlanOptions;
use super::schedule::Slotted;
use super::stages::{self, StageData};
use super::work::{Call, Work};
use crate::kernels::{AlignedBuffer, Scratch};
use crate::{EngineError, Graph, Isa, Pixels, Shape, Weights};

/// A group of nodes with everything it needs to run.
#[derive(Debug)]
pub(crate) struct Step {
    pub slotted: Slotted,
    work: Work,
    stages: Vec<StageData>,
    /// Shapes of the anchor's inputs.
    inputs: Vec<Shape>,
    shape: Shape,
}

impl Step {
    /// Builds the step that runs `slotted`.
    pub fn build(
        graph: &Graph,
        weights: &Weights,
        shapes: &[Shape],
        slotted: Slotted,
        options: &PlanOptions,
    ) -> Result<Self, EngineError> {
        let anchor = slotted.group.anchor;
        let (node, shape) = (&graph.nodes[anchor], shapes[anchor]);
        let work = Work::build(options.isa, options.precision, weights, node, shapes, shape)
            .ok_or_else(|| EngineError::Shape { node: node.name.clone(), reason: "its window does not fit".into() })?;
        let operand = |at: usize| at.checked_sub(1).and_then(|at| slotted.operands[at]);
        let mut stages = Vec::new();
        for (at, id) in slotted.group.nodes().enumerate() {
            stages.extend(stages::of_node(graph, weights, id, shapes[id].channels(), operand(at)));
            stages.extend(slotted.writes.iter().any(|write| write.0 == at).then_some(StageData::Write));
        }
        let inputs = node.inputs.iter().map(|&id| shapes[id]).collect();
        Ok(Self { slotted, work, stages, inputs, shape })
    }

    /// Bytes of packed weights.
    pub fn weight_bytes(&self) -> usize {
        self.work.bytes() + self.stages.iter().map(StageData::bytes).sum::<usize>()
    }

    /// Runs the step on `images` images.
    pub fn run(&self, isa: Isa, pixels: Pixels<'_>, images: usize, slots: &mut [AlignedBuffer], scratch: &mut Scratch) {
        let mut output = std::mem::take(&mut slots[self.slotted.output]);
        let mut writes: Vec<_> = self.slotted.writes.iter().map(|write| std::mem::take(&mut slots[write.1])).collect();
        let inputs: Vec<(&[f32], Shape)> = self
            .slotted
            .inputs
            .iter()
            .zip(&self.inputs)
            .map(|(&slot, &shape)| (slots[slot].get(..images * shape.len()).unwrap_or_default(), shape))
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
        self.work.run(call, &mut output[..images * self.shape.len()]);
        slots[self.slotted.output] = output;
        for (write, buffer) in self.slotted.writes.iter().zip(writes) {
            slots[write.1] = buffer;
        }
    }
}
