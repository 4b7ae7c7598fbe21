//! The source's classifier beside the new one: its share of the loss, and the gradients of its own parameters.
//!
//! ```text
//! z = x W' + b          dz from the relationship        dx = dz W        dW = dz' x        db = sum of dz
//! ```

use heirloom_engine::Weights;
use heirloom_matrix::{MatMut, MatRef, multiply};

use super::error::TrainingError;
use super::penalty::Found;
use super::source::BatchTargets;
use crate::regularizer::RegularizerError;
use crate::regularizer::co_tuning::{Relationship, STRENGTH};

/// Names of the source classifier's parameters among the trainer's weights: no layer is called so.
pub const SOURCE_CLASSIFIER: [&str; 2] = ["co-tuning.weight", "co-tuning.bias"];

/// Co-tuning at work.
#[derive(Debug)]
pub struct CoTuned {
    /// Node whose values both classifiers read.
    pub features: String,
    /// Target classes.
    pub classes: usize,
    /// How far they are source classes.
    pub relationship: Relationship,
}

impl CoTuned {
    /// The penalty on `features`, `[images, columns]`, its gradient, and those of the source classifier's parameters.
    pub(super) fn penalty(
        &self,
        features: &[f32],
        images: usize,
        targets: &BatchTargets,
        weights: &Weights,
    ) -> Result<Found, TrainingError> {
        let [weight, bias] = SOURCE_CLASSIFIER.map(|key| weights.tensors.get(key).ok_or_else(|| missing(key)));
        let (weight, bias) = (weight?, bias?);
        let (source, columns) = (self.relationship.source_classes(), features.len() / images.max(1));
        if weight.values.len() != source * columns || bias.values.len() != source {
            let (found, expected) = (weight.values.len(), source * columns);
            return Err(RegularizerError::Length { what: "the source's classifier".to_owned(), found, expected }.into());
        }
        let x = MatRef::from_row_major_slice(features, images, columns);
        let w = MatRef::from_row_major_slice(&weight.values, source, columns);
        let mut logits = multiplied(x, w.transpose());
        for row in logits.chunks_mut(source.max(1)) {
            row.iter_mut().zip(&bias.values).for_each(|(logit, bias)| *logit += bias);
        }
        let found = self.relationship.penalty(&logits, &self.shares(targets), STRENGTH)?;
        let dz = MatRef::from_row_major_slice(&found.gradient, images, source);
        let of_weight = multiplied(dz.transpose(), x);
        let of_bias: Vec<f32> =
            (0..source).map(|class| found.gradient.iter().skip(class).step_by(source).sum()).collect();
        let parameters = SOURCE_CLASSIFIER.map(str::to_owned).into_iter().zip([of_weight, of_bias]).collect();
        Ok(Found { value: found.value, gradients: vec![multiplied(dz, w)], parameters })
    }

    /// Shares of the target classes, `[images, classes]`.
    fn shares(&self, targets: &BatchTargets) -> Vec<f64> {
        match targets {
            BatchTargets::Shares(shares) => shares.iter().map(|share| f64::from(*share)).collect(),
            BatchTargets::Labels(labels) | BatchTargets::Given { labels, .. } => {
                let one = |label: &usize| {
                    let label = *label;
                    (0..self.classes).map(move |class| if class == label { 1.0 } else { 0.0 })
                };
                labels.iter().flat_map(one).collect()
            }
        }
    }
}

fn missing(key: &str) -> TrainingError {
    RegularizerError::MissingWeight { name: key.to_owned() }.into()
}

/// A product row by row.
fn multiplied(left: MatRef<'_, f32>, right: MatRef<'_, f32>) -> Vec<f32> {
    let (rows, columns) = (left.nrows(), right.ncols());
    let mut values = vec![0.0; rows * columns];
    multiply(MatMut::from_row_major_slice_mut(&mut values, rows, columns), left, right);
    values
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Tensor;

    use super::*;

    fn weights() -> Weights {
        let values = |count: usize, step: f32| (0..count).map(|at| (at as f32 * step).sin()).collect();
        let [weight, bias] = SOURCE_CLASSIFIER.map(str::to_owned);
        let tensor =
            |shape: Vec<usize>, step| Tensor::new(shape.clone(), values(shape.iter().product(), step)).unwrap();
        Weights { tensors: [(weight, tensor(vec![3, 4], 0.7)), (bias, tensor(vec![3], 1.3))].into() }
    }

    #[test]
    fn gradients_are_slopes() {
        let relationship = Relationship::direct(&[0.7, 0.2, 0.1, 0.1, 0.3, 0.6], 3, &[0, 1], 2).unwrap();
        let tuned = CoTuned { features: "features".to_owned(), classes: 2, relationship };
        let features: Vec<f32> = (0..8).map(|at| (at as f32 * 0.9).cos()).collect();
        let targets = BatchTargets::Labels(vec![1, 0]);
        let value = |features: &[f32], weights: &Weights| tuned.penalty(features, 2, &targets, weights).unwrap().value;
        let found = tuned.penalty(&features, 2, &targets, &weights()).unwrap();
        for at in 0..features.len() {
            let moved = |by: f32| {
                let mut features = features.clone();
                features[at] += by;
                value(&features, &weights())
            };
            let slope = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!((slope - f64::from(found.gradients[0][at])).abs() < 1e-3, "{at}: {slope}");
        }
        for (key, gradient) in &found.parameters {
            for (at, expected) in gradient.iter().enumerate() {
                let moved = |by: f32| {
                    let mut weights = weights();
                    weights.tensors.get_mut(key).unwrap().values[at] += by;
                    value(&features, &weights)
                };
                let slope = (moved(0.01) - moved(-0.01)) / 0.02;
                assert!((slope - f64::from(*expected)).abs() < 1e-3, "{key} {at}: {slope} {expected}");
            }
        }
        assert!(tuned.penalty(&features, 2, &targets, &Weights::default()).is_err());
    }
}
