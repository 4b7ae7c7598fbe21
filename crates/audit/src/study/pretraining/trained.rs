//! Runs: trained, judged on test images, and kept.

use std::collections::BTreeSet;
use std::sync::Arc;

use heirloom_data::augment::Preset;
use heirloom_data::{Split, Table};
use heirloom_transfer::Pooling;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_transfer::fit::FitError;
use heirloom_transfer::fit::trained::{Adversary, Balance, GivenLabels, RecipeOptions};
use heirloom_transfer::heads::probabilities;
use heirloom_transfer::pretrain::{PretrainOptions, Start as From, pretrain};
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use super::rows::{TrainingRows, held_out_rows};
use super::{Correction, Run, Start, Study, StudyError, Task};
use crate::predicted::largest;
use crate::{ChangedImages, PreparedImages};

/// Most memory that the images of a target may take, in bytes.
const MEMORY: u64 = 1 << 31;

/// A run with everything that claims read of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Trained {
    /// The rate; 0 for a head on frozen features.
    pub rate: f64,
    /// Training images, and epochs.
    pub rows: usize,
    pub epochs: u64,
    /// Share of labels that were wrong.
    pub wrong: f64,
    /// Share of test images answered right after every epoch, for runs on all images.
    pub curve: Vec<f64>,
    /// Labels of the test images, or of the held-out training images where a rate was tried.
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
    adversary: Option<f64>,
    seed: u64,
}

impl Trained {
    /// Whether each test image is answered wrong; the first of equal classes counts.
    pub fn wrong_answers(&self) -> Vec<bool> {
        let classes = self.logits.len() / self.labels.len().max(1);
        self.logits.chunks(classes.max(1)).zip(&self.labels).map(|(row, label)| largest(row) != *label).collect()
    }

    /// Share of right answers.
    pub fn accuracy(&self) -> f64 {
        let wrong = self.wrong_answers();
        wrong.iter().filter(|wrong| !**wrong).count() as f64 / wrong.len().max(1) as f64
    }
}

/// Prepared images with the class of each.
pub(super) type Judged = Arc<(PreparedImages, Vec<usize>)>;

impl Study<'_> {
    /// The name of a run in the cache.
    pub fn run_name(&self, run: &Run) -> Result<String, StudyError> {
        let adversary = (run.task == Task::Adversarial).then_some(self.options.epsilon);
        let key = Key {
            study: "pretraining run",
            version: env!("CARGO_PKG_VERSION"),
            numerics: self.numerics(),
            run,
            start: self.start_name(run)?,
            target: &self.target(run.target)?.digest,
            epochs: self.epochs(run)?,
            batch_size: self.options.batch_size,
            rate: self.rate(run)?,
            adversary,
            seed: self.seed(run.seed),
        };
        Ok(name_of(&key)?)
    }

    /// A run, from the cache or made.
    pub fn trained(&self, run: &Run) -> Result<Trained, StudyError> {
        let name = self.run_name(run)?;
        self.kept(&name, || match run.start {
            Start::Frozen(_) => self.frozen(run),
            _ => self.train(run, &name),
        })
    }

    /// The network of a run, which is trained where it is not in the cache.
    pub fn network(&self, run: &Run) -> Result<Backbone, StudyError> {
        self.trained(run)?;
        Ok(heirloom_zoo::open_path(&self.cells.network(&self.run_name(run)?)?)?)
    }

    /// Epochs of a run: the more the fewer images it has.
    pub fn epochs(&self, run: &Run) -> Result<u64, StudyError> {
        let [tuned, scratch] = self.options.epochs;
        let usual = if run.start == Start::Scratch { scratch } else { tuned };
        match (run.start, run.task) {
            (Start::Frozen(_), _) => Ok(0),
            (_, Task::Rows { epochs: Some(epochs), .. }) => Ok(epochs),
            (_, Task::Rows { each: Some(each), .. }) => {
                Ok(self.lengthened(usual, each * self.target(run.target)?.table.classes.len()))
            }
            (_, Task::Uneven { tenths, .. }) => {
                Ok(self.lengthened(usual, self.uneven(run.target, tenths, run.seed)?.iter().sum()))
            }
            // Others differ from a run on all images in nothing but what they are about.
            _ => Ok(self.lengthened(usual, self.target(run.target)?.split()[0].len())),
        }
    }

    fn train(&self, run: &Run, name: &str) -> Result<Trained, StudyError> {
        let target = self.target(run.target)?;
        self.say(&run.in_words(&target.name));
        let rows = self.training_rows(run)?;
        let start = self.start(run)?;
        let options = self.recipe(run, &start, &rows)?;
        let table = self.with_curve(run, &rows.table)?;
        let made = match pretrain(&From::Weights(start), &table, &options, self.watch, self.training, None) {
            Err(FitError::Interrupted { .. }) => return Err(StudyError::Interrupted),
            other => other?,
        };
        let judged = match run.trial {
            Some(_) => Arc::new(self.images(&rows.table, &held_out_rows(&rows.table))?),
            None => self.test_images(run.target)?,
        };
        let logits = self.logits(&made.backbone, &judged.0, &|_, _| {})?;
        if self.is_kept(run) {
            made.backbone.save(&self.cells.network(name)?)?;
        }
        let curve = made.epochs.iter().filter_map(|epoch| epoch.validation_accuracy);
        Ok(Trained {
            rate: made.recipe.learning_rate,
            rows: made.trained_rows,
            epochs: made.recipe.epochs,
            wrong: rows.wrong,
            curve: if run.trial.is_none() { curve.collect() } else { Vec::new() },
            labels: judged.1.clone(),
            logits,
        })
    }

    /// Whether the network of a run is looked at again.
    fn is_kept(&self, run: &Run) -> bool {
        let again = match run.task {
            Task::Rows { each: None, epochs: None } | Task::Adversarial => run.target == 0,
            Task::Noise { correction: Correction::Silver, .. } => true,
            _ => false,
        };
        again && run.trial.is_none()
    }

    /// For runs on all images the test images are judged after every epoch, for the curve alone.
    fn with_curve(&self, run: &Run, table: &Table) -> Result<Table, StudyError> {
        let mut table = table.clone();
        if matches!(run.task, Task::Rows { each: None, .. }) && run.trial.is_none() {
            let all = &self.target(run.target)?.table.rows;
            table.rows.extend(all.iter().filter(|row| row.split == Some(Split::Test)).cloned());
        }
        Ok(table)
    }

    fn recipe(&self, run: &Run, start: &Backbone, rows: &TrainingRows) -> Result<PretrainOptions, StudyError> {
        let balanced = matches!(run.task, Task::Uneven { balanced: true, .. });
        Ok(PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(self.epochs(run)?),
                batch_size: Some(self.options.batch_size.min((rows.table.rows.len() / 2).max(2))),
                image_size: Some(start.preprocess.input_size[0]),
                augment: Some(Preset::Crop),
                learning_rate: Some(self.rate(run)?),
                balance: if balanced { Balance::Weights } else { Balance::None },
                adversary: (run.task == Task::Adversarial).then(|| Adversary::one_step(self.options.epsilon)),
                precision: self.options.precision,
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.seed(run.seed),
            extract: self.options.extract.clone(),
            checkpoint: None,
            time_limit: None,
            recompute: false,
            plant: None,
            doubts: self.doubts(run, rows)?,
        })
    }

    /// What the gold loss correction knows of the labels: how a network that was trained on the others answers the trusted rows.
    fn doubts(&self, run: &Run, rows: &TrainingRows) -> Result<Option<GivenLabels>, StudyError> {
        let Task::Noise { noise, tenths, correction: Correction::Gold } = run.task else { return Ok(None) };
        let silver = Task::Noise { noise, tenths, correction: Correction::Silver };
        let network = self.network(&Run { task: silver, ..*run })?;
        let trusted: Vec<usize> = rows.trusted.iter().copied().collect();
        let (images, labels) = self.images(&rows.table, &trusted)?;
        let classes = rows.table.classes.len();
        let said = probabilities(&self.logits(&network, &images, &|_, _| {})?, classes, 1.0);
        let corruption = mean_of_class(&said, &labels, classes);
        Ok(Some(GivenLabels { corruption: corruption.into(), trusted: trusted.into_iter().collect::<BTreeSet<_>>() }))
    }

    /// The test images of a target, read once.
    pub fn test_images(&self, target: usize) -> Result<Judged, StudyError> {
        if let Some(judged) = self.prepared.lock().ok().and_then(|kept| kept.get(&target).cloned()) {
            return Ok(judged);
        }
        let set = self.target(target)?;
        let judged = Arc::new(self.images(&set.table, &set.split()[1])?);
        if let Ok(mut kept) = self.prepared.lock() {
            kept.insert(target, Arc::clone(&judged));
        }
        Ok(judged)
    }

    /// Rows of a table at the networks' input size, with the class of each; a row that cannot be read ends the study.
    pub fn images(&self, table: &Table, rows: &[usize]) -> Result<(PreparedImages, Vec<usize>), StudyError> {
        let preprocess = &self.source.preprocess;
        let (images, skipped) = PreparedImages::read(table, rows, preprocess, MEMORY, self.watch.cancel)?;
        if let Some(one) = skipped.first() {
            let reason = format!("{}: {}", one.locator, one.reason);
            return Err(StudyError::Data { set: table.source.display().to_string(), reason });
        }
        let labels = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        Ok((images, labels))
    }

    /// Logits of images, each changed by `change`.
    pub fn logits(
        &self,
        network: &Backbone,
        images: &PreparedImages,
        change: &(dyn Fn(usize, &mut [u8]) + Sync),
    ) -> Result<Vec<f32>, StudyError> {
        let rows: Vec<usize> = (0..images.table_rows().len()).collect();
        let logits = network.logits.clone().unwrap_or_else(|| "logits".to_owned());
        let requests = [(logits, Pooling::MEAN)];
        let changed = ChangedImages { images, change, shown: &|_| {} };
        let mut extraction = Extraction::new(Network::from(network), &changed, &rows, &requests);
        (extraction.options, extraction.cancel) = (self.options.extract.clone(), self.watch.cancel);
        let found = extraction.run()?;
        if found.rows.len() != rows.len() {
            let reason = "a trained network's answers are no numbers".to_owned();
            return Err(StudyError::Data { set: network.name.clone(), reason });
        }
        Ok(found.features.blocks.into_iter().flat_map(|block| block.values).collect())
    }
}

/// Mean of what is said of the rows of each class; a class without rows is taken to be given its own label.
fn mean_of_class(said: &[f32], labels: &[usize], classes: usize) -> Vec<f64> {
    let mut sums = vec![0.0; classes * classes];
    let mut counts = vec![0.0_f64; classes];
    for (row, label) in said.chunks(classes.max(1)).zip(labels) {
        counts[*label] += 1.0;
        sums[label * classes..(label + 1) * classes].iter_mut().zip(row).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    for (class, count) in counts.into_iter().enumerate() {
        let row = &mut sums[class * classes..(class + 1) * classes];
        if count == 0.0 {
            row[class] = 1.0;
        }
        let all: f64 = row.iter().sum();
        row.iter_mut().for_each(|share| *share /= all);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corruption_is_the_mean_answer_to_the_trusted_rows_of_a_class() {
        let said = [0.8, 0.2, 0.6, 0.4, 0.1, 0.9];
        let found = mean_of_class(&said, &[0, 0, 1], 2);
        for (found, expected) in found.iter().zip([0.7, 0.3, 0.1, 0.9]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        assert_eq!(mean_of_class(&[0.5, 0.5], &[0], 2)[2..], [0.0, 1.0]);
    }
}
