//! Where batches come from and who is told of the progress.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use heirloom_engine::{Pixels, Weights};

use super::report::{EpochReport, StepReport};
use crate::checkpoint::Checkpoint;
use crate::loss::Targets;

/// An error of somebody else's: of the data, or of a disk.
pub type Foreign = Box<dyn std::error::Error + Send + Sync>;

/// Pixels of a batch, NHWC.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchPixels {
    /// 0 to 255; the network normalises them.
    Bytes(Vec<u8>),
    /// Normalised already, as blends of images are.
    Normalized(Vec<f32>),
}

impl BatchPixels {
    /// As the network takes them.
    #[must_use]
    pub fn as_pixels(&self) -> Pixels<'_> {
        match self {
            Self::Bytes(bytes) => Pixels::Bytes(bytes),
            Self::Normalized(values) => Pixels::Normalized(values),
        }
    }
}

/// What the network shall say to a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchTargets {
    /// A class for each image.
    Labels(Vec<usize>),
    /// Shares of the classes, `[images, classes]`.
    Shares(Vec<f32>),
    /// A class for each image that may be wrong; see [`Targets::Given`].
    Given {
        /// The classes.
        labels: Vec<usize>,
        /// How often each class is given each label, `[classes, classes]`.
        corruption: Arc<[f64]>,
        /// Images whose class is right.
        trusted: Vec<bool>,
    },
}

impl BatchTargets {
    /// As the loss takes them.
    #[must_use]
    pub fn as_targets(&self) -> Targets<'_> {
        match self {
            Self::Labels(labels) => Targets::Labels(labels),
            Self::Shares(shares) => Targets::Shares(shares),
            Self::Given { labels, corruption, trusted } => Targets::Given { labels, corruption, trusted },
        }
    }
}

/// Images with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingBatch {
    /// The images.
    pub pixels: BatchPixels,
    /// Their targets.
    pub targets: BatchTargets,
    /// Their number.
    pub images: usize,
}

/// Batches, epoch by epoch. What comes depends on the source's seed, the epoch and the batch's number alone, so that a run can
/// go on from any step.
pub trait Source {
    /// Rows of an epoch.
    fn rows(&self) -> usize;

    /// Begins an epoch at a batch.
    ///
    /// # Errors
    /// Whatever keeps the data from coming.
    fn start(&mut self, epoch: u64, first_batch: usize, batch_size: usize) -> Result<(), Foreign>;

    /// The next batch; `None` after the last.
    ///
    /// # Errors
    /// Whatever keeps the data from coming.
    fn next_batch(&mut self) -> Result<Option<TrainingBatch>, Foreign>;

    /// Takes back a batch that was used, for its memory.
    fn give_back(&mut self, batch: TrainingBatch) {
        drop(batch);
    }

    /// How long the network has waited for batches in this epoch.
    fn waited(&self) -> Duration {
        Duration::ZERO
    }
}

/// How weights do on held-out images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeldOut {
    /// Mean log loss in nats.
    pub loss: f64,
    /// Share of right answers.
    pub accuracy: f64,
}

/// Follows a run. The weights handed over are those that count: the average where one is kept.
pub trait Watcher {
    /// After every step. Breaking off ends the run after this step; it can go on from the checkpoint that is saved then.
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        let _ = report;
        ControlFlow::Continue(())
    }

    /// After every epoch: how the weights do on held-out images, where there are any. Where a run stops early or keeps its best
    /// epoch, the loss decides.
    ///
    /// # Errors
    /// Whatever keeps the weights from being judged.
    fn validate(&mut self, epoch: u64, weights: &Weights) -> Result<Option<HeldOut>, Foreign> {
        let _ = (epoch, weights);
        Ok(None)
    }

    /// After every epoch, with what was found.
    fn epoch(&mut self, report: &EpochReport) {
        let _ = report;
    }

    /// Wants the state saved, after every epoch and where a run is broken off.
    ///
    /// # Errors
    /// Whatever keeps it from being saved.
    fn save(&mut self, state: &mut dyn FnMut() -> Checkpoint) -> Result<(), Foreign> {
        let _ = state;
        Ok(())
    }
}

/// Nobody watches.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {}
