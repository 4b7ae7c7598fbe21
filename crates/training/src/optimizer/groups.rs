//! Parameter groups: factors on the learning rate and on the weight decay of every parameter.
//!
//! A group is made for each parameter by name and shape; sets of groups are combined by multiplication, so that layer-wise
//! decay, a faster head and no weight decay on biases are three sets:
//!
//! ```
//! use heirloom_engine::{Tensor, Weights};
//! use heirloom_training::optimizer::groups;
//!
//! let mut weights = Weights::default();
//! weights.tensors.insert("conv.weight".into(), Tensor { shape: vec![8, 3, 3, 3], values: vec![0.0; 216] });
//! weights.tensors.insert("fc.bias".into(), Tensor { shape: vec![10], values: vec![0.0; 10] });
//! let groups = groups::no_decay(&weights).and(&groups::head_factor(&weights, &["fc.*"], 10.0)?);
//! assert_eq!(groups.of("fc.bias").weight_decay_factor, 0.0);
//! assert_eq!(groups.of("fc.bias").learning_rate_factor, 10.0);
//! assert_eq!(groups.of("conv.weight"), Default::default());
//! # Ok::<(), heirloom_training::optimizer::OptimizerError>(())
//! ```

use std::collections::BTreeMap;

use heirloom_engine::{Tensor, Weights};
use serde::{Deserialize, Serialize};

use super::OptimizerError;

/// Factors of one parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParameterGroup {
    /// Times the learning rate of the step.
    pub learning_rate_factor: f64,
    /// Times the weight decay of the optimiser.
    pub weight_decay_factor: f64,
}

impl Default for ParameterGroup {
    fn default() -> Self {
        Self { learning_rate_factor: 1.0, weight_decay_factor: 1.0 }
    }
}

/// Groups by parameter name; a parameter without one has factors of 1.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ParameterGroups {
    groups: BTreeMap<String, ParameterGroup>,
}

impl ParameterGroups {
    /// A group for each parameter of `weights`.
    pub fn from_fn(weights: &Weights, mut group: impl FnMut(&str, &Tensor) -> ParameterGroup) -> Self {
        let groups = weights.tensors.iter().map(|(name, tensor)| (name.clone(), group(name, tensor)));
        Self { groups: groups.filter(|(_, group)| *group != ParameterGroup::default()).collect() }
    }

    /// The group of the first pattern that matches a parameter's name; a `*` stands for any characters, dots too.
    ///
    /// # Errors
    /// A pattern that matches no parameter.
    pub fn from_patterns(weights: &Weights, patterns: &[(&str, ParameterGroup)]) -> Result<Self, OptimizerError> {
        for (pattern, _) in patterns {
            if !weights.tensors.keys().any(|name| matches(pattern, name)) {
                let parameters = weights.tensors.len();
                return Err(OptimizerError::NoMatch { pattern: (*pattern).to_owned(), parameters });
            }
        }
        Ok(Self::from_fn(weights, |name, _| {
            patterns.iter().find(|(pattern, _)| matches(pattern, name)).map(|(_, group)| *group).unwrap_or_default()
        }))
    }

    /// The group of a parameter.
    #[must_use]
    pub fn of(&self, name: &str) -> ParameterGroup {
        self.groups.get(name).copied().unwrap_or_default()
    }

    /// Both sets of factors, multiplied.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for (name, factors) in &other.groups {
            let group = self.groups.entry(name.clone()).or_default();
            group.learning_rate_factor *= factors.learning_rate_factor;
            group.weight_decay_factor *= factors.weight_decay_factor;
        }
        self
    }

    pub(super) fn check(&self) -> Result<(), OptimizerError> {
        for (name, group) in &self.groups {
            let factors = [
                ("learning rate factor", group.learning_rate_factor),
                ("weight decay factor", group.weight_decay_factor),
            ];
            for (factor, value) in factors {
                if !value.is_finite() || value < 0.0 {
                    return Err(OptimizerError::Factor { name: name.clone(), factor, value });
                }
            }
        }
        Ok(())
    }
}

/// Whether `name` fits `pattern`, in which a `*` stands for any run of characters.
#[must_use]
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
}

/// No weight decay for biases, weights and biases of norms, scalars, and the position and class tokens of transformers: every
/// tensor with at most one axis longer than 1, and every name that contains `pos_embed` or `cls_token`.
#[must_use]
pub fn no_decay(weights: &Weights) -> ParameterGroups {
    ParameterGroups::from_fn(weights, |name, tensor| {
        let axes = tensor.shape.iter().filter(|&&length| length > 1).count();
        let token = name.contains("pos_embed") || name.contains("cls_token");
        let weight_decay_factor = if axes <= 1 || token { 0.0 } else { 1.0 };
        ParameterGroup { weight_decay_factor, ..ParameterGroup::default() }
    })
}

/// Learning rates that fall with the distance from the head: `decay^(L - l)` for the parameters of layer `l` of `0 ..= L`.
/// `layers` are in order of depth, the head last; each lists the prefixes of its names (`blocks.3`, `cls_token`), and the
/// longest prefix of a name decides.
///
/// # Errors
/// A parameter of no layer, or a decay that is negative or no number.
pub fn layer_wise_decay(
    weights: &Weights,
    layers: &[Vec<String>],
    decay: f64,
) -> Result<ParameterGroups, OptimizerError> {
    if !decay.is_finite() || decay < 0.0 {
        let range = "a number of 0 or above";
        return Err(OptimizerError::Setting { setting: "layer-wise decay", value: decay, range });
    }
    let mut groups = ParameterGroups::default();
    for name in weights.tensors.keys() {
        let depth = layer_of(layers, name)
            .ok_or_else(|| OptimizerError::NoLayer { name: name.clone(), layers: layers.len() })?;
        let learning_rate_factor = (depth + 1..layers.len()).fold(1.0, |factor, _| factor * decay);
        groups.groups.insert(name.clone(), ParameterGroup { learning_rate_factor, ..ParameterGroup::default() });
    }
    Ok(groups)
}

/// The layer with the longest of the prefixes of `name`.
fn layer_of(layers: &[Vec<String>], name: &str) -> Option<usize> {
    let under = |prefix: &str| name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let prefixes = layers.iter().enumerate().flat_map(|(depth, names)| names.iter().map(move |name| (depth, name)));
    prefixes.filter(|(_, prefix)| under(prefix)).max_by_key(|(_, prefix)| prefix.len()).map(|(depth, _)| depth)
}

/// Another learning rate for the parameters that match `patterns`, as a head beside a pretrained backbone.
///
/// # Errors
/// A pattern that matches no parameter.
pub fn head_factor(weights: &Weights, patterns: &[&str], factor: f64) -> Result<ParameterGroups, OptimizerError> {
    let group = ParameterGroup { learning_rate_factor: factor, ..ParameterGroup::default() };
    let patterns: Vec<_> = patterns.iter().map(|&pattern| (pattern, group)).collect();
    ParameterGroups::from_patterns(weights, &patterns)
}
