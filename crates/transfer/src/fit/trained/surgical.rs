//! Which block of a network the task at hand pulls at most: the one that is trained alone where none is named (surgical fine-tuning, Lee et
//! al. 2022; `spec/regularisers-and-adaptation.md` B3).
//!
//! ```text
//! relative gradient of a block = ||dL/dw|| / ||w||        Euclidean norms over those of its parameters that the method trains
//! ```
//!
//! `L` is the log loss over four batches of training images, without random changes, of the network with a head that was fitted on its frozen
//! features; batch norms use their running statistics. A block is one of [`heirloom_zoo::parameter_groups`]; the head is none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_data::batches::Batch;
use heirloom_engine::{Gradients, Isa, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState};
use heirloom_training::loss::{CrossEntropy, Targets};
use heirloom_training::trainer::TrainingError;
use heirloom_zoo::{Backbone, parameter_groups};
use serde::{Deserialize, Serialize};

use super::super::FitError;
use super::job::Job;
use super::{TrainedMethod, TrainedOptions};

/// The pattern of [`TrainedOptions::train_only`] that stands for the block with the largest relative gradient.
pub const AUTO: &str = "auto";
/// Images that go through the network together.
const BLOCK: usize = 8;

/// How hard a block is pulled at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BlockGradient {
    /// Name of the block, or of the layer outside of blocks.
    pub block: String,
    /// Norm of the gradient as a share of the norm of the weights; 0 where all weights are zero.
    pub relative: f64,
}

/// A block with the keys of those of its parameters that are trained.
type TrainedBlock = (String, Vec<String>);

impl Job<'_> {
    /// Chooses the block that is trained alone where that is asked for.
    pub(super) fn choose_block(&mut self, network: &Backbone) -> Result<(), FitError> {
        if !is_auto(self.trained) {
            return Ok(());
        }
        let mut probed = network.clone();
        self.linear_probe(&mut probed)?;
        self.stage("looking for the block that is pulled at most (counted as images)");
        let batch = self.sampled(network)?.batch;
        let head = network.classifier_parameters();
        let trained = self.recipe.method.trains(&network.graph, &head);
        let own = |key: &String| trained.contains(key) && !head.contains(key);
        let groups = parameter_groups(&network.graph).into_iter();
        let blocks =
            groups.map(|group| (group.name, group.parameters.into_iter().filter(own).collect::<Vec<String>>()));
        let blocks: Vec<TrainedBlock> = blocks.filter(|(_, keys)| !keys.is_empty()).collect();
        let progress = |done: usize, total: usize| self.counted(done, total);
        let found = relative_gradients(&probed, &blocks, &batch, self.classes(), &progress, self.watch.cancel)?;
        // Of equals the one nearer to the input.
        let steepest = found.iter().zip(&blocks).rev().max_by(|(a, _), (b, _)| a.relative.total_cmp(&b.relative));
        let chosen = steepest.filter(|(gradient, _)| gradient.relative > 0.0 && gradient.relative.is_finite());
        let (_, (_, keys)) = chosen.ok_or_else(|| refused("no block has a gradient".to_owned()))?;
        self.train_only.clone_from(keys);
        self.block_gradients = found;
        Ok(())
    }
}

fn refused(reason: String) -> FitError {
    FitError::Recipe { setting: "--train-only", value: AUTO.to_owned(), reason }
}

/// Whether the block that is trained is to be chosen.
fn is_auto(trained: &TrainedOptions) -> bool {
    trained.train_only.iter().any(|pattern| pattern == AUTO)
}

/// Refuses a choice of the block where it means nothing, before any work.
pub(super) fn check(trained: &TrainedOptions) -> Result<(), FitError> {
    match trained.method {
        _ if !is_auto(trained) => Ok(()),
        _ if trained.train_only.len() > 1 => Err(refused("it stands alone: no other pattern goes with it".to_owned())),
        method @ (TrainedMethod::Scratch | TrainedMethod::Linearised) => {
            Err(refused(format!("{method} does not train one part of a pretrained network by steps; name it")))
        }
        _ => Ok(()),
    }
}

/// The relative gradient of each of some blocks, in their order.
fn relative_gradients(
    network: &Backbone,
    blocks: &[TrainedBlock],
    batch: &Batch,
    classes: usize,
    progress: &dyn Fn(usize, usize),
    cancel: Option<&AtomicBool>,
) -> Result<Vec<BlockGradient>, FitError> {
    let sums = gradient(network, blocks, batch, classes, progress, cancel)?;
    let squares = |values: &[f64]| values.iter().map(|value| value * value).sum::<f64>();
    let weights = |key: &String| {
        let values = network.weights.tensors.get(key).map(|tensor| tensor.values.as_slice()).unwrap_or_default();
        values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>()
    };
    let of_block = |(block, keys): &TrainedBlock| {
        let pull: f64 = keys.iter().filter_map(|key| sums.get(key)).map(|values| squares(values)).sum();
        let length: f64 = keys.iter().map(weights).sum();
        let relative = if length > 0.0 { (pull / length).sqrt() } else { 0.0 };
        BlockGradient { block: block.clone(), relative }
    };
    Ok(blocks.iter().map(of_block).collect())
}

/// Gradient of the mean log loss over all images of the batch, by parameter.
fn gradient(
    network: &Backbone,
    blocks: &[TrainedBlock],
    batch: &Batch,
    classes: usize,
    progress: &dyn Fn(usize, usize),
    cancel: Option<&AtomicBool>,
) -> Result<BTreeMap<String, Vec<f64>>, FitError> {
    let options = TrainingOptions {
        input_size: network.preprocess.input_size,
        outputs: vec![network.logits.clone().unwrap_or_else(|| "logits".to_owned())],
        trainable: blocks.iter().flat_map(|(_, keys)| keys.iter().cloned()).collect(),
        batch_statistics: Default::default(),
        input_gradient: false,
        recompute: false,
        precision: Precision::F32,
        isa: Isa::detect(),
    };
    let plan = TrainingPlan::compile(&network.graph, &options)?;
    let (mut state, mut gradients) = (TrainingState::default(), Gradients::default());
    let mut sums: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let length = (batch.pixels.len() / batch.images().max(1)).max(1);
    let mut done = 0;
    for (pixels, labels) in batch.pixels.chunks(BLOCK * length).zip(batch.labels.chunks(BLOCK)) {
        if cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Err(FitError::Interrupted { epoch: 0, step: 0, checkpoint: None });
        }
        plan.forward(&network.weights, Pixels::Bytes(pixels), labels.len(), &mut state)?;
        let logits = plan.output(&state, 0).unwrap_or_default();
        let loss =
            CrossEntropy::default().loss(logits, classes, Targets::Labels(labels)).map_err(TrainingError::from)?;
        plan.backward(&network.weights, &mut state, &[Some(&loss.gradient)], &mut gradients)?;
        let share = labels.len() as f64 / batch.images().max(1) as f64;
        for (key, values) in &gradients.tensors {
            let sum = sums.entry(key.clone()).or_insert_with(|| vec![0.0; values.len()]);
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += share * f64::from(*value));
        }
        done += labels.len();
        progress(done, batch.images());
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use heirloom_engine::{Plan, PlanOptions, Weights, Workspace};

    use super::super::attention::tests::network_and_probe;
    use super::*;

    fn blocks_of(network: &Backbone) -> Vec<TrainedBlock> {
        let head = network.classifier_parameters();
        let trained = TrainedMethod::Full.trains(&network.graph, &head);
        let own = |key: &String| trained.contains(key) && !head.contains(key);
        let groups = parameter_groups(&network.graph).into_iter();
        let blocks = groups.map(|group| (group.name, group.parameters.into_iter().filter(own).collect::<Vec<_>>()));
        blocks.filter(|(_, keys)| !keys.is_empty()).collect()
    }

    fn loss(network: &Backbone, weights: &Weights, batch: &Batch) -> f64 {
        let taps = vec!["logits".to_owned()];
        let input_size = network.preprocess.input_size;
        let options = PlanOptions { input_size, taps, isa: Isa::detect(), precision: Precision::F32 };
        let plan = Plan::compile(&network.graph, weights, &options).unwrap();
        let mut workspace = Workspace::default();
        plan.run(Pixels::Bytes(&batch.pixels), batch.images(), &mut workspace).unwrap();
        let logits = workspace.tap(0).unwrap();
        CrossEntropy::default().loss(logits, 2, Targets::Labels(&batch.labels)).unwrap().mean
    }

    /// Images in blocks of eight give the gradient of all of them, and its norm is that of central differences.
    #[test]
    fn the_relative_gradient_is_that_of_differences() {
        let (network, probe) = network_and_probe(10);
        let key = "layer3.2.bn2.bias".to_owned();
        let mut network = network;
        network.weights.tensors.get_mut(&key).unwrap().values.fill(0.5);
        let blocks = vec![("one".to_owned(), vec![key.clone()])];
        let found = relative_gradients(&network, &blocks, &probe.batch, 2, &|_, _| (), None).unwrap();
        let values = network.weights.tensors[&key].values.clone();
        let slope = |at: usize| {
            let moved = |by: f32| {
                let mut weights = network.weights.clone();
                weights.tensors.get_mut(&key).unwrap().values[at] += by;
                loss(&network, &weights, &probe.batch)
            };
            (moved(0.05) - moved(-0.05)) / 0.1
        };
        let pull = (0..values.len()).map(|at| slope(at).powi(2)).sum::<f64>().sqrt();
        let expected = pull / (0.25 * values.len() as f64).sqrt();
        assert!(expected > 1e-4, "{expected}");
        assert!((found[0].relative / expected - 1.0).abs() < 0.01, "{} {expected}", found[0].relative);
    }

    #[test]
    fn every_block_but_the_head_is_judged_alike_on_any_number_of_threads() {
        let (network, probe) = network_and_probe(10);
        let blocks = blocks_of(&network);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| relative_gradients(&network, &blocks, &probe.batch, 2, &|_, _| (), None)).unwrap()
        };
        let found = run(2);
        assert_eq!(found, run(1));
        // The stem and nine blocks.
        assert_eq!(found.len(), 10, "{found:?}");
        assert!(found.iter().all(|block| block.relative > 0.0 && block.relative.is_finite()), "{found:?}");
        let stopped = relative_gradients(&network, &blocks, &probe.batch, 2, &|_, _| (), Some(&AtomicBool::new(true)));
        assert!(matches!(stopped, Err(FitError::Interrupted { .. })));
    }
}
