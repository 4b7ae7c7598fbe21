//! The logits of a complete model and their gradients by the pixels: what an optimised trigger or an adversarial example needs.
//!
//! ```text
//! pixels [images, height, width, 3] -> network -> layers -> columns (pooled, selected, scaled) -> x W + b -> logits
//! d pixels <---------- network <------ layers <------------ columns <--------------------------------------- d logits
//! ```
//!
//! Batch norms use their running statistics, as when the model predicts; no value of the model changes.

mod columns;
mod error;

use std::collections::BTreeSet;

use heirloom_engine::{Gradients, Isa, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState, Weights};
use rayon::prelude::*;

pub(crate) use columns::{Columns, Read};
pub use error::GradientError;

use crate::artifact::Artifact;
use crate::heads::Rule;

/// A model as a function of pixels that can be differentiated.
///
/// ```no_run
/// use heirloom_transfer::gradient::Differentiable;
/// # fn run(artifact: &heirloom_transfer::artifact::Artifact, pixels: &[f32]) -> Result<(), Box<dyn std::error::Error>> {
/// let mut model = Differentiable::new(artifact, heirloom_engine::Isa::detect())?;
/// // One step of one eighth of a grey level that makes every image less like class 0.
/// let logits = model.logits(pixels, 1)?;
/// let mut seed = vec![0.0; logits.len()];
/// seed[0] = 1.0;
/// let slope = model.backward(&seed)?;
/// let moved: Vec<f32> = pixels.iter().zip(slope).map(|(x, d)| x - d.signum() / 2040.0).collect();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Differentiable<'a> {
    plan: TrainingPlan,
    state: TrainingState,
    gradients: Gradients,
    weights: &'a Weights,
    columns: Columns,
    /// Output of the plan that each of the head's inputs reads.
    outputs: Vec<usize>,
    /// `[columns, classes]`.
    map: &'a [f32],
    bias: &'a [f32],
    mean: [f32; 3],
    std: [f32; 3],
    pixels: usize,
    /// The images of the last forward pass.
    read: Vec<Read>,
}

impl<'a> Differentiable<'a> {
    /// The model of a complete artifact.
    ///
    /// # Errors
    /// A slim artifact or one of features, a head that votes, one that was adapted to a target domain.
    pub fn new(artifact: &'a Artifact, isa: Isa) -> Result<Self, GradientError> {
        let network = artifact.network()?;
        let head = &artifact.head;
        let Rule::Affine(affine) = &head.rule else {
            return Err(GradientError::Head { method: head.method().name() });
        };
        if artifact.preparation.is_some() {
            return Err(GradientError::Adapted);
        }
        let input_size = network.preprocess.input_size;
        let columns = Columns::of_head(head, network.graph, input_size)?;
        let taps: Vec<String> =
            head.inputs.iter().map(|input| input.tap.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        let outputs = head.inputs.iter().filter_map(|input| taps.iter().position(|tap| *tap == input.tap)).collect();
        let options = TrainingOptions {
            input_size,
            outputs: taps,
            trainable: BTreeSet::new(),
            batch_statistics: BTreeSet::new(),
            input_gradient: true,
            recompute: false,
            precision: Precision::F32,
            isa,
        };
        let plan = TrainingPlan::compile(network.graph, &options)?;
        Ok(Self {
            plan,
            state: TrainingState::default(),
            gradients: Gradients::default(),
            weights: network.weights,
            columns,
            outputs,
            map: &affine.weights,
            bias: &affine.bias,
            mean: network.preprocess.mean,
            std: network.preprocess.std,
            pixels: input_size[0] * input_size[1] * 3,
            read: Vec::new(),
        })
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.bias.len()
    }

    /// Values of one image: height x width x 3.
    #[must_use]
    pub fn image_length(&self) -> usize {
        self.pixels
    }

    /// Logits `[images, classes]`, before the temperature, of `pixels`, `[images, height, width, 3]` where 1 is white.
    ///
    /// # Errors
    /// Pixels of another length; an operator that cannot be run.
    pub fn logits(&mut self, pixels: &[f32], images: usize) -> Result<Vec<f32>, GradientError> {
        check(pixels.len(), images, self.pixels)?;
        let scale = self.mean.iter().zip(&self.std).cycle();
        let normalised: Vec<f32> = pixels.iter().zip(scale).map(|(x, (mean, std))| (x - mean) / std).collect();
        self.plan.forward(self.weights, Pixels::Normalized(&normalised), images, &mut self.state)?;
        let output = |at: &usize| self.plan.output(&self.state, *at).unwrap_or_default();
        let values: Vec<&[f32]> = self.outputs.iter().map(output).collect();
        let read = (0..images).into_par_iter().map(|image| self.columns.read(&values, image));
        self.read = read.collect::<Result<_, _>>()?;
        Ok(self.read.iter().flat_map(|read| self.apply(&read.scaled)).collect())
    }

    /// `x W + b`.
    fn apply(&self, columns: &[f32]) -> Vec<f32> {
        let mut sums: Vec<f64> = self.bias.iter().map(|&bias| f64::from(bias)).collect();
        for (&value, row) in columns.iter().zip(self.map.chunks(self.classes().max(1))) {
            sums.iter_mut().zip(row).for_each(|(sum, &weight)| *sum += f64::from(value) * f64::from(weight));
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    /// Gradient by the pixels, `[images, height, width, 3]`, from `seed`, that of the last logits. Uses the forward pass up.
    ///
    /// # Errors
    /// A seed of another length, or no forward pass before.
    pub fn backward(&mut self, seed: &[f32]) -> Result<Vec<f32>, GradientError> {
        let (classes, read) = (self.classes().max(1), std::mem::take(&mut self.read));
        check(seed.len(), read.len(), classes)?;
        let of_image = |(read, seed): (&Read, &[f32])| {
            let columns: Vec<f32> =
                self.map.chunks(classes).map(|row| row.iter().zip(seed).map(|(w, dz)| w * dz).sum()).collect();
            self.columns.spread(read, &columns)
        };
        let pairs: Vec<(&Read, &[f32])> = read.iter().zip(seed.chunks(classes)).collect();
        let spread = pairs.into_par_iter().map(of_image).collect::<Result<Vec<_>, _>>()?;
        let seeds = self.seeds(&spread);
        let seeds: Vec<Option<&[f32]>> = seeds.iter().map(|seed| Some(seed.as_slice())).collect();
        self.plan.backward(self.weights, &mut self.state, &seeds, &mut self.gradients)?;
        let mut slope = self.gradients.input.take().unwrap_or_default();
        slope.iter_mut().zip(self.std.iter().cycle()).for_each(|(slope, std)| *slope /= std);
        Ok(slope)
    }

    /// Gradients of the plan's outputs for the whole batch; inputs that read the same layer add theirs.
    fn seeds(&self, spread: &[Vec<Vec<f32>>]) -> Vec<Vec<f32>> {
        let count = self.outputs.iter().max().map_or(0, |last| last + 1);
        let mut seeds = vec![Vec::new(); count];
        for (input, &output) in self.outputs.iter().enumerate() {
            let own: Vec<f32> = spread.iter().flat_map(|layers| layers[input].iter().copied()).collect();
            let sum: &mut Vec<f32> = &mut seeds[output];
            if sum.is_empty() {
                *sum = own;
            } else {
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
        }
        seeds
    }
}

fn check(found: usize, images: usize, each: usize) -> Result<(), GradientError> {
    let expected = images * each;
    if found == expected { Ok(()) } else { Err(GradientError::Length { found, images, expected }) }
}

#[cfg(test)]
mod tests;
