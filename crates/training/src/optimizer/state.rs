//! The state of an optimiser as named tensors, so that a checkpoint holds it exactly.

use std::collections::BTreeMap;

use heirloom_engine::{Tensor, Weights};

use super::{Optimizer, OptimizerError, OptimizerSettings, Rule};

/// State of one tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    /// Steps made on this tensor.
    pub(super) steps: u64,
    shape: Vec<usize>,
    /// Momentum, or first and second moment; empty where the rule keeps none.
    buffers: [Vec<f32>; 2],
}

impl Slot {
    pub(super) fn zeros(shape: &[usize], buffers: &[&str]) -> Self {
        let values = shape.iter().product();
        let buffer = |index: usize| if index < buffers.len() { vec![0.0; values] } else { Vec::new() };
        Self { steps: 0, shape: shape.to_vec(), buffers: [buffer(0), buffer(1)] }
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.shape
    }

    pub(super) fn buffers_mut(&mut self) -> [&mut [f32]; 2] {
        let [first, second] = &mut self.buffers;
        [first, second]
    }
}

impl OptimizerSettings {
    /// Names of what the rule keeps for each tensor.
    pub(super) const fn buffers(&self) -> &'static [&'static str] {
        match self.rule {
            Rule::Sgd { momentum: 0.0, .. } => &[],
            Rule::Sgd { .. } => &["momentum"],
            Rule::Adam { .. } => &["first_moment", "second_moment"],
        }
    }
}

/// Everything that an optimiser remembers between steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct OptimizerState {
    /// Tensors by `KIND/PARAMETER`, where the kind is `momentum`, `first_moment` or `second_moment`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Steps made on each parameter.
    pub steps: BTreeMap<String, u64>,
}

impl Optimizer {
    /// A copy of the state.
    #[must_use]
    pub fn state(&self) -> OptimizerState {
        let mut state = OptimizerState::default();
        for (name, slot) in &self.slots {
            state.steps.insert(name.clone(), slot.steps);
            for (kind, values) in self.settings.buffers().iter().zip(&slot.buffers) {
                let tensor = Tensor { shape: slot.shape.clone(), values: values.clone() };
                state.tensors.insert(format!("{kind}/{name}"), tensor);
            }
        }
        state
    }

    /// Puts a state back; the next step then has the bits that it would have had.
    ///
    /// # Errors
    /// State of another rule or of other weights; the optimiser is unchanged then.
    pub fn restore(&mut self, mut state: OptimizerState, weights: &Weights) -> Result<(), OptimizerError> {
        let misfit = |reason: String| OptimizerError::State { reason };
        let mut slots = BTreeMap::new();
        for (name, steps) in state.steps {
            let weight = weights.tensors.get(&name).ok_or_else(|| misfit(format!("there is no weight '{name}'")))?;
            let mut slot = Slot { steps, shape: weight.shape.clone(), buffers: [Vec::new(), Vec::new()] };
            for (kind, buffer) in self.settings.buffers().iter().zip(&mut slot.buffers) {
                let key = format!("{kind}/{name}");
                let tensor = state.tensors.remove(&key).ok_or_else(|| misfit(format!("'{key}' is missing")))?;
                if tensor.shape != weight.shape || tensor.values.len() != weight.values.len() {
                    let (found, expected) = (tensor.shape, &weight.shape);
                    return Err(misfit(format!("'{key}' has shape {found:?}, the weight has {expected:?}")));
                }
                *buffer = tensor.values;
            }
            slots.insert(name, slot);
        }
        if let Some(key) = state.tensors.into_keys().next() {
            return Err(misfit(format!("'{key}' belongs to nothing that this optimiser keeps")));
        }
        self.slots = slots;
        Ok(())
    }
}
