//! One network trained on one set through all of its weights, with a seed.

use heirloom_transfer::compare::name_of;
use heirloom_transfer::fit::trained::{RecipeOptions, TrainedMethod, TrainedOptions, train};
use heirloom_transfer::fit::{FitError, FitOptions};
use heirloom_transfer::heads::Settings;
use serde::{Deserialize, Serialize};

use super::{Item, Study};
use crate::study::StudyError;

/// Raised whenever the same rows come out otherwise: what is kept of an earlier training is then not read.
const TUNED: u32 = 2;
/// How networks are fine-tuned: the recipe of `fit --method full` with its usual rate; training rows held out choose the epoch.
const METHOD: TrainedMethod = TrainedMethod::Full;

/// What is kept of a fine-tuned network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tuned {
    /// Accuracy on test rows.
    pub accuracy: f64,
    /// Seconds from start to end.
    pub seconds: f64,
}

impl Study<'_> {
    /// A fine-tuned network's cell; `None` where it is not in the cache and may not be begun.
    pub fn tuned(&self, network: usize, set: usize, seed: usize, may_begin: bool) -> Result<Option<Tuned>, StudyError> {
        let (backbone, data) = (&self.networks[network].backbone, &self.sets[set]);
        let own_seed = self.options.seed.wrapping_add(seed as u64);
        let epochs = self.options.epochs;
        let key = ("fine-tuned", TUNED, self.base(backbone), &data.digest, METHOD.name(), epochs, own_seed);
        let name = name_of(&key)?;
        if let Some(kept) = self.cells.read::<Tuned>(&name)? {
            return Ok(Some(kept));
        }
        if !may_begin {
            return Ok(None);
        }
        self.say(Item::Tuned { network, set, seed });
        let fit = FitOptions {
            methods: Vec::new(),
            rows: None,
            targets: vec![1],
            settings: Settings::default(),
            seed: own_seed,
            extract: self.options.extract.clone(),
        };
        let started = std::time::Instant::now();
        let trained = train(backbone, &data.table, None, &fit, &options(epochs, backbone), self.watch, self.training);
        let trained = trained.map_err(|error| match error {
            FitError::Interrupted { .. } => StudyError::Interrupted,
            other => other.into(),
        })?;
        let accuracy = trained.fit.record.scores.accuracy.value;
        let tuned = Tuned { accuracy, seconds: started.elapsed().as_secs_f64() };
        self.cells.write(&name, &tuned)?;
        Ok(Some(tuned))
    }
}

fn options(epochs: u64, backbone: &heirloom_zoo::Backbone) -> TrainedOptions {
    let image_size = Some(backbone.preprocess.input_size[0]);
    TrainedOptions {
        method: METHOD,
        recipe: RecipeOptions { epochs: Some(epochs), image_size, ..RecipeOptions::default() },
        freeze: Vec::new(),
        train_from: None,
        train_only: Vec::new(),
        checkpoint: None,
        time_limit: None,
        recompute: false,
        keep_folded: false,
        keep_epochs: None,
    }
}
