//! Which channels of the pretrained network matter to the task at hand: how much its loss grows when one of them is set to zero
//! (DELTA's attention, Li et al. 2019; `spec/regularisers-and-adaptation.md` A2). The network's head was fitted on frozen features before.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use heirloom_data::batches::{Batch, Loader};
use heirloom_engine::{Graph, Isa, Node, NodeId, Op, Pixels, Plan, PlanOptions, Precision, Tensor, Weights, Workspace};
use heirloom_training::loss::{CrossEntropy, Targets};
use heirloom_training::regularizer::delta;
use heirloom_training::trainer::TrainingError;
use heirloom_zoo::Backbone;
use rayon::prelude::*;

use super::super::FitError;

/// Key of the factors by which a tap's channels are multiplied; no parameter of a network is called so.
const MASK: &str = "delta.mask";
/// Images that go through the network together.
const BLOCK: usize = 4;

/// Images on which losses are compared, with their classes.
pub(super) struct Probe {
    pub batch: Batch,
    classes: usize,
}

/// Follows the work: how many channels are done, of how many.
pub(super) type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

impl Probe {
    /// The images of `rows`.
    pub fn read(loader: &Loader, rows: &[usize], classes: usize) -> Result<Self, FitError> {
        let mut batch = Batch::default();
        loader.epoch(0, rows, rows.len().max(1))?.next_into(&mut batch)?;
        Ok(Self { batch, classes })
    }

    /// Attention of each tap's channels. The result does not depend on the number of threads: each channel is one task.
    pub fn attention(
        &self,
        network: &Backbone,
        taps: &[String],
        progress: Progress<'_>,
        cancel: Option<&AtomicBool>,
    ) -> Result<Vec<Vec<f64>>, FitError> {
        let shapes = network.graph.tap_shapes(network.preprocess.input_size, taps)?;
        let total = shapes.iter().map(|shape| shape.channels()).sum();
        let done = AtomicUsize::new(0);
        let of_tap = |(tap, channels): (&String, usize)| -> Result<Vec<f64>, FitError> {
            let masked = masked(&network.graph, tap, channels)?;
            let whole = self.loss(network, &masked, channels, None)?;
            let of_channel = |channel: usize| {
                if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
                    return Err(FitError::Interrupted { epoch: 0, step: 0, checkpoint: None });
                }
                let increase = self.loss(network, &masked, channels, Some(channel))? - whole;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, total);
                Ok(increase)
            };
            let increases = (0..channels).into_par_iter().map(of_channel).collect::<Result<Vec<f64>, _>>()?;
            Ok(delta::attention(&increases))
        };
        taps.iter().zip(shapes.into_iter().map(|shape| shape.channels())).map(of_tap).collect()
    }

    /// Mean log loss with one channel of the mask at zero.
    fn loss(&self, network: &Backbone, graph: &Graph, channels: usize, off: Option<usize>) -> Result<f64, FitError> {
        let mut mask = vec![1.0; channels];
        if let Some(value) = off.and_then(|channel| mask.get_mut(channel)) {
            *value = 0.0;
        }
        let mut weights: Weights = network.weights.clone();
        weights.tensors.insert(MASK.to_owned(), Tensor { shape: vec![channels], values: mask });
        let taps = vec!["logits".to_owned()];
        let options = PlanOptions {
            input_size: network.preprocess.input_size,
            taps,
            isa: Isa::detect(),
            precision: Precision::F32,
        };
        let plan = Plan::compile(graph, &weights, &options)?;
        let length = self.batch.pixels.len() / self.batch.images().max(1);
        let (mut workspace, mut logits) = (Workspace::default(), Vec::new());
        for pixels in self.batch.pixels.chunks(BLOCK * length.max(1)) {
            plan.run(Pixels::Bytes(pixels), pixels.len() / length.max(1), &mut workspace)?;
            logits.extend_from_slice(workspace.tap(0).unwrap_or_default());
        }
        let loss = CrossEntropy::default().loss(&logits, self.classes, Targets::Labels(&self.batch.labels));
        Ok(loss.map_err(TrainingError::from)?.mean)
    }
}

/// `graph` with a factor for each channel of `tap` behind it.
fn masked(graph: &Graph, tap: &str, channels: usize) -> Result<Graph, FitError> {
    let missing = || heirloom_zoo::ZooError::UnknownLayer { pattern: tap.to_owned(), suggestion: None };
    let at = graph.find(tap).ok_or_else(missing)?;
    let behind = |id: NodeId| if id >= at { id + 1 } else { id };
    let mut found = Graph { parameters: graph.parameters.clone(), ..Graph::default() };
    for (id, node) in graph.nodes.iter().enumerate() {
        let inputs =
            if id > at { node.inputs.iter().map(|&input| behind(input)).collect() } else { node.inputs.clone() };
        found.nodes.push(Node { inputs, ..node.clone() });
        if id == at {
            let op = Op::Scale { weight: MASK.to_owned() };
            found.nodes.push(Node { name: "delta.mask".to_owned(), op, inputs: vec![at] });
        }
    }
    found.parameters.insert(MASK.to_owned(), vec![channels]);
    found.modules = graph.modules.iter().map(|(name, &id)| (name.clone(), behind(id))).collect();
    found.outputs = graph.outputs.iter().map(|&id| behind(id)).collect();
    Ok(found)
}

#[cfg(test)]
pub(super) mod tests;
