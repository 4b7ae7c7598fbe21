//! Gradients of linear layers, which are convolutions of one pixel.

use super::{ConvolutionGradient, TrainingScratch};
use crate::Padding;
use crate::kernels::{Isa, Window};

/// Gradients of a linear layer; the bias's gradient is [`sum_rows`](super::sum_rows).
///
/// For `Y = X W^T` with `X` of `[rows, input]` and `W` of `[output, input]`: `dW = dY^T X` and `dX = dY W`.
#[derive(Debug, Clone)]
pub struct LinearGradient(ConvolutionGradient);

impl LinearGradient {
    /// For a weight of `[output, input]`.
    #[must_use]
    pub fn new(isa: Isa, output: usize, input: usize) -> Self {
        let one = [1, 1];
        let window =
            Window { input: one, output: one, kernel: one, stride: one, before: [0, 0], after: [0, 0], dilation: one };
        debug_assert_eq!(Window::new(one, one, one, Padding::NONE, one, false), Some(window));
        Self(ConvolutionGradient::new(isa, window, output, input, 1))
    }

    /// Overwrites `to`, `[output, input]`, with the weight's gradient. `input` is `[rows, input]`, `output_gradient`
    /// `[rows, output]`.
    pub fn weight(&self, input: &[f32], output_gradient: &[f32], to: &mut [f32], scratch: &mut TrainingScratch) {
        self.0.weight(input, output_gradient, to, scratch);
    }

    /// Packs the weight for [`Self::input`], in the memory of the last.
    pub fn pack(&mut self, weight: &[f32]) {
        self.0.pack(weight);
    }

    /// Overwrites `to`, `[rows, input]`, with the input's gradient for the weight packed last; `add` is added where it is given.
    pub fn input(&self, output_gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &mut TrainingScratch) {
        self.0.input(output_gradient, to, add, scratch);
    }
}
