//! Training in bf16: a convolution or a linear layer forward, and its gradients, with operands rounded to bf16 and sums in `f32`. The
//! weight given is `f32`, and so are the gradients: an optimiser never sees a rounded value.

mod attention;
mod batch;
mod geometry;
mod input_gradient;
mod shuffle;
mod weight_gradient;
mod weights;

pub use self::attention::Bf16AttentionTraining;
pub use self::batch::BatchStages;
use self::input_gradient::InputGradient;
use self::weight_gradient::WeightGradient;
use self::weights::OrderedWeight;
use super::maps::Maps;
use super::rounding::{round_into, rounded};
use super::{Bf16Convolution, Stored, StoredMut, StoredRowsMut};
use crate::kernels::training::{ConvolutionGradient, TrainingScratch, sum_forward};
use crate::kernels::{AlignedBuffer, Isa, Window};

/// A convolution over maps of one size, dense or in groups, and its gradients.
///
/// Activations and their gradients are NHWC, whole batch, in `f32` or in halves; weights `[output, input / groups, height, width]`. A linear layer is a convolution of
/// one pixel ([`Bf16ConvolutionTraining::linear`]).
///
/// ```
/// use heirloom_engine::kernels::Isa;
/// use heirloom_engine::kernels::training::{BatchStages, Bf16ConvolutionTraining, TrainingScratch};
///
/// let mut layer = Bf16ConvolutionTraining::linear(Isa::best_for_bf16(), 1, 2);
/// let (input, output_gradient) = ([1.0, 2.0, 3.0, 1.001], [1.0, 10.0]);
/// let mut scratch = TrainingScratch::default();
/// layer.pack(&[0.5, 4.0], true);
///
/// let mut output = [0.0; 2];
/// layer.forward(&input, &mut output, &BatchStages::default(), &mut scratch);
/// // 1.001 has no place in eight bits of significand: it is taken for 1.
/// assert_eq!(output, [8.5, 5.5]);
///
/// let (mut weight_gradient, mut input_gradient) = ([0.0; 2], [0.0; 4]);
/// layer.weight_gradient(&input, &output_gradient, &mut weight_gradient, &mut scratch);
/// layer.input_gradient(&output_gradient, &mut input_gradient, None, &mut scratch);
/// assert_eq!(weight_gradient, [31.0, 12.0]);
/// assert_eq!(input_gradient, [0.5, 4.0, 5.0, 40.0]);
/// ```
#[derive(Debug, Clone)]
pub struct Bf16ConvolutionTraining {
    window: Window,
    input: usize,
    groups: usize,
    forward: Bf16Convolution,
    backward: Backward,
}

/// The window of a linear layer.
const PIXEL: Window = Window {
    input: [1, 1],
    output: [1, 1],
    kernel: [1, 1],
    stride: [1, 1],
    before: [0, 0],
    after: [0, 0],
    dilation: [1, 1],
};

#[derive(Debug, Clone)]
enum Backward {
    Tiles(Box<(OrderedWeight, InputGradient, WeightGradient)>),
    /// The `f32` kernels with rounded operands, for processors without tiles.
    Rounded(ConvolutionGradient),
}

impl Bf16ConvolutionTraining {
    /// For maps under `window`. `groups` divides both numbers of channels.
    #[must_use]
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        // Pixels that nothing joins are maps of their own.
        let window = if window.is_pointwise() && window.input == window.output { PIXEL } else { window };
        let taps = window.kernel[0] * window.kernel[1];
        let weight = vec![0.0; output * (input / groups.max(1)) * taps];
        let forward = Bf16Convolution::new(isa, window, &weight, output, input, groups);
        let backward = if isa.has_tiles() {
            Backward::Tiles(Box::new((
                OrderedWeight::new(isa, taps, input / groups, output / groups, groups),
                InputGradient::new(isa, window, output, input, groups),
                WeightGradient::new(isa, window, output, input, groups),
            )))
        } else {
            Backward::Rounded(ConvolutionGradient::new(isa.clamped(), window, output, input, groups))
        };
        Self { window, input, groups, forward, backward }
    }

    /// A linear layer with a weight of `[output, input]`.
    #[must_use]
    pub fn linear(isa: Isa, output: usize, input: usize) -> Self {
        Self::new(isa, PIXEL, output, input, 1)
    }

    /// Packs the weight, in the memory of the last; for the input's gradient as well where `gradient` is set.
    pub fn pack(&mut self, weight: &[f32], gradient: bool) {
        match &mut self.backward {
            Backward::Tiles(backward) => {
                let (ordered, input_gradient, _) = &mut **backward;
                ordered.set(weight);
                let count = self.input / self.groups;
                let runs = Maps::run_lengths(&self.window, count);
                let matrices = self.forward.matrices_mut().enumerate();
                matrices.for_each(|(group, matrix)| ordered.pack_forward(group, &runs, matrix));
                if gradient {
                    input_gradient.pack(ordered);
                }
            }
            Backward::Rounded(backward) => {
                let weight: Vec<f32> = weight.iter().map(|value| rounded(*value)).collect();
                self.forward.rounded_mut().into_iter().for_each(|forward| forward.repack(&weight));
                if gradient {
                    backward.pack(&weight);
                }
            }
        }
    }

    /// Computes the output of a whole batch for the weight packed last.
    pub fn forward<'a>(
        &self,
        input: impl Into<Stored<'a>>,
        output: impl Into<StoredMut<'a>>,
        stages: &BatchStages<'_>,
        scratch: &mut TrainingScratch,
    ) {
        let (input, output, channels) = (input.into(), output.into(), self.forward.output());
        if let Backward::Tiles(_) = self.backward {
            return self.forward.run_batch(input, StoredRowsMut::new(output, channels), stages, scratch);
        }
        let mut copies = std::mem::take(&mut scratch.rounded);
        let input = Stored::F32(round(input, &mut copies[0]));
        match output {
            StoredMut::F32(to) => {
                self.forward.run_batch(input, StoredRowsMut::new(StoredMut::F32(to), channels), stages, scratch);
            }
            halves @ StoredMut::Bf16(_) => {
                let mut values = vec![0.0; halves.len()];
                let to = StoredRowsMut::new(StoredMut::F32(&mut values), channels);
                self.forward.run_batch(input, to, stages, scratch);
                sum_forward(Isa::best(), &values, None, None, halves);
            }
        }
        scratch.rounded = copies;
    }

    /// Overwrites `to`, `[output, input / groups, height, width]`, with the weight's gradient. `input` and `output_gradient` are
    /// the whole batch.
    pub fn weight_gradient<'a>(
        &self,
        input: impl Into<Stored<'a>>,
        output_gradient: impl Into<Stored<'a>>,
        to: &mut [f32],
        scratch: &mut TrainingScratch,
    ) {
        match &self.backward {
            Backward::Tiles(backward) => backward.2.run(input.into(), output_gradient.into(), to, scratch),
            Backward::Rounded(backward) => {
                let mut copies = std::mem::take(&mut scratch.rounded);
                let [first, second] = &mut copies;
                backward.weight(round(input.into(), first), round(output_gradient.into(), second), to, scratch);
                scratch.rounded = copies;
            }
        }
    }

    /// Overwrites `to`, the whole batch, with the input's gradient for the weight packed last; `add` is added where it is given.
    pub fn input_gradient<'a>(
        &self,
        output_gradient: impl Into<Stored<'a>>,
        to: impl Into<StoredMut<'a>>,
        add: Option<Stored<'a>>,
        scratch: &mut TrainingScratch,
    ) {
        let (output_gradient, to) = (output_gradient.into(), to.into());
        match &self.backward {
            Backward::Tiles(backward) => backward.1.run(output_gradient, to, add, scratch),
            Backward::Rounded(backward) => {
                let mut copies = std::mem::take(&mut scratch.rounded);
                let gradient = round(output_gradient, &mut copies[0]);
                match (to, add) {
                    (StoredMut::F32(to), None) => backward.input(gradient, to, None, scratch),
                    (StoredMut::F32(to), Some(Stored::F32(add))) => backward.input(gradient, to, Some(add), scratch),
                    (to, add) => {
                        let mut values = vec![0.0; to.len()];
                        backward.input(gradient, &mut values, None, scratch);
                        sum_forward(Isa::best(), &values, add, None, to);
                    }
                }
                scratch.rounded = copies;
            }
        }
    }
}

/// A rounded copy.
fn round<'c>(from: Stored<'_>, copy: &'c mut AlignedBuffer) -> &'c [f32] {
    copy.grow(from.len());
    let copy = &mut copy[..from.len()];
    match from {
        Stored::F32(values) => round_into(values, copy),
        Stored::Bf16(_) => from.widen_to(copy),
    }
    copy
}
