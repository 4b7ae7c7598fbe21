//! Where networks begin: the source that was given, sources of our own, and random weights.

use std::path::PathBuf;

use heirloom_data::Table;
use heirloom_data::augment::Preset;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::fit::FitError;
use heirloom_transfer::fit::trained::RecipeOptions;
use heirloom_transfer::pretrain::{PretrainOptions, Start as From, pretrain};
use heirloom_transfer::store::NUMERICS;
use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, initialize, replace_head};

use super::{Origin, Run, Study, StudyError};
use crate::balanced;

/// Checkpoints of a source of our own, in sixths of its training.
const CHECKPOINTS: [u64; 3] = [1, 3, 6];

impl Origin {
    /// Every source of our own, for so many parts of the images.
    pub(super) fn own(parts: usize) -> Vec<Self> {
        let of_part = |part| (0..CHECKPOINTS.len()).map(move |checkpoint| Self::Own { part, checkpoint });
        (0..parts).flat_map(of_part).collect()
    }
}

impl Study<'_> {
    /// Names of numbers that depend on the program's kernels, and of how images become the networks' input.
    pub fn numerics(&self) -> String {
        let (isa, precision) = (self.options.extract.isa, self.options.precision);
        format!("{NUMERICS} {isa:?} {precision:?} {:?}", self.source.preprocess)
    }

    /// The name in the cache of what a run begins with, before its output layer is made.
    pub fn start_name(&self, run: &Run) -> Result<String, StudyError> {
        match run.start.origin() {
            Some(Origin::Given) => Ok(self.source.weights_digest.clone()),
            Some(Origin::Own { part, checkpoint }) => self.own_name(part, checkpoint),
            None => Ok(format!("random weights of {}", self.source.architecture)),
        }
    }

    /// The network that a run begins with, its output layer drawn from the seed.
    pub fn start(&self, run: &Run) -> Result<Backbone, StudyError> {
        let seed = self.seed(run.seed);
        let network = match run.start.origin() {
            Some(origin) => self.origin(origin)?,
            None => {
                let how = Initialization::usual(seed);
                let weights = initialize(&self.source.architecture, &self.source.graph, &how)?;
                let weights_digest = heirloom_zoo::weights_digest(&weights);
                Backbone { weights, weights_digest, ..self.source.clone() }
            }
        };
        let classes = &self.target(run.target)?.table.classes;
        let head = NewHead { classes: classes.len(), start: HeadStart::Uniform, seed };
        Ok(Backbone { classes: classes.clone(), ..replace_head(&network, &head)? })
    }

    /// A source.
    pub fn origin(&self, origin: Origin) -> Result<Backbone, StudyError> {
        let Origin::Own { part, checkpoint } = origin else { return Ok(self.source.clone()) };
        let path = self.own_path(part, checkpoint)?;
        // The last one is written last of all.
        if !self.own_path(part, CHECKPOINTS.len() - 1)?.exists() {
            self.train_own(part)?;
        }
        Ok(heirloom_zoo::open_path(&path)?)
    }

    /// Epochs of the source of a part.
    pub fn own_epochs(&self, part: usize) -> u64 {
        let sixth = self.lengthened(self.options.source_epochs, self.part_size(part)).div_ceil(CHECKPOINTS[2]);
        sixth * CHECKPOINTS[2]
    }

    fn part_size(&self, part: usize) -> usize {
        let all = self.data.source.split()[0].len();
        self.options.parts.get(part).copied().unwrap_or(all).min(all)
    }

    fn own_name(&self, part: usize, checkpoint: usize) -> Result<String, StudyError> {
        let key = ("pretraining source", env!("CARGO_PKG_VERSION"), self.numerics(), &self.source.architecture);
        let images = (&self.data.source.digest, self.part_size(part), self.own_epochs(part));
        Ok(name_of(&(key, images, CHECKPOINTS[checkpoint.min(2)], self.options.batch_size, self.options.seed))?)
    }

    fn own_path(&self, part: usize, checkpoint: usize) -> Result<PathBuf, StudyError> {
        Ok(self.cells.network(&self.own_name(part, checkpoint)?)?)
    }

    /// Accuracy of a source of our own on the source's test images.
    pub fn own_accuracy(&self, part: usize, checkpoint: usize) -> Result<f64, StudyError> {
        let name = self.own_name(part, checkpoint)?;
        if self.cells.read::<f64>(&name)?.is_none() {
            self.train_own(part)?;
        }
        let missing = || StudyError::Data { set: "source".to_owned(), reason: "it was not kept".to_owned() };
        self.cells.read::<f64>(&name)?.ok_or_else(missing)
    }

    /// Whether a source of our own is there.
    pub fn has_own(&self, part: usize, checkpoint: usize) -> Result<bool, StudyError> {
        Ok(self.cells.holds(&self.own_name(part, checkpoint)?))
    }

    /// As many images of each class as fit, with all test images.
    fn part(&self, part: usize) -> Table {
        let [train, test] = self.data.source.split();
        let mut table = self.data.source.table.clone();
        let labels: Vec<usize> = train.iter().map(|row| table.rows[*row].label.unwrap_or(0)).collect();
        let kept = balanced(&labels, self.part_size(part), self.options.seed).into_iter().map(|at| train[at]);
        table.rows = kept.chain(test).map(|row| table.rows[row].clone()).collect();
        table
    }

    /// Trains the source of a part and keeps its checkpoints, each with its accuracy.
    fn train_own(&self, part: usize) -> Result<(), StudyError> {
        self.say(&format!("training a source on {} images", self.part_size(part)));
        let table = self.part(part);
        let how = Initialization::usual(self.options.seed);
        let mut start = self.source.clone();
        start.weights = initialize(&start.architecture, &start.graph, &how)?;
        let head = NewHead { classes: table.classes.len(), start: HeadStart::Uniform, seed: self.options.seed };
        start = Backbone { classes: table.classes.clone(), ..replace_head(&start, &head)? };
        let epochs = self.own_epochs(part);
        let options = PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(epochs),
                batch_size: Some(self.options.batch_size),
                image_size: Some(start.preprocess.input_size[0]),
                augment: Some(Preset::Crop),
                precision: self.options.precision,
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.options.seed,
            extract: self.options.extract.clone(),
            checkpoint: Some(self.cells.network(&format!("{}-training", self.own_name(part, 2)?))?),
            time_limit: None,
            recompute: false,
            plant: None,
            doubts: None,
        };
        let ends: Vec<u64> = CHECKPOINTS.iter().map(|sixths| epochs * sixths / CHECKPOINTS[2]).collect();
        let paths: Vec<PathBuf> =
            (0..ends.len()).map(|checkpoint| self.own_path(part, checkpoint)).collect::<Result<_, _>>()?;
        let keep = |epoch: u64, network: &Backbone| match ends.iter().position(|end| *end == epoch + 1) {
            Some(at) if at + 1 < ends.len() => network.save(&paths[at]),
            _ => Ok(()),
        };
        match pretrain(&From::Random(start), &table, &options, self.watch, self.training, Some(&keep)) {
            Err(FitError::Interrupted { .. }) => Err(StudyError::Interrupted),
            Err(error) => Err(error.into()),
            Ok(made) => {
                for (checkpoint, end) in ends.iter().enumerate() {
                    let epoch = usize::try_from(*end).unwrap_or(usize::MAX).saturating_sub(1);
                    let accuracy = made.epochs.get(epoch).and_then(|epoch| epoch.validation_accuracy);
                    self.cells.write(&self.own_name(part, checkpoint)?, &accuracy.unwrap_or(0.0))?;
                }
                Ok(made.backbone.save(&self.own_path(part, ends.len() - 1)?)?)
            }
        }
    }
}
