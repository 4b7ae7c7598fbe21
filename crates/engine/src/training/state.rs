//! The activations and gradients of one batch on its way through a [`TrainingPlan`](super::TrainingPlan).

use std::sync::Arc;

use super::TrainingPlan;
use super::buffers::{Buffers, Shared, stored, stored_mut};
use super::packed::Packed;
use super::statistics::Statistics;
use crate::kernels::training::TrainingScratch;
use crate::kernels::{Stored, StoredMut};
use crate::{EngineError, NodeId};

/// Memory of a training pass; reused from batch to batch.
#[derive(Debug, Default)]
pub struct TrainingState {
    pub(super) images: usize,
    /// Values by node, while somebody needs them.
    pub(super) values: Vec<Option<Shared>>,
    /// Gradients by node, between those who give and those who take.
    pub(super) gradients: Vec<Option<Shared>>,
    /// Packed weights by unit.
    pub(super) packed: Vec<Packed>,
    /// Statistics of the batch by unit.
    pub(super) statistics: Vec<Option<Statistics>>,
    pub(super) buffers: Buffers,
    pub(super) scratch: TrainingScratch,
}

impl TrainingState {
    /// Bytes of activations and gradients held at most so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.buffers.bytes
    }

    /// Drops packed copies of parameters that are not trained. Call it when such a parameter was changed by hand; trained ones
    /// are packed anew in every forward pass.
    pub fn forget_packed(&mut self) {
        self.packed.clear();
    }

    /// Prepares for a batch: forgets the one before.
    pub(super) fn begin(&mut self, plan: &TrainingPlan, images: usize) {
        let old: Vec<Shared> = self.values.drain(..).chain(self.gradients.drain(..)).flatten().collect();
        old.into_iter().for_each(|buffer| self.buffers.give(buffer));
        self.values.resize_with(plan.shapes.len(), || None);
        self.gradients.resize_with(plan.shapes.len(), || None);
        self.statistics.clear();
        self.statistics.resize_with(plan.units.len(), || None);
        if self.packed.len() != plan.units.len() {
            let packed = |unit| Packed::new(plan.isa, plan.precision, plan.tiles, unit);
            self.packed = plan.units.iter().map(packed).collect();
        }
        self.images = images;
    }

    /// The value of a node for the whole batch.
    pub(super) fn value(&self, node: NodeId) -> Result<Shared, EngineError> {
        let missing =
            || EngineError::Unsupported { what: format!("reading the value of node {node} after it was dropped") };
        self.values.get(node).cloned().flatten().ok_or_else(missing)
    }

    pub(super) fn drop_value(&mut self, node: NodeId) {
        if let Some(buffer) = self.values.get_mut(node).and_then(Option::take) {
            self.buffers.give(buffer);
        }
    }

    /// Writes a further part of the gradient of `node`, `len` values that are halves or not. `write` gets the target and what is there
    /// already, which it has to add.
    pub(super) fn contribute(
        &mut self,
        node: NodeId,
        (halves, len): (bool, usize),
        write: impl FnOnce(StoredMut<'_>, Option<Stored<'_>>, &mut TrainingScratch),
    ) {
        let before = self.gradients[node].take();
        let mut buffer = self.buffers.take_stored(halves, len);
        let there = before.as_ref().map(|before| stored(before, halves, len));
        write(stored_mut(&mut buffer, halves, len), there, &mut self.scratch);
        self.gradients[node] = Some(Arc::new(buffer));
        before.into_iter().for_each(|before| self.buffers.give(before));
    }
}

impl TrainingPlan {
    /// Values of output `index` after [`forward`](Self::forward), `[images, shape.len()]`; nothing after the backward pass.
    #[must_use]
    pub fn output<'a>(&self, state: &'a TrainingState, index: usize) -> Option<&'a [f32]> {
        let node = *self.outputs.get(index)?;
        state.values.get(node)?.as_ref()?.get(..state.images * self.shapes[node].len())
    }
}
