//! Optimisers: stochastic gradient descent with momentum, Adam and AdamW, on named tensors.
//!
//! The rules are PyTorch's (`torch.optim`), so that a recipe found there means the same here. A tensor without a gradient is
//! left alone altogether: no step, no weight decay, no momentum (`spec/bias-transfer.md` section 4).
//!
//! ```
//! use std::collections::BTreeMap;
//! use heirloom_engine::{Tensor, Weights};
//! use heirloom_training::optimizer::{Optimizer, OptimizerSettings, ParameterGroups};
//!
//! let mut weights = Weights::default();
//! weights.tensors.insert("fc.bias".into(), Tensor { shape: vec![2], values: vec![1.0, -1.0] });
//! let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default())?;
//! let gradients = BTreeMap::from([("fc.bias".to_string(), vec![1.0, 0.0])]);
//! optimizer.step(&mut weights, &gradients, 0.5)?;
//! assert_eq!(weights.tensors["fc.bias"].values, [0.5, -1.0]);
//! # Ok::<(), heirloom_training::optimizer::OptimizerError>(())
//! ```

mod adam;
mod clip;
mod error;
pub mod groups;
mod sgd;
mod state;

use std::collections::BTreeMap;

use heirloom_engine::Weights;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use clip::{clip_by_global_norm, clip_by_value, global_norm};
pub use error::OptimizerError;
pub use groups::{ParameterGroup, ParameterGroups};
pub use state::OptimizerState;
use state::Slot;

/// Gradients by parameter name, in the layout of the parameter.
pub type Gradients = BTreeMap<String, Vec<f32>>;

/// Values that one task updates: large tensors are cut into pieces of this size, whatever the number of threads.
const CHUNK: usize = 1 << 14;

/// How a step follows from gradients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the previous step's direction that is kept, 0 to below 1; 0 keeps no state.
        momentum: f64,
        /// Whether the step looks ahead along the momentum (Nesterov).
        nesterov: bool,
    },
    /// Adam (Kingma and Ba 2015); AdamW (Loshchilov and Hutter 2019) with decoupled weight decay.
    Adam {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Added to the root of the second moment after its correction.
        epsilon: f64,
    },
}

/// Where weight decay enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightDecay {
    /// Added to the gradient: an L2 penalty, seen by momentum and second moments.
    Coupled,
    /// `w <- w - rate * decay * w`, apart from the gradient.
    Decoupled,
}

/// Settings of an optimiser. The learning rate comes with each step.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSettings {
    /// The rule.
    pub rule: Rule,
    /// Strength of weight decay, times the factor of a parameter's group.
    pub weight_decay: f64,
    /// Where it enters.
    pub decay: WeightDecay,
}

impl OptimizerSettings {
    /// Stochastic gradient descent with momentum, without weight decay.
    #[must_use]
    pub const fn sgd(momentum: f64) -> Self {
        Self { rule: Rule::Sgd { momentum, nesterov: false }, weight_decay: 0.0, decay: WeightDecay::Coupled }
    }

    /// Stochastic gradient descent with Nesterov's momentum, without weight decay.
    #[must_use]
    pub const fn nesterov(momentum: f64) -> Self {
        Self { rule: Rule::Sgd { momentum, nesterov: true }, weight_decay: 0.0, decay: WeightDecay::Coupled }
    }

    /// Adam with the usual constants, without weight decay.
    #[must_use]
    pub const fn adam() -> Self {
        let rule = Rule::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
        Self { rule, weight_decay: 0.0, decay: WeightDecay::Coupled }
    }

    /// Adam with the usual constants and decoupled weight decay.
    #[must_use]
    pub const fn adamw(weight_decay: f64) -> Self {
        Self { weight_decay, decay: WeightDecay::Decoupled, ..Self::adam() }
    }

    /// The same with weight decay of this strength.
    #[must_use]
    pub const fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }

    /// Whether steps are scaled by second moments, which asks for smaller learning rates.
    #[must_use]
    pub const fn is_adaptive(&self) -> bool {
        matches!(self.rule, Rule::Adam { .. })
    }

    fn check(&self) -> Result<(), OptimizerError> {
        let share = |setting, value: f64| in_range(setting, value, (0.0..1.0).contains(&value), "0 to below 1");
        match self.rule {
            Rule::Sgd { momentum, nesterov } => {
                share("momentum", momentum)?;
                in_range("momentum", momentum, !nesterov || momentum > 0.0, "above 0 under Nesterov")?;
            }
            Rule::Adam { beta1, beta2, epsilon } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                in_range("epsilon", epsilon, epsilon.is_finite() && epsilon > 0.0, "above 0")?;
            }
        }
        let decay = self.weight_decay;
        in_range("weight decay", decay, decay.is_finite() && decay >= 0.0, "0 or above")
    }
}

fn in_range(setting: &'static str, value: f64, valid: bool, range: &'static str) -> Result<(), OptimizerError> {
    if valid { Ok(()) } else { Err(OptimizerError::Setting { setting, value, range }) }
}

/// An optimiser with its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimizer {
    settings: OptimizerSettings,
    groups: ParameterGroups,
    slots: BTreeMap<String, Slot>,
}

impl Optimizer {
    /// An optimiser that has made no step.
    ///
    /// # Errors
    /// A setting or a group's factor out of its range.
    pub fn new(settings: OptimizerSettings, groups: ParameterGroups) -> Result<Self, OptimizerError> {
        settings.check()?;
        groups.check()?;
        Ok(Self { settings, groups, slots: BTreeMap::new() })
    }

    /// The settings it was made with.
    #[must_use]
    pub const fn settings(&self) -> &OptimizerSettings {
        &self.settings
    }

    /// Factors of the parameters.
    #[must_use]
    pub const fn groups(&self) -> &ParameterGroups {
        &self.groups
    }

    /// One step: every weight that has a gradient moves, no other. `learning_rate` is multiplied by its group's factor.
    ///
    /// # Errors
    /// A gradient of no weight or of another length, a weight whose shape has changed since its last step, or a learning rate that is
    /// negative or no number; nothing has moved then.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        gradients: &Gradients,
        learning_rate: f64,
    ) -> Result<(), OptimizerError> {
        let valid = learning_rate.is_finite() && learning_rate >= 0.0;
        in_range("learning rate", learning_rate, valid, "0 or above")?;
        check_gradients(weights, gradients)?;
        self.check_shapes(weights, gradients)?;
        self.prepare(weights, gradients);
        let jobs = self.jobs(weights, gradients, learning_rate);
        jobs.into_par_iter().for_each(Job::run);
        Ok(())
    }

    fn check_shapes(&self, weights: &Weights, gradients: &Gradients) -> Result<(), OptimizerError> {
        for (name, slot) in self.slots.iter().filter(|(name, _)| gradients.contains_key(*name)) {
            let shape = weights.tensors.get(name).map(|tensor| tensor.shape.as_slice()).unwrap_or_default();
            if shape != slot.shape() {
                let reason = format!("'{name}' had shape {:?}, the weight has {shape:?}", slot.shape());
                return Err(OptimizerError::State { reason });
            }
        }
        Ok(())
    }

    /// Makes room for the state of every tensor that has a gradient, and counts its step.
    fn prepare(&mut self, weights: &Weights, gradients: &Gradients) {
        let buffers = self.settings.buffers();
        for (name, tensor) in weights.tensors.iter().filter(|(name, _)| gradients.contains_key(*name)) {
            let slot = self.slots.entry(name.clone()).or_insert_with(|| Slot::zeros(&tensor.shape, buffers));
            slot.steps += 1;
        }
    }

    /// Pieces of work, in order of name and position.
    fn jobs<'a>(&'a mut self, weights: &'a mut Weights, gradients: &'a Gradients, learning_rate: f64) -> Vec<Job<'a>> {
        let (settings, groups) = (&self.settings, &self.groups);
        let slots = self.slots.iter_mut().filter(|(name, _)| gradients.contains_key(*name));
        let tensors = weights.tensors.iter_mut().filter(|(name, _)| gradients.contains_key(*name));
        let mut jobs = Vec::new();
        // All three maps are sorted by name and were cut down to the names of the gradients.
        for (((name, tensor), (_, slot)), gradient) in tensors.zip(slots).zip(gradients.values()) {
            let update = Update::of(settings, groups.of(name), slot.steps, learning_rate);
            let [first, second] = slot.buffers_mut();
            let mut first = first.chunks_mut(CHUNK);
            let mut second = second.chunks_mut(CHUNK);
            for (weights, gradient) in tensor.values.chunks_mut(CHUNK).zip(gradient.chunks(CHUNK)) {
                let (first, second) = (first.next().unwrap_or_default(), second.next().unwrap_or_default());
                jobs.push(Job { update, weights, gradient, first, second });
            }
        }
        jobs
    }
}

fn check_gradients(weights: &Weights, gradients: &Gradients) -> Result<(), OptimizerError> {
    for (name, gradient) in gradients {
        let tensor = weights.tensors.get(name).ok_or_else(|| OptimizerError::UnknownGradient { name: name.clone() })?;
        let (found, expected) = (gradient.len(), tensor.values.len());
        if found != expected {
            return Err(OptimizerError::GradientLength { name: name.clone(), found, expected });
        }
    }
    Ok(())
}

/// One rule with the numbers of one tensor at one step, rounded as the values are.
#[derive(Debug, Clone, Copy)]
enum Update {
    Sgd(sgd::Sgd),
    Adam(adam::Adam),
}

impl Update {
    fn of(settings: &OptimizerSettings, group: ParameterGroup, steps: u64, learning_rate: f64) -> Self {
        let rate = learning_rate * group.learning_rate_factor;
        let decay = settings.weight_decay * group.weight_decay_factor;
        let (coupled, kept) = match settings.decay {
            WeightDecay::Coupled => (decay as f32, 1.0),
            WeightDecay::Decoupled => (0.0, (1.0 - rate * decay) as f32),
        };
        match settings.rule {
            Rule::Sgd { momentum, nesterov } => {
                Self::Sgd(sgd::Sgd { rate: rate as f32, momentum: momentum as f32, nesterov, coupled, kept })
            }
            Rule::Adam { beta1, beta2, epsilon } => {
                Self::Adam(adam::Adam::at(steps, rate, [beta1, beta2], epsilon, coupled, kept))
            }
        }
    }
}

/// A piece of one tensor: weights, gradient and state are of equal length, or the state is empty where the rule keeps none.
struct Job<'a> {
    update: Update,
    weights: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Job<'_> {
    fn run(self) {
        match self.update {
            Update::Sgd(rule) => rule.apply(self.weights, self.gradient, self.first),
            Update::Adam(rule) => rule.apply(self.weights, self.gradient, self.first, self.second),
        }
    }
}

#[cfg(test)]
mod tests;
