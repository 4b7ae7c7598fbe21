//! Where runs begin: the sources, their checkpoints, and random weights.

use std::path::PathBuf;

use heirloom_data::augment::Preset;
use heirloom_transfer::compare::name_of;
use heirloom_transfer::fit::FitError;
use heirloom_transfer::fit::trained::{RecipeOptions, ScheduleKind};
use heirloom_transfer::pretrain::{PretrainOptions, Start as From, pretrain};
use heirloom_transfer::store::NUMERICS;
use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, initialize, replace_head};

use super::{Family, Run, Start, Study, StudyError};

/// Number of the random weights that all replicas share: that of the first replica.
const SHARED: usize = 0;

impl Study<'_> {
    /// Names of numbers that depend on the program's kernels, and of how images become the networks' input.
    pub fn numerics(&self) -> String {
        let [one, other] = [&self.networks.batch_norm.preprocess, &self.networks.fixup.preprocess];
        format!("{NUMERICS} {:?} {one:?} {other:?}", self.options.extract.isa)
    }

    /// The name in the cache of what a run begins with, before its output layer is made.
    pub fn start_name(&self, run: &Run) -> Result<String, StudyError> {
        let architecture = self.architecture(run.family);
        match (run.start, run.family) {
            (Start::Random { .. }, _) => {
                Ok(name_of(&("random", &architecture.architecture, self.random_seed(run), self.numerics()))?)
            }
            (Start::Source { .. }, Family::BatchNorm) => Ok(architecture.weights_digest.clone()),
            (Start::Source { epochs }, Family::Fixup) => self.source_name(epochs),
        }
    }

    fn random_seed(&self, run: &Run) -> u64 {
        self.seed(if run.start == Start::SAME { SHARED } else { run.replica })
    }

    pub fn architecture(&self, family: Family) -> &Backbone {
        match family {
            Family::BatchNorm => &self.networks.batch_norm,
            Family::Fixup => &self.networks.fixup,
        }
    }

    /// The network that a run begins with: an output layer drawn for its replica, on the source or on random weights.
    pub fn start(&self, run: &Run) -> Result<Backbone, StudyError> {
        let network = match run.start {
            Start::Random { .. } => {
                let architecture = self.architecture(run.family);
                let how = Initialization::usual(self.random_seed(run));
                let weights = initialize(&architecture.architecture, &architecture.graph, &how)?;
                let weights_digest = heirloom_zoo::weights_digest(&weights);
                Backbone { weights, weights_digest, ..architecture.clone() }
            }
            Start::Source { epochs } => self.source(run.family, epochs)?,
        };
        let classes = &self.target(run.target)?.table.classes;
        // The same random weights have the same output layer, too.
        let head = NewHead { classes: classes.len(), start: HeadStart::Uniform, seed: self.random_seed(run) };
        Ok(Backbone { classes: classes.clone(), ..replace_head(&network, &head)? })
    }

    /// The source after so many epochs.
    pub fn source(&self, family: Family, epochs: Option<u64>) -> Result<Backbone, StudyError> {
        if family == Family::BatchNorm {
            return Ok(self.networks.batch_norm.clone());
        }
        let path = self.source_path(epochs)?;
        if !path.exists() {
            self.train_source()?;
        }
        Ok(heirloom_zoo::open_path(&path)?)
    }

    fn source_name(&self, epochs: Option<u64>) -> Result<String, StudyError> {
        let all = self.options.source_epochs;
        let architecture = &self.networks.fixup.architecture;
        let key = ("what-transfers source", env!("CARGO_PKG_VERSION"), self.numerics(), architecture);
        let images = &self.data.source.digest;
        Ok(name_of(&(key, images, all, epochs.unwrap_or(all), self.options.seed))?)
    }

    fn source_path(&self, epochs: Option<u64>) -> Result<PathBuf, StudyError> {
        Ok(self.cells.network(&self.source_name(epochs)?)?)
    }

    /// Accuracy of the source that is trained here on its own test images, after every epoch; `None` where it is not there.
    pub fn source_curve(&self) -> Result<Option<Vec<f64>>, StudyError> {
        Ok(self.cells.read(&self.source_name(None)?)?)
    }

    /// Trains the source without normalisation and keeps what it was after every epoch, and before the first.
    fn train_source(&self) -> Result<(), StudyError> {
        self.say("training the source without normalisation");
        let set = &self.data.source;
        let mut start = self.networks.fixup.clone();
        let how = Initialization::usual(self.options.seed);
        start.weights = initialize(&start.architecture, &start.graph, &how)?;
        start.save(&self.source_path(Some(0))?)?;
        let options = PretrainOptions {
            recipe: RecipeOptions {
                epochs: Some(self.options.source_epochs),
                image_size: Some(start.preprocess.input_size[0]),
                augment: Some(Preset::Crop),
                // Steps, as in the paper: what a checkpoint is worth may hang on where the rate falls.
                schedule: Some(ScheduleKind::Step),
                ..RecipeOptions::default()
            },
            rows: None,
            seed: self.options.seed,
            extract: self.options.extract.clone(),
            checkpoint: Some(self.cells.network(&format!("{}-training", self.source_name(None)?))?),
            time_limit: None,
            recompute: false,
            plant: None,
            doubts: None,
        };
        // The last one is written last of all: its file says that the source is complete.
        let epochs = 1..self.options.source_epochs;
        let paths: Vec<PathBuf> = epochs.map(|epoch| self.source_path(Some(epoch))).collect::<Result<_, _>>()?;
        let keep = |epoch: u64, network: &Backbone| match usize::try_from(epoch).ok().and_then(|at| paths.get(at)) {
            Some(path) => network.save(path),
            None => Ok(()),
        };
        match pretrain(&From::Random(start), &set.table, &options, self.watch, self.training, Some(&keep)) {
            Err(FitError::Interrupted { .. }) => Err(StudyError::Interrupted),
            Err(error) => Err(error.into()),
            Ok(made) => {
                let curve: Vec<f64> = made.epochs.iter().filter_map(|epoch| epoch.validation_accuracy).collect();
                self.cells.write(&self.source_name(None)?, &curve)?;
                Ok(made.backbone.save(&self.source_path(None)?)?)
            }
        }
    }
}
