//! L2-SP (Li, Grandvalet and Davoine 2018): weight decay towards the pretrained weights instead of towards 0.
//!
//! ```text
//! penalty  = alpha/2 |w - w0|^2 + beta/2 |v|^2           w backbone, w0 its start, v head
//! gradient = alpha (w - w0),  beta v
//! proximal step of length h:  w <- w0 + (w - w0) / (1 + h alpha),  v <- v / (1 + h beta)
//! ```
//!
//! The optimiser's own weight decay must be 0, or it is added to this one. Running statistics are no parameters and are left
//! alone. The proximal step, made after the optimiser's, is stable for any strength; the gradient needs `h alpha < 1`.

use std::collections::BTreeMap;

use heirloom_engine::{Tensor, Weights};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::RegularizerError;
use super::error::{same_length, strength};
use crate::optimizer::{Gradients, ParameterGroups};

/// Values that one task sums.
const CHUNK: usize = 1 << 14;

/// Settings of L2-SP.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L2SpSettings {
    /// Strength on the backbone, `alpha`.
    pub backbone: f64,
    /// Strength on the head, `beta`.
    pub head: f64,
}

impl Default for L2SpSettings {
    fn default() -> Self {
        Self { backbone: 0.1, head: 0.01 }
    }
}

/// The penalty with a copy of the pretrained weights.
#[derive(Debug, Clone, PartialEq)]
pub struct L2Sp {
    settings: L2SpSettings,
    /// Where each penalised parameter is pulled to; the head's to 0, which is stored as nothing.
    anchors: BTreeMap<String, Vec<f32>>,
}

impl L2Sp {
    /// A penalty that holds the parameters `backbone` to their present values and the parameters `head` to 0.
    ///
    /// # Errors
    /// A negative strength, or a parameter that the weights lack.
    pub fn new(
        settings: L2SpSettings,
        weights: &Weights,
        backbone: &[String],
        head: &[String],
    ) -> Result<Self, RegularizerError> {
        strength("the strength of L2-SP on the backbone", settings.backbone)?;
        strength("the strength of L2-SP on the head", settings.head)?;
        let mut anchors = BTreeMap::new();
        for name in backbone {
            anchors.insert(name.clone(), find(weights, name)?.values.clone());
        }
        for name in head {
            find(weights, name)?;
            anchors.insert(name.clone(), Vec::new());
        }
        Ok(Self { settings, anchors })
    }

    /// The penalty: sums in `f64` over fixed pieces, added in order of name and position.
    ///
    /// # Errors
    /// Weights without a penalised parameter, or with another shape of it.
    pub fn penalty(&self, weights: &Weights) -> Result<f64, RegularizerError> {
        let mut total = 0.0;
        for (name, anchor) in &self.anchors {
            let values = self.checked(find(weights, name)?, name, anchor)?;
            let pieces: Vec<f64> = values
                .par_chunks(CHUNK)
                .enumerate()
                .map(|(piece, values)| square_distance(values, anchor.get(piece * CHUNK..).unwrap_or_default()))
                .collect();
            total += 0.5 * self.strength_on(anchor) * pieces.into_iter().sum::<f64>();
        }
        Ok(total)
    }

    /// Adds the gradient of the penalty to the gradients that are there; a frozen parameter has none and gets none.
    ///
    /// # Errors
    /// Weights or gradients that do not fit; some gradients may have changed then.
    pub fn add_gradient(&self, weights: &Weights, gradients: &mut Gradients) -> Result<(), RegularizerError> {
        for (name, gradient) in gradients.iter_mut() {
            let Some(anchor) = self.anchors.get(name) else { continue };
            let values = self.checked(find(weights, name)?, name, anchor)?;
            same_length(&format!("the gradient of '{name}'"), gradient.len(), values.len())?;
            let strength = self.strength_on(anchor) as f32;
            gradient.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).enumerate().for_each(
                |(piece, (out, values))| {
                    let anchor = anchor.get(piece * CHUNK..).unwrap_or_default();
                    for (index, (out, &value)) in out.iter_mut().zip(values).enumerate() {
                        *out += strength * (value - anchor.get(index).copied().unwrap_or(0.0));
                    }
                },
            );
        }
        Ok(())
    }

    /// The proximal step of the penalty on the parameters that have a gradient, after the optimiser's step with the same
    /// learning rate and groups.
    ///
    /// # Errors
    /// Weights that do not fit; some may have moved then.
    pub fn proximal_step(
        &self,
        weights: &mut Weights,
        gradients: &Gradients,
        learning_rate: f64,
        groups: &ParameterGroups,
    ) -> Result<(), RegularizerError> {
        for (name, anchor) in self.anchors.iter().filter(|(name, _)| gradients.contains_key(*name)) {
            self.checked(find(weights, name)?, name, anchor)?;
            let Some(tensor) = weights.tensors.get_mut(name) else { continue };
            let rate = learning_rate * groups.of(name).learning_rate_factor;
            let kept = 1.0 / (1.0 + rate * self.strength_on(anchor));
            tensor.values.par_chunks_mut(CHUNK).enumerate().for_each(|(piece, values)| {
                let anchor = anchor.get(piece * CHUNK..).unwrap_or_default();
                for (index, value) in values.iter_mut().enumerate() {
                    let anchor = f64::from(anchor.get(index).copied().unwrap_or(0.0));
                    *value = (anchor + kept * (f64::from(*value) - anchor)) as f32;
                }
            });
        }
        Ok(())
    }

    const fn strength_on(&self, anchor: &[f32]) -> f64 {
        if anchor.is_empty() { self.settings.head } else { self.settings.backbone }
    }

    fn checked<'w>(&self, tensor: &'w Tensor, name: &str, anchor: &[f32]) -> Result<&'w [f32], RegularizerError> {
        if !anchor.is_empty() {
            same_length(&format!("the weight '{name}'"), tensor.values.len(), anchor.len())?;
        }
        Ok(&tensor.values)
    }
}

fn find<'w>(weights: &'w Weights, name: &str) -> Result<&'w Tensor, RegularizerError> {
    weights.tensors.get(name).ok_or_else(|| RegularizerError::MissingWeight { name: name.to_owned() })
}

/// `|values - anchor|^2`; an anchor that is too short counts as 0.
fn square_distance(values: &[f32], anchor: &[f32]) -> f64 {
    let anchor = anchor.iter().copied().chain(std::iter::repeat(0.0));
    values.iter().zip(anchor).map(|(&value, anchor)| (f64::from(value) - f64::from(anchor)).powi(2)).sum()
}

#[cfg(test)]
mod tests;
