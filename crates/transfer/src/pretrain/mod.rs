//! Making source models: a network trained on all training rows of a table, for every epoch asked for, with the weights of the last.
//!
//! Nothing is chosen: where the table has test rows, they are judged after every epoch for the log alone. The papers that study what a
//! source hands down take the latest weights, not the best (`spec/bias-transfer.md` section 5).

mod run;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use heirloom_data::batches::typical_shorter_side;
use heirloom_data::intervention::Plant;
use heirloom_data::{Split, Table};
use heirloom_engine::Weights;
use heirloom_zoo::{Backbone, HeadStart, Initialization, NewHead, replace_head};

use crate::extract::ExtractOptions;
use crate::fit::trained::{EpochReport, GivenLabels, Recipe, RecipeOptions, TrainedMethod, TrainingEvent};
use crate::fit::{FitError, Watch};

/// Where a source model begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// Random weights of this network, whose classifier has one logit for each class of the table.
    Random(Backbone),
    /// These weights. The classifier is kept where its classes are those of the table, and made anew, from zero, elsewhere.
    Weights(Backbone),
}

/// How to train a source model.
#[derive(Debug, Clone)]
pub struct PretrainOptions {
    /// Settings that were typed.
    pub recipe: RecipeOptions,
    /// Rows of the table to use; `None` uses all.
    pub rows: Option<Vec<usize>>,
    /// Seed of the first weights, the order of rows and all draws.
    pub seed: u64,
    /// Threads and memory.
    pub extract: ExtractOptions,
    /// Where the state is kept after every epoch; nowhere if `None`.
    pub checkpoint: Option<PathBuf>,
    /// Ends training after this time.
    pub time_limit: Option<Duration>,
    /// Compute activations again instead of keeping them all.
    pub recompute: bool,
    /// An intervention to plant into training images.
    pub plant: Option<Plant>,
    /// What is known of labels that may be wrong; `None` takes them as they are.
    pub doubts: Option<GivenLabels>,
}

/// A source model.
#[derive(Debug, Clone)]
pub struct Pretrained {
    /// The network with the weights of the last epoch.
    pub backbone: Backbone,
    /// The settings that were used.
    pub recipe: Recipe,
    /// What every epoch found; held-out figures are those of the test rows.
    pub epochs: Vec<EpochReport>,
    /// Training rows that could be read.
    pub trained_rows: usize,
    /// Those of them that carried the planted intervention.
    pub planted_rows: usize,
    /// Test rows that could be read.
    pub test_rows: usize,
    /// Rows that could not be read.
    pub skipped: usize,
    /// What the reader should know.
    pub warnings: Vec<String>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
}

/// Called with the weights of every complete epoch, counted from 0.
pub type KeepEpoch<'a> = &'a (dyn Fn(u64, &Backbone) -> Result<(), heirloom_zoo::ZooError> + Sync);

/// Trains a source model.
///
/// # Errors
/// A table that nothing can be trained on, settings that do not fit, divergence, [`FitError::Interrupted`] where the watch asked
/// to stop.
pub fn pretrain(
    start: &Start,
    table: &Table,
    options: &PretrainOptions,
    watch: Watch<'_>,
    report: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
    keep: Option<KeepEpoch<'_>>,
) -> Result<Pretrained, FitError> {
    let started = Instant::now();
    table.check_for_training()?;
    check_doubts(table, options)?;
    let used = options.rows.clone().unwrap_or_else(|| (0..table.rows.len()).collect());
    let is_test = |row: &usize| table.rows.get(*row).is_some_and(|row| row.split == Some(Split::Test));
    let (test, train): (Vec<usize>, Vec<usize>) = used.into_iter().partition(is_test);
    let planted = options.plant.as_ref().map(|plant| plant.apply(table, &train)).transpose()?;
    let (table, train) = planted.as_ref().map_or((table, train), |planted| (&planted.table, planted.rows.clone()));
    let shorter_side = typical_shorter_side(table, &train).unwrap_or(224);
    let (method, first) = match start {
        Start::Random(backbone) => (TrainedMethod::Scratch, backbone),
        Start::Weights(backbone) => (TrainedMethod::Full, backbone),
    };
    let recipe = Recipe::choose(method, &options.recipe, first, train.len(), shorter_side)?;
    let mut network = network(start, table, &recipe, options.seed)?;
    network.weights_digest = heirloom_zoo::weights_digest(&network.weights);
    run::Job { table, options, watch, report, keep, recipe, shorter_side, started, train, test }.run(network)
}

/// Refuses doubts about labels that do not fit the classes or the recipe.
fn check_doubts(table: &Table, options: &PretrainOptions) -> Result<(), FitError> {
    let Some(doubts) = &options.doubts else { return Ok(()) };
    let (classes, found) = (table.classes.len(), doubts.corruption.len());
    let refuse = |setting, value: String, reason: &str| Err(FitError::Recipe { setting, value, reason: reason.into() });
    if found != classes * classes {
        return refuse("the corruption of labels", format!("{found} shares"), "one is needed for each class and label");
    }
    if let Some(alpha) = options.recipe.mixup {
        return refuse("--mixup", alpha.to_string(), "blends of images have no label of their own that could be wrong");
    }
    if let Some(smoothing) = options.recipe.label_smoothing.filter(|smoothing| *smoothing > 0.0) {
        return refuse("--label-smoothing", smoothing.to_string(), "it has no meaning where labels may be wrong");
    }
    Ok(())
}

/// The network before its first step.
fn network(start: &Start, table: &Table, recipe: &Recipe, seed: u64) -> Result<Backbone, FitError> {
    let (Start::Random(first) | Start::Weights(first)) = start;
    let mut network = first.at_input_size([recipe.image_size; 2]).map_err(|error| FitError::Recipe {
        setting: "--image-size",
        value: recipe.image_size.to_string(),
        reason: error.to_string(),
    })?;
    let fits = network.logits.is_some() && network.classes == table.classes;
    if !fits {
        let head = NewHead { classes: table.classes.len(), start: HeadStart::Zero, seed };
        network = replace_head(&network, &head)?;
        network.classes.clone_from(&table.classes);
    }
    if let Start::Random(_) = start {
        let how = Initialization::usual(seed);
        network.weights = heirloom_zoo::initialize(&network.architecture, &network.graph, &how)?;
    }
    Ok(network)
}

/// `network` with other weights.
fn with_weights(network: &Backbone, weights: &Weights) -> Backbone {
    Backbone { weights_digest: heirloom_zoo::weights_digest(weights), weights: weights.clone(), ..network.clone() }
}
