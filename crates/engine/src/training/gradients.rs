//! What a backward pass leaves.

use std::collections::BTreeMap;

use crate::ParameterName;

/// Gradients of the trained parameters, and of the input where it was asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradients {
    /// By parameter, in the checkpoint's layout. Exactly the trained parameters that an output depends on.
    pub tensors: BTreeMap<ParameterName, Vec<f32>>,
    /// Of the normalised input, `[images, height, width, channels]`. Divide by the standard deviation of the normalisation for
    /// pixels in units of 1 = white.
    pub input: Option<Vec<f32>>,
}

impl Gradients {
    /// Room for the gradient of `name`, `len` values that hold what they held. A parameter that several nodes share is refused
    /// by the plan, so nothing is lost.
    pub(super) fn slot(&mut self, name: &str, len: usize) -> &mut Vec<f32> {
        let slot = self.tensors.entry(name.to_owned()).or_default();
        slot.resize(len, 0.0);
        slot
    }
}
