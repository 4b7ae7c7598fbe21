//! `pretrain`: a source model of one's own.

use heirloom_data::intervention::Plant;
use heirloom_data::{Limits, Table};
use heirloom_report::percent;
use heirloom_transfer::fit::trained::{TrainingEvent, epoch_path};
use heirloom_transfer::fit::{Watch, data_digest};
use heirloom_transfer::pretrain::{PretrainOptions, Pretrained, Start, pretrain};
use heirloom_zoo::{Backbone, Initialization, Recipe, ZooError, architectures};
use serde_json::json;

use super::fit::{extract_options, open_table};
use super::plant::plant;
use super::run_file::{Inputs, RunFile};
use super::training::{self, Follower};
use super::{Outcome, limit, refuse_to_replace};
use crate::arguments::{PretrainArguments, SelfSupervisedName, SharedArguments};
use crate::backbone;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};

/// Runs `pretrain`.
pub fn run(arguments: &PretrainArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let output = &arguments.output;
    if output.extension().is_none_or(|extension| extension != "safetensors") {
        let fact = format!("{} does not end in .safetensors", output.display());
        return Err(Failure::input(fact).hint("name the file with -o source.safetensors"));
    }
    for path in [output, &RunFile::path(output)] {
        refuse_to_replace(path, arguments.force)?;
    }
    let table = open(arguments)?;
    let start = start(arguments, &table)?;
    let options = PretrainOptions {
        recipe: training::recipe(&arguments.recipe, arguments.precision),
        rows: arguments.table.limit.map(|count| limit::rows(&table, count as usize, arguments.seed)),
        seed: arguments.seed,
        extract: extract_options(arguments.memory, shared),
        checkpoint: Some(training::checkpoint(output, arguments.force)?),
        time_limit: arguments.recipe.time_limit,
        recompute: arguments.recipe.recompute,
        plant: plant(&arguments.plant, &table)?,
        doubts: None,
    };
    let made = train(&start, &table, &options, arguments, console)?;
    made.backbone.save(output)?;
    made.warnings.iter().for_each(|warning| console.say(format!("warning: {warning}")));
    let (Start::Random(first) | Start::Weights(first)) = &start;
    let all: Vec<usize> = (0..table.rows.len()).collect();
    let data = data_digest(&table, options.rows.as_ref().unwrap_or(&all));
    let inputs = Inputs { data, backbone: Some(first.weights_digest.clone()) };
    let last = made.epochs.last();
    let (accuracy, log_loss) =
        (last.and_then(|epoch| epoch.validation_accuracy), last.and_then(|epoch| epoch.validation));
    let run_file = RunFile::new(shared.typed.clone(), inputs, output, accuracy, log_loss)?;
    run_file.save(&RunFile::path(output))?;
    console.say(format!("\n{}", summary(&made, arguments)));
    Ok(Outcome::strict(object(&made, arguments, options.plant.as_ref()), arguments.strict, made.skipped))
}

/// The data set; without labels, its images turned.
fn open(arguments: &PretrainArguments) -> Result<Table, Failure> {
    let Some(SelfSupervisedName::Rotation) = arguments.self_supervised else { return open_table(&arguments.table) };
    let loose = || Table::unlabelled(std::slice::from_ref(&arguments.table.data), Limits::default());
    // Images without folders of classes are no labelled table; what else is wrong with them, the first look says.
    let table = open_table(&arguments.table).or_else(|failure| loose().map_err(|_| failure))?;
    Ok(table.turned())
}

/// Random weights of the architecture for the table's classes, or the weights that were named.
fn start(arguments: &PretrainArguments, table: &Table) -> Result<Start, Failure> {
    let Some(architecture) = &arguments.arch else {
        return Ok(Start::Weights(backbone::open(arguments.from.as_deref())?));
    };
    let stem = arguments.output.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let recipe = Recipe::usual(&stem, architecture).map_err(with_architectures)?;
    let recipe = Recipe { class_names: table.classes.clone(), ..recipe };
    let backbone =
        Backbone::from_scratch(&recipe, &Initialization::usual(arguments.seed)).map_err(with_architectures)?;
    Ok(Start::Random(backbone))
}

/// What can be trained, where the architecture is not among it.
fn with_architectures(error: ZooError) -> Failure {
    if matches!(error, ZooError::UnknownArchitecture { .. }) {
        return error.into();
    }
    let known = architectures::all().filter(|known| known.from_scratch).map(|known| known.name);
    Failure::input(error.to_string()).hint(format!("--arch takes one of {}", known.collect::<Vec<_>>().join(", ")))
}

fn train(
    start: &Start,
    table: &Table,
    options: &PretrainOptions,
    arguments: &PretrainArguments,
    console: Console,
) -> Result<Pretrained, Failure> {
    interrupt::note("the state after the last complete epoch is kept; run the same command again to go on from there");
    let follower = Follower::new(console, arguments.recipe.log.as_deref())?;
    let progress = |state: &heirloom_transfer::extract::Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let keep = |epoch: u64, backbone: &Backbone| backbone.save(&epoch_path(&arguments.output, epoch));
    let keep = arguments.keep_epochs.then_some(&keep as heirloom_transfer::pretrain::KeepEpoch<'_>);
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let made = pretrain(start, table, options, watch, Some(&event), keep);
    drop(watching);
    follower.finish();
    Ok(made?)
}

fn summary(made: &Pretrained, arguments: &PretrainArguments) -> String {
    let output = &arguments.output;
    let last = made.epochs.last();
    let judged = last.and_then(|epoch| epoch.validation_accuracy).map_or(String::new(), |accuracy| {
        format!("; {} of {} test images right after the last epoch", percent(accuracy), made.test_rows)
    });
    let planted = match (made.planted_rows, arguments.self_supervised) {
        (0, None) => String::new(),
        (_, Some(SelfSupervisedName::Rotation)) => "; their turns were what it was asked for".to_owned(),
        (rows, None) => format!("; {rows} of them carried the planted intervention"),
    };
    let skipped = if made.skipped > 0 { format!("; {} images skipped", made.skipped) } else { String::new() };
    format!(
        "{} trained on {} images: {}{planted}{judged}{skipped}\nbackbone: {}\n\nnext: heirloom fit photos/ --backbone {}",
        made.backbone.architecture,
        made.trained_rows,
        made.recipe.summary(),
        output.display(),
        output.display()
    )
}

fn object(made: &Pretrained, arguments: &PretrainArguments, plant: Option<&Plant>) -> serde_json::Value {
    let last = made.epochs.last();
    let kept = arguments
        .keep_epochs
        .then(|| made.epochs.iter().map(|epoch| epoch_path(&arguments.output, epoch.epoch)).collect::<Vec<_>>());
    json!({
        "command": "pretrain",
        "backbone": arguments.output,
        "backbone_digest": made.backbone.weights_digest,
        "architecture": made.backbone.architecture,
        "classes": made.backbone.classes,
        "rows": {
            "train": made.trained_rows,
            "test": made.test_rows,
            "skipped": made.skipped,
            "planted": if arguments.self_supervised.is_some() { 0 } else { made.planted_rows },
        },
        "test_accuracy": last.and_then(|epoch| epoch.validation_accuracy),
        "test_log_loss": last.and_then(|epoch| epoch.validation),
        "recipe": made.recipe,
        "epochs": made.epochs,
        "kept_epochs": kept,
        "warnings": made.warnings,
        "ended_by_time_limit": made.timed_out,
        "seed": arguments.seed,
        "plant": plant,
        "self_supervised": arguments.self_supervised.map(|SelfSupervisedName::Rotation| "rotation"),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn epochs_are_counted_from_one() {
        let path = epoch_path(Path::new("a/source.safetensors"), 0);
        assert_eq!(path, Path::new("a/source.epoch-01.safetensors"));
    }
}
