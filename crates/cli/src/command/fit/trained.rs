//! `fit` with a method that trains through the backbone.

use std::path::Path;

use heirloom_data::Table;
use heirloom_transfer::fit::trained::{
    RecipeOptions, RelationshipKind, TrainedFit, TrainedMethod, TrainedOptions, TrainingEvent, epoch_path, train,
};
use heirloom_transfer::fit::{FitOptions, FitReport, Watch};
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

use super::{Job, artifact, write_report};
use crate::arguments::{FitArguments, RelationshipName};
use crate::command::fit::text;
use crate::command::training::{self, Follower};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};

/// Trains, writes the model and the report, and prints the summary.
pub fn make(
    job: &Job,
    method: TrainedMethod,
    arguments: &FitArguments,
    backbone: &Backbone,
    table: &Table,
    console: Console,
) -> Result<FitReport, Failure> {
    let typed = &arguments.training;
    let trained = TrainedOptions {
        method,
        recipe: RecipeOptions {
            delta_attention: typed.delta_attention,
            relationship: typed.relationship.map(|how| match how {
                RelationshipName::Reverse => RelationshipKind::Reverse,
                RelationshipName::Direct => RelationshipKind::Direct,
            }),
            rate_multipliers: (!typed.rate_multipliers.is_empty()).then(|| typed.rate_multipliers.clone()),
            ..training::recipe(&typed.recipe, arguments.precision)
        },
        freeze: typed.freeze.clone(),
        train_from: typed.train_from.clone(),
        train_only: typed.train_only.clone(),
        checkpoint: Some(training::checkpoint(&job.output, arguments.force)?),
        time_limit: typed.recipe.time_limit,
        recompute: typed.recipe.recompute,
        keep_folded: typed.keep_folded,
        keep_epochs: typed.keep_epochs.then(|| job.output.clone()),
    };
    let fitted = run(job, &trained, typed.recipe.log.as_deref(), backbone, table, console)?;
    artifact::save(&fitted.fit, &fitted.backbone, job.slim, &job.output)?;
    if let Some(path) = &job.report {
        write_report(path, &fitted.fit.record, table)?;
    }
    if let (Some(path), Some(first), Some(last)) = (&trained.keep_epochs, fitted.epochs.first(), fitted.epochs.last()) {
        let [first, last] = [first, last].map(|epoch| epoch_path(path, epoch.epoch).display().to_string());
        console.say(format!("\nepochs: {first} to {last}"));
    }
    console.say(format!("\n{}", text::summary(&fitted.fit.record, &job.output, job.report.as_deref())));
    Ok(fitted.fit.record)
}

/// Trains and measures.
pub fn run(
    job: &Job,
    trained: &TrainedOptions,
    log: Option<&Path>,
    backbone: &Backbone,
    table: &Table,
    console: Console,
) -> Result<TrainedFit, Failure> {
    let options = FitOptions { methods: Vec::new(), ..job.fit_options() };
    interrupt::note("the state after the last complete epoch is kept; run the same command again to go on from there");
    let follower = Follower::new(console, log)?;
    let progress = |state: &heirloom_transfer::extract::Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let store = Store::new(&job.cache);
    let result = train(backbone, table, Some(&store), &options, trained, watch, Some(&event));
    drop(watching);
    follower.finish();
    Ok(result?)
}
