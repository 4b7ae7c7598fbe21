//! Images per second of a training step (forward, loss, backward, SGD with momentum), with the FMA rate measured right after.
//!
//! With `--serve` each line read from standard input is a number of seconds to measure for, answered by one line of JSON, so that
//! another program can take turns.

use std::io::BufRead;
use std::time::{Duration, Instant};

use heirloom_engine::{Gradients, Isa, Op, Pixels, Precision, TrainingOptions, TrainingPlan, TrainingState};
use heirloom_training::loss::{CrossEntropy, Targets};
use heirloom_training::optimizer::{Optimizer, OptimizerSettings, ParameterGroups};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use crate::forward::multiply_add_rate;

type Failure = Box<dyn std::error::Error>;

/// A network in training on one batch of noise.
pub(crate) struct Bench {
    backbone: Backbone,
    plan: TrainingPlan,
    state: TrainingState,
    gradients: Gradients,
    optimizer: Optimizer,
    pixels: Vec<f32>,
    labels: Vec<usize>,
    classes: usize,
}

impl Bench {
    pub fn new(architecture: &str, side: usize, batch: usize, precision: Precision) -> Result<Self, Failure> {
        let recipe = Recipe::usual("bench", architecture)?.at_input_size([side; 2]);
        let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(0))?;
        let logits = backbone.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let moves = |key: &&String| !key.contains("running");
        let norms = backbone.graph.nodes.iter().filter(|node| matches!(node.op, Op::BatchNorm { .. }));
        let options = TrainingOptions {
            input_size: [side; 2],
            outputs: vec![logits],
            trainable: backbone.graph.parameters.keys().filter(moves).cloned().collect(),
            batch_statistics: norms.map(|node| node.name.clone()).collect(),
            input_gradient: false,
            recompute: false,
            precision,
            isa: Isa::detect_for(precision),
        };
        let plan = TrainingPlan::compile(&backbone.graph, &options)?;
        let classes = plan.outputs().next().map_or(0, heirloom_engine::Shape::len);
        let pixels = (0..batch * side * side * 3).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
        let (state, gradients) = (TrainingState::default(), Gradients::default());
        let optimizer = Optimizer::new(OptimizerSettings::sgd(0.9), ParameterGroups::default())?;
        let labels = (0..batch).map(|row| row % classes.max(1)).collect();
        Ok(Self { backbone, plan, state, gradients, optimizer, pixels, labels, classes })
    }

    pub fn step(&mut self) -> Result<(), Failure> {
        let (batch, weights) = (self.labels.len(), &mut self.backbone.weights);
        self.plan.forward(weights, Pixels::Normalized(&self.pixels), batch, &mut self.state)?;
        let logits = self.plan.output(&self.state, 0).unwrap_or_default();
        let loss = CrossEntropy::default().loss(logits, self.classes, Targets::Labels(&self.labels))?;
        self.plan.backward(weights, &mut self.state, &[Some(&loss.gradient)], &mut self.gradients)?;
        self.plan.update_statistics(&self.state, 0.1, weights)?;
        self.optimizer.step(weights, &self.gradients.tensors, 1e-4)?;
        Ok(())
    }

    /// Activations and gradients held at most so far.
    pub fn activation_mib(&self) -> f64 {
        self.state.bytes() as f64 / f64::from(1 << 20)
    }

    /// Floating-point operations of a step for one image: the backward pass counts twice the forward one.
    fn operations(&self, side: usize) -> Result<f64, Failure> {
        let logits = self.backbone.logits.clone().unwrap_or_else(|| "logits".to_owned());
        Ok(3.0 * self.backbone.graph.cost([side; 2], &[logits])?.flops as f64)
    }

    fn measure(&mut self, seconds: f64, side: usize, threads: usize) -> Result<serde_json::Value, Failure> {
        self.step()?;
        let (start, mut images) = (Instant::now(), 0);
        while start.elapsed().as_secs_f64() < seconds {
            self.step()?;
            images += self.labels.len();
        }
        let rate = images as f64 / start.elapsed().as_secs_f64();
        let peak = multiply_add_rate(threads, Duration::from_millis(100));
        Ok(serde_json::json!({
            "images_per_second": rate,
            "fma_gflops": peak / 1e9,
            "fraction_of_fma_rate": rate * self.operations(side)? / peak,
            "activation_mib": self.activation_mib(),
        }))
    }
}

/// Runs the benchmark: `steps ARCHITECTURE SIDE BATCH [--threads N] [--precision f32|bf16] [--serve]`.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let usage = "usage: steps ARCHITECTURE SIDE BATCH [--threads N] [--precision f32|bf16] [--serve]";
    let [architecture, side, batch, rest @ ..] = arguments else { return Err(usage.into()) };
    let (side, batch) = (side.parse::<usize>()?, batch.parse::<usize>()?);
    let threads = match rest.iter().position(|argument| argument == "--threads") {
        Some(at) => rest.get(at + 1).ok_or(usage)?.parse()?,
        None => 2,
    };
    let precision = match rest.iter().position(|argument| argument == "--precision") {
        Some(at) => rest.get(at + 1).ok_or(usage)?.parse()?,
        None => Precision::F32,
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let mut bench = Bench::new(architecture, side, batch, precision)?;
    let mut measure = |seconds: f64| -> Result<(), Failure> {
        let answer = pool.install(|| bench.measure(seconds, side, threads).map_err(|error| error.to_string()))?;
        println!("{answer}");
        Ok(())
    };
    if !rest.iter().any(|argument| argument == "--serve") {
        return measure(3.0);
    }
    for line in std::io::stdin().lock().lines() {
        measure(line?.trim().parse()?)?;
    }
    Ok(())
}
