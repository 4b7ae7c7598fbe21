//! Packed weights of one unit: for the forward product and for the input's gradient, and the kernels that use them.

use super::unit::{Unit, Work};
use crate::kernels::training::{
    BatchStages, Bf16ConvolutionTraining, ConvolutionGradient, LinearGradient, TrainingScratch,
};
use crate::kernels::{Convolution, Linear, Rows, RowsMut, Stage, Stored, StoredMut};
use crate::{Activation, Isa, Precision};

/// Nothing for units without a matrix.
#[derive(Debug, Default)]
pub(super) struct Packed {
    kernels: Option<Kernels>,
    /// Whether the weight has been packed.
    ready: bool,
}

#[derive(Debug)]
enum Kernels {
    Convolution(Box<(Convolution, ConvolutionGradient)>),
    Linear(Linear, LinearGradient),
    Bf16(Box<Bf16ConvolutionTraining>),
}

impl Packed {
    /// For a unit; `tiles` is the instruction set of products in bf16.
    pub fn new(isa: Isa, precision: Precision, tiles: Isa, unit: &Unit) -> Self {
        let kernels = match &unit.work {
            // Depthwise convolutions stay in `f32`.
            Work::Convolution { window, channels: [input, output], groups, .. }
                if precision == Precision::Bf16 && !unit.is_depthwise() =>
            {
                let kernels = Bf16ConvolutionTraining::new(tiles, *window, *output, *input, *groups);
                Some(Kernels::Bf16(Box::new(kernels)))
            }
            Work::Linear { channels: [input, output], .. } if precision == Precision::Bf16 => {
                Some(Kernels::Bf16(Box::new(Bf16ConvolutionTraining::linear(tiles, *output, *input))))
            }
            Work::Convolution { window, channels: [input, output], groups, .. } => {
                let weight = vec![0.0; output * (input / groups) * window.kernel[0] * window.kernel[1]];
                let forward = Convolution::new(isa, *window, &weight, *output, *input, *groups);
                let backward = ConvolutionGradient::new(isa, *window, *output, *input, *groups);
                Some(Kernels::Convolution(Box::new((forward, backward))))
            }
            Work::Linear { channels: [input, output], .. } => {
                let forward = Linear::new(isa, &vec![0.0; input * output], *output, *input);
                Some(Kernels::Linear(forward, LinearGradient::new(isa, *output, *input)))
            }
            _ => None,
        };
        Self { kernels, ready: false }
    }

    /// Packs the weight, if it `changes` or was not packed before; for the input's gradient as well where `gradient` is set.
    pub fn update(&mut self, weight: &[f32], changes: bool, gradient: bool) {
        if self.ready && !changes {
            return;
        }
        self.ready = true;
        match &mut self.kernels {
            Some(Kernels::Convolution(kernels)) => {
                let (forward, backward) = &mut **kernels;
                forward.repack(weight);
                gradient.then(|| backward.pack(weight));
            }
            Some(Kernels::Linear(forward, backward)) => {
                forward.repack(weight);
                gradient.then(|| backward.pack(weight));
            }
            Some(Kernels::Bf16(kernels)) => kernels.pack(weight, gradient),
            None => {}
        }
    }

    /// The product for the whole batch, the bias and a clip.
    pub fn forward(
        &self,
        input: Stored<'_>,
        bias: Option<&[f32]>,
        clip: Option<Activation>,
        (to, channels): (StoredMut<'_>, usize),
        scratch: &mut TrainingScratch,
    ) {
        if let Some(Kernels::Bf16(kernels)) = &self.kernels {
            return kernels.forward(input, to, &BatchStages { bias, add: None, activation: clip }, scratch);
        }
        let (input, to) = (input.f32(), RowsMut::new(to.f32(), channels));
        let mut stages = Vec::with_capacity(2);
        stages.extend(bias.map(Stage::Bias));
        stages.extend(clip.map(Stage::Activate));
        match &self.kernels {
            Some(Kernels::Convolution(kernels)) => kernels.0.run_batch(input, to, stages, scratch),
            Some(Kernels::Linear(forward, _)) => {
                let (channels, width) = (forward.weight().depth(), to.stride);
                let rows = to.values.len() / width;
                forward.run_batch(Rows::new(input, channels), rows, to, stages, scratch);
            }
            Some(Kernels::Bf16(_)) | None => {}
        }
    }

    pub fn weight_gradient(
        &self,
        input: Stored<'_>,
        gradient: Stored<'_>,
        to: &mut [f32],
        scratch: &mut TrainingScratch,
    ) {
        match &self.kernels {
            Some(Kernels::Convolution(kernels)) => kernels.1.weight(input.f32(), gradient.f32(), to, scratch),
            Some(Kernels::Linear(_, backward)) => backward.weight(input.f32(), gradient.f32(), to, scratch),
            Some(Kernels::Bf16(kernels)) => kernels.weight_gradient(input, gradient, to, scratch),
            None => {}
        }
    }

    pub fn input_gradient(
        &self,
        gradient: Stored<'_>,
        to: StoredMut<'_>,
        add: Option<Stored<'_>>,
        scratch: &mut TrainingScratch,
    ) {
        let plain = add.map(|add| add.f32());
        match &self.kernels {
            Some(Kernels::Convolution(kernels)) => kernels.1.input(gradient.f32(), to.f32(), plain, scratch),
            Some(Kernels::Linear(_, backward)) => backward.input(gradient.f32(), to.f32(), plain, scratch),
            Some(Kernels::Bf16(kernels)) => kernels.input_gradient(gradient, to, add, scratch),
            None => {}
        }
    }
}
