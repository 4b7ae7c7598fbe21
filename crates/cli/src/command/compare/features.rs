//! `compare` on a table of features: heads alone, without a backbone.

use heirloom_data::FeatureTable;
use heirloom_transfer::compare::{Adaptation, CompareOptions, Comparison, compare_table};
use heirloom_transfer::heads::Settings;

use super::watched;
use crate::arguments::{CompareArguments, SharedArguments};
use crate::command::fit::{open_features, refuse_options};
use crate::command::{cache_folder, limit};
use crate::console::Console;
use crate::failure::Failure;

/// The comparison on the table that was typed.
pub fn run(
    arguments: &CompareArguments,
    options: CompareOptions,
    shared: &SharedArguments,
    console: Console,
) -> Result<Comparison, Failure> {
    refuse_network(arguments)?;
    let table = open_features(&arguments.table)?;
    let rows = arguments.table.limit.map(|count| limit::rows(&table.table, count as usize, arguments.seed));
    let (options, methods) = (CompareOptions { rows, ..options }, methods(&table, arguments));
    let (cache, settings) = (cache_folder(shared)?, Settings::default());
    watched(arguments, console, |watch, _| Ok(compare_table(&table, &methods, &settings, &cache, &options, watch)?))
}

/// Refuses what only makes sense with a network.
fn refuse_network(arguments: &CompareArguments) -> Result<(), Failure> {
    let training = arguments.recipe.typed();
    let typed = [
        (!arguments.backbone.is_empty(), "--backbone"),
        (!arguments.target_sizes.is_empty(), "--target-sizes"),
        (arguments.memory.is_some(), "--memory"),
        (arguments.precision.precision.is_some(), "--precision"),
        (arguments.storage.feature_storage.is_some(), "--feature-storage"),
        (training.is_some(), training.unwrap_or_default()),
    ];
    refuse_options(&arguments.table.data, &typed)
}

/// The methods named, and of the families those that the table has enough for.
fn methods(table: &FeatureTable, arguments: &CompareArguments) -> Vec<Adaptation> {
    let typed = &arguments.methods;
    let fits = |method: &Adaptation| match method {
        Adaptation::Frozen(method) => !method.reads_all_taps() || table.blocks.len() > 1,
        Adaptation::Auto(_) => true,
        Adaptation::Trained(_) => false,
    };
    let kept: Vec<Adaptation> =
        typed.all.iter().copied().filter(|method| typed.named.contains(method) || fits(method)).collect();
    // None of a family that trains: the refusal names one.
    if kept.is_empty() { typed.all.clone() } else { kept }
}
