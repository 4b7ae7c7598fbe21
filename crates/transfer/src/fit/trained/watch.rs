//! Following a training run: validation after every epoch, checkpoints, the time limit, the wish to stop.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heirloom_data::batches::{Batch, Loader};
use heirloom_engine::{Graph, Isa, Pixels, Plan, PlanOptions, Weights, Workspace};
use heirloom_training::checkpoint::{Checkpoint, Identity};
use heirloom_training::loss::{CrossEntropy, Targets};
use heirloom_training::trainer::{EpochReport, Foreign, StepReport, Watcher};
use rayon::prelude::*;

/// Images that one task takes through the network.
const BLOCK: usize = 4;

/// What is told of a run as it goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainingEvent {
    /// A step was made.
    Step(StepReport),
    /// An epoch is complete.
    Epoch(EpochReport),
    /// The run goes on from a checkpoint: complete epochs, and steps of the next.
    Resumed {
        /// Complete epochs.
        epoch: u64,
        /// Steps of the next one.
        step_in_epoch: u64,
    },
}

/// Validation rows with the network that judges them.
pub(super) struct Validation<'a> {
    pub graph: &'a Graph,
    pub input_size: [usize; 2],
    pub loader: Loader,
    pub rows: Vec<usize>,
    pub classes: usize,
}

impl Validation<'_> {
    /// Mean log loss of the validation rows.
    fn log_loss(&self, weights: &Weights) -> Result<f64, Foreign> {
        let options = PlanOptions { input_size: self.input_size, taps: vec!["logits".into()], isa: Isa::detect() };
        let plan = Plan::compile(self.graph, weights, &options)?;
        let (mut batches, mut batch) = (self.loader.epoch(0, &self.rows, 64)?, Batch::default());
        let (mut logits, mut labels) = (Vec::new(), Vec::new());
        while batches.next_into(&mut batch)? {
            let length = batch.pixels.len() / batch.images().max(1);
            let blocks: Vec<&[u8]> = batch.pixels.chunks(BLOCK * length.max(1)).collect();
            let run = |pixels: &&[u8]| -> Result<Vec<f32>, heirloom_engine::EngineError> {
                let mut workspace = Workspace::default();
                plan.run(Pixels::Bytes(pixels), pixels.len() / length.max(1), &mut workspace)?;
                Ok(workspace.tap(0).unwrap_or_default().to_vec())
            };
            let parts = blocks.par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
            logits.extend(parts.into_iter().flatten());
            labels.extend_from_slice(&batch.labels);
        }
        Ok(CrossEntropy::default().loss(&logits, self.classes, Targets::Labels(&labels))?.mean)
    }
}

/// The watcher of a fit.
pub(super) struct FitWatcher<'a> {
    pub validation: Validation<'a>,
    pub checkpoint: Option<(PathBuf, Identity)>,
    pub started: Instant,
    pub time_limit: Option<Duration>,
    pub cancel: Option<&'a AtomicBool>,
    pub report: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    /// Set where the time was up.
    pub timed_out: bool,
    pub epochs: Vec<EpochReport>,
}

impl FitWatcher<'_> {
    fn tell(&self, event: TrainingEvent) {
        if let Some(report) = self.report {
            report(&event);
        }
    }
}

impl Watcher for FitWatcher<'_> {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.tell(TrainingEvent::Step(*report));
        self.timed_out = self.time_limit.is_some_and(|limit| self.started.elapsed() >= limit);
        let cancelled = self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
        if self.timed_out || cancelled { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn validate(&mut self, _: u64, weights: &Weights) -> Result<Option<f64>, Foreign> {
        if self.validation.rows.is_empty() {
            return Ok(None);
        }
        self.validation.log_loss(weights).map(Some)
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.epochs.push(*report);
        self.tell(TrainingEvent::Epoch(*report));
    }

    fn save(&mut self, state: &mut dyn FnMut() -> Checkpoint) -> Result<(), Foreign> {
        if let Some((path, identity)) = &self.checkpoint {
            state().save(path, identity)?;
        }
        Ok(())
    }
}
