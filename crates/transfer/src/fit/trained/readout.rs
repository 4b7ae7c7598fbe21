//! Head2Toe's head in training (`spec/head2toe.md` sections 2.3 and 6): pooled taps, the selected columns of each, divided by their norm,
//! and a linear map. With `x` the selected columns of one tap and `y = x / |x|`,
//!
//! ```text
//! z = sum over taps of y W + b        dW += y^T dz      db += dz
//! dy = dz W^T                         dx = (dy - y (y . dy)) / |x|,  0 where x = 0
//! ```

use heirloom_engine::{Tensor, Weights};
use heirloom_training::trainer::{Foreign, Readout, ReadoutGradients, TrainingError};
use heirloom_zoo::Backbone;
use rayon::prelude::*;

use super::super::FitError;
use crate::Pooling;
use crate::gradient::{Columns, Read};
use crate::heads::{Head, Method, Normalizer, Rule};

/// Names of the head's parameters among the trainer's weights: no layer is called so.
pub(super) const KEYS: [&str; 2] = ["head2toe.weight", "head2toe.bias"];

/// A head that reads selected columns of several taps.
#[derive(Debug, Clone)]
pub(super) struct SelectedColumns {
    nodes: Vec<String>,
    columns: Columns,
    classes: usize,
}

impl SelectedColumns {
    /// The columns that a fitted head reads of `network`, and the head's parameters.
    pub fn of_head(head: &Head, network: &Backbone) -> Result<(Self, [Tensor; 2]), FitError> {
        let unfit = || FitError::Classifier { backbone: network.name.clone(), keys: KEYS.map(str::to_owned).to_vec() };
        let (Rule::Affine(affine), Normalizer::UnitVector) = (&head.rule, &head.normalizer) else {
            return Err(unfit());
        };
        let columns = Columns::of_head(head, &network.graph, network.preprocess.input_size)?;
        let nodes = head.inputs.iter().map(|input| input.tap.clone()).collect();
        let weight = Tensor::new(vec![columns.count(), head.classes], affine.weights.clone()).ok_or_else(unfit)?;
        let bias = Tensor::new(vec![head.classes], affine.bias.clone()).ok_or_else(unfit)?;
        Ok((Self { nodes, columns, classes: head.classes }, [weight, bias]))
    }

    /// Which columns are read, short enough for a message.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for input in self.columns.inputs() {
            hasher.update(format!("{} {:?} {:?}", input.tap, input.pooling, input.columns).as_bytes());
        }
        format!("{} columns, {}", self.columns.count(), &hasher.finalize().to_hex()[..16])
    }

    /// Taps with their pooling.
    pub fn inputs(head: &Head) -> Vec<(String, Pooling)> {
        head.inputs.iter().map(|input| (input.tap.clone(), input.pooling)).collect()
    }

    /// The head with the parameters as they are now.
    pub fn to_head(&self, weights: &Weights) -> Head {
        let values = |key: &str| weights.tensors.get(key).map_or_else(Vec::new, |tensor| tensor.values.clone());
        let rule = Rule::affine(self.classes, values(KEYS[0]), values(KEYS[1]));
        let inputs = self.columns.inputs().cloned().collect();
        Head::new(Method::Head2Toe, self.classes, inputs, Normalizer::UnitVector, rule)
    }

    fn read(&self, values: &[&[f32]], image: usize) -> Result<Read, TrainingError> {
        self.columns.read(values, image).map_err(foreign)
    }

    fn read_all(&self, values: &[&[f32]], images: usize) -> Result<Vec<Read>, TrainingError> {
        (0..images).into_par_iter().map(|image| self.read(values, image)).collect()
    }

    fn parameters<'w>(&self, weights: &'w Weights) -> Result<[&'w [f32]; 2], TrainingError> {
        let lengths = [self.columns.count() * self.classes, self.classes];
        let found = KEYS.map(|key| weights.tensors.get(key).map_or(&[][..], |tensor| tensor.values.as_slice()));
        if found[0].len() != lengths[0] || found[1].len() != lengths[1] {
            let fact = format!("the head has {} and {} values, expected {lengths:?}", found[0].len(), found[1].len());
            return Err(TrainingError::Foreign(fact.into()));
        }
        Ok(found)
    }
}

fn foreign(error: crate::PoolingError) -> TrainingError {
    TrainingError::Foreign(Foreign::from(error))
}

impl Readout for SelectedColumns {
    fn nodes(&self) -> &[String] {
        &self.nodes
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn logits(&self, weights: &Weights, values: &[&[f32]], images: usize) -> Result<Vec<f32>, TrainingError> {
        let [weight, bias] = self.parameters(weights)?;
        let of_image = |image: usize| -> Result<Vec<f32>, TrainingError> {
            let read = self.read(values, image)?;
            let mut sums: Vec<f64> = bias.iter().map(|&bias| f64::from(bias)).collect();
            for (&value, row) in read.scaled.iter().zip(weight.chunks(self.classes.max(1))) {
                sums.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += f64::from(value) * f64::from(weight));
            }
            Ok(sums.iter().map(|&sum| sum as f32).collect())
        };
        let rows = (0..images).into_par_iter().map(of_image).collect::<Result<Vec<_>, _>>()?;
        Ok(rows.concat())
    }

    fn backward(
        &self,
        weights: &Weights,
        values: &[&[f32]],
        images: usize,
        logits: &[f32],
    ) -> Result<ReadoutGradients, TrainingError> {
        let [weight, _] = self.parameters(weights)?;
        let classes = self.classes.max(1);
        let reads = self.read_all(values, images)?;
        let of_image = |(read, dz): (&Read, &[f32])| {
            let dy: Vec<f32> =
                weight.chunks(classes).map(|row| row.iter().zip(dz).map(|(w, dz)| w * dz).sum()).collect();
            self.columns.spread(read, &dy).map_err(foreign)
        };
        let pairs: Vec<(&Read, &[f32])> = reads.iter().zip(logits.chunks(classes)).collect();
        let spread = pairs.into_par_iter().map(of_image).collect::<Result<Vec<_>, _>>()?;
        let nodes = (0..self.nodes.len()).map(|tap| spread.iter().flat_map(|taps| taps[tap].iter().copied()).collect());
        // Every weight is one sum over the images in their order, whatever the number of threads.
        let mut d_weight = vec![0.0_f32; self.columns.count() * classes];
        d_weight.par_chunks_mut(classes).enumerate().for_each(|(column, row)| {
            for (read, dz) in reads.iter().zip(logits.chunks(classes)) {
                row.iter_mut().zip(dz).for_each(|(sum, dz)| *sum += read.scaled[column] * dz);
            }
        });
        let mut d_bias = vec![0.0_f32; classes];
        logits.chunks(classes).for_each(|dz| d_bias.iter_mut().zip(dz).for_each(|(sum, dz)| *sum += dz));
        let parameters = [(KEYS[0].to_owned(), d_weight), (KEYS[1].to_owned(), d_bias)].into();
        Ok(ReadoutGradients { nodes: nodes.collect(), parameters })
    }
}

#[cfg(test)]
mod tests;
