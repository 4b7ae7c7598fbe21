//! Gradients of convolutions, dense, in groups or depthwise.

use super::TrainingScratch;
use super::convolution_input::InputGradient;
use super::convolution_weight::WeightGradient;
use super::depthwise::DepthwiseGradient;
use crate::kernels::{Isa, Window};

/// Gradients of a convolution over maps of one size; the bias's gradient is [`sum_rows`](super::sum_rows).
///
/// With the input `X`, the weight `W` and the gradient `dY` of the output: the weight's gradient is the correlation of `X` with
/// `dY`, the input's is the transposed convolution of `dY` with `W`. Activations are NHWC, whole batch; weights are
/// `[output, input / groups, height, width]`.
///
/// ```
/// use heirloom_engine::Padding;
/// use heirloom_engine::kernels::training::{ConvolutionGradient, TrainingScratch};
/// use heirloom_engine::kernels::{Isa, Window};
///
/// // One image of 1 x 3 pixels and one channel, a window of 1 x 2 pixels.
/// let window = Window::new([1, 3], [1, 2], [1, 1], Padding::NONE, [1, 1], false).unwrap();
/// let mut gradient = ConvolutionGradient::new(Isa::detect(), window, 1, 1, 1);
/// let (input, weight, output_gradient) = ([1.0, 2.0, 3.0], [10.0, 20.0], [1.0, 100.0]);
/// let mut scratch = TrainingScratch::default();
///
/// let mut weight_gradient = [0.0; 2];
/// gradient.weight(&input, &output_gradient, &mut weight_gradient, &mut scratch);
/// assert_eq!(weight_gradient, [201.0, 302.0]);
///
/// let mut input_gradient = [0.0; 3];
/// gradient.pack(&weight);
/// gradient.input(&output_gradient, &mut input_gradient, None, &mut scratch);
/// assert_eq!(input_gradient, [10.0, 1020.0, 2000.0]);
/// ```
#[derive(Debug, Clone)]
pub struct ConvolutionGradient(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Dense(Box<(WeightGradient, InputGradient)>),
    Depthwise(DepthwiseGradient),
}

impl ConvolutionGradient {
    /// For maps under `window`. `groups` divides both numbers of channels.
    #[must_use]
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        assert!(
            groups > 0 && input.is_multiple_of(groups) && output.is_multiple_of(groups),
            "{input} -> {output} channels in {groups} groups"
        );
        if groups > 1 && input == groups && output == groups {
            return Self(Kind::Depthwise(DepthwiseGradient::new(isa, window, input)));
        }
        let weight = WeightGradient::new(isa, window, output, input, groups);
        Self(Kind::Dense(Box::new((weight, InputGradient::new(isa, window, output, input, groups)))))
    }

    /// Overwrites `to`, `[output, input / groups, height, width]`, with the weight's gradient. `input` and `output_gradient` are
    /// the whole batch.
    pub fn weight(&self, input: &[f32], output_gradient: &[f32], to: &mut [f32], scratch: &mut TrainingScratch) {
        match &self.0 {
            Kind::Dense(dense) => dense.0.run(input, output_gradient, to, scratch),
            Kind::Depthwise(depthwise) => depthwise.weight(input, output_gradient, to, scratch),
        }
    }

    /// Packs the weight for [`Self::input`], in the memory of the last.
    pub fn pack(&mut self, weight: &[f32]) {
        match &mut self.0 {
            Kind::Dense(dense) => dense.1.pack(weight),
            Kind::Depthwise(depthwise) => depthwise.pack(weight),
        }
    }

    /// Overwrites `to`, the whole batch, with the input's gradient for the weight packed last; `add` is added where it is given.
    pub fn input(&self, output_gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &mut TrainingScratch) {
        match &self.0 {
            Kind::Dense(dense) => dense.1.run(output_gradient, to, add, scratch),
            Kind::Depthwise(depthwise) => depthwise.input(output_gradient, to, add, scratch),
        }
    }
}
