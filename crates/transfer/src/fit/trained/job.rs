//! One run from the pretrained network to the measured one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use heirloom_data::Table;
use heirloom_data::augment::Augmentation;
use heirloom_data::batches::{DecodedImages, Loader, LoaderOptions};
use heirloom_training::early_stopping::{Goal, StoppingSettings};
use heirloom_training::trainer::{Ended, EpochReport, Readout, SOURCE_CLASSIFIER, Trainer, TrainerSettings};
use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, replace_head};

use super::super::{FitError, FitOptions, Watch};
use super::attention::Probe;
use super::co_tuning::SourceClassifier;
use super::images::{Reading, augmentation};
use super::movement::Movement;
use super::parts::Parts;
use super::probe::FirstHead;
use super::readout::KEYS;
use super::settings::{groups, loss, trainable, trainer_settings};
use super::source::LoaderSource;
use super::state::{Kept, resume, rows_digest};
use super::surgical::BlockGradient;
use super::watch::{FitWatcher, Keep, Validation};
use super::{
    Recipe, TrainedFit, TrainedMethod, TrainedOptions, TrainingEvent, Work, epoch_path, find_rate, penalties, unfold,
};
use crate::extract::Progress;
use crate::heads::Head;
use crate::store::Store;

pub(super) struct Job<'a> {
    pub table: &'a Table,
    pub store: Option<&'a Store>,
    pub options: &'a FitOptions,
    pub trained: &'a TrainedOptions,
    pub watch: Watch<'a>,
    pub report: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    pub parts: Parts,
    pub recipe: Recipe,
    pub shorter_side: usize,
    pub started: Instant,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// DELTA's weights of channels, by tap, where they are not all alike.
    pub attention: Option<Vec<Vec<f64>>>,
    /// What is trained with the head, as patterns; all where empty.
    pub train_only: Vec<String>,
    /// How hard each block is pulled at, where the one that is trained was chosen so.
    pub block_gradients: Vec<BlockGradient>,
    /// The source's classifier, where the method keeps it.
    pub source_classifier: Option<SourceClassifier>,
    /// Where the state is kept after every epoch.
    pub checkpoint: Option<PathBuf>,
    /// What a rate that is looked for is multiplied by.
    pub multiplier: f64,
}

/// What training begins from.
pub(super) struct Prepared {
    network: Backbone,
    images: Images,
    readout: Option<FirstHead>,
}

/// A network as training left it.
pub(super) struct Made {
    pub network: Backbone,
    /// Its head, where that lies outside the network.
    pub head: Option<Head>,
    /// The epoch kept, with its validation loss.
    pub best: Option<(u64, f64)>,
    pub epochs: Vec<EpochReport>,
    /// How far the weights moved; none where none was trained.
    pub movement: Option<Movement>,
    pub timed_out: bool,
    /// The state that the model replaces.
    pub checkpoint: Option<PathBuf>,
    /// Seconds since the fit began.
    pub seconds: f64,
}

/// Decoded images by what they are for.
pub(super) struct Images {
    training: Arc<DecodedImages>,
    augmentation: Augmentation,
    validation: Arc<DecodedImages>,
    plain: Augmentation,
}

impl Job<'_> {
    pub fn classes(&self) -> usize {
        self.table.classes.len()
    }

    pub fn run(mut self, pretrained: &Backbone) -> Result<TrainedFit, FitError> {
        let prepared = self.prepare(pretrained)?;
        let made = self.train_once(&prepared)?;
        drop(prepared);
        let checkpoint = made.checkpoint.clone();
        let fitted = self.finish(made, None)?;
        if let Some(path) = checkpoint {
            // The model takes its place; a file that cannot be removed does no harm.
            let _ = std::fs::remove_file(path);
        }
        Ok(fitted)
    }

    /// The network to train, its images in memory, and the head that is fitted first.
    pub(super) fn prepare(&mut self, pretrained: &Backbone) -> Result<Prepared, FitError> {
        self.source_classifier = self.source_classifier(pretrained)?;
        self.stage("reading the images");
        let mut network = self.network(pretrained)?;
        let images = self.images(&network)?;
        let readout = self.first_head(&mut network)?;
        self.attention = self.attention(&network)?;
        self.choose_block(&network)?;
        network.name = format!("{}, {}", pretrained.name, self.trained.method);
        Ok(Prepared { network, images, readout })
    }

    /// Trains once, by the recipe as it stands.
    pub(super) fn train_once(&mut self, prepared: &Prepared) -> Result<Made, FitError> {
        let Prepared { network, images, readout } = prepared;
        let mut settings = self.settings(network, &images.training)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(self.options.extract.threads);
        let pool = pool.build().map_err(FitError::threads)?;
        if self.trained.recipe.find_rate {
            self.stage("looking for the learning rate");
            let found = pool.install(|| self.find_rate(network, readout.as_ref(), &settings, images))?;
            let found = found * self.multiplier;
            (settings.learning_rate, self.recipe.learning_rate) = (found, found);
        }
        let mut trainer = self.trainer(network, readout.as_ref(), settings)?;
        let kept = self.resume(network, readout.as_ref(), &mut trainer)?;
        let checkpoint = kept.place.as_ref().map(|place| place.0.clone());
        self.stage("training");
        let mut source = self.source(network, images)?;
        let mut watcher = self.watcher(network, readout.as_ref(), images, kept)?;
        let ended = pool.install(|| trainer.train(&mut source, &mut watcher))?;
        let (epochs, timed_out) = (std::mem::take(&mut watcher.epochs), watcher.timed_out);
        if ended == Ended::Interrupted && !timed_out {
            let (epoch, step) = trainer.position();
            return Err(FitError::Interrupted { epoch, step, checkpoint });
        }
        let movement = Some(self.movement(network, readout.as_ref(), &trainer));
        let mut network = Backbone { weights: trainer.result().clone(), ..network.clone() };
        let head = readout.as_ref().map(|readout| readout.columns.to_head(&network.weights));
        KEYS.iter().chain(&SOURCE_CLASSIFIER).for_each(|key| drop(network.weights.tensors.remove(*key)));
        network.weights_digest = heirloom_zoo::weights_digest(&network.weights);
        let (best, seconds) = (trainer.best(), self.started.elapsed().as_secs_f64());
        Ok(Made { network, head, best, epochs, movement, timed_out, checkpoint, seconds })
    }

    /// Measures a network on the test rows.
    pub(super) fn finish(&mut self, made: Made, store: Option<&Store>) -> Result<TrainedFit, FitError> {
        let Made { network, head, best, epochs, movement, timed_out, seconds, .. } = made;
        self.stage("measuring");
        let mut fit = self.measure(&network, head, store, seconds)?;
        fit.record.choice = self.choice(best, &epochs, timed_out);
        fit.record.warnings.append(&mut self.warnings);
        fit.record.epochs.clone_from(&epochs);
        fit.record.movement = movement;
        fit.record.block_gradients.clone_from(&self.block_gradients);
        Ok(TrainedFit { backbone: network, fit, recipe: self.recipe.clone(), epochs, work: Work::default() })
    }

    pub fn stage(&self, text: &str) {
        if let Some(stage) = self.watch.stage {
            stage(text);
        }
    }

    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { table: self.table, extract: &self.options.extract, watch: self.watch, started: self.started }
    }

    pub(super) fn loader_options(&self) -> LoaderOptions {
        LoaderOptions { threads: 1, seed: self.options.seed, ..LoaderOptions::default() }
    }

    /// The network to train: at the training size, with a classifier for the classes at hand and its batch norms.
    pub(super) fn network(&mut self, pretrained: &Backbone) -> Result<Backbone, FitError> {
        let head = NewHead { classes: self.classes(), start: HeadStart::Zero, seed: self.options.seed };
        let resized = pretrained.at_input_size([self.recipe.image_size; 2]).map_err(|error| FitError::Recipe {
            setting: "--image-size",
            value: self.recipe.image_size.to_string(),
            reason: error.to_string(),
        })?;
        let mut network = self.unfolded(replace_head(&resized, &head)?)?;
        if self.trained.method == TrainedMethod::Scratch {
            let how = Initialization::usual(self.options.seed);
            network.weights = heirloom_zoo::initialize(&network.architecture, &network.graph, &how)?;
        }
        Ok(network)
    }

    /// The network with a batch norm behind each convolution that holds a folded one, unless they are to be kept.
    fn unfolded(&mut self, network: Backbone) -> Result<Backbone, FitError> {
        let folded = network.folded_convolutions();
        if folded.is_empty() {
            return Ok(network);
        }
        if self.trained.keep_folded {
            let count = folded.len();
            self.warnings.push(format!(
                "{count} batch norms of this backbone are folded into its convolutions, which were trained as they stand"
            ));
            return Ok(network);
        }
        self.stage(unfold::STAGE);
        let (network, note) = unfold::unfolded(network, &self.parts.train, &self.reading(), self.loader_options())?;
        self.warnings.extend(note);
        Ok(network)
    }

    /// How much each channel matters to the task at hand, where that is asked for: measured on four batches.
    fn attention(&self, network: &Backbone) -> Result<Option<Vec<Vec<f64>>>, FitError> {
        if !self.recipe.delta_attention {
            return Ok(None);
        }
        let mut probed = network.clone();
        self.linear_probe(&mut probed)?;
        self.stage("weighing channels (counted as images)");
        let probe = self.sampled(network)?;
        let progress = |done: usize, total: usize| self.counted(done, total);
        probe.attention(&probed, &penalties::stage_outputs(network)?, &progress, self.watch.cancel).map(Some)
    }

    /// Four batches of training images, spread over all of them, without random changes.
    pub(super) fn sampled(&self, network: &Backbone) -> Result<Probe, FitError> {
        let count = (4 * self.recipe.batch_size).min(self.parts.train.len());
        let train = &self.parts.train;
        let rows: Vec<usize> = (0..count).map(|at| train[at * train.len() / count]).collect();
        let plain = Augmentation::none(network.preprocess.clone());
        let images = self.reading().decode(&rows, &plain)?;
        let rows = images.rows();
        let loader = Loader::new(images, plain, self.loader_options())?;
        Probe::read(&loader, &rows, self.classes())
    }

    /// Tells how much of something is done.
    pub(super) fn counted(&self, done: usize, total: usize) {
        if let Some(report) = self.watch.progress {
            report(&Progress { done, total, from_store: 0, skipped: 0, images_per_second: 0.0 });
        }
    }

    fn images(&self, network: &Backbone) -> Result<Images, FitError> {
        let augmentation = augmentation(&self.recipe, &network.preprocess, self.shorter_side);
        let plain = Augmentation::none(network.preprocess.clone());
        Ok(Images {
            training: self.reading().decode(&self.parts.train, &augmentation)?,
            validation: self.reading().decode(&self.parts.validation, &plain)?,
            augmentation,
            plain,
        })
    }

    fn source(&self, network: &Backbone, images: &Images) -> Result<LoaderSource, FitError> {
        let (training, rows) = (Arc::clone(&images.training), images.training.rows());
        let loader = Loader::new(training, images.augmentation.clone(), self.loader_options())?;
        let (seed, preprocess) = (self.options.seed, network.preprocess.clone());
        Ok(LoaderSource::new(loader, rows, seed, self.classes(), self.recipe.mixup, preprocess))
    }

    fn watcher<'w>(
        &'w self,
        network: &'w Backbone,
        readout: Option<&'w FirstHead>,
        images: &Images,
        kept: Kept,
    ) -> Result<FitWatcher<'w>, FitError> {
        let validation = Validation {
            graph: &network.graph,
            input_size: network.preprocess.input_size,
            rows: images.validation.rows(),
            loader: Loader::new(Arc::clone(&images.validation), images.plain.clone(), self.loader_options())?,
            classes: self.classes(),
            readout: readout.map(|readout| readout.columns.as_ref() as &dyn Readout),
        };
        Ok(FitWatcher {
            validation: Some(validation),
            checkpoint: kept.place,
            started: self.started,
            time_limit: self.trained.time_limit,
            cancel: self.watch.cancel,
            report: self.report,
            keep: self.trained.keep_epochs.as_deref().map(|path| keep_in(path, network)),
            timed_out: false,
            epochs: kept.epochs,
        })
    }

    fn settings(&self, network: &Backbone, images: &DecodedImages) -> Result<TrainerSettings, FitError> {
        let TrainedOptions { freeze, train_from, .. } = self.trained;
        let keys = trainable(&self.recipe, network, freeze, train_from.as_deref(), &self.train_only)?;
        let label = |row: &usize| self.table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
        let labels: Vec<usize> = self.parts.train.iter().map(label).collect();
        let loss = loss(&self.recipe, &labels, self.classes())?;
        let mut settings = trainer_settings(&self.recipe, network, keys, images.len(), loss, self.options.seed);
        settings.stopping = Some(StoppingSettings { patience: None, minimum_improvement: 0.0, goal: Goal::Lowest });
        settings.recompute = self.trained.recompute;
        Ok(settings)
    }

    fn trainer(
        &self,
        network: &Backbone,
        readout: Option<&FirstHead>,
        settings: TrainerSettings,
    ) -> Result<Trainer, FitError> {
        let groups = groups(&self.recipe, network)?;
        if let Some(head) = readout {
            let mut weights = network.weights.clone();
            weights.tensors.extend(head.parameters.iter().cloned());
            let columns = Arc::clone(&head.columns) as Arc<dyn Readout>;
            return Ok(Trainer::with_readout(&network.graph, weights, columns, groups, settings)?);
        }
        let regularizer = penalties::regularizer(self.recipe.method, network, &settings, self.attention.clone())?;
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let mut weights = network.weights.clone();
        let regularizer = self.source_classifier.as_ref().map_or(regularizer, |source| {
            weights.tensors.extend(source.parameters.iter().cloned());
            Some(source.regularizer())
        });
        Ok(Trainer::new(&network.graph, weights, &logits, groups, regularizer, settings)?)
    }

    /// How far training moved the weights of the network, and of the head beside it.
    fn movement(&self, network: &Backbone, readout: Option<&FirstHead>, trainer: &Trainer) -> Movement {
        let mut before = network.weights.clone();
        before.tensors.extend(readout.iter().flat_map(|head| head.parameters.iter().cloned()));
        let beside: &[&str] = if readout.is_some() { &KEYS } else { &[] };
        let trained = &trainer.settings().trainable;
        Movement::between(&network.graph, trained, (&before, trainer.result()), ("head2toe", beside))
    }

    /// Sweeps the learning rate over the training rows, from the weights at hand on.
    fn find_rate(
        &self,
        network: &Backbone,
        readout: Option<&FirstHead>,
        settings: &TrainerSettings,
        images: &Images,
    ) -> Result<f64, FitError> {
        let adaptive = self.recipe.optimizer.is_adaptive();
        let mut source = self.source(network, images)?;
        let trainer = |settings| self.trainer(network, readout, settings);
        find_rate::sweep(settings, adaptive, &trainer, &mut source, self.watch.cancel)
    }

    /// Puts a kept state into the trainer; the file and what it belongs to.
    fn resume(&self, network: &Backbone, readout: Option<&FirstHead>, trainer: &mut Trainer) -> Result<Kept, FitError> {
        let recipe = serde_json::json!({
            "settings": trainer.settings(),
            "recipe": self.recipe,
            "backbone": network.weights_digest,
            "data": self.table.source.display().to_string(),
            "rows": rows_digest(self.table, &self.parts.train),
            "head": readout.map(|head| head.columns.digest()),
        });
        resume(self.checkpoint.as_deref(), &network.graph, &recipe, trainer, self.report)
    }
}

/// Writes the network after each epoch beside `path`; what a head beside it has learned is no part of it.
fn keep_in<'a>(path: &'a Path, network: &'a Backbone) -> Keep<'a> {
    Box::new(move |epoch, weights| {
        let mut weights = weights.clone();
        weights.tensors.retain(|key, _| network.weights.tensors.contains_key(key));
        let weights_digest = heirloom_zoo::weights_digest(&weights);
        Ok(Backbone { weights, weights_digest, ..network.clone() }.save(&epoch_path(path, epoch))?)
    })
}
