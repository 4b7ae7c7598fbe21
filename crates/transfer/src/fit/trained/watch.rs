//! Following a training run: validation after every epoch, checkpoints, the time limit, the wish to stop.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heirloom_data::batches::{Batch, Loader};
use heirloom_engine::{Graph, Isa, Pixels, Plan, PlanOptions, Precision, Weights, Workspace};
use heirloom_training::checkpoint::{Checkpoint, Identity};
use heirloom_training::loss::{CrossEntropy, Targets};
use heirloom_training::trainer::{EpochReport, Foreign, HeldOut, Readout, StepReport, Watcher};
use rayon::prelude::*;

use super::state::save;

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
pub(crate) struct Validation<'a> {
    pub graph: &'a Graph,
    pub input_size: [usize; 2],
    pub loader: Loader,
    pub rows: Vec<usize>,
    pub classes: usize,
    /// The head that gives the logits, where it is not the network's own.
    pub readout: Option<&'a dyn Readout>,
}

impl Validation<'_> {
    /// Log loss and accuracy of the held-out rows.
    fn judge(&self, weights: &Weights) -> Result<HeldOut, Foreign> {
        let taps = self.readout.map_or_else(|| vec!["logits".to_owned()], |readout| readout.nodes().to_vec());
        let count = taps.len();
        let options = PlanOptions { input_size: self.input_size, taps, isa: Isa::detect(), precision: Precision::F32 };
        let plan = Plan::compile(self.graph, weights, &options)?;
        let (mut batches, mut batch) = (self.loader.epoch(0, &self.rows, 64)?, Batch::default());
        let (mut logits, mut labels) = (Vec::new(), Vec::new());
        while batches.next_into(&mut batch)? {
            let length = batch.pixels.len() / batch.images().max(1);
            let blocks: Vec<&[u8]> = batch.pixels.chunks(BLOCK * length.max(1)).collect();
            let run = |pixels: &&[u8]| -> Result<Vec<f32>, Foreign> {
                let (mut workspace, images) = (Workspace::default(), pixels.len() / length.max(1));
                plan.run(Pixels::Bytes(pixels), images, &mut workspace)?;
                let values: Vec<&[f32]> = (0..count).map(|tap| workspace.tap(tap).unwrap_or_default()).collect();
                match self.readout {
                    Some(readout) => Ok(readout.logits(weights, &values, images)?),
                    None => Ok(values.concat()),
                }
            };
            let parts = blocks.par_iter().map(run).collect::<Result<Vec<_>, _>>()?;
            logits.extend(parts.into_iter().flatten());
            labels.extend_from_slice(&batch.labels);
        }
        let loss = CrossEntropy::default().loss(&logits, self.classes, Targets::Labels(&labels))?.mean;
        let accuracy = right_answers(&logits, self.classes, &labels) as f64 / labels.len().max(1) as f64;
        Ok(HeldOut { loss, accuracy })
    }
}

/// Rows of logits whose largest value is that of the label; the first of equal ones counts.
fn right_answers(logits: &[f32], classes: usize, labels: &[usize]) -> usize {
    let largest = |row: &[f32]| (0..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best });
    logits.chunks_exact(classes.max(1)).zip(labels).filter(|(row, label)| largest(row) == **label).count()
}

/// Keeps the weights of a complete epoch, counted from 0.
pub(crate) type Keep<'a> = Box<dyn Fn(u64, &Weights) -> Result<(), Foreign> + Send + Sync + 'a>;

/// The watcher of a fit.
pub(crate) struct FitWatcher<'a> {
    pub validation: Option<Validation<'a>>,
    pub checkpoint: Option<(PathBuf, Identity)>,
    pub started: Instant,
    pub time_limit: Option<Duration>,
    pub cancel: Option<&'a AtomicBool>,
    pub report: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    pub keep: Option<Keep<'a>>,
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

    fn validate(&mut self, epoch: u64, weights: &Weights) -> Result<Option<HeldOut>, Foreign> {
        if let Some(keep) = &self.keep {
            keep(epoch, weights)?;
        }
        let validation = self.validation.as_ref().filter(|validation| !validation.rows.is_empty());
        validation.map(|validation| validation.judge(weights)).transpose()
    }

    fn epoch(&mut self, report: &EpochReport) {
        self.epochs.push(*report);
        self.tell(TrainingEvent::Epoch(*report));
    }

    fn save(&mut self, state: &mut dyn FnMut() -> Checkpoint) -> Result<(), Foreign> {
        if let Some((path, identity)) = &self.checkpoint {
            save(state(), &self.epochs, path, identity)?;
        }
        Ok(())
    }
}
