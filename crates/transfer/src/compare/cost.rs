//! What a way to adapt costs (`spec/head2toe.md` section 8): operations and seconds to adapt, operations of one prediction, bytes to
//! keep for the task. A multiplication and an addition are two operations.

use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::CompareError;
use crate::Pooling;
use crate::heads::Head;

/// The cost of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Operations of the network while adapting: passes over the training rows, three passes for a training step (forward 1,
    /// backward 2) and those that choose the epoch.
    pub network_operations: f64,
    /// Operations of matrix products and decompositions while choosing and fitting the head.
    pub head_operations: f64,
    /// Seconds of reading images and running the network over the training rows.
    pub network_seconds: f64,
    /// Seconds of choosing and fitting the head.
    pub head_seconds: f64,
    /// Operations of one prediction, network and head.
    pub prediction_operations: f64,
    /// Bytes to keep for the task beside the backbone, or instead of it where its weights changed.
    pub stored_bytes: f64,
}

impl Cost {
    /// Operations to adapt.
    #[must_use]
    pub fn operations(&self) -> f64 {
        self.network_operations + self.head_operations
    }

    /// Seconds to adapt.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.network_seconds + self.head_seconds
    }

    /// The mean of several.
    #[must_use]
    pub fn mean(costs: &[Self]) -> Self {
        let mean = |value: &dyn Fn(&Self) -> f64| costs.iter().map(value).sum::<f64>() / costs.len().max(1) as f64;
        Self {
            network_operations: mean(&|cost| cost.network_operations),
            head_operations: mean(&|cost| cost.head_operations),
            network_seconds: mean(&|cost| cost.network_seconds),
            head_seconds: mean(&|cost| cost.head_seconds),
            prediction_operations: mean(&|cost| cost.prediction_operations),
            stored_bytes: mean(&|cost| cost.stored_bytes),
        }
    }
}

/// Operations of one image through the network as far as `taps` need it.
pub(super) fn pass(backbone: &Backbone, taps: &[(String, Pooling)]) -> Result<f64, CompareError> {
    let mut names: Vec<String> = taps.iter().map(|(tap, _)| tap.clone()).collect();
    names.sort_unstable();
    names.dedup();
    let cost = backbone.graph.cost(backbone.preprocess.input_size, &names);
    Ok(cost.map_err(crate::fit::FitError::from)?.flops as f64)
}

/// Operations of one prediction by `head` on features of `backbone`: the layers after the last one it reads do not run.
pub(super) fn prediction(backbone: &Backbone, head: &Head) -> Result<f64, CompareError> {
    let taps: Vec<(String, Pooling)> = head.columns().iter().map(|input| (input.tap.clone(), Pooling::MEAN)).collect();
    Ok(pass(backbone, &taps)? + head.operations() as f64)
}

/// Bytes that `head` takes: its numbers, and a four-byte index for every selected column.
pub(super) fn head_bytes(head: &Head) -> f64 {
    let selected: usize = head.columns().iter().filter_map(|input| input.columns.as_ref()).map(Vec::len).sum();
    4.0 * (head.stored_values() + selected) as f64
}
