//! Models on the straight line between two, as a whole or in some of their parameters.

use std::collections::BTreeMap;

use heirloom_engine::{Tensor, Weights, line};
use heirloom_training::random::Generator;
use heirloom_zoo::weights_digest;

use super::{Artifact, ArtifactError, StoredNetwork};

/// Some of a model's parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// Keys of the network's parameters.
    pub keys: Vec<String>,
    /// Whether the head belongs to it.
    pub head: bool,
}

impl Artifact {
    /// The model whose every weight is `(1 - share) self + share other`, head and running statistics included; 0 gives `self` and 1
    /// gives `other`, and shares outside of 0 to 1 lie beyond the ends. What was measured of the ends is not claimed of it.
    ///
    /// # Errors
    /// Models of other networks, images, classes or heads; a slim artifact.
    pub fn between(&self, other: &Self, share: f64) -> Result<Self, ArtifactError> {
        let no_line = |what| ArtifactError::NoLine { what };
        if self.classes != other.classes {
            return Err(no_line("their classes"));
        }
        if self.preparation.is_some() || other.preparation.is_some() {
            return Err(no_line("the statistics of the domains they were adapted to"));
        }
        let network = self.network_between(other, share)?;
        let head = self.head.between(&other.head, share).map_err(no_line)?;
        let run = if share == 1.0 { other.run.clone() } else { self.run.clone() };
        Ok(Self {
            network: Some(network),
            unfamiliar: None,
            accuracy: None,
            ..Self::of_features(head, self.classes.clone(), run)
        })
    }

    /// This model with the parameters of `part` at `(1 - share) self + share other`; all others stay as they are. The two networks may
    /// differ elsewhere, as in a classifier that no head reads.
    ///
    /// # Errors
    /// A slim artifact, a parameter that either has not or in another shape, heads of other columns where the head takes part.
    pub fn moved(&self, other: &Self, part: &Part, share: f64) -> Result<Self, ArtifactError> {
        let no_line = |what| ArtifactError::NoLine { what };
        let mut moved = self.clone();
        let to = other.network()?.weights;
        for key in &part.keys {
            let tensors = moved.own_tensors()?;
            let (Some(own), Some(end)) = (tensors.get_mut(key), to.tensors.get(key)) else {
                return Err(no_line("the names of their parameters"));
            };
            if own.shape != end.shape {
                return Err(no_line("the shapes of their weights"));
            }
            own.values = line(&own.values, &end.values, share);
        }
        if part.head {
            moved.head = self.head.between(&other.head, share).map_err(no_line)?;
        }
        Ok(moved.renewed())
    }

    /// This model with normal noise of standard deviation `sigma` on every parameter of `part`, the head's first.
    ///
    /// # Errors
    /// A slim artifact, a parameter that is not there, a head that is no linear map where the head takes part.
    pub fn disturbed(&self, part: &Part, sigma: f64, random: &mut Generator) -> Result<Self, ArtifactError> {
        let no_line = |what| ArtifactError::NoLine { what };
        let mut disturbed = self.clone();
        let mut shake = |values: &mut [f32]| {
            values.iter_mut().for_each(|value| *value = (f64::from(*value) + sigma * random.normal()) as f32);
        };
        if part.head {
            disturbed.head = self.head.with_values(&mut shake).map_err(no_line)?;
        }
        for key in &part.keys {
            let tensor =
                disturbed.own_tensors()?.get_mut(key).ok_or_else(|| no_line("the names of their parameters"))?;
            shake(&mut tensor.values);
        }
        Ok(disturbed.renewed())
    }

    /// All values of a part, the head's first.
    ///
    /// # Errors
    /// As [`Artifact::disturbed`].
    pub fn values_of(&self, part: &Part) -> Result<Vec<f32>, ArtifactError> {
        let no_line = |what| ArtifactError::NoLine { what };
        let mut values = Vec::new();
        if part.head {
            self.head.with_values(&mut |head: &mut [f32]| values.extend_from_slice(head)).map_err(no_line)?;
        }
        let tensors = &self.network()?.weights.tensors;
        for key in &part.keys {
            let tensor = tensors.get(key).ok_or_else(|| no_line("the names of their parameters"))?;
            values.extend_from_slice(&tensor.values);
        }
        Ok(values)
    }

    fn own_tensors(&mut self) -> Result<&mut BTreeMap<String, Tensor>, ArtifactError> {
        let network = self.network.as_mut().ok_or(ArtifactError::NoNetwork)?;
        let (name, digest) = (network.backbone.name.clone(), network.backbone.weights.clone());
        let weights = network.weights.as_mut().ok_or(ArtifactError::NeedsBackbone { name, digest })?;
        Ok(&mut weights.tensors)
    }

    /// The same with the digest of its weights as they are now, and nothing claimed that was measured before.
    fn renewed(mut self) -> Self {
        if let Some(network) = &mut self.network {
            network.backbone.weights = network.weights.as_ref().map(weights_digest).unwrap_or_default();
        }
        Self { unfamiliar: None, accuracy: None, ..self }
    }

    fn network_between(&self, other: &Self, share: f64) -> Result<StoredNetwork, ArtifactError> {
        let no_line = |what| ArtifactError::NoLine { what };
        let (left, right) = (self.network()?, other.network()?);
        if left.preprocess != right.preprocess {
            return Err(no_line("the preparations of their images"));
        }
        if left.graph != right.graph {
            return Err(no_line("the layers of their networks"));
        }
        let weights = left.weights.between(right.weights, share);
        let weights: Weights = weights.ok_or_else(|| no_line("the shapes of their weights"))?;
        let mut network = self.network.clone().ok_or(ArtifactError::NoNetwork)?;
        network.backbone.weights = weights_digest(&weights);
        network.weights = Some(weights);
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Isa;
    use heirloom_training::random::generator;

    use super::super::tests::artifact;
    use super::*;
    use crate::gradient::Differentiable;

    #[test]
    fn the_ends_answer_as_the_models_do_and_what_lies_between_does_not() {
        let (left, mut right) = (artifact(), artifact());
        let weights = right.network.as_mut().and_then(|network| network.weights.as_mut()).unwrap();
        weights.tensors.values_mut().for_each(|tensor| tensor.values.rotate_left(1));
        let logits = |model: &Artifact| {
            let mut model = Differentiable::new(model, Isa::Portable).unwrap();
            let pixels: Vec<f32> = (0..model.image_length()).map(|at| (at % 17) as f32 / 16.0).collect();
            model.logits(&pixels, 1).unwrap()
        };
        let at = |share: f64| logits(&left.between(&right, share).unwrap());
        assert_eq!((at(0.0), at(1.0)), (logits(&left), logits(&right)));
        assert!(at(0.5) != logits(&left) && at(0.5) != logits(&right));
    }

    #[test]
    fn some_parameters_move_and_the_others_stay() {
        let (left, mut right) = (artifact(), artifact());
        let values = |model: &Artifact| model.network().unwrap().weights.tensors["fc.weight"].values.clone();
        right.own_tensors().unwrap().values_mut().for_each(|tensor| tensor.values.reverse());
        let all = Part { keys: vec!["fc.weight".into()], head: true };
        let head = Part { keys: Vec::new(), head: true };
        let moved = left.moved(&right, &all, 1.0).unwrap();
        assert_eq!((values(&moved), &moved.head), (values(&right), &right.head));
        assert_eq!(values(&left.moved(&right, &head, 1.0).unwrap()), values(&left));
        assert_eq!(left.values_of(&all).unwrap().len(), left.values_of(&head).unwrap().len() + 12);
        let digest = |model: &Artifact| model.network().unwrap().weights_digest.to_owned();
        assert_eq!(digest(&moved), digest(&right.clone().renewed()));
        let unknown = Part { keys: vec!["none".into()], head: false };
        assert!(left.moved(&right, &unknown, 0.5).is_err() && left.values_of(&unknown).is_err());

        let noise = |sigma: f64, seed: u64| {
            let disturbed = left.disturbed(&all, sigma, &mut generator(seed, "test", &[])).unwrap();
            let pairs = disturbed.values_of(&all).unwrap().into_iter().zip(left.values_of(&all).unwrap());
            pairs.map(|(after, before)| f64::from(after - before)).collect::<Vec<f64>>()
        };
        assert!(noise(0.0, 1).iter().all(|change| *change == 0.0));
        // The same draw, twice as strong, to the rounding of single precision.
        assert!(noise(0.5, 1).iter().zip(noise(1.0, 1)).all(|(half, whole)| (2.0 * half - whole).abs() < 1e-5));
        assert_ne!(noise(1.0, 1), noise(1.0, 2));
    }

    #[test]
    fn models_of_other_classes_have_no_line() {
        let (left, mut right) = (artifact(), artifact());
        right.classes.reverse();
        assert!(left.between(&right, 0.5).unwrap_err().to_string().contains("their classes differ"));
        assert!(left.between(&artifact().slim(), 0.5).is_err());
    }
}
