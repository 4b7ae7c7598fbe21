//! Runs: trained, judged on test images, and kept.

use heirloom_data::augment::Preset;
use heirloom_data::intervention::{Classes, Plant, Relabel};
use heirloom_data::{Split, Table};
use heirloom_transfer::Pooling;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::fit::FitError;
use heirloom_transfer::fit::trained::{EpochReport, RecipeOptions, ScheduleKind};
use heirloom_transfer::pretrain::{PretrainOptions, Start as From, pretrain};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::rates::held_out;
use super::{Run, Set, Study, StudyError, Training};
use crate::predicted::largest;
use crate::{ChangedImages, PreparedImages, balanced, network_classes};

/// Most memory that the images of a target may take, in bytes.
const MEMORY: u64 = 1 << 31;
/// Training images that are judged after every epoch, without augmentation and with the statistics of that moment.
const WATCHED: usize = 256;

/// A run with everything that later comparisons read of it; the network lies beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trained {
    /// The rate.
    pub rate: f64,
    /// Share of training images answered right after every epoch, in evaluation mode.
    pub learned: Vec<f64>,
    /// Share of test images, or of held-out training images, answered right after every epoch.
    pub judged: Vec<f64>,
    /// Labels of the test images.
    pub labels: Vec<usize>,
    /// Their logits, `[images, classes]`.
    pub logits: Vec<f32>,
}

/// Everything that decides a run.
#[derive(Serialize)]
struct Key<'a> {
    study: &'static str,
    version: &'static str,
    numerics: String,
    run: &'a Run,
    start: String,
    target: &'a str,
    epochs: u64,
    batch_size: usize,
    rate: f64,
    seed: u64,
}

impl Trained {
    /// The class with the largest logit for every test image, the first of equals.
    pub fn answers(&self) -> Vec<usize> {
        let classes = self.logits.len() / self.labels.len().max(1);
        self.logits.chunks(classes.max(1)).map(largest).collect()
    }
}

impl Study<'_> {
    /// The name of a run in the cache.
    pub fn run_name(&self, run: &Run) -> Result<String, StudyError> {
        let key = Key {
            study: "what-transfers run",
            version: env!("CARGO_PKG_VERSION"),
            numerics: self.numerics(),
            run,
            start: self.start_name(run)?,
            target: &self.target(run.target)?.digest,
            epochs: self.epochs(run),
            batch_size: self.options.batch_size,
            rate: self.rate(run)?,
            seed: self.seed(run.replica),
        };
        Ok(name_of(&key)?)
    }

    pub fn epochs(&self, run: &Run) -> u64 {
        let [source, random] = self.options.epochs;
        if run.start.is_source() { source } else { random }
    }

    /// A run, from the cache or trained.
    pub fn trained(&self, run: &Run) -> Result<Trained, StudyError> {
        let name = self.run_name(run)?;
        self.kept(&name, || self.train(run, &name))
    }

    /// The network of a run, which is trained where it is not in the cache.
    pub fn network(&self, run: &Run) -> Result<Backbone, StudyError> {
        self.trained(run)?;
        Ok(heirloom_zoo::open_path(&self.cells.network(&self.run_name(run)?)?)?)
    }

    /// A network as a model, its classifier the head.
    pub fn model(&self, network: &Backbone) -> Result<Artifact, StudyError> {
        Ok(Artifact::of_classifier(network, self.options.seed)?)
    }

    fn train(&self, run: &Run, name: &str) -> Result<Trained, StudyError> {
        let target = self.target(run.target)?;
        self.say(&run.in_words(&target.name));
        let table = self.table_of(run, target)?;
        let start = self.start(run)?;
        let watched = self.watched(&table, &start, run)?;
        let (mut learned, rate) = (Vec::new(), self.rate(run)?);
        let options = self.recipe(run, &start, rate);
        let curve = std::sync::Mutex::new(&mut learned);
        let keep = |_: u64, network: &Backbone| {
            let share = self.share_right(network, &watched);
            if let Ok(mut curve) = curve.lock() {
                curve.push(share);
            }
            Ok(())
        };
        let made = pretrain(&From::Weights(start), &table, &options, self.watch, self.training, Some(&keep));
        let made = match made {
            Err(FitError::Interrupted { .. }) => return Err(StudyError::Interrupted),
            other => other?,
        };
        // Training may end in numbers that are none; the trainer says so itself.
        let learned = learned.into_iter().collect::<Result<Vec<f64>, StudyError>>()?;
        let judged: fn(&EpochReport) -> f64 = |epoch| epoch.validation_accuracy.unwrap_or(0.0);
        made.backbone.save(&self.cells.network(name)?)?;
        let (labels, logits) = self.judged(&made.backbone, run, target)?;
        Ok(Trained { rate, learned, judged: made.epochs.iter().map(judged).collect(), labels, logits })
    }

    fn recipe(&self, run: &Run, start: &Backbone, rate: f64) -> PretrainOptions {
        let augment = if matches!(run.training, Training::Plain { .. }) { Preset::None } else { Preset::Crop };
        PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(self.epochs(run)),
                batch_size: Some(self.options.batch_size),
                image_size: Some(start.preprocess.input_size[0]),
                augment: Some(augment),
                learning_rate: Some(rate),
                schedule: Some(ScheduleKind::Step),
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.seed(run.replica),
            extract: self.options.extract.clone(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            plant: None,
            doubts: None,
        }
    }

    /// The rows of a run: its training rows, and as test rows those that are judged after every epoch.
    fn table_of(&self, run: &Run, target: &Set) -> Result<Table, StudyError> {
        match run.training {
            Training::All | Training::Plain { blocks: None } => Ok(target.table.clone()),
            Training::Plain { blocks: Some(_) } => self.shuffled(run, target),
            Training::Part { .. } => Ok(held_out(&target.table, self.seed(run.replica))),
        }
    }

    /// The target with the blocks of all images in the run's order, training and test images alike.
    fn shuffled(&self, run: &Run, target: &Set) -> Result<Table, StudyError> {
        let Training::Plain { blocks: Some(blocks) } = run.training else { return Ok(target.table.clone()) };
        let plant = Plant {
            intervention: blocks.intervention(),
            share: 1.0,
            classes: Classes::All,
            relabel: Relabel::Keep,
            seed: Plant::SEED,
        };
        let all: Vec<usize> = (0..target.table.rows.len()).collect();
        Ok(plant.apply(&target.table, &all)?.table)
    }

    /// Training images that are judged after every epoch, with the class of each.
    fn watched(&self, table: &Table, start: &Backbone, run: &Run) -> Result<(PreparedImages, Vec<usize>), StudyError> {
        let train: Vec<usize> =
            (0..table.rows.len()).filter(|row| table.rows[*row].split != Some(Split::Test)).collect();
        let labels: Vec<usize> = train.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        let rows: Vec<usize> =
            balanced(&labels, WATCHED, self.seed(run.replica)).into_iter().map(|at| train[at]).collect();
        self.images(table, &rows, start)
    }

    /// Rows of a table at a network's input size, with the class of each; a row that cannot be read ends the study.
    pub fn images(
        &self,
        table: &Table,
        rows: &[usize],
        network: &Backbone,
    ) -> Result<(PreparedImages, Vec<usize>), StudyError> {
        let (images, skipped) = PreparedImages::read(table, rows, &network.preprocess, MEMORY, self.watch.cancel)?;
        if let Some(one) = skipped.first() {
            let reason = format!("{}: {}", one.locator, one.reason);
            return Err(StudyError::Data { set: table.source.display().to_string(), reason });
        }
        let labels = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        Ok((images, labels))
    }

    /// Share of prepared images that a network answers right.
    fn share_right(
        &self,
        network: &Backbone,
        (images, labels): &(PreparedImages, Vec<usize>),
    ) -> Result<f64, StudyError> {
        let rows: Vec<usize> = (0..labels.len()).collect();
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let unchanged = ChangedImages { images, change: &|_, _| {}, shown: &|_| {} };
        let (extract, cancel) = (&self.options.extract, self.watch.cancel);
        let found = network_classes(Network::from(network), &logits, &unchanged, &rows, extract, cancel)?;
        let right = found.iter().filter(|(row, class)| labels.get(*row) == Some(class)).count();
        Ok(right as f64 / labels.len().max(1) as f64)
    }

    /// Labels and logits of a target's test images.
    fn judged(&self, network: &Backbone, run: &Run, target: &Set) -> Result<(Vec<usize>, Vec<f32>), StudyError> {
        let table = self.shuffled(run, target)?;
        let [_, test] = target.split();
        let (images, labels) = self.images(&table, &test, network)?;
        let rows: Vec<usize> = (0..labels.len()).collect();
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let requests = [(logits, Pooling::MEAN)];
        let mut extraction = Extraction::new(Network::from(network), &images, &rows, &requests);
        (extraction.options, extraction.cancel) = (self.options.extract.clone(), self.watch.cancel);
        let found = extraction.run()?;
        if found.rows.len() != rows.len() {
            let reason = "a trained network's answers are no numbers".to_owned();
            return Err(StudyError::Data { set: target.name.clone(), reason });
        }
        Ok((labels, found.features.blocks.into_iter().flat_map(|block| block.values).collect()))
    }
}
