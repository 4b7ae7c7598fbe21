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
use self::input_gradient::InputGradient;
use self::weight_gradient::WeightGradient;
use self::weights::OrderedWeight;
use super::Bf16Convolution;
use super::maps::Maps;
use super::rounding::{round_into, rounded};
use crate::kernels::training::{ConvolutionGradient, TrainingScratch};
use crate::kernels::{AlignedBuffer, Isa, RowsMut, Stage, Window};

/// A convolution over maps of one size, dense or in groups, and its gradients; a bias is a [`Stage`].
///
/// Activations are NHWC, whole batch, in `f32`; weights `[output, input / groups, height, width]`. A linear layer is a convolution of
/// one pixel ([`Bf16ConvolutionTraining::linear`]).
///
/// ```
/// use heirloom_engine::kernels::training::{Bf16ConvolutionTraining, TrainingScratch};
/// use heirloom_engine::kernels::{Isa, RowsMut};
///
/// let mut layer = Bf16ConvolutionTraining::linear(Isa::best_for_bf16(), 1, 2);
/// let (input, output_gradient) = ([1.0, 2.0, 3.0, 1.001], [1.0, 10.0]);
/// let mut scratch = TrainingScratch::default();
/// layer.pack(&[0.5, 4.0], true);
///
/// let mut output = [0.0; 2];
/// layer.forward(&input, RowsMut::new(&mut output, 1), vec![], &mut scratch);
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

    /// Computes the output of a whole batch for the weight packed last; the stages hold all its rows.
    pub fn forward(&self, input: &[f32], output: RowsMut<'_>, stages: Vec<Stage<'_>>, scratch: &mut TrainingScratch) {
        self.forward.run_batch(input, output, stages, scratch);
    }

    /// Overwrites `to`, `[output, input / groups, height, width]`, with the weight's gradient. `input` and `output_gradient` are
    /// the whole batch.
    pub fn weight_gradient(
        &self,
        input: &[f32],
        output_gradient: &[f32],
        to: &mut [f32],
        scratch: &mut TrainingScratch,
    ) {
        match &self.backward {
            Backward::Tiles(backward) => backward.2.run(input, output_gradient, to, scratch),
            Backward::Rounded(backward) => {
                let mut copies = std::mem::take(&mut scratch.rounded);
                let [first, second] = &mut copies;
                backward.weight(round(input, first), round(output_gradient, second), to, scratch);
                scratch.rounded = copies;
            }
        }
    }

    /// Overwrites `to`, the whole batch, with the input's gradient for the weight packed last; `add` is added where it is given.
    pub fn input_gradient(
        &self,
        output_gradient: &[f32],
        to: &mut [f32],
        add: Option<&[f32]>,
        scratch: &mut TrainingScratch,
    ) {
        match &self.backward {
            Backward::Tiles(backward) => backward.1.run(output_gradient, to, add, scratch),
            Backward::Rounded(backward) => {
                let mut copies = std::mem::take(&mut scratch.rounded);
                backward.input(round(output_gradient, &mut copies[0]), to, add, scratch);
                scratch.rounded = copies;
            }
        }
    }
}

/// A rounded copy.
fn round<'c>(from: &[f32], copy: &'c mut AlignedBuffer) -> &'c [f32] {
    copy.grow(from.len());
    let copy = &mut copy[..from.len()];
    round_into(from, copy);
    copy
}
