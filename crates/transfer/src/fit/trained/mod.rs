//! Fits that train through the backbone.
//!
//! ```text
//! table -> copies, folds -> test | validation | training rows -> decode once -> train (best epoch by validation)
//!       -> the trained network's features of all rows -> head, temperature on validation rows -> judged test rows -> record
//! ```
//!
//! Test rows are read once, after training. Validation rows choose the epoch and the temperature; they train nothing.

mod head;
mod method;
mod recipe;
mod source;
mod watch;

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use heirloom_data::Table;
use heirloom_data::augment::{Augmentation, Preset};
use heirloom_data::batches::{DecodeOptions, DecodedImages, Loader, LoaderOptions, typical_shorter_side};
use heirloom_engine::{Op, Shape};
use heirloom_training::checkpoint::{Checkpoint, Identity};
use heirloom_training::early_stopping::{Goal, StoppingSettings};
use heirloom_training::loss::{CrossEntropy, balanced_class_weights, class_counts, log_prior};
use heirloom_training::optimizer::{ParameterGroups, groups};
use heirloom_training::regularizer::{BssSettings, L2Sp, L2SpSettings};
use heirloom_training::trainer::{Delta, Ended, Regularizer, Trainer, TrainerSettings};
use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, parameters_from, parameters_matching, replace_head};

pub use heirloom_training::trainer::{EpochReport, StepReport};
pub use method::TrainedMethod;
pub use recipe::{Balance, Recipe, RecipeOptions};
pub use watch::TrainingEvent;

use super::copies::Copies;
use super::judge::Judged;
use super::select::Selected;
use super::{Facts, Fit, FitError, FitOptions, Protocol, Rows, Seconds, Watch};
use crate::Pooling;
use crate::extract::{Extraction, Network, graph_digest};
use crate::heads::{Choice, Fitted, Head, Method, Normalization, fit_temperature};
use crate::store::Store;
use source::LoaderSource;
use watch::{FitWatcher, Validation};

/// Strengths of the penalties, as their papers' code has them (`spec/regularisers-and-adaptation.md` A1 to A3).
const L2_SP: L2SpSettings = L2SpSettings { backbone: 0.1, head: 0.01 };
const DELTA: f64 = 0.01;
const BSS: BssSettings = BssSettings { singular_values: 1, strength: 1e-3 };

/// How to train.
#[derive(Debug, Clone)]
pub struct TrainedOptions {
    /// The method.
    pub method: TrainedMethod,
    /// Settings that were typed.
    pub recipe: RecipeOptions,
    /// Layers or parameters that are not trained.
    pub freeze: Vec<String>,
    /// Train this layer and what follows it alone.
    pub train_from: Option<String>,
    /// Where the state is kept after every epoch; nowhere if `None`.
    pub checkpoint: Option<PathBuf>,
    /// Ends training after this time, with the best epoch so far.
    pub time_limit: Option<Duration>,
    /// Compute activations again instead of keeping them all.
    pub recompute: bool,
}

/// A trained network with its fit.
#[derive(Debug, Clone)]
pub struct TrainedFit {
    /// The network with the trained weights.
    pub backbone: Backbone,
    /// Head, record and features, as a frozen fit has them.
    pub fit: Fit,
    /// The settings that were used.
    pub recipe: Recipe,
    /// What every epoch found.
    pub epochs: Vec<EpochReport>,
}

/// Trains a network on a table and measures it.
///
/// # Errors
/// A table that nothing can be trained on, settings that do not fit, divergence, [`FitError::Interrupted`] where the watch asked
/// to stop.
pub fn train(
    backbone: &Backbone,
    table: &Table,
    store: Option<&Store>,
    options: &FitOptions,
    trained: &TrainedOptions,
    watch: Watch<'_>,
    report: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<TrainedFit, FitError> {
    let started = Instant::now();
    table.check_for_training()?;
    let stage = |text: &str| watch.stage.map_or((), |stage| stage(text));
    let used = options.rows.clone().unwrap_or_else(|| (0..table.rows.len()).collect());
    let parts = Parts::of(table, used, options.seed)?;
    let shorter_side = typical_shorter_side(table, &parts.train).unwrap_or(224);
    let recipe = Recipe::choose(trained.method, &trained.recipe, backbone, parts.train.len(), shorter_side)?;
    let job = Job { table, store, options, trained, watch, report, parts, recipe, shorter_side, started };
    stage("reading the images");
    job.run(backbone, &stage)
}

/// Rows of the table by what they are for.
struct Parts {
    rows: Rows,
    protocol: Protocol,
    train: Vec<usize>,
    validation: Vec<usize>,
}

impl Parts {
    fn of(table: &Table, used: Vec<usize>, seed: u64) -> Result<Self, FitError> {
        let protocol = match super::protocol(table, &used) {
            Protocol::TestSplit => Protocol::TestSplit,
            _ => Protocol::HoldOut,
        };
        // Copies are found on features, of which there are none yet: equal bytes still share a fold by the table's groups.
        let mut rows = super::arrange(table, &used, &Copies::default(), protocol, seed)?;
        if protocol == Protocol::HoldOut {
            (rows.test, rows.train) = rows.train.iter().partition(|place| rows.folds[**place] == 0);
        }
        super::check(table, &rows, 0)?;
        let (validation, train): (Vec<usize>, Vec<usize>) =
            rows.train.iter().partition(|place| rows.folds[**place] == 1);
        let of_table = |places: &[usize]| places.iter().map(|place| rows.table[*place]).collect();
        Ok(Self { protocol, train: of_table(&train), validation: of_table(&validation), rows })
    }
}

struct Job<'a> {
    table: &'a Table,
    store: Option<&'a Store>,
    options: &'a FitOptions,
    trained: &'a TrainedOptions,
    watch: Watch<'a>,
    report: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    parts: Parts,
    recipe: Recipe,
    shorter_side: usize,
    started: Instant,
}

impl Job<'_> {
    fn classes(&self) -> usize {
        self.table.classes.len()
    }

    fn run(mut self, pretrained: &Backbone, stage: &dyn Fn(&str)) -> Result<TrainedFit, FitError> {
        let mut network = self.network(pretrained)?;
        let augmentation = self.augmentation(&network);
        let images = self.decode(&self.parts.train, &augmentation)?;
        let validation = Augmentation::none(network.preprocess.clone());
        let judged = self.decode(&self.parts.validation, &validation)?;
        if self.trained.method == TrainedMethod::LpFt {
            stage("fitting the head on frozen features");
            self.linear_probe(&mut network)?;
        }
        let settings = self.settings(&network, &images)?;
        let mut trainer = self.trainer(&network, pretrained, settings)?;
        let checkpoint = self.resume(&network, &mut trainer)?;
        stage("training");
        let threads = self.options.extract.threads;
        let loader_options = LoaderOptions { threads: 1, seed: self.options.seed, ..LoaderOptions::default() };
        let rows = images.rows();
        let loader = Loader::new(images, augmentation, loader_options)?;
        let (classes, mixup) = (self.classes(), self.recipe.mixup);
        let mut source = LoaderSource::new(loader, rows, self.options.seed, classes, mixup, network.preprocess.clone());
        let validation = Validation {
            graph: &network.graph,
            input_size: network.preprocess.input_size,
            rows: judged.rows(),
            loader: Loader::new(judged, validation, loader_options)?,
            classes,
        };
        let mut watcher = FitWatcher {
            validation,
            checkpoint: checkpoint.clone(),
            started: self.started,
            time_limit: self.trained.time_limit,
            cancel: self.watch.cancel,
            report: self.report,
            timed_out: false,
            epochs: Vec::new(),
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(FitError::threads)?;
        let ended = pool.install(|| trainer.train(&mut source, &mut watcher))?;
        let (epochs, timed_out) = (std::mem::take(&mut watcher.epochs), watcher.timed_out);
        if ended == Ended::Interrupted && !timed_out {
            let (epoch, step) = trainer.position();
            return Err(FitError::Interrupted { epoch, step, checkpoint: checkpoint.map(|kept| kept.0) });
        }
        drop(watcher);
        stage("measuring");
        network.weights = trainer.result().clone();
        network.weights_digest = heirloom_zoo::weights_digest(&network.weights);
        network.name = format!("{}, {}", pretrained.name, self.trained.method);
        let (trained_seconds, best) = (self.started.elapsed().as_secs_f64(), trainer.best());
        drop(trainer);
        let mut fit = self.measure(&network, trained_seconds)?;
        fit.record.choice = self.choice(best, &epochs, timed_out);
        if let Some((path, _)) = checkpoint {
            // The model takes its place; a file that cannot be removed does no harm.
            let _ = std::fs::remove_file(path);
        }
        self.parts.train.clear();
        Ok(TrainedFit { backbone: network, fit, recipe: self.recipe, epochs })
    }

    /// The network to train: at the training size, with a classifier for the classes at hand.
    fn network(&self, pretrained: &Backbone) -> Result<Backbone, FitError> {
        let head = NewHead { classes: self.classes(), start: HeadStart::Zero, seed: self.options.seed };
        let resized = pretrained.at_input_size([self.recipe.image_size; 2]).map_err(|error| FitError::Recipe {
            setting: "--image-size",
            value: self.recipe.image_size.to_string(),
            reason: error.to_string(),
        })?;
        let mut network = replace_head(&resized, &head)?;
        if self.trained.method == TrainedMethod::Scratch {
            let how = Initialization::usual(self.options.seed);
            network.weights = heirloom_zoo::initialize(&network.architecture, &network.graph, &how)?;
        }
        Ok(network)
    }

    fn augmentation(&self, network: &Backbone) -> Augmentation {
        let preset = Preset::ALL.into_iter().find(|preset| preset.name() == self.recipe.augment);
        Augmentation::preset(preset.unwrap_or(Preset::None), network.preprocess.clone(), self.shorter_side)
    }

    fn decode(&self, rows: &[usize], augmentation: &Augmentation) -> Result<Arc<DecodedImages>, FitError> {
        let options = DecodeOptions {
            threads: self.options.extract.threads,
            memory_limit: self.options.extract.memory_limit / 2,
            ..DecodeOptions::default()
        };
        let mut watch = |done: usize, total: usize| {
            if let Some(progress) = self.watch.progress {
                let seconds = self.started.elapsed().as_secs_f64();
                let images_per_second = done as f64 / seconds.max(1e-9);
                progress(&crate::extract::Progress { done, total, from_store: 0, skipped: 0, images_per_second });
            }
            let stop = self.watch.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        Ok(Arc::new(DecodedImages::new(self.table, rows, augmentation, &options, &mut watch)?))
    }

    /// The first half of linear probing, then fine-tuning: the head on frozen features of the training rows.
    fn linear_probe(&self, network: &mut Backbone) -> Result<(), FitError> {
        let requests = [(network.features.clone(), Pooling::MEAN)];
        let mut rows = self.parts.train.clone();
        rows.sort_unstable();
        let mut extraction = Extraction::new(Network::from(&*network), self.table, &rows, &requests);
        extraction.options = self.options.extract.clone();
        (extraction.progress, extraction.cancel) = (self.watch.progress, self.watch.cancel);
        extraction.store = self.store;
        let extracted = extraction.run()?;
        let place = |row: &usize| self.parts.rows.table.iter().position(|used| used == row).unwrap_or(0);
        let places: Vec<usize> = extracted.rows.iter().map(place).collect();
        let of = |all: &[usize]| -> Vec<usize> { places.iter().map(|place| all[*place]).collect() };
        let (labels, folds) = (of(&self.parts.rows.labels), of(&self.parts.rows.folds));
        let all: Vec<usize> = (0..places.len()).collect();
        let training = crate::heads::Training {
            features: &extracted.features,
            labels: &labels,
            rows: &all,
            folds: &folds,
            classes: self.classes(),
        };
        let mut settings = self.options.settings.clone();
        settings.penultimate = network.features.clone();
        // A map that is linear in the features as they come, so that the network's classifier can hold it.
        settings.linear.normalization = Normalization::PerFeature;
        let fitted = crate::heads::fit(Method::Linear, &training, &settings)?;
        head::into_network(&fitted.head, network)
    }

    fn settings(&self, network: &Backbone, images: &DecodedImages) -> Result<TrainerSettings, FitError> {
        let recipe = &self.recipe;
        let mut trainable = recipe.method.trains(&network.graph, &network.classifier_parameters());
        if let Some(layer) = &self.trained.train_from {
            let from = parameters_from(&network.graph, layer)?;
            trainable.retain(|key| from.contains(key));
        }
        let frozen = parameters_matching(&network.graph, &self.trained.freeze)?;
        trainable.retain(|key| !frozen.contains(key));
        if recipe.method == TrainedMethod::BnTune
            && trainable.iter().all(|key| network.classifier_parameters().contains(key))
        {
            return Err(FitError::Recipe {
                setting: "--method",
                value: recipe.method.to_string(),
                reason: format!("{} has no norms to tune", network.name),
            });
        }
        let rows = images.len();
        // A last batch of one image has no statistics.
        let lonely = rows % recipe.batch_size == 1 && rows > 1;
        Ok(TrainerSettings {
            input_size: network.preprocess.input_size,
            batch_statistics: self.moving_norms(network, &trainable),
            trainable,
            statistics_momentum: 0.1,
            epochs: recipe.epochs,
            batch_size: recipe.batch_size.min(rows),
            drop_last: lonely,
            learning_rate: recipe.learning_rate,
            schedule: recipe.schedule.clone(),
            optimizer: recipe.optimizer,
            loss: self.loss()?,
            clip_norm: Some(5.0),
            average: None,
            stopping: Some(StoppingSettings { patience: None, minimum_improvement: 0.0, goal: Goal::Lowest }),
            recompute: self.trained.recompute,
            seed: self.options.seed,
        })
    }

    /// Batch norms whose statistics follow the batches: those whose own scale or shift is trained.
    fn moving_norms(
        &self,
        network: &Backbone,
        trainable: &std::collections::BTreeSet<String>,
    ) -> std::collections::BTreeSet<String> {
        let moves = |op: &Op| match op {
            Op::BatchNorm { weight, bias, .. } => trainable.contains(weight) || trainable.contains(bias),
            _ => false,
        };
        let nodes = network.graph.nodes.iter().filter(|node| self.recipe.method.moves_statistics() && moves(&node.op));
        nodes.map(|node| node.name.clone()).collect()
    }

    fn loss(&self) -> Result<CrossEntropy, FitError> {
        let label = |row: &usize| self.table.rows.get(*row).and_then(|row| row.label).unwrap_or(0);
        let labels: Vec<usize> = self.parts.train.iter().map(label).collect();
        let counts = class_counts(&labels, self.classes()).map_err(heirloom_training::trainer::TrainingError::from)?;
        let mut loss = CrossEntropy { label_smoothing: self.recipe.label_smoothing, ..CrossEntropy::default() };
        match self.recipe.balance {
            Balance::None => {}
            Balance::Weights => loss.class_weights = Some(balanced_class_weights(&counts)),
            Balance::Softmax => {
                loss.log_prior = Some(log_prior(&counts).map_err(heirloom_training::trainer::TrainingError::from)?);
            }
        }
        Ok(loss)
    }

    fn trainer(
        &self,
        network: &Backbone,
        pretrained: &Backbone,
        settings: TrainerSettings,
    ) -> Result<Trainer, FitError> {
        let regularizer = self.regularizer(network, pretrained, &settings)?;
        let decayed: ParameterGroups = groups::no_decay(&network.weights);
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        Ok(Trainer::new(&network.graph, network.weights.clone(), &logits, decayed, regularizer, settings)?)
    }

    fn regularizer(
        &self,
        network: &Backbone,
        pretrained: &Backbone,
        settings: &TrainerSettings,
    ) -> Result<Option<Regularizer>, FitError> {
        let head = network.classifier_parameters();
        Ok(match self.recipe.method {
            TrainedMethod::L2Sp => {
                let backbone: Vec<String> =
                    settings.trainable.iter().filter(|key| !head.contains(key)).cloned().collect();
                let anchored = L2Sp::new(L2_SP, &network.weights, &backbone, &head);
                Some(Regularizer::L2Sp(anchored.map_err(heirloom_training::trainer::TrainingError::from)?))
            }
            TrainedMethod::Delta => {
                let taps = stage_outputs(network)?;
                let source = Delta::new(
                    &pretrained.graph,
                    &pretrained.weights,
                    network.preprocess.input_size,
                    taps,
                    DELTA,
                    None,
                )?;
                Some(Regularizer::Delta(Box::new(source)))
            }
            TrainedMethod::Bss => Some(Regularizer::Bss { features: network.features.clone(), settings: BSS }),
            _ => None,
        })
    }

    /// Puts a kept state into the trainer; the file and what it belongs to.
    fn resume(&self, network: &Backbone, trainer: &mut Trainer) -> Result<Option<(PathBuf, Identity)>, FitError> {
        let Some(path) = &self.trained.checkpoint else { return Ok(None) };
        let recipe = serde_json::json!({
            "settings": trainer.settings(),
            "method": self.recipe.method,
            "augment": self.recipe.augment,
            "mixup": self.recipe.mixup,
            "backbone": network.weights_digest,
            "data": self.table.source.display().to_string(),
            "rows": self.rows_digest(),
        });
        let identity = Identity { graph: graph_digest(&network.graph), recipe: recipe.to_string() };
        if path.exists() {
            let kept = Checkpoint::load(path, &identity).map_err(heirloom_training::trainer::TrainingError::from)?;
            let (epoch, step_in_epoch) = (kept.epoch, kept.step_in_epoch);
            trainer.restore(kept)?;
            if let Some(report) = self.report {
                report(&TrainingEvent::Resumed { epoch, step_in_epoch });
            }
        }
        Ok(Some((path.clone(), identity)))
    }

    /// Which rows are trained on, short enough for a message.
    fn rows_digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for &row in &self.parts.train {
            hasher.update(&(row as u64).to_le_bytes());
        }
        let digest = hasher.finalize().to_hex();
        format!("{} rows, {}", self.parts.train.len(), &digest[..16])
    }

    /// Features of all used rows by the trained network, its classifier as head, the temperature of the validation rows, and the
    /// record.
    fn measure(&self, network: &Backbone, trained_seconds: f64) -> Result<Fit, FitError> {
        let requests = vec![(network.features.clone(), Pooling::MEAN)];
        let mut extraction = Extraction::new(Network::from(network), self.table, &self.parts.rows.table, &requests);
        extraction.options = self.options.extract.clone();
        (extraction.progress, extraction.cancel) = (self.watch.progress, self.watch.cancel);
        let extracted = extraction.run()?;
        let last = extracted.features.blocks.iter().find(|block| block.tap == network.features);
        let copies = Copies::find(self.table, &extracted.rows, last);
        let rows = self.kept(&extracted.rows);
        super::check(self.table, &rows, extracted.summary.skipped.len())?;
        let mut head = head::of_network(network, &extracted.features, self.classes())?;
        let validation: Vec<usize> = rows.train.iter().copied().filter(|place| rows.folds[*place] == 1).collect();
        let out_of_fold = head.logits(&extracted.features, &validation)?;
        let labels: Vec<usize> = validation.iter().map(|place| rows.labels[*place]).collect();
        head.set_temperature(fit_temperature(&out_of_fold, self.classes(), &labels).value);
        let probabilities = head.probabilities(&extracted.features, &rows.test)?;
        let judged = Judged { rows: rows.test.clone(), probabilities };
        let selected = self.selected(head, validation, out_of_fold);
        let facts = Facts {
            backbone: network,
            table: self.table,
            options: self.options,
            copies: &copies,
            requests: &requests,
            extracted: &extracted,
            protocol: self.parts.protocol,
        };
        let mut record = facts.record(&selected, &judged, &rows);
        record.method = self.recipe.method.name().to_owned();
        record.requested = record.method.clone();
        // Validation rows chose the epoch and the temperature; no weight was fitted on them.
        record.rows.train -= selected.fitted.choice.rows.len();
        record.run.settings = serde_json::to_value(&self.recipe).unwrap_or_default();
        let total = self.started.elapsed().as_secs_f64();
        record.seconds = Seconds { extract: total - trained_seconds, fit: trained_seconds, total };
        Ok(Fit { head: selected.fitted.head, record, features: extracted.features, fitted_rows: rows.train })
    }

    /// The parts by position among the rows that have features.
    fn kept(&self, rows: &[usize]) -> Rows {
        let all = &self.parts.rows;
        let old: Vec<usize> = rows.iter().filter_map(|row| all.table.iter().position(|used| used == row)).collect();
        let new =
            |places: &[usize]| -> Vec<usize> { (0..old.len()).filter(|place| places.contains(&old[*place])).collect() };
        Rows {
            table: rows.to_vec(),
            labels: old.iter().map(|place| all.labels[*place]).collect(),
            train: new(&all.train),
            test: new(&all.test),
            folds: old.iter().map(|place| all.folds[*place]).collect(),
        }
    }

    fn selected(&self, head: Head, validation: Vec<usize>, out_of_fold: Vec<f32>) -> Selected {
        let choice = Choice {
            table: Vec::new(),
            best: 0,
            chosen: 0,
            certificate: None,
            warnings: Vec::new(),
            rows: validation,
            out_of_fold,
        };
        Selected { fitted: Fitted { head, choice }, candidates: Vec::new(), choice: String::new() }
    }

    fn choice(&self, best: Option<(u64, f64)>, epochs: &[EpochReport], timed_out: bool) -> String {
        let best = best.map_or(String::new(), |(epoch, loss)| {
            format!("; epoch {} of {} kept (validation log loss {loss:.3})", epoch + 1, self.recipe.epochs)
        });
        let busy = epochs.iter().map(|epoch| epoch.busy).fold(1.0, f64::min);
        let waiting = if busy < 0.95 {
            format!("; the network waited for images {:.0} % of the time", 100.0 * (1.0 - busy))
        } else {
            String::new()
        };
        let limit = if timed_out { "; ended by the time limit" } else { "" };
        format!("{}{best}{waiting}{limit}", self.recipe.summary())
    }
}

/// The last tap of each size of map: what a stage hands to the next.
fn stage_outputs(network: &Backbone) -> Result<Vec<String>, FitError> {
    let shapes = network.graph.tap_shapes(network.preprocess.input_size, &network.taps)?;
    let mut stages: Vec<(usize, String)> = Vec::new();
    for (tap, shape) in network.taps.iter().zip(shapes) {
        let (Shape::Map { .. } | Shape::Tokens { .. }) = shape else { continue };
        match stages.last_mut() {
            Some(last) if last.0 == shape.positions() => last.1.clone_from(tap),
            _ => stages.push((shape.positions(), tap.clone())),
        }
    }
    // The four coarsest, as the four stages of a residual network.
    let skip = stages.len().saturating_sub(4);
    Ok(stages.into_iter().skip(skip).map(|stage| stage.1).collect())
}
