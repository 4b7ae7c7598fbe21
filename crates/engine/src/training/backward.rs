//! The backward pass.

use std::sync::Arc;

use super::buffers::{Shared, stored, stored_mut};
use super::unit::{BatchNorm, Unit, Work};
use super::{Gradients, TrainingPlan, TrainingState, forward};
use crate::kernels::training as kernels;
use crate::kernels::{Stored, StoredMut};
use crate::{Activation, EngineError, NodeId, Precision, Weights};

impl TrainingPlan {
    /// From gradients at the outputs (`seeds[i]` is that of output `i` for the whole batch, or nothing where no loss reads it)
    /// back to the trained parameters and, where it was asked for, the input. Follows a [`forward`](Self::forward) with the same
    /// weights, whose values it uses up. `gradients` is overwritten.
    ///
    /// # Errors
    /// A seed of another length, or no forward pass before.
    pub fn backward(
        &self,
        weights: &Weights,
        state: &mut TrainingState,
        seeds: &[Option<&[f32]>],
        gradients: &mut Gradients,
    ) -> Result<(), EngineError> {
        for (&node, seed) in self.outputs.iter().zip(seeds) {
            if let Some(seed) = seed {
                self.seed(node, seed, state)?;
            }
        }
        for (at, segment) in self.segments.iter().enumerate().rev() {
            if at + 1 < self.segments.len() {
                self.run(segment.clone(), weights, None, state)?;
            }
            for unit in segment.clone().rev() {
                self.backward_unit(unit, weights, state, gradients)?;
                state.drop_value(self.units[unit].node);
            }
        }
        Ok(())
    }

    fn seed(&self, node: NodeId, seed: &[f32], state: &mut TrainingState) -> Result<(), EngineError> {
        let expected = state.images * self.shapes[node].len();
        if seed.len() != expected || state.values.len() != self.shapes.len() {
            return Err(EngineError::Batch { expected, found: seed.len(), images: state.images });
        }
        if self.scope.gradient[node] {
            let place = (self.storage.gradients[node], expected);
            state.contribute(node, place, |to, before, _| kernels::sum_forward(self.isa, seed, before, None, to));
        }
        Ok(())
    }

    fn backward_unit(
        &self,
        at: usize,
        weights: &Weights,
        state: &mut TrainingState,
        gradients: &mut Gradients,
    ) -> Result<(), EngineError> {
        let node = self.units[at].node;
        let given = state.gradients[node].take();
        let Some(gradient) = given.filter(|_| self.scope.gradient[node]) else {
            return self.nothing_reached(at, weights, gradients);
        };
        let mut step = Step { plan: self, unit: &self.units[at], at, weights, state, gradients };
        let left = step.run(gradient)?;
        state.buffers.give(left);
        Ok(())
    }

    /// A trained parameter that no seed reaches has the gradient zero.
    fn nothing_reached(&self, at: usize, weights: &Weights, gradients: &mut Gradients) -> Result<(), EngineError> {
        for name in self.units[at].parameters().filter(|name| self.scope.trains(name)) {
            gradients.slot(name, forward::values(weights, name)?.len()).fill(0.0);
        }
        Ok(())
    }
}

/// The backward pass of one unit.
struct Step<'a> {
    plan: &'a TrainingPlan,
    unit: &'a Unit,
    at: usize,
    weights: &'a Weights,
    state: &'a mut TrainingState,
    gradients: &'a mut Gradients,
}

impl Step<'_> {
    fn images(&self) -> usize {
        self.state.images
    }

    /// The inputs that a gradient goes to.
    fn wants(&self, input: usize) -> bool {
        self.unit.inputs.get(input).is_some_and(|&node| self.plan.scope.gradient[node])
    }

    fn len(&self, node: NodeId) -> usize {
        self.images() * self.plan.shapes[node].len()
    }

    fn input(&self, input: usize) -> Result<Shared, EngineError> {
        self.state.value(self.unit.inputs[input])
    }

    fn values(&self, name: &str) -> Result<&[f32], EngineError> {
        forward::values(self.weights, name)
    }

    /// Room for the gradient of a parameter, if it is trained.
    fn parameter(&mut self, name: &str) -> Result<Option<&mut Vec<f32>>, EngineError> {
        if !self.plan.scope.trains(name) {
            return Ok(None);
        }
        let len = forward::values(self.weights, name)?.len();
        Ok(Some(self.gradients.slot(name, len)))
    }

    /// Whether the gradient of a node is halves, and its values for the whole batch.
    fn place(&self, node: NodeId) -> (bool, usize) {
        (self.plan.storage.gradients[node], self.len(node))
    }

    /// The gradient of the unit.
    fn given<'g>(&self, gradient: &'g Shared) -> Stored<'g> {
        let (halves, len) = self.place(self.unit.node);
        stored(gradient, halves, len)
    }

    /// The value of a node that is kept.
    fn kept<'v>(&self, node: NodeId, value: &'v Shared) -> Stored<'v> {
        stored(value, self.plan.storage.values[node], self.len(node))
    }

    /// Adds to the gradient of an input, if it is wanted.
    fn contribute_stored(&mut self, input: usize, write: impl FnOnce(StoredMut<'_>, Option<Stored<'_>>)) {
        if self.wants(input) {
            let node = self.unit.inputs[input];
            let place = self.place(node);
            self.state.contribute(node, place, |to, before, _| write(to, before));
        }
    }

    /// The same, for kernels of `f32` alone.
    fn contribute(&mut self, input: usize, write: impl FnOnce(&mut [f32], Option<&[f32]>)) {
        self.contribute_stored(input, |to, before| write(to.f32(), before.map(|before| before.f32())));
    }

    /// The same, for kernels that do not add by themselves.
    fn contribute_alone(&mut self, input: usize, write: impl FnOnce(&mut [f32])) {
        let isa = self.plan.isa;
        self.contribute(input, |to, before| {
            write(to);
            if let Some(before) = before {
                kernels::add_assign(isa, to, before);
            }
        });
    }

    /// Hands a gradient on as it is.
    fn pass(&mut self, input: usize, gradient: &Shared) {
        if !self.wants(input) {
            return;
        }
        let node = self.unit.inputs[input];
        let (isa, alike) = (self.plan.isa, self.place(node) == self.place(self.unit.node));
        if alike && self.state.gradients[node].is_none() {
            self.state.gradients[node] = Some(Arc::clone(gradient));
            return;
        }
        let given = self.given(gradient);
        self.contribute_stored(input, |to, before| kernels::sum_forward(isa, given, before, None, to));
    }

    /// The gradient before an activation whose slope follows from the unit's output.
    fn through_clip(&mut self, clip: Option<Activation>, gradient: Shared) -> Result<Shared, EngineError> {
        let Some(function) = clip else { return Ok(gradient) };
        let (node, isa) = (self.unit.node, self.plan.isa);
        let (value, (halves, len)) = (self.state.value(node)?, self.place(node));
        let x = self.kept(node, &value);
        match Arc::try_unwrap(gradient) {
            Ok(mut own) => {
                let gradient = stored_mut(&mut own, halves, len);
                kernels::activation_gradient_in_place(isa, function, x, None, gradient);
                Ok(Arc::new(own))
            }
            Err(shared) => {
                let mut own = self.state.buffers.take_stored(halves, len);
                let to = stored_mut(&mut own, halves, len);
                kernels::activation_gradient(isa, function, x, stored(&shared, halves, len), None, to);
                self.state.buffers.give(shared);
                Ok(Arc::new(own))
            }
        }
    }

    /// Runs the unit and returns the gradient's buffer.
    fn run(&mut self, gradient: Shared) -> Result<Shared, EngineError> {
        let isa = self.plan.isa;
        let shape = self.plan.shapes[self.unit.node];
        let channels = shape.channels();
        let len = self.len(self.unit.node);
        let from = |at: usize| self.plan.shapes[self.unit.inputs[at]];
        let unit = self.unit;
        // What kernels of `f32` alone read.
        let plain = self.given(&gradient).f32();
        match &unit.work {
            Work::Input => {
                self.gradients.input = self.plan.scope.input_gradient.then(|| plain.to_vec());
            }
            Work::Normalize(_) | Work::Flatten => self.pass(0, &gradient),
            Work::Convolution { weight, bias, relu, .. } | Work::Linear { weight, bias, relu, .. } => {
                let gradient = self.through_clip(*relu, gradient)?;
                self.matrix(weight, bias.as_deref(), channels, self.given(&gradient))?;
                return Ok(gradient);
            }
            Work::BatchNorm { norm, activation } if unit.inputs.len() > 1 => {
                return self.batch_norm_of_sum(norm, *activation, gradient);
            }
            Work::BatchNorm { norm, activation } => self.batch_norm(norm, *activation, self.given(&gradient))?,
            Work::Add { activation } => {
                let gradient = self.through_clip(*activation, gradient)?;
                self.pass(0, &gradient);
                self.pass(1, &gradient);
                return Ok(gradient);
            }
            Work::Activate(function) => {
                let node = if super::unit::is_clip(*function) { unit.node } else { unit.inputs[0] };
                let value = self.state.value(node)?;
                let (x, dy) = (self.kept(node, &value), self.given(&gradient));
                self.contribute_stored(0, |to, before| {
                    kernels::activation_gradient(isa, *function, x, dy, before, to);
                });
            }
            Work::LayerNorm { weight, bias, epsilon } => {
                self.layer_norm(weight, bias, *epsilon, self.given(&gradient))?
            }
            Work::Attention { heads } => self.attention(*heads, self.given(&gradient))?,
            Work::Softmax => {
                let y = self.state.value(unit.node)?;
                self.contribute_alone(0, |to| {
                    kernels::softmax_gradient(isa, &y[..len], plain, channels, to);
                });
            }
            Work::Multiply => {
                let (a, b) = (self.input(0)?, self.input(1)?);
                self.contribute_alone(0, |to| kernels::multiply_forward(isa, plain, &b[..len], to));
                self.contribute_alone(1, |to| kernels::multiply_forward(isa, plain, &a[..len], to));
            }
            Work::Gate => self.gate(channels, plain)?,
            Work::Scale { weight } => self.scale(weight, channels, plain)?,
            Work::Shift { bias } => {
                if self.plan.scope.trains(bias) {
                    let mut sums = vec![0.0; channels];
                    kernels::sum_rows(isa, plain, channels, &mut sums);
                    self.reduced(bias, &sums)?;
                }
                self.pass(0, &gradient);
            }
            Work::Concat => {
                let mut first = 0;
                for at in 0..unit.inputs.len() {
                    let range = first..first + from(at).channels();
                    first = range.end;
                    self.contribute(at, |to, before| {
                        kernels::take_channels(plain, channels, range, before, to);
                    });
                }
            }
            Work::Subsample { stride } => {
                let subsampling = forward::subsampling(from(0), *stride);
                self.contribute(0, |to, before| subsampling.gradient(plain, before, to));
            }
            Work::PadChannels { before: leading } => {
                let range = *leading..leading + from(0).channels();
                self.contribute(0, |to, before| {
                    kernels::take_channels(plain, channels, range, before, to);
                });
            }
            Work::MaxPool(window) => {
                let x = self.input(0)?;
                let x = &x[..self.len(unit.inputs[0])];
                self.contribute(0, |to, before| {
                    kernels::max_pool_gradient(isa, window, channels, x, plain, before, to);
                });
            }
            Work::AveragePool { window, count_padding } => self.contribute(0, |to, before| {
                kernels::average_pool_gradient(isa, window, channels, *count_padding, plain, before, to);
            }),
            Work::Mean { skip } => {
                let positions = from(0).positions();
                self.contribute(0, |to, before| {
                    kernels::mean_positions_gradient(isa, plain, positions, *skip, channels, before, to);
                });
            }
            Work::Tokens { class_token, position } => {
                let (images, leading) = (self.images(), usize::from(class_token.is_some()));
                for (name, count) in class_token
                    .iter()
                    .map(|name| (name, channels))
                    .chain(position.iter().map(|name| (name, shape.len())))
                {
                    if self.plan.scope.trains(name) {
                        self.store(name, &kernels::image_sums(plain, images, count))?;
                    }
                }
                self.contribute(0, |to, before| {
                    kernels::tokens_gradient(isa, plain, images, leading, channels, before, to);
                });
            }
            Work::SelectToken { index } => {
                let tokens = from(0).positions();
                self.contribute(0, |to, before| {
                    kernels::select_token_gradient(plain, tokens, *index, channels, before, to);
                });
            }
        }
        Ok(gradient)
    }

    /// Convolution and fully connected layer.
    fn matrix(
        &mut self,
        weight: &str,
        bias: Option<&str>,
        channels: usize,
        gradient: Stored<'_>,
    ) -> Result<(), EngineError> {
        let isa = self.plan.isa;
        if let Some(to) = bias.map(|bias| self.parameter(bias)).transpose()?.flatten() {
            kernels::sum_rows(isa, gradient, channels, to);
        }
        if self.plan.scope.trains(weight) {
            let value = self.input(0)?;
            let x = self.kept(self.unit.inputs[0], &value);
            let len = self.values(weight)?.len();
            let to = self.gradients.slot(weight, len);
            self.state.packed[self.at].weight_gradient(x, gradient, to, &mut self.state.scratch);
        }
        if self.wants(0) {
            let node = self.unit.inputs[0];
            let (place, packed) = (self.place(node), std::mem::take(&mut self.state.packed[self.at]));
            self.state
                .contribute(node, place, |to, before, scratch| packed.input_gradient(gradient, to, before, scratch));
            self.state.packed[self.at] = packed;
        }
        Ok(())
    }

    fn attention(&mut self, heads: usize, gradient: Stored<'_>) -> Result<(), EngineError> {
        if !self.wants(0) {
            return Ok(());
        }
        let (shape, node) = (self.plan.shapes[self.unit.node], self.unit.inputs[0]);
        let (tokens, channels) = (shape.positions(), shape.channels());
        let plain = kernels::AttentionGradient::new(self.plan.isa, tokens, channels, heads);
        let rounded = (self.plan.precision == Precision::Bf16)
            .then(|| kernels::Bf16AttentionTraining::new(self.plan.tiles, tokens, channels, heads));
        let (isa, place, value) = (self.plan.isa, self.place(node), self.input(0)?);
        let x = self.kept(node, &value);
        self.state.contribute(node, place, |mut to, before, scratch| {
            match rounded {
                Some(attention) => attention.gradient(x, gradient, to.reborrow(), scratch),
                None => plain.run(x.f32(), gradient.f32(), to.reborrow().f32(), scratch),
            }
            before.into_iter().for_each(|before| kernels::add_assign(isa, to.reborrow(), before));
        });
        Ok(())
    }

    /// A map times one value per channel of each image.
    fn gate(&mut self, channels: usize, gradient: &[f32]) -> Result<(), EngineError> {
        let (x, gates, len) = (self.input(0)?, self.input(1)?, self.len(self.unit.inputs[1]));
        let (isa, gates) = (self.plan.isa, &gates[..len]);
        let mut factors = vec![0.0; len];
        let mut run = |to: &mut [f32], before: Option<&[f32]>| {
            kernels::gate_gradient(isa, &x[..gradient.len()], gates, channels, gradient, before, to, &mut factors);
        };
        if self.wants(0) {
            self.contribute(0, run);
        } else {
            run(&mut vec![0.0; gradient.len()], None);
        }
        self.contribute_stored(1, |to, before| kernels::sum_forward(isa, &factors, before, None, to));
        Ok(())
    }

    fn scale(&mut self, weight: &str, channels: usize, gradient: &[f32]) -> Result<(), EngineError> {
        let (isa, factors) = (self.plan.isa, forward::per_channel(self.values(weight)?, channels));
        if !self.plan.scope.trains(weight) {
            self.contribute(0, |to, before| kernels::scale_forward(isa, gradient, &factors, before, to));
            return Ok(());
        }
        let (x, mut sums) = (self.input(0)?, Vec::new());
        let mut run = |to: &mut [f32], before: Option<&[f32]>| {
            sums = kernels::scale_gradient(isa, &x[..gradient.len()], &factors, gradient, before, to);
        };
        if self.wants(0) {
            self.contribute(0, run);
        } else {
            run(&mut vec![0.0; gradient.len()], None);
        }
        self.reduced(weight, &sums)
    }

    fn layer_norm(&mut self, weight: &str, bias: &str, epsilon: f64, gradient: Stored<'_>) -> Result<(), EngineError> {
        let (isa, x, factors) = (self.plan.isa, self.input(0)?, self.values(weight)?.to_vec());
        let values = &x[..gradient.len()];
        let kernel = kernels::LayerNormGradient { isa, values, weight: &factors, epsilon, add: None };
        let mut found = None;
        if self.wants(0) {
            self.contribute(0, |to, before| {
                found = Some(kernels::LayerNormGradient { add: before, ..kernel }.run(gradient, to))
            });
        } else {
            found = Some(kernel.run(gradient, &mut vec![0.0; gradient.len()]));
        }
        if let Some(found) = found {
            self.store(weight, &found.weight)?;
            self.store(bias, &found.bias)?;
        }
        Ok(())
    }

    fn batch_norm(
        &mut self,
        norm: &BatchNorm,
        activation: Option<Activation>,
        gradient: Stored<'_>,
    ) -> Result<(), EngineError> {
        let found = self.with_batch_norm(norm, activation, |kernel, to| match to {
            Some(to) => kernel.run(gradient, to),
            None => kernel.parameters(gradient),
        })?;
        self.store(&norm.weight, &found.weight)?;
        self.store(&norm.bias, &found.bias)
    }

    /// A batch norm, the sum with the second input, and a clip.
    fn batch_norm_of_sum(
        &mut self,
        norm: &BatchNorm,
        clip: Option<Activation>,
        gradient: Shared,
    ) -> Result<Shared, EngineError> {
        let (node, (halves, len)) = (self.unit.node, self.place(self.unit.node));
        let gradient = match (clip, Arc::try_unwrap(gradient)) {
            (Some(function), Ok(mut own)) => {
                let value = self.state.value(node)?;
                let (output, given) = (self.kept(node, &value), stored_mut(&mut own, halves, len));
                let found =
                    self.with_batch_norm(norm, None, |kernel, to| kernel.run_behind_sum(function, output, given, to))?;
                self.store(&norm.weight, &found.weight)?;
                self.store(&norm.bias, &found.bias)?;
                Arc::new(own)
            }
            (clip, gradient) => {
                let gradient = self.through_clip(clip, gradient.map_or_else(|shared| shared, Arc::new))?;
                self.batch_norm(norm, None, stored(&gradient, halves, len))?;
                gradient
            }
        };
        self.pass(1, &gradient);
        Ok(gradient)
    }

    /// Calls `run` with the norm's kernel and, where it is wanted, the place for the input's gradient.
    fn with_batch_norm(
        &mut self,
        norm: &BatchNorm,
        activation: Option<Activation>,
        run: impl FnOnce(kernels::BatchNormGradient<'_>, Option<StoredMut<'_>>) -> kernels::AffineGradient,
    ) -> Result<kernels::AffineGradient, EngineError> {
        let missing = || EngineError::Unsupported { what: "a backward pass without its forward pass".to_owned() };
        let statistics = self.state.statistics[self.at].take().ok_or_else(missing)?;
        let (value, node) = (self.input(0)?, self.unit.inputs[0]);
        let (values, (halves, len)) = (self.kept(node, &value), self.place(node));
        let kernel = |add| kernels::BatchNormGradient {
            isa: self.plan.isa,
            values,
            affine: &statistics.affine,
            batch_statistics: norm.batch,
            activation,
            add,
        };
        if !self.wants(0) {
            let found = run(kernel(None), None);
            self.state.statistics[self.at] = Some(statistics);
            return Ok(found);
        }
        let before = self.state.gradients[node].take();
        let mut to = self.state.buffers.take_stored(halves, len);
        let add = before.as_ref().map(|before| stored(before, halves, len));
        let found = run(kernel(add), Some(stored_mut(&mut to, halves, len)));
        self.state.gradients[node] = Some(Arc::new(to));
        before.into_iter().for_each(|before| self.state.buffers.give(before));
        self.state.statistics[self.at] = Some(statistics);
        Ok(found)
    }

    /// The gradient of a parameter, if it is trained.
    fn store(&mut self, name: &str, values: &[f32]) -> Result<(), EngineError> {
        if let Some(to) = self.parameter(name)? {
            to.copy_from_slice(values);
        }
        Ok(())
    }

    /// The same for a parameter with one value per channel, or a single one for all.
    fn reduced(&mut self, name: &str, sums: &[f32]) -> Result<(), EngineError> {
        if self.values(name)?.len() == 1 {
            let sum: f64 = sums.iter().map(|&x| f64::from(x)).sum();
            #[allow(clippy::cast_possible_truncation)]
            return self.store(name, &[sum as f32]);
        }
        self.store(name, sums)
    }
}
