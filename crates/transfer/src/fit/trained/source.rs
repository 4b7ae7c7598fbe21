//! Batches for the trainer from decoded images.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use heirloom_data::Preprocess;
use heirloom_data::augment::Mixup;
use heirloom_data::batches::{Batch, Epoch, Loader, epoch_order};
use heirloom_training::loss::mixed_targets;
use heirloom_training::trainer::{BatchPixels, BatchTargets, Foreign, Source, TrainingBatch};

/// What is known of labels that may be wrong (`spec/robustness.md` section 1.2; Patrini et al. 2017, Hendrycks et al. 2018).
#[derive(Debug, Clone, PartialEq)]
pub struct GivenLabels {
    /// How often each class is given each label, `[classes, classes]`.
    pub corruption: Arc<[f64]>,
    /// Rows of the table whose label is right.
    pub trusted: BTreeSet<usize>,
}

/// A loader's batches in the random order of each epoch, blended where mixup is asked for.
pub(crate) struct LoaderSource {
    loader: Loader,
    rows: Vec<usize>,
    seed: u64,
    classes: usize,
    mixup: Option<f64>,
    doubts: Option<GivenLabels>,
    preprocess: Preprocess,
    running: Option<Running>,
}

struct Running {
    epoch: u64,
    batch: usize,
    batches: Epoch,
    buffer: Batch,
}

impl LoaderSource {
    pub fn new(
        loader: Loader,
        rows: Vec<usize>,
        seed: u64,
        classes: usize,
        mixup: Option<f64>,
        preprocess: Preprocess,
    ) -> Self {
        Self { loader, rows, seed, classes, mixup, doubts: None, preprocess, running: None }
    }

    /// Labels that may be wrong.
    pub fn with_doubts(self, doubts: Option<GivenLabels>) -> Self {
        Self { doubts, ..self }
    }

    fn targets(&self, batch: &Batch) -> BatchTargets {
        let labels = batch.labels.clone();
        match &self.doubts {
            None => BatchTargets::Labels(labels),
            Some(doubts) => {
                let trusted = batch.rows.iter().map(|row| doubts.trusted.contains(row)).collect();
                BatchTargets::Given { labels, corruption: Arc::clone(&doubts.corruption), trusted }
            }
        }
    }

    fn blended(&self, batch: &Batch, epoch: u64, number: usize, alpha: f64) -> Result<TrainingBatch, Foreign> {
        let mixup = Mixup::draw(self.seed, epoch, number, batch.images(), alpha)?;
        let mut pixels = Vec::new();
        mixup.blend(&batch.pixels, &self.preprocess, &mut pixels)?;
        let shares = mixed_targets(&batch.labels, &mixup.partners, f64::from(mixup.lambda), self.classes)?;
        let (pixels, targets) = (BatchPixels::Normalized(pixels), BatchTargets::Shares(shares));
        Ok(TrainingBatch { pixels, targets, images: batch.images() })
    }
}

impl Source for LoaderSource {
    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn start(&mut self, epoch: u64, first_batch: usize, batch_size: usize) -> Result<(), Foreign> {
        let order = epoch_order(&self.rows, self.seed, epoch);
        let rest = order.get(first_batch * batch_size..).unwrap_or_default();
        let batches = self.loader.epoch(epoch, rest, batch_size)?;
        self.running = Some(Running { epoch, batch: first_batch, batches, buffer: Batch::default() });
        Ok(())
    }

    fn next_batch(&mut self) -> Result<Option<TrainingBatch>, Foreign> {
        let Some(mut running) = self.running.take() else { return Ok(None) };
        if !running.batches.next_into(&mut running.buffer)? {
            self.running = Some(running);
            return Ok(None);
        }
        let batch = match self.mixup {
            Some(alpha) => self.blended(&running.buffer, running.epoch, running.batch, alpha)?,
            None => TrainingBatch {
                images: running.buffer.images(),
                targets: self.targets(&running.buffer),
                pixels: BatchPixels::Bytes(std::mem::take(&mut running.buffer.pixels)),
            },
        };
        running.batch += 1;
        self.running = Some(running);
        Ok(Some(batch))
    }

    fn give_back(&mut self, batch: TrainingBatch) {
        if let (Some(running), BatchPixels::Bytes(pixels)) = (&mut self.running, batch.pixels) {
            running.buffer.pixels = pixels;
        }
    }

    fn waited(&self) -> Duration {
        self.running.as_ref().map_or(Duration::ZERO, |running| running.batches.waited())
    }
}
