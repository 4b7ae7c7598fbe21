//! Where the time of a frozen pass goes: each step beside what the processor and its memory could do in the same minute.

use std::path::Path;
use std::time::{Duration, Instant};

use heirloom_engine::kernels::{copied_bytes, multiply_adds, tile_multiply_adds};
use heirloom_engine::{Isa, Pixels, Plan, PlanOptions, Precision, Workspace};
use heirloom_report::{Align, Roof, Table, Work, roofline};
use heirloom_zoo::Backbone;
use serde::Serialize;

use crate::command::{refuse_to_replace, write_whole};
use crate::failure::Failure;

/// Seconds of passes, and of each limit between two of them.
const SECONDS: f64 = 3.0;
const LIMIT: Duration = Duration::from_millis(30);

/// A pass on one thread, step by step.
#[derive(Debug, Clone, Serialize)]
pub struct Profile {
    /// Precision of the products.
    pub precision: Precision,
    /// Kernels that ran.
    pub kernels: Isa,
    /// Images in a block.
    pub images: usize,
    /// Operations per second of one core on registers or tiles alone, measured between the passes.
    pub flops_limit: f64,
    /// Bytes per second that one core reads and writes in memory beyond its own caches.
    pub bytes_limit: f64,
    /// Milliseconds for an image.
    pub milliseconds: f64,
    /// The steps in order.
    pub steps: Vec<StepProfile>,
}

/// A step.
#[derive(Debug, Clone, Serialize)]
pub struct StepProfile {
    /// Node that names it.
    pub name: String,
    /// Nodes that run in it.
    pub nodes: usize,
    /// Microseconds for an image.
    pub microseconds: f64,
    /// Share of the pass.
    pub share: f64,
    /// Operations per second.
    pub flops: f64,
    /// Bytes per second: inputs, output, added values and weights, each once.
    pub bytes: f64,
    /// Operations per second as a share of what memory and arithmetic allow at this number of operations per byte; none without
    /// operations.
    pub of_limit: Option<f64>,
}

/// Runs passes over blocks of images, on one thread.
pub fn profile(backbone: &Backbone, precision: Precision, images: usize) -> Result<Profile, Failure> {
    let refuse = |error: heirloom_engine::EngineError| Failure::input(error.to_string());
    let (input_size, kernels) = (backbone.preprocess.input_size, Isa::detect_for(precision));
    let taps = vec![backbone.logits.clone().unwrap_or_else(|| backbone.features.clone())];
    let cost = backbone.graph.cost(input_size, &taps).map_err(refuse)?;
    let options = PlanOptions { input_size, taps, isa: kernels, precision };
    let plan = Plan::compile(&backbone.graph, &backbone.weights, &options).map_err(refuse)?;
    let pixels: Vec<u8> = (0..images * input_size[0] * input_size[1] * 3).map(|at| (at * 37 % 251) as u8).collect();
    let bytes = plan.step_bytes(images);
    let (mut workspace, mut seconds) = (Workspace::default(), vec![0.0; bytes.len()]);
    let mut pass = |seconds: &mut [f64]| {
        let mut last = Instant::now();
        plan.run_watched(
            Pixels::Bytes(&pixels),
            images,
            &mut workspace,
            |_, _| {},
            |step| {
                let now = Instant::now();
                seconds[step] += (now - last).as_secs_f64();
                last = now;
            },
        )
    };
    pass(&mut vec![0.0; bytes.len()]).map_err(refuse)?;
    let (mut rounds, started) = (0, Instant::now());
    let mut limits = Limits::new(kernels, precision);
    while rounds < 3 || started.elapsed().as_secs_f64() < SECONDS {
        pass(&mut seconds).map_err(refuse)?;
        limits.measure(started.elapsed().as_secs_f64() / SECONDS);
        rounds += 1;
    }
    let flops = |nodes: &[String]| -> u64 {
        cost.nodes.iter().filter(|node| nodes.contains(&node.name)).map(|node| node.flops).sum()
    };
    let (total, passes) = (seconds.iter().sum::<f64>(), f64::from(rounds));
    let roof = limits.roof();
    let steps = plan.steps().zip(&seconds).zip(&bytes).map(|((nodes, &seconds), &bytes)| {
        let names: Vec<String> = nodes.map(|node| backbone.graph.nodes[node].name.clone()).collect();
        let work = (flops(&names) * images as u64) as f64;
        let rate = work * passes / seconds;
        StepProfile {
            nodes: names.len(),
            name: names.into_iter().next().unwrap_or_default(),
            microseconds: 1e6 * seconds / passes / images as f64,
            share: seconds / total,
            flops: rate,
            bytes: bytes as f64 * passes / seconds,
            of_limit: (work > 0.0).then(|| rate / roof.at(work / bytes as f64)),
        }
    });
    Ok(Profile {
        precision,
        kernels,
        images,
        flops_limit: roof.arithmetic,
        bytes_limit: roof.memory,
        milliseconds: 1e3 * total / passes / images as f64,
        steps: steps.collect(),
    })
}

/// What one core can do, measured a little after each pass.
struct Limits {
    kernels: Isa,
    precision: Precision,
    flops: (f64, f64),
    bytes: (f64, f64),
    from: Vec<u64>,
    to: Vec<u64>,
}

impl Limits {
    /// 64 MiB read and written: beyond the caches of a core.
    fn new(kernels: Isa, precision: Precision) -> Self {
        let buffer = || vec![1_u64; 4 << 20];
        Self { kernels, precision, flops: (0.0, 0.0), bytes: (0.0, 0.0), from: buffer(), to: buffer() }
    }

    /// Measures for as long as is due when `share` of the passes has been run.
    fn measure(&mut self, share: f64) {
        let due = |spent: f64| spent < LIMIT.as_secs_f64() * (1.0 + 20.0 * share.min(1.0));
        while due(self.flops.1) {
            let started = Instant::now();
            let done = match self.kernels {
                Isa::Amx if self.precision == Precision::Bf16 => tile_multiply_adds(100_000),
                isa => multiply_adds(isa, 100_000),
            };
            self.flops = (self.flops.0 + done as f64, self.flops.1 + started.elapsed().as_secs_f64());
        }
        while due(self.bytes.1) {
            let started = Instant::now();
            let moved = copied_bytes(&self.from, &mut self.to);
            self.bytes = (self.bytes.0 + moved as f64, self.bytes.1 + started.elapsed().as_secs_f64());
        }
    }

    fn roof(&self) -> Roof {
        Roof { arithmetic: self.flops.0 / self.flops.1, memory: self.bytes.0 / self.bytes.1 }
    }
}

impl Profile {
    /// The table, the limits below it.
    pub fn text(&self) -> String {
        let mut table = Table::new(&[
            ("step", Align::Left),
            ("nodes", Align::Right),
            ("us", Align::Right),
            ("share", Align::Right),
            ("GFLOP/s", Align::Right),
            ("GB/s", Align::Right),
            ("of limit", Align::Right),
        ]);
        for step in &self.steps {
            table.push([
                step.name.clone(),
                step.nodes.to_string(),
                format!("{:.1}", step.microseconds),
                format!("{:.1} %", 100.0 * step.share),
                format!("{:.1}", step.flops / 1e9),
                format!("{:.1}", step.bytes / 1e9),
                step.of_limit.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
            ]);
        }
        let (arithmetic, memory) = (self.flops_limit / 1e9, self.bytes_limit / 1e9);
        format!(
            "{}{:.2} ms an image on one core, {} with {} kernels, blocks of {}\n\
             one core in the same seconds: {arithmetic:.0} GFLOP/s of arithmetic, {memory:.1} GB/s of memory beyond its caches\n\
             'of limit': operations a second against what the lower of both allows; above 100 % where values stayed in a cache\n",
            table.to_text(),
            self.milliseconds,
            self.precision,
            self.kernels,
            self.images,
        )
    }

    /// Writes the roofline as SVG.
    pub fn draw(&self, path: &Path, force: bool) -> Result<(), Failure> {
        refuse_to_replace(path, force)?;
        let work = |step: &StepProfile| Work {
            name: step.name.clone(),
            intensity: step.flops / step.bytes,
            rate: step.flops,
            share: step.share,
        };
        let works: Vec<Work> = self.steps.iter().map(work).collect();
        let roof = Roof { arithmetic: self.flops_limit, memory: self.bytes_limit };
        let svg = roofline(&works, roof).ok_or_else(|| Failure::internal("no step of the pass can be drawn"))?;
        write_whole(path, svg.as_bytes())
    }
}
