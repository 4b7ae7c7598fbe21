//! Rows of the Jacobian of a network's logits by its parameters, and what is made of them without holding them all.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use heirloom_engine::{EngineError, Gradients, Isa, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState};
use heirloom_zoo::Backbone;
use rayon::prelude::*;

use super::gram::Gram;
use crate::heads::dense::Matrix;

/// Bytes of rows that are held at a time: as many columns, of all rows, as they take. A constant, because it decides the order of sums.
pub(crate) const BLOCK_BYTES: usize = 1 << 30;
/// Images of a batch where rows are not told apart.
const BATCH: usize = 32;
/// Fewest images that a thread takes at a time.
const IMAGES: usize = 4;

/// Why rows were not computed.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// Asked for.
    Cancelled,
    /// Shapes that do not fit.
    Engine(EngineError),
}

impl From<EngineError> for Stopped {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// Whether to go on; called once for each image and block of columns.
pub(crate) type GoOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// The Jacobian of a network's logits by some of its parameters. Its rows are those of the images in their order, class by class; its
/// columns the parameters by key. Images come as bytes, `[images, height, width, 3]`.
#[derive(Debug)]
pub(crate) struct Jacobian<'a> {
    network: &'a Backbone,
    classes: usize,
    /// Keys with the number of values.
    parameters: Vec<(String, usize)>,
}

/// A part of one tensor among the columns of a block.
struct Part<'a> {
    key: &'a str,
    values: Range<usize>,
    place: usize,
}

impl<'a> Jacobian<'a> {
    /// By the parameters `moving`.
    pub fn new(network: &'a Backbone, classes: usize, moving: &BTreeSet<String>) -> Self {
        let length = |key: &String| network.weights.tensors.get(key).map_or(0, |tensor| tensor.values.len());
        Self { network, classes, parameters: moving.iter().map(|key| (key.clone(), length(key))).collect() }
    }

    /// Number of parameters.
    pub fn columns(&self) -> usize {
        self.parameters.iter().map(|(_, length)| length).sum()
    }

    fn plan(&self, keys: impl Iterator<Item = String>) -> Result<TrainingPlan, EngineError> {
        let options = TrainingOptions {
            input_size: self.network.preprocess.input_size,
            outputs: vec![self.network.logits.clone().unwrap_or_else(|| "logits".to_owned())],
            trainable: keys.collect(),
            batch_statistics: BTreeSet::new(),
            input_gradient: false,
            recompute: false,
            precision: Precision::F32,
            isa: Isa::detect(),
        };
        TrainingPlan::compile(&self.network.graph, &options)
    }

    fn all(&self) -> impl Iterator<Item = String> + '_ {
        self.parameters.iter().map(|(key, _)| key.clone())
    }

    /// Logits of the images, `[images, classes]`.
    pub fn logits(&self, pixels: &[u8]) -> Result<Vec<f32>, EngineError> {
        let (plan, mut state, mut logits) = (self.plan(std::iter::empty())?, TrainingState::default(), Vec::new());
        let length = plan.input_length().max(1);
        for batch in pixels.chunks(BATCH * length) {
            plan.forward(&self.network.weights, Pixels::Bytes(batch), batch.len() / length, &mut state)?;
            logits.extend_from_slice(plan.output(&state, 0).unwrap_or_default());
        }
        Ok(logits)
    }

    /// The parts of tensors that make up some columns.
    fn parts(&self, columns: &Range<usize>) -> Vec<Part<'_>> {
        let (mut start, mut parts) = (0, Vec::new());
        for (key, length) in &self.parameters {
            let (first, last) = (columns.start.max(start), columns.end.min(start + length));
            if first < last {
                parts.push(Part { key, values: first - start..last - start, place: first - columns.start });
            }
            start += length;
        }
        parts
    }

    /// Some columns of all rows, `[images * classes, columns]`: a backward pass from each logit of each image.
    pub fn rows(&self, pixels: &[u8], columns: Range<usize>, go_on: GoOn<'_>) -> Result<Matrix, Stopped> {
        let parts = self.parts(&columns);
        let plan = self.plan(parts.iter().map(|part| part.key.to_owned()))?;
        let length = plan.input_length().max(1);
        let seeds: Vec<Vec<f32>> = (0..self.classes)
            .map(|one| (0..self.classes).map(|class| f32::from(u8::from(class == one))).collect())
            .collect();
        let width = columns.len();
        let mut matrix = Matrix::zeros(pixels.len() / length * self.classes, width);
        let images = matrix.values.par_chunks_mut((self.classes * width).max(1)).zip(pixels.par_chunks(length));
        images.with_min_len(IMAGES).try_for_each_init(
            || (TrainingState::default(), Gradients::default()),
            |(state, gradients), (rows, pixels)| -> Result<(), Stopped> {
                if !go_on() {
                    return Err(Stopped::Cancelled);
                }
                let weights = &self.network.weights;
                plan.forward(weights, Pixels::Bytes(pixels), 1, state)?;
                plan.backward_each(weights, state, &seeds, gradients, |class, gradients| {
                    let row = &mut rows[class * width..(class + 1) * width];
                    for Part { key, values, place } in &parts {
                        let Some(gradient) = gradients.tensors.get(*key) else { continue };
                        row[*place..place + values.len()].copy_from_slice(&gradient[values.clone()]);
                    }
                })?;
                Ok(())
            },
        )?;
        Ok(matrix)
    }

    /// Blocks of columns in which [`Jacobian::kernel`] takes rows of `images` images.
    pub fn blocks(&self, images: usize) -> usize {
        size_of_blocks(images * self.classes, self.columns()).1
    }

    /// The kernel `J J^T`, `[images * classes, images * classes]`, from one block of columns after the other.
    pub fn kernel(&self, pixels: &[u8], images: usize, go_on: GoOn<'_>) -> Result<Gram, Stopped> {
        let size = images * self.classes;
        let (width, blocks) = size_of_blocks(size, self.columns());
        let mut kernel = Gram::zeros(size);
        for block in 0..blocks {
            let columns = block * width..((block + 1) * width).min(self.columns());
            kernel.add(&self.rows(pixels, columns, go_on)?);
        }
        kernel.mirror();
        Ok(kernel)
    }

    /// `J^T coefficients`, by parameter: one backward pass for each batch.
    pub fn transposed_times(
        &self,
        pixels: &[u8],
        coefficients: &[f64],
    ) -> Result<BTreeMap<String, Vec<f32>>, EngineError> {
        let plan = self.plan(self.all())?;
        let (mut state, mut gradients) = (TrainingState::default(), Gradients::default());
        let mut sums: BTreeMap<String, Vec<f64>> =
            self.parameters.iter().map(|(key, length)| (key.clone(), vec![0.0; *length])).collect();
        let length = plan.input_length().max(1);
        for (batch, seeds) in pixels.chunks(BATCH * length).zip(coefficients.chunks(BATCH * self.classes)) {
            let seeds: Vec<f32> = seeds.iter().map(|&seed| seed as f32).collect();
            plan.forward(&self.network.weights, Pixels::Bytes(batch), batch.len() / length, &mut state)?;
            plan.backward(&self.network.weights, &mut state, &[Some(&seeds)], &mut gradients)?;
            for (key, sums) in &mut sums {
                let gradient = gradients.tensors.get(key).map_or(&[][..], Vec::as_slice);
                sums.iter_mut().zip(gradient).for_each(|(sum, &slope)| *sum += f64::from(slope));
            }
        }
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        Ok(sums.into_iter().map(|(key, values)| (key, single(values))).collect())
    }
}

/// Columns of a block, and blocks, for so many rows and columns.
pub(crate) fn size_of_blocks(rows: usize, columns: usize) -> (usize, usize) {
    let width = (BLOCK_BYTES / (4 * rows.max(1))).clamp(1, columns.max(1));
    (width, columns.div_ceil(width))
}
