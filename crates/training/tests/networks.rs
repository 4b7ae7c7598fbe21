//! Whole networks in training against PyTorch's stored gradients and losses (tests/reference/training.py).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../../zoo/tests/common/formula.rs"]
mod formula;

use std::collections::{BTreeMap, BTreeSet};

use heirloom_engine::{
    Gradients, Graph, Isa, Op, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState, Weights,
};
use heirloom_training::optimizer::{Optimizer, OptimizerSettings, ParameterGroups};
use heirloom_zoo::{Layout, Recipe, architectures};

#[derive(serde::Deserialize)]
struct Gradient {
    largest: f64,
    values: Vec<f64>,
}

#[derive(serde::Deserialize)]
struct Case {
    architecture: String,
    layout: String,
    input_side: usize,
    batch: usize,
    classes: usize,
    scales: Vec<(String, f64)>,
    learning_rate: f64,
    losses: Vec<f64>,
    gradients: BTreeMap<String, Gradient>,
    running: BTreeMap<String, Vec<f64>>,
}

/// Values kept of a tensor, evenly spaced.
const KEPT: usize = 12;

fn kept(values: &[f32]) -> impl Iterator<Item = f64> + '_ {
    values.iter().step_by((values.len() / KEPT).max(1)).take(KEPT).map(|&x| f64::from(x))
}

fn case(architecture: &str) -> Case {
    let cases: Vec<Case> = serde_json::from_str(include_str!("data/training.json")).unwrap();
    cases.into_iter().find(|case| case.architecture == architecture).unwrap()
}

/// Mean cross-entropy and its gradient, plainly.
fn cross_entropy(logits: &[f32], classes: usize, labels: &[usize]) -> (f64, Vec<f32>) {
    let (mut loss, mut slope) = (0.0, Vec::new());
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        let exponentials: Vec<f64> = row.iter().map(|&x| f64::from(x).exp()).collect();
        let total: f64 = exponentials.iter().sum();
        loss -= (exponentials[label] / total).ln() / labels.len() as f64;
        let one = |class: usize| exponentials[class] / total - f64::from(class == label);
        slope.extend((0..classes).map(|class| (one(class) / labels.len() as f64) as f32));
    }
    (loss, slope)
}

/// A network in training, every parameter trained and every batch norm with the statistics of the batch.
struct Network {
    weights: Weights,
    plan: TrainingPlan,
    state: TrainingState,
    gradients: Gradients,
}

fn options(graph: &Graph, side: usize, logits: &str) -> TrainingOptions {
    let running = |name: &&String| !name.contains("running") && !name.contains("moving");
    let norms = graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. }));
    TrainingOptions {
        input_size: [side; 2],
        outputs: vec![logits.to_owned()],
        trainable: graph.parameters.keys().filter(running).cloned().collect(),
        batch_statistics: norms.map(|node| node.name.clone()).collect::<BTreeSet<_>>(),
        input_gradient: false,
        recompute: false,
        precision: Precision::F32,
        isa: Isa::detect(),
    }
}

impl Network {
    fn new(case: &Case, change: impl FnOnce(&mut TrainingOptions)) -> Self {
        let mut recipe = Recipe::usual("formula", &case.architecture).unwrap();
        recipe.preprocess.input_size = [case.input_side; 2];
        recipe.classes = Some(case.classes);
        let layout = if case.layout == "timm" { Layout::Timm } else { Layout::Torchvision };
        let network = architectures::build(&recipe, layout).unwrap();
        let mut options = options(&network.graph, case.input_side, "logits");
        change(&mut options);
        Self {
            weights: formula::weights(&network.graph, &case.scales),
            plan: TrainingPlan::compile(&network.graph, &options).unwrap(),
            state: TrainingState::default(),
            gradients: Gradients::default(),
        }
    }

    /// Forward and backward pass; the loss.
    fn pass(&mut self, case: &Case, step: usize) -> f64 {
        let pixels: Vec<f32> =
            (0..case.batch).flat_map(|i| formula::named_image(&format!("image{step}.{i}"), case.input_side)).collect();
        let labels: Vec<usize> = (0..case.batch).map(|i| (7 * i + 3 * step) % case.classes).collect();
        self.plan.forward(&self.weights, Pixels::Normalized(&pixels), case.batch, &mut self.state).unwrap();
        let logits = self.plan.output(&self.state, 0).unwrap();
        let (loss, slope) = cross_entropy(logits, case.classes, &labels);
        self.plan.backward(&self.weights, &mut self.state, &[Some(&slope)], &mut self.gradients).unwrap();
        loss
    }
}

fn gradients_agree(architecture: &str) {
    let case = case(architecture);
    let mut network = Network::new(&case, |_| {});
    let loss = network.pass(&case, 0);
    assert!((loss - case.losses[0]).abs() < 1e-5, "loss {loss} against {}", case.losses[0]);
    let found = &network.gradients.tensors;
    assert_eq!(found.keys().collect::<Vec<_>>(), case.gradients.keys().collect::<Vec<_>>());
    let mut worst = (0.0_f64, String::new());
    // A bias before a batch norm and the like: its gradient is zero but for rounding, which says nothing.
    let overall = case.gradients.values().fold(0.0_f64, |a, b| a.max(b.largest));
    for (name, expected) in case.gradients.iter().filter(|(_, expected)| expected.largest > 1e-9 * overall) {
        let difference = kept(&found[name]).zip(&expected.values).fold(0.0_f64, |a, (x, y)| a.max((x - y).abs()));
        let largest = found[name].iter().fold(0.0_f64, |a, &x| a.max(f64::from(x.abs())));
        assert!((largest / expected.largest - 1.0).abs() < 1e-4, "{name}: {largest} against {}", expected.largest);
        if difference / expected.largest > worst.0 {
            worst = (difference / expected.largest, name.clone());
        }
    }
    println!("{architecture}: {:.2e} at {}", worst.0, worst.1);
    assert!(worst.0 <= 1e-4, "{}: {:.2e}", worst.1, worst.0);
    network.plan.update_statistics(&network.state, 0.1, &mut network.weights).unwrap();
    for (name, expected) in &case.running {
        let values = &network.weights.tensors[name].values;
        let close = kept(values).zip(expected).all(|(x, y)| (x - y).abs() <= 1e-5 * (1.0 + y.abs()));
        assert!(close, "{name}");
    }
}

/// Twenty steps of SGD with momentum stay within 1e-3 of PyTorch's losses.
fn losses_agree(architecture: &str) {
    let case = case(architecture);
    let mut network = Network::new(&case, |_| {});
    let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default()).unwrap();
    let mut worst = 0.0_f64;
    for (step, expected) in case.losses.iter().enumerate() {
        worst = worst.max((network.pass(&case, step) - expected).abs());
        optimizer.step(&mut network.weights, &network.gradients.tensors, case.learning_rate).unwrap();
    }
    println!("{architecture}: losses within {worst:.2e}");
    assert!(worst <= 1e-3, "{worst:.2e}");
}

/// Computing activations again, other threads and a second run change no bit.
fn bits_agree(architecture: &str) {
    let case = case(architecture);
    let run = |recompute: bool, threads: usize| {
        let mut network = Network::new(&case, |options| options.recompute = recompute);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| (network.pass(&case, 0), network.gradients.tensors.clone(), network.state.bytes()))
    };
    let (loss, gradients, bytes) = run(false, 2);
    for (recompute, threads) in [(false, 1), (true, 2)] {
        let other = run(recompute, threads);
        assert!(
            loss.to_bits() == other.0.to_bits() && gradients == other.1,
            "recompute {recompute}, {threads} threads"
        );
        assert!(!recompute || other.2 < bytes, "{} of {bytes} bytes", other.2);
    }
}

/// In bf16, with the matrix unit and without it: gradients that point where those of `f32` do, losses that stay near for all steps, and
/// the same bits for any number of threads and where activations are computed again.
fn bf16_follows(architecture: &str) {
    let case = case(architecture);
    let of = |precision: Precision, isa: Isa, recompute: bool| {
        Network::new(&case, |options| {
            (options.precision, options.isa, options.recompute) = (precision, isa, recompute);
        })
    };
    let losses = |mut network: Network| {
        let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default()).unwrap();
        let step = |step: usize| {
            let loss = network.pass(&case, step);
            optimizer.step(&mut network.weights, &network.gradients.tensors, case.learning_rate).unwrap();
            loss
        };
        (0..case.losses.len()).map(step).collect::<Vec<_>>()
    };
    let mut exact = of(Precision::F32, Isa::detect(), false);
    exact.pass(&case, 0);
    let best = Isa::detect_for(Precision::Bf16);
    for (isa, settings) in [(Isa::Portable, &[(false, 2)][..]), (best, &[(false, 2), (false, 1), (true, 3)])] {
        let pass = |&(recompute, threads): &(bool, usize)| {
            let mut network = of(Precision::Bf16, isa, recompute);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| (network.pass(&case, 0).to_bits(), network.gradients.tensors.clone()))
        };
        let found: Vec<_> = settings.iter().map(pass).collect();
        assert!(found.iter().all(|other| *other == found[0]), "{architecture}, {isa}: {settings:?}");
        let alike = cosine(&found[0].1, &exact.gradients.tensors);
        println!("{architecture} in bf16, {isa}: cosine of gradients {alike:.5}");
        assert!(alike > 0.99, "{architecture}, {isa}: cosine {alike}");
    }
    let found = losses(of(Precision::Bf16, best, false));
    let apart = found.iter().zip(&case.losses).map(|(a, b)| (a - b).abs() / b).fold(0.0, f64::max);
    println!("{architecture} in bf16, {best}: losses within {:.1} %", 100.0 * apart);
    assert!(apart < 0.02, "{architecture}: losses apart by {apart}");
}

/// Of all gradients together.
fn cosine(a: &BTreeMap<String, Vec<f32>>, b: &BTreeMap<String, Vec<f32>>) -> f64 {
    let pairs = || a.iter().flat_map(|(name, values)| values.iter().zip(&b[name]));
    let sum = |term: fn(f64, f64) -> f64| pairs().map(|(x, y)| term(f64::from(*x), f64::from(*y))).sum::<f64>();
    sum(|x, y| x * y) / (sum(|x, _| x * x) * sum(|_, y| y * y)).sqrt()
}

#[test]
fn cifar_resnet20() {
    gradients_agree("cifar_resnet20");
    losses_agree("cifar_resnet20");
    bits_agree("cifar_resnet20");
    bf16_follows("cifar_resnet20");
}

#[test]
fn cifar_fixup_resnet20() {
    gradients_agree("cifar_fixup_resnet20");
    losses_agree("cifar_fixup_resnet20");
    bits_agree("cifar_fixup_resnet20");
    bf16_follows("cifar_fixup_resnet20");
}

#[test]
fn mobilenetv3_small() {
    gradients_agree("mobilenetv3_small_100");
    losses_agree("mobilenetv3_small_100");
    bits_agree("mobilenetv3_small_100");
    bf16_follows("mobilenetv3_small_100");
}

#[test]
fn vit_tiny() {
    gradients_agree("vit_tiny_patch16_224");
    losses_agree("vit_tiny_patch16_224");
    bits_agree("vit_tiny_patch16_224");
    bf16_follows("vit_tiny_patch16_224");
}

/// What is not trained is not touched, and nothing below the first trained layer is computed in vain.
#[test]
fn frozen_parts_stay_as_they_are() {
    let case = case("cifar_resnet20");
    let trained = |name: &str| name.starts_with("linear") || name.starts_with("layer3.2");
    let mut network = Network::new(&case, |options| {
        options.trainable.retain(|name| trained(name));
        options.batch_statistics.clear();
    });
    let before = network.weights.clone();
    let mut optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default()).unwrap();
    for step in 0..2 {
        network.pass(&case, step);
        network.plan.update_statistics(&network.state, 0.1, &mut network.weights).unwrap();
        optimizer.step(&mut network.weights, &network.gradients.tensors, 0.01).unwrap();
    }
    assert!(network.gradients.tensors.keys().all(|name| trained(name)));
    for (name, tensor) in &network.weights.tensors {
        let changed = tensor != &before.tensors[name];
        assert_eq!(changed, trained(name) && !name.contains("running"), "{name}");
    }
}
