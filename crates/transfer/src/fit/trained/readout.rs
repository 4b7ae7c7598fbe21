//! Head2Toe's head in training (`spec/head2toe.md` sections 2.3 and 6): pooled taps, the selected columns of each, divided by their norm,
//! and a linear map. With `x` the selected columns of one tap and `y = x / |x|`,
//!
//! ```text
//! z = sum over taps of y W + b        dW += y^T dz      db += dz
//! dy = dz W^T                         dx = (dy - y (y . dy)) / |x|,  0 where x = 0
//! ```

use heirloom_engine::{Shape, Tensor, Weights};
use heirloom_training::trainer::{Foreign, Readout, ReadoutGradients, TrainingError};
use heirloom_zoo::Backbone;
use rayon::prelude::*;

use super::super::FitError;
use crate::heads::{Head, Input, Method, Normalizer, Rule};
use crate::pooling::spread_into;
use crate::{Pooling, Windows, pool_into};

/// Names of the head's parameters among the trainer's weights: no layer is called so.
pub(super) const KEYS: [&str; 2] = ["head2toe.weight", "head2toe.bias"];

/// The columns of one tap.
#[derive(Debug, Clone)]
struct Part {
    shape: Shape,
    windows: Windows,
    input: Input,
}

/// A head that reads selected columns of several taps.
#[derive(Debug, Clone)]
pub(super) struct SelectedColumns {
    nodes: Vec<String>,
    parts: Vec<Part>,
    classes: usize,
    columns: usize,
}

/// Selected columns of one image, by tap, before they are divided by their norm; and those norms.
struct Read {
    /// All columns, divided.
    scaled: Vec<f32>,
    norms: Vec<f64>,
}

impl SelectedColumns {
    /// The columns that a fitted head reads of `network`, and the head's parameters.
    pub fn of_head(head: &Head, network: &Backbone) -> Result<(Self, [Tensor; 2]), FitError> {
        let unfit = || FitError::Classifier { backbone: network.name.clone(), keys: KEYS.map(str::to_owned).to_vec() };
        let (Rule::Affine(affine), Normalizer::UnitVector) = (&head.rule, &head.normalizer) else {
            return Err(unfit());
        };
        let nodes: Vec<String> = head.inputs.iter().map(|input| input.tap.clone()).collect();
        let shapes = network.graph.tap_shapes(network.preprocess.input_size, &nodes)?;
        let part = |(input, shape): (&Input, Shape)| Part {
            shape,
            windows: Windows::new(shape, input.pooling),
            input: input.clone(),
        };
        let parts: Vec<Part> = head.inputs.iter().zip(shapes).map(part).collect();
        let columns = head.inputs.iter().map(Input::count).sum();
        let weight = Tensor::new(vec![columns, head.classes], affine.weights.clone()).ok_or_else(unfit)?;
        let bias = Tensor::new(vec![head.classes], affine.bias.clone()).ok_or_else(unfit)?;
        Ok((Self { nodes, parts, classes: head.classes, columns }, [weight, bias]))
    }

    /// Which columns are read, short enough for a message.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for Part { input, .. } in &self.parts {
            hasher.update(format!("{} {:?} {:?}", input.tap, input.pooling, input.columns).as_bytes());
        }
        format!("{} columns, {}", self.columns, &hasher.finalize().to_hex()[..16])
    }

    /// Taps with their pooling.
    pub fn inputs(head: &Head) -> Vec<(String, Pooling)> {
        head.inputs.iter().map(|input| (input.tap.clone(), input.pooling)).collect()
    }

    /// The head with the parameters as they are now.
    pub fn to_head(&self, weights: &Weights) -> Head {
        let values = |key: &str| weights.tensors.get(key).map_or_else(Vec::new, |tensor| tensor.values.clone());
        let rule = Rule::affine(self.classes, values(KEYS[0]), values(KEYS[1]));
        let inputs = self.parts.iter().map(|part| part.input.clone()).collect();
        Head::new(Method::Head2Toe, self.classes, inputs, Normalizer::UnitVector, rule)
    }

    fn read(&self, values: &[&[f32]], image: usize) -> Result<Read, TrainingError> {
        let mut read = Read { scaled: Vec::with_capacity(self.columns), norms: Vec::with_capacity(self.parts.len()) };
        let mut pooled = Vec::new();
        for (part, values) in self.parts.iter().zip(values) {
            pooled.clear();
            pooled.resize(part.input.width, 0.0);
            let length = part.shape.len();
            let own = values.get(image * length..(image + 1) * length).unwrap_or_default();
            pool_into(part.shape, own, &[part.windows], &mut [&mut pooled]).map_err(foreign)?;
            let start = read.scaled.len();
            match &part.input.columns {
                None => read.scaled.extend_from_slice(&pooled),
                Some(columns) => read.scaled.extend(columns.iter().map(|&column| pooled[column as usize])),
            }
            let norm = read.scaled[start..].iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
            let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            read.scaled[start..].iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
            read.norms.push(norm);
        }
        Ok(read)
    }

    fn read_all(&self, values: &[&[f32]], images: usize) -> Result<Vec<Read>, TrainingError> {
        (0..images).into_par_iter().map(|image| self.read(values, image)).collect()
    }

    fn parameters<'w>(&self, weights: &'w Weights) -> Result<[&'w [f32]; 2], TrainingError> {
        let lengths = [self.columns * self.classes, self.classes];
        let found = KEYS.map(|key| weights.tensors.get(key).map_or(&[][..], |tensor| tensor.values.as_slice()));
        if found[0].len() != lengths[0] || found[1].len() != lengths[1] {
            let fact = format!("the head has {} and {} values, expected {lengths:?}", found[0].len(), found[1].len());
            return Err(TrainingError::Foreign(fact.into()));
        }
        Ok(found)
    }

    /// Gradients of one image's taps from `scaled`, the gradient of the divided columns.
    fn spread(&self, read: &Read, gradient: &[f32]) -> Result<Vec<Vec<f32>>, TrainingError> {
        let mut start = 0;
        let mut taps = Vec::with_capacity(self.parts.len());
        for (part, &norm) in self.parts.iter().zip(&read.norms) {
            let range = start..start + part.input.count();
            start = range.end;
            let (y, dy) = (&read.scaled[range.clone()], &gradient[range]);
            let along: f64 = y.iter().zip(dy).map(|(&y, &dy)| f64::from(y) * f64::from(dy)).sum();
            let factor = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            let dx = y.iter().zip(dy).map(|(&y, &dy)| ((f64::from(dy) - f64::from(y) * along) * factor) as f32);
            let mut pooled = vec![0.0; part.input.width];
            match &part.input.columns {
                None => pooled.iter_mut().zip(dx).for_each(|(to, dx)| *to = dx),
                Some(columns) => columns.iter().zip(dx).for_each(|(&column, dx)| pooled[column as usize] = dx),
            }
            let mut tap = vec![0.0; part.shape.len()];
            spread_into(part.shape, part.windows, &pooled, &mut tap).map_err(foreign)?;
            taps.push(tap);
        }
        Ok(taps)
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
            self.spread(read, &dy)
        };
        let pairs: Vec<(&Read, &[f32])> = reads.iter().zip(logits.chunks(classes)).collect();
        let spread = pairs.into_par_iter().map(of_image).collect::<Result<Vec<_>, _>>()?;
        let nodes = (0..self.parts.len()).map(|tap| spread.iter().flat_map(|taps| taps[tap].iter().copied()).collect());
        // Every weight is one sum over the images in their order, whatever the number of threads.
        let mut d_weight = vec![0.0_f32; self.columns * classes];
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
