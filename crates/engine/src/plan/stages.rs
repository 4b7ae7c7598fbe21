//! The stages that follow a kernel, with their parameters: what a fused group does to the accumulators.

use crate::kernels::{AlignedBuffer, Rows, RowsMut, Stage};
use crate::{Activation, Graph, NodeId, Op, Weights};

/// One stage, independent of the batch.
#[derive(Debug)]
pub(crate) enum StageData {
    Bias(Vec<f32>),
    /// A folded batch normalisation.
    Affine {
        scale: Vec<f32>,
        shift: Vec<f32>,
    },
    Scale(Vec<f32>),
    Activate(Activation),
    /// Adds the value in this buffer.
    Add(usize),
    /// Adds the value in this buffer, kept as halves.
    AddBf16(usize),
    /// Leaves the value at this point in the next write.
    Write,
}

fn values(weights: &Weights, name: &str) -> Vec<f32> {
    weights.tensors.get(name).map(|tensor| tensor.values.clone()).unwrap_or_default()
}

/// The values of a parameter that may stand as one value for all channels.
fn per_channel(weights: &Weights, name: &str, channels: usize) -> Vec<f32> {
    let values = values(weights, name);
    if let [single] = values[..] { vec![single; channels] } else { values }
}

/// The stages of one node on its own. `operand` is the buffer of an addition's second operand, and whether it
/// is kept as halves.
pub(crate) fn of_node(
    graph: &Graph,
    weights: &Weights,
    node: NodeId,
    channels: usize,
    operand: Option<(usize, bool)>,
) -> Option<StageData> {
    match &graph.nodes[node].op {
        Op::Convolution { bias, .. } | Op::Linear { bias, .. } => {
            bias.as_ref().map(|name| StageData::Bias(values(weights, name)))
        }
        Op::BatchNorm { weight, bias, running_mean, running_variance, epsilon } => {
            Some(fold([weight, bias, running_mean, running_variance].map(|name| values(weights, name)), *epsilon))
        }
        Op::Scale { weight } => Some(StageData::Scale(per_channel(weights, weight, channels))),
        Op::Shift { bias } => Some(StageData::Bias(per_channel(weights, bias, channels))),
        Op::Activate { function } => Some(StageData::Activate(*function)),
        Op::Add => operand.map(|(slot, halves)| if halves { StageData::AddBf16(slot) } else { StageData::Add(slot) }),
        _ => None,
    }
}

/// Batch-norm folding: `(x - mean) / sqrt(variance + epsilon) * weight + bias` as one factor and one summand per channel,
/// computed in double precision. They stay apart from the convolution's weights, so that its own output can be a tap.
#[allow(clippy::cast_possible_truncation)]
fn fold([weight, bias, mean, variance]: [Vec<f32>; 4], epsilon: f64) -> StageData {
    let factor = |c: usize| f64::from(weight[c]) / (f64::from(variance[c]) + epsilon).sqrt();
    let scale = (0..weight.len()).map(|c| factor(c) as f32).collect();
    let shift = (0..weight.len()).map(|c| (f64::from(bias[c]) - f64::from(mean[c]) * factor(c)) as f32).collect();
    StageData::Affine { scale, shift }
}

impl StageData {
    pub fn bytes(&self) -> usize {
        match self {
            Self::Bias(values) | Self::Scale(values) => 4 * values.len(),
            Self::Affine { scale, shift } => 4 * (scale.len() + shift.len()),
            _ => 0,
        }
    }
}

/// The stages ready to run on `rows` rows of `channels` channels. `writes` are used in the order of the stages.
pub(crate) fn bind<'a>(
    stages: &'a [StageData],
    rows: usize,
    channels: usize,
    slots: &'a [AlignedBuffer],
    writes: &'a mut [AlignedBuffer],
) -> Vec<Stage<'a>> {
    let mut writes = writes.iter_mut();
    let length = rows * channels;
    stages
        .iter()
        .filter_map(|stage| {
            Some(match stage {
                StageData::Bias(values) => Stage::Bias(values),
                StageData::Affine { scale, shift } => Stage::Affine { scale, shift },
                StageData::Scale(values) => Stage::Scale(values),
                StageData::Activate(function) => Stage::Activate(*function),
                StageData::Add(slot) => Stage::Add(Rows::new(&slots[*slot][..length], channels)),
                StageData::AddBf16(slot) => {
                    Stage::AddBf16 { values: &slots[*slot].halves()[..length], stride: channels }
                }
                StageData::Write => Stage::Write(RowsMut::new(&mut writes.next()?[..length], channels)),
            })
        })
        .collect()
}
