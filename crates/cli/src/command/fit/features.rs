//! `fit` on a table of features: the same without a backbone.

use std::path::Path;

use heirloom_data::{FeatureTable, TableOptions};
use heirloom_transfer::fit::{FitReport, Watch};

use super::{Job, artifact, page, text};
use crate::arguments::{FitArguments, TableArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Whether the data that was typed is a table of features. A safetensors file is taken for one: it holds no images.
pub fn is_table(data: &Path) -> Result<bool, Failure> {
    let tensors = data.is_file() && data.extension().is_some_and(|ending| ending == "safetensors");
    Ok(tensors || FeatureTable::recognise(data)?)
}

/// Opens the table of features that was typed.
pub fn open(arguments: &TableArguments) -> Result<FeatureTable, Failure> {
    Ok(FeatureTable::open(&arguments.data, &options(arguments))?)
}

/// How to read the table that was typed.
pub fn options(arguments: &TableArguments) -> TableOptions {
    TableOptions {
        label: arguments.label_column.clone(),
        group: arguments.group_column.clone(),
        only: arguments.conditions.clone(),
        ..TableOptions::default()
    }
}

/// Refuses what only makes sense with a network.
pub fn refuse_network(arguments: &FitArguments) -> Result<(), Failure> {
    let typed = [
        (arguments.backbone.is_some(), "--backbone"),
        (!arguments.target_sizes.is_empty(), "--target-sizes"),
        (arguments.slim, "--slim"),
        (arguments.memory.is_some(), "--memory"),
        (arguments.precision.precision.is_some(), "--precision"),
        (arguments.storage.feature_storage.is_some(), "--feature-storage"),
        (arguments.frozen.class_token.is_some(), "--class-token"),
    ];
    let data = &arguments.table.data;
    refuse_options(data, &typed)?;
    let data = data.display();
    if arguments.method.trained().is_some() {
        let fact = format!("{data} holds features, and '{}' trains through a network", arguments.method);
        return Err(Failure::input(fact).hint("name a method that fits a head on features, or auto"));
    }
    Ok(())
}

/// Refuses the first option that was typed and is for images.
pub fn refuse_options(data: &Path, options: &[(bool, &str)]) -> Result<(), Failure> {
    match options.iter().find(|(typed, _)| *typed) {
        None => Ok(()),
        Some((_, option)) => {
            let fact = format!("{} holds features, and {option} is for images", data.display());
            Err(Failure::input(fact).hint("leave it out"))
        }
    }
}

/// Fits, writes the model and the report, and prints the summary.
pub fn make(job: &Job, table: &FeatureTable, console: Console) -> Result<FitReport, Failure> {
    let stage = |text: &str| console.stage(text);
    let watch = Watch { progress: None, stage: Some(&stage), cancel: None };
    let fit = heirloom_transfer::fit::fit_table(table, &job.fit_options(), watch)?;
    artifact::save_features(&fit, table.principal(), &job.output)?;
    if let Some(path) = &job.report {
        page::write(path, &fit.record, |_| None)?;
    }
    console.say(format!("\n{}", text::summary(&fit.record, &job.output, job.report.as_deref())));
    Ok(fit.record)
}
