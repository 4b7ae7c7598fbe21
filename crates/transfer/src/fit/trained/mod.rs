//! Fits that train through the backbone.
//!
//! ```text
//! table -> copies, folds -> test | validation | training rows -> decode once -> train (best epoch by validation)
//!       -> the trained network's features of all rows -> head, temperature on validation rows -> judged test rows -> record
//! ```
//!
//! Test rows are read once, after training. Validation rows choose the epoch and the temperature; they train nothing.

mod attention;
mod co_tuning;
mod find_rate;
mod head;
pub(crate) mod images;
mod job;
mod linearised;
mod measure;
mod method;
mod movement;
mod parts;
mod penalties;
mod plus;
mod probe;
mod readout;
mod recipe;
pub(crate) mod settings;
pub(crate) mod source;
pub(crate) mod state;
mod surgical;
pub(crate) mod unfold;
pub(crate) mod watch;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heirloom_data::Table;
use heirloom_data::batches::typical_shorter_side;
use heirloom_zoo::Backbone;

pub use co_tuning::RelationshipKind;
pub use heirloom_training::trainer::{Adversary, EpochReport, StepReport};
pub use method::TrainedMethod;
pub use movement::{ModuleMovement, Movement};
pub use plus::{RATE_MULTIPLIERS, candidate_checkpoint};
pub use recipe::{Balance, NormStatistics, OptimizerKind, Recipe, RecipeOptions, ScheduleKind};
pub use source::GivenLabels;
pub use surgical::{AUTO, BlockGradient};
pub use watch::TrainingEvent;

use super::{Fit, FitError, FitOptions, Watch};
use crate::store::Store;
use job::Job;
use parts::Parts;

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
    /// Patterns of the layers, modules and parameters that are trained with the head, all others staying as they are (surgical fine-tuning,
    /// Lee et al. 2022); all of them where empty, and [`AUTO`] alone for the block with the largest gradient for its size.
    pub train_only: Vec<String>,
    /// Where the state is kept after every epoch; nowhere if `None`.
    pub checkpoint: Option<PathBuf>,
    /// Ends training after this time, with the best epoch so far.
    pub time_limit: Option<Duration>,
    /// Compute activations again instead of keeping them all.
    pub recompute: bool,
    /// Train convolutions that hold a folded batch norm as they stand.
    pub keep_folded: bool,
    /// Where the network after each epoch is written, under the names of [`epoch_path`]; nowhere if `None`.
    pub keep_epochs: Option<PathBuf>,
}

/// `source.safetensors` -> `source.epoch-01.safetensors` for the epoch counted as 0.
#[must_use]
pub fn epoch_path(output: &Path, epoch: u64) -> PathBuf {
    output.with_extension(format!("epoch-{:02}.safetensors", epoch + 1))
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
    /// What every epoch found, those of candidates that were not kept included.
    pub epochs: Vec<EpochReport>,
    /// Operations besides those of epochs.
    pub work: Work,
}

/// Operations of a fit besides passes over images in epochs; a multiplication and an addition are two.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Work {
    /// Of passes through the network.
    pub network: f64,
    /// Of matrix products.
    pub products: f64,
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
    let one_run = !matches!(trained.method, TrainedMethod::Head2ToeFtPlus | TrainedMethod::Linearised);
    if trained.keep_epochs.is_some() && !one_run {
        return Err(FitError::Recipe {
            setting: "--keep-epochs",
            value: "on".into(),
            reason: format!("{} is not one run of epochs", trained.method),
        });
    }
    surgical::check(trained)?;
    table.check_for_training()?;
    let used = options.rows.clone().unwrap_or_else(|| (0..table.rows.len()).collect());
    let parts = Parts::of(table, used, options.seed)?;
    let shorter_side = typical_shorter_side(table, &parts.train).unwrap_or(224);
    let recipe = Recipe::choose(trained.method, &trained.recipe, backbone, parts.train.len(), shorter_side)?;
    let (warnings, attention, checkpoint, multiplier) = (Vec::new(), None, trained.checkpoint.clone(), 1.0);
    let job = Job {
        table,
        store,
        options,
        trained,
        watch,
        report,
        parts,
        recipe,
        shorter_side,
        started,
        warnings,
        attention,
        train_only: trained.train_only.clone(),
        block_gradients: Vec::new(),
        source_classifier: None,
        checkpoint,
        multiplier,
    };
    match trained.method {
        TrainedMethod::Head2ToeFtPlus => job.run_plus(backbone),
        TrainedMethod::Linearised => job.run_linearised(backbone),
        _ => job.run(backbone),
    }
}
