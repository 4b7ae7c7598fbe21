//! One run from the first weights to the last.

use std::sync::Arc;
use std::time::Instant;

use heirloom_data::Table;
use heirloom_data::augment::Augmentation;
use heirloom_data::batches::{DecodedImages, Loader, LoaderOptions};
use heirloom_engine::Weights;
use heirloom_training::trainer::{Ended, Trainer};
use heirloom_zoo::Backbone;

use super::{KeepEpoch, PretrainOptions, Pretrained, with_weights};
use crate::fit::trained::images::{Reading, augmentation};
use crate::fit::trained::settings::{groups, loss, trainable, trainer_settings};
use crate::fit::trained::source::LoaderSource;
use crate::fit::trained::state::{Kept, resume, rows_digest};
use crate::fit::trained::watch::{FitWatcher, Validation};
use crate::fit::trained::{Recipe, TrainingEvent, unfold};
use crate::fit::{FitError, Watch};

pub(super) struct Job<'a> {
    pub table: &'a Table,
    pub options: &'a PretrainOptions,
    pub watch: Watch<'a>,
    pub report: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    pub keep: Option<KeepEpoch<'a>>,
    pub recipe: Recipe,
    pub shorter_side: usize,
    pub started: Instant,
    pub train: Vec<usize>,
    pub test: Vec<usize>,
}

impl Job<'_> {
    pub fn run(self, network: Backbone) -> Result<Pretrained, FitError> {
        self.stage("reading the images");
        let reading =
            Reading { table: self.table, extract: &self.options.extract, watch: self.watch, started: self.started };
        if !network.folded_convolutions().is_empty() {
            self.stage(unfold::STAGE);
        }
        let (network, note) = unfold::unfolded(network, &self.train, &reading, self.loader_options())?;
        let augmentation = augmentation(&self.recipe, &network.preprocess, self.shorter_side);
        let plain = Augmentation::none(network.preprocess.clone());
        let images = reading.decode(&self.train, &augmentation)?;
        let judged = reading.decode(&self.test, &plain)?;
        let (trained_rows, test_rows) = (images.len(), judged.len());
        let carries = |row: &&usize| self.table.rows.get(**row).is_some_and(|row| row.intervention.is_some());
        let planted_rows = images.rows().iter().filter(carries).count();
        let mut trainer = self.trainer(&network, trained_rows)?;
        let kept = self.resume(&network, &mut trainer)?;
        let checkpoint = kept.place;
        self.stage("training");
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.options.extract.threads);
        let pool = pool.build().map_err(FitError::threads)?;
        let mut source = self.source(&network, images, augmentation)?;
        let keep = |epoch: u64, weights: &Weights| match self.keep {
            Some(keep) => keep(epoch, &with_weights(&network, weights)).map_err(Into::into),
            None => Ok(()),
        };
        let mut watcher = FitWatcher {
            validation: Some(self.validation(&network, judged, plain)?),
            checkpoint: checkpoint.clone(),
            started: self.started,
            time_limit: self.options.time_limit,
            cancel: self.watch.cancel,
            report: self.report,
            keep: Some(Box::new(keep)),
            timed_out: false,
            epochs: kept.epochs,
        };
        let ended = pool.install(|| trainer.train(&mut source, &mut watcher))?;
        let (epochs, timed_out) = (std::mem::take(&mut watcher.epochs), watcher.timed_out);
        if ended == Ended::Interrupted && !timed_out {
            let (epoch, step) = trainer.position();
            return Err(FitError::Interrupted { epoch, step, checkpoint: checkpoint.map(|kept| kept.0) });
        }
        if let Some((path, _)) = checkpoint {
            // The weights take its place; a file that cannot be removed does no harm.
            let _ = std::fs::remove_file(path);
        }
        Ok(Pretrained {
            backbone: with_weights(&network, trainer.result()),
            skipped: self.train.len() + self.test.len() - trained_rows - test_rows,
            recipe: self.recipe,
            epochs,
            warnings: note.into_iter().collect(),
            trained_rows,
            planted_rows,
            test_rows,
            timed_out,
        })
    }

    fn stage(&self, text: &str) {
        if let Some(stage) = self.watch.stage {
            stage(text);
        }
    }

    fn loader_options(&self) -> LoaderOptions {
        LoaderOptions { threads: 1, seed: self.options.seed, ..LoaderOptions::default() }
    }

    fn trainer(&self, network: &Backbone, rows: usize) -> Result<Trainer, FitError> {
        let keys = trainable(&self.recipe, network, &[], None, &[])?;
        let label = |row: &usize| self.table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
        let labels: Vec<usize> = self.train.iter().map(label).collect();
        let loss = loss(&self.recipe, &labels, self.table.classes.len())?;
        let mut settings = trainer_settings(&self.recipe, network, keys, rows, loss, self.options.seed);
        settings.recompute = self.options.recompute;
        let groups = groups(&self.recipe, network)?;
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        Ok(Trainer::new(&network.graph, network.weights.clone(), &logits, groups, None, settings)?)
    }

    fn source(
        &self,
        network: &Backbone,
        images: Arc<DecodedImages>,
        augmentation: Augmentation,
    ) -> Result<LoaderSource, FitError> {
        let (rows, seed) = (images.rows(), self.options.seed);
        let loader = Loader::new(images, augmentation, self.loader_options())?;
        let (classes, mixup) = (self.table.classes.len(), self.recipe.mixup);
        let source = LoaderSource::new(loader, rows, seed, classes, mixup, network.preprocess.clone());
        Ok(source.with_doubts(self.options.doubts.clone()))
    }

    fn validation<'n>(
        &self,
        network: &'n Backbone,
        judged: Arc<DecodedImages>,
        plain: Augmentation,
    ) -> Result<Validation<'n>, FitError> {
        Ok(Validation {
            graph: &network.graph,
            input_size: network.preprocess.input_size,
            rows: judged.rows(),
            loader: Loader::new(judged, plain, self.loader_options())?,
            classes: self.table.classes.len(),
            readout: None,
        })
    }

    /// Puts a kept state into the trainer; the file and what it belongs to.
    fn resume(&self, network: &Backbone, trainer: &mut Trainer) -> Result<Kept, FitError> {
        let mut recipe = serde_json::json!({
            "settings": trainer.settings(),
            "recipe": self.recipe,
            "start": network.weights_digest,
            "data": self.table.source.display().to_string(),
            "rows": rows_digest(self.table, &self.train),
            "plant": self.options.plant,
        });
        if let Some(doubts) = &self.options.doubts {
            recipe["doubts"] = serde_json::json!([&doubts.corruption[..], &doubts.trusted]);
        }
        resume(self.options.checkpoint.as_deref(), &network.graph, &recipe, trainer, self.report)
    }
}
