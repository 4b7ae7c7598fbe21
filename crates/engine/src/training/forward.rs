//! The forward pass, which keeps what the backward pass reads.

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use super::buffers::{Shared, stored, stored_mut};
use super::statistics::{self, Statistics};
use super::unit::{BatchNorm, Work};
use super::{TrainingPlan, TrainingState};
use crate::kernels::training::{self as kernels, BatchNormAffine};
use crate::kernels::{Normalization, Stored, StoredMut};
use crate::{EngineError, Pixels, Precision, Shape, Weights};

/// The values of a parameter.
pub(super) fn values<'w>(weights: &'w Weights, name: &str) -> Result<&'w [f32], EngineError> {
    let missing = || EngineError::MissingParameter { name: name.to_owned() };
    weights.tensors.get(name).map(|tensor| tensor.values.as_slice()).ok_or_else(missing)
}

fn optional<'w>(weights: &'w Weights, name: &Option<String>) -> Result<Option<&'w [f32]>, EngineError> {
    name.as_ref().map(|name| values(weights, name)).transpose()
}

/// Parameters of a scaling or shift: one for all channels stands for each.
pub(super) fn per_channel(values: &[f32], channels: usize) -> Vec<f32> {
    if let [single] = *values { vec![single; channels] } else { values.to_vec() }
}

impl TrainingPlan {
    /// Runs a batch of `images` images on the threads of the current pool. Outputs are read with [`output`](Self::output).
    ///
    /// Trained parameters are packed anew in every call; others in the first call with this state.
    ///
    /// # Errors
    /// A batch of another size, a parameter that is missing or has another shape, or batch statistics over a single value.
    pub fn forward(
        &self,
        weights: &Weights,
        pixels: Pixels<'_>,
        images: usize,
        state: &mut TrainingState,
    ) -> Result<(), EngineError> {
        pixels.check(images, self.input_length())?;
        self.check_parameters(weights)?;
        state.begin(self, images);
        self.pack(weights, state)?;
        for (at, segment) in self.segments.iter().enumerate() {
            self.run(segment.clone(), weights, Some(pixels), state)?;
            if at + 1 < self.segments.len() {
                self.forget_inside(segment, state);
            }
        }
        Ok(())
    }

    /// Runs some units and drops each value after its last use, but those that the backward pass reads.
    pub(super) fn run(
        &self,
        units: Range<usize>,
        weights: &Weights,
        pixels: Option<Pixels<'_>>,
        state: &mut TrainingState,
    ) -> Result<(), EngineError> {
        for at in units {
            let unit = &self.units[at];
            if state.values[unit.node].is_some() {
                continue;
            }
            let value = self.value(at, weights, pixels, state)?;
            state.values[unit.node] = Some(value);
            for &input in &unit.inputs {
                if self.last_uses[input] == at && !self.kept.contains(&input) {
                    state.drop_value(input);
                }
            }
        }
        Ok(())
    }

    /// Drops what was computed in `segment`, but the outputs and what a later one reads.
    fn forget_inside(&self, segment: &Range<usize>, state: &mut TrainingState) {
        for unit in &self.units[segment.clone()] {
            let inside = self.last_uses[unit.node] < segment.end && !self.outputs.contains(&unit.node);
            if inside && !unit.is_pixels() {
                state.drop_value(unit.node);
            }
        }
    }

    fn value(
        &self,
        at: usize,
        weights: &Weights,
        pixels: Option<Pixels<'_>>,
        state: &mut TrainingState,
    ) -> Result<Shared, EngineError> {
        let unit = &self.units[at];
        let inputs = unit.inputs.iter().map(|&input| state.value(input)).collect::<Result<Vec<_>, _>>()?;
        match (&unit.work, pixels) {
            // A value of the same layout under another name; normalised pixels pass the normalisation.
            (Work::Flatten, _) | (Work::Normalize(_), Some(Pixels::Normalized(_))) => Ok(Arc::clone(&inputs[0])),
            _ => {
                let (halves, len) = (self.storage.values[unit.node], state.images * self.shapes[unit.node].len());
                let mut buffer = state.buffers.take_stored(halves, len);
                let to = stored_mut(&mut buffer, halves, len);
                let result = self.compute(at, &inputs, weights, pixels, state, to);
                result.map(|()| Arc::new(buffer))
            }
        }
    }

    fn compute(
        &self,
        at: usize,
        inputs: &[Shared],
        weights: &Weights,
        pixels: Option<Pixels<'_>>,
        state: &mut TrainingState,
        to: StoredMut<'_>,
    ) -> Result<(), EngineError> {
        let (isa, images, unit) = (self.isa, state.images, &self.units[at]);
        let (shape, from) = (self.shapes[unit.node], |at: usize| self.shapes[unit.inputs[at]]);
        let halves = |at: usize| self.storage.values[unit.inputs[at]];
        let input = |at: usize| stored(&inputs[at], halves(at), images * from(at).len());
        let plain = |at: usize| input(at).f32();
        let channels = shape.channels();
        match &unit.work {
            Work::Convolution { bias, relu, .. } | Work::Linear { bias, relu, .. } => {
                let bias = optional(weights, bias)?;
                let TrainingState { packed, scratch, .. } = state;
                packed[at].forward(input(0), bias, *relu, (to, channels), scratch);
            }
            Work::BatchNorm { norm, activation } => {
                let statistics = self.batch_norm_statistics(norm, input(0), weights, state, at)?;
                let add = (inputs.len() > 1).then(|| input(1));
                let BatchNormAffine { scale, shift, .. } = &statistics.affine;
                kernels::affine_forward(isa, input(0), scale, shift, add, *activation, to);
                state.statistics[at] = Some(statistics);
            }
            Work::Add { activation } => kernels::sum_forward(isa, input(0), Some(input(1)), *activation, to),
            Work::Activate(function) => kernels::sum_forward(isa, input(0), None, Some(*function), to),
            Work::LayerNorm { weight, bias, epsilon } => {
                let (weight, bias) = (values(weights, weight)?, values(weights, bias)?);
                kernels::layer_norm_forward(isa, input(0).f32(), weight, bias, *epsilon, to);
            }
            Work::Attention { heads } if self.precision == Precision::Bf16 => {
                let attention = kernels::Bf16AttentionTraining::new(self.tiles, shape.positions(), channels, *heads);
                attention.forward(input(0), to, &state.scratch);
            }
            Work::Input => raw(pixels, to.f32()),
            Work::Normalize(normalization) => match pixels {
                Some(Pixels::Bytes(bytes)) => normalize(normalization, bytes, shape.len(), to.f32()),
                _ => to.f32().copy_from_slice(plain(0)),
            },
            Work::Attention { heads } => {
                let tokens = shape.positions();
                kernels::attention_forward(isa, tokens, channels, *heads, plain(0), to.f32(), &state.scratch);
            }
            Work::Softmax => kernels::softmax_forward(isa, plain(0), channels, to.f32()),
            Work::Multiply => kernels::multiply_forward(isa, plain(0), plain(1), to.f32()),
            Work::Gate => kernels::gate_forward(isa, plain(0), plain(1), channels, to.f32()),
            Work::Scale { weight } => {
                let scale = per_channel(values(weights, weight)?, channels);
                kernels::scale_forward(isa, plain(0), &scale, None, to.f32());
            }
            Work::Shift { bias } => {
                let shift = per_channel(values(weights, bias)?, channels);
                kernels::shift_forward(isa, plain(0), &shift, to.f32());
            }
            Work::Concat => {
                let parts: Vec<(&[f32], usize)> =
                    (0..inputs.len()).map(|at| (plain(at), from(at).channels())).collect();
                kernels::concat_forward(&parts, to.f32());
            }
            Work::Subsample { stride } => subsampling(from(0), *stride).forward(plain(0), to.f32()),
            Work::PadChannels { before } => {
                kernels::pad_channels_forward(plain(0), from(0).channels(), *before, channels, to.f32());
            }
            Work::MaxPool(window) => kernels::max_pool_forward(isa, window, channels, plain(0), to.f32()),
            Work::AveragePool { window, count_padding } => {
                kernels::average_pool_forward(isa, window, channels, plain(0), *count_padding, to.f32());
            }
            Work::Mean { skip } => {
                kernels::mean_positions_forward(isa, plain(0), from(0).positions(), *skip, channels, to.f32());
            }
            Work::Tokens { class_token, position } => {
                let (class_token, position) = (optional(weights, class_token)?, optional(weights, position)?);
                kernels::tokens_forward(isa, plain(0), images, class_token, position, to.f32());
            }
            Work::SelectToken { index } => {
                kernels::select_token_forward(plain(0), from(0).positions(), *index, channels, to.f32());
            }
            Work::Flatten => to.f32().copy_from_slice(plain(0)),
        }
        Ok(())
    }

    /// Statistics of the batch are measured once, also where the value is computed again for the backward pass.
    fn batch_norm_statistics(
        &self,
        norm: &BatchNorm,
        input: Stored<'_>,
        weights: &Weights,
        state: &mut TrainingState,
        at: usize,
    ) -> Result<Statistics, EngineError> {
        if let Some(known) = state.statistics[at].take() {
            return Ok(known);
        }
        if !norm.batch {
            return statistics::running(norm, weights);
        }
        let channels = self.shapes[norm.node].channels();
        if input.len() <= channels {
            let what = format!("batch statistics of a single value per channel at node {}", norm.node);
            return Err(EngineError::Unsupported { what });
        }
        let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
        kernels::batch_statistics(self.isa, input, &mut mean, &mut variance);
        let (weight, bias) = (values(weights, &norm.weight)?, values(weights, &norm.bias)?);
        Ok(Statistics::new(&mean, variance, weight, bias, norm.epsilon))
    }

    /// Refuses weights of another network.
    fn check_parameters(&self, weights: &Weights) -> Result<(), EngineError> {
        for (name, expected) in &self.parameters {
            let missing = || EngineError::MissingParameter { name: name.clone() };
            let found = &weights.tensors.get(name).ok_or_else(missing)?.shape;
            if found != expected {
                let (name, expected, found) = (name.clone(), expected.clone(), found.clone());
                return Err(EngineError::ParameterShape { name, expected, found });
            }
        }
        Ok(())
    }

    fn pack(&self, weights: &Weights, state: &mut TrainingState) -> Result<(), EngineError> {
        for (unit, packed) in self.units.iter().zip(&mut state.packed) {
            if let Work::Convolution { weight, .. } | Work::Linear { weight, .. } = &unit.work {
                let gradient = unit.inputs.iter().any(|&input| self.scope.gradient[input]);
                packed.update(values(weights, weight)?, self.scope.trains(weight), gradient);
            }
        }
        Ok(())
    }
}

/// Subsampling of a map of this shape.
pub(super) fn subsampling(from: Shape, stride: [usize; 2]) -> kernels::Subsampling {
    let size = if let Shape::Map { height, width, .. } = from { [height, width] } else { [1, 1] };
    kernels::Subsampling { size, stride, channels: from.channels() }
}

/// Images are normalised by all threads of the current pool.
fn normalize(normalization: &Normalization, bytes: &[u8], image: usize, to: &mut [f32]) {
    let images = to.par_chunks_mut(image.max(1)).zip(bytes.par_chunks(image.max(1)));
    images.for_each(|(to, bytes)| normalization.run(bytes, to));
}

fn raw(pixels: Option<Pixels<'_>>, to: &mut [f32]) {
    match pixels {
        Some(Pixels::Bytes(bytes)) => to.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = f32::from(byte)),
        Some(Pixels::Normalized(values)) => to.copy_from_slice(values),
        None => {}
    }
}
