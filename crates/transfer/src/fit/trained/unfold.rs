//! Statistics of convolutions that hold a folded batch norm, over some training images.

use std::collections::BTreeMap;
use std::sync::Arc;

use heirloom_data::augment::Augmentation;
use heirloom_data::batches::{Batch, Loader, LoaderOptions};
use heirloom_engine::{Isa, Pixels, Plan, PlanOptions, Precision, Workspace};
use heirloom_zoo::{Backbone, ChannelStatistics};
use rayon::prelude::*;

use super::super::FitError;
use super::images::Reading;

/// Most images that statistics are measured on.
const MOST: usize = 512;
/// Images that one task takes through the network.
const BLOCK: usize = 4;
/// Images of a batch.
const BATCH: usize = 64;

/// At most 512 rows, spread evenly.
fn rows(rows: &[usize]) -> Vec<usize> {
    let count = rows.len().min(MOST);
    (0..count).map(|at| rows[at * rows.len() / count]).collect()
}

/// What is being done meanwhile.
pub(crate) const STAGE: &str = "measuring the statistics of folded batch norms";

/// The network with a batch norm behind each convolution that holds a folded one, with statistics of some of the rows `train`, and what
/// the reader should know of it. A network without folded norms comes back as it is.
pub(crate) fn unfolded(
    network: Backbone,
    train: &[usize],
    reading: &Reading<'_>,
    options: LoaderOptions,
) -> Result<(Backbone, Option<String>), FitError> {
    let folded = network.folded_convolutions();
    if folded.is_empty() {
        return Ok((network, None));
    }
    let plain = Augmentation::none(network.preprocess.clone());
    let images = reading.decode(&rows(train), &plain)?;
    let loader = Loader::new(Arc::clone(&images), plain, options)?;
    let statistics = statistics(&network, &folded, &loader, &images.rows())?;
    let note = format!(
        "{} batch norms of this backbone were folded into its convolutions; they were put back with statistics of {} \
         training images, which leaves the function as it was, but they are not those of the pretraining",
        folded.len(),
        images.len()
    );
    Ok((network.unfold_batch_norms(&statistics)?, Some(note)))
}

/// Sums of values and of their squares per channel.
#[derive(Debug, Clone, Default)]
struct Sums {
    values: Vec<f64>,
    squares: Vec<f64>,
    count: usize,
}

impl Sums {
    fn add(&mut self, values: &[f32], channels: usize) {
        self.values.resize(channels, 0.0);
        self.squares.resize(channels, 0.0);
        for row in values.chunks_exact(channels.max(1)) {
            for ((sum, square), &value) in self.values.iter_mut().zip(&mut self.squares).zip(row) {
                let value = f64::from(value);
                *sum += value;
                *square += value * value;
            }
            self.count += 1;
        }
    }

    fn join(&mut self, other: &Self) {
        self.values.resize(other.values.len(), 0.0);
        self.squares.resize(other.squares.len(), 0.0);
        self.values.iter_mut().zip(&other.values).for_each(|(sum, value)| *sum += value);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, value)| *sum += value);
        self.count += other.count;
    }

    fn statistics(&self) -> ChannelStatistics {
        let count = self.count.max(1) as f64;
        let mean: Vec<f64> = self.values.iter().map(|sum| sum / count).collect();
        let variance = self.squares.iter().zip(&mean).map(|(sum, mean)| (sum / count - mean * mean).max(0.0) as f32);
        ChannelStatistics { variance: variance.collect(), mean: mean.iter().map(|&mean| mean as f32).collect() }
    }
}

/// Mean and variance per channel of the outputs of `convolutions`, biases included, over `rows`. Blocks are added in the order of the
/// rows: the result does not depend on the number of threads.
fn statistics(
    network: &Backbone,
    convolutions: &[String],
    loader: &Loader,
    rows: &[usize],
) -> Result<BTreeMap<String, ChannelStatistics>, FitError> {
    let input_size = network.preprocess.input_size;
    let options =
        PlanOptions { input_size, taps: convolutions.to_vec(), isa: Isa::detect(), precision: Precision::F32 };
    let plan = Plan::compile(&network.graph, &network.weights, &options)?;
    let shapes = network.graph.tap_shapes(input_size, convolutions)?;
    let channels: Vec<usize> = shapes.into_iter().map(heirloom_engine::Shape::channels).collect();
    let mut all = vec![Sums::default(); convolutions.len()];
    let (mut batches, mut batch) = (loader.epoch(0, rows, BATCH)?, Batch::default());
    while batches.next_into(&mut batch)? {
        let length = batch.pixels.len() / batch.images().max(1);
        let blocks: Vec<&[u8]> = batch.pixels.chunks(BLOCK * length.max(1)).collect();
        let run = |pixels: &&[u8]| -> Result<Vec<Sums>, heirloom_engine::EngineError> {
            let mut sums = vec![Sums::default(); channels.len()];
            let images = pixels.len() / length.max(1);
            plan.run_each(Pixels::Bytes(pixels), images, &mut Workspace::default(), |tap, values| {
                sums[tap].add(values, channels[tap]);
            })?;
            Ok(sums)
        };
        for part in blocks.par_iter().map(run).collect::<Result<Vec<_>, _>>()? {
            all.iter_mut().zip(&part).for_each(|(all, part)| all.join(part));
        }
    }
    Ok(convolutions.iter().cloned().zip(all.iter().map(Sums::statistics)).collect())
}

#[cfg(test)]
mod tests;
