//! Which values and gradients of a plan in bf16 are kept as halves: those that are both written and read by kernels which take them so.
//!
//! That is what lies between products: outputs of convolutions, norms over channels, sums and functions of maps. What a layer norm reads,
//! the residual stream of a transformer, stays `f32`, and so do vectors, pixels and outputs of the plan.

use super::unit::{Unit, Work};
use crate::{NodeId, Precision, Shape};

/// Whether the value, and the gradient, of each node is halves.
#[derive(Debug)]
pub(super) struct Storage {
    pub values: Vec<bool>,
    pub gradients: Vec<bool>,
}

impl Storage {
    pub fn new(precision: Precision, units: &[Unit], shapes: &[Shape], outputs: &[NodeId]) -> Self {
        let (mut values, mut gradients) = (vec![false; shapes.len()], vec![false; shapes.len()]);
        if precision == Precision::F32 {
            return Self { values, gradients };
        }
        // From the last on: some units hand a gradient on as it is.
        for unit in units.iter().rev() {
            let node = unit.node;
            if !takes_halves(unit) || outputs.contains(&node) || shapes[node].positions() < 2 {
                continue;
            }
            let readers = || units.iter().flat_map(|reader| reads(reader, node));
            values[node] = readers().all(|(reader, _)| takes_halves(reader) && !is_layer_norm(reader));
            gradients[node] = readers().all(|(reader, at)| match &reader.work {
                Work::Add { .. } => gradients[reader.node],
                Work::BatchNorm { .. } if at > 0 => gradients[reader.node],
                _ => takes_halves(reader) && !is_layer_norm(reader),
            });
        }
        Self { values, gradients }
    }
}

/// The inputs at which a unit reads a node.
fn reads(reader: &Unit, node: NodeId) -> impl Iterator<Item = (&Unit, usize)> {
    let inputs = reader.inputs.iter().enumerate();
    inputs.filter(move |(_, input)| **input == node).map(move |(at, _)| (reader, at))
}

/// Whether the kernels of a unit read and write halves.
fn takes_halves(unit: &Unit) -> bool {
    match unit.work {
        Work::Convolution { .. } => !unit.is_depthwise(),
        Work::Linear { .. }
        | Work::BatchNorm { .. }
        | Work::Add { .. }
        | Work::Activate(_)
        | Work::LayerNorm { .. }
        | Work::Attention { .. } => true,
        _ => false,
    }
}

fn is_layer_norm(unit: &Unit) -> bool {
    matches!(unit.work, Work::LayerNorm { .. })
}
