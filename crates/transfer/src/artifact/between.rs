//! Models on the straight line between two.

use heirloom_engine::Weights;
use heirloom_zoo::weights_digest;

use super::{Artifact, ArtifactError, StoredNetwork};

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
    fn models_of_other_classes_have_no_line() {
        let (left, mut right) = (artifact(), artifact());
        right.classes.reverse();
        assert!(left.between(&right, 0.5).unwrap_err().to_string().contains("their classes differ"));
        assert!(left.between(&artifact().slim(), 0.5).is_err());
    }
}
