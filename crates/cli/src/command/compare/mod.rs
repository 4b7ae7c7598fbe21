//! `compare`: ways to adapt beside each other, accuracy against cost, on one page.

mod features;
mod json;
mod page;
mod parquet;
#[cfg(test)]
mod sample;
mod text;

use std::path::{Path, PathBuf};

use heirloom_data::Table;
use heirloom_transfer::compare::{CompareOptions, Comparison, Entry, compare};
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

use super::fit::{extract_options, holds_features, layer_targets, open_table, picture, targets};
use super::training::{self, Follower};
use super::{Outcome, cache_folder, limit, precision, refuse_to_replace, write_whole};
use crate::arguments::{CompareArguments, SharedArguments};
use crate::backbone;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};

/// Runs `compare`.
pub fn run(arguments: &CompareArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let table_path = parquet_path(&arguments.output)?;
    for path in [&arguments.output, &table_path] {
        refuse_to_replace(path, arguments.force)?;
    }
    let options = CompareOptions {
        draws: usize::from(arguments.seeds),
        train_rows: arguments.train_rows.map(|rows| rows as usize),
        rows: None,
        time_limit: arguments.recipe.time_limit,
        seed: arguments.seed,
        extract: ExtractOptions { storage: arguments.storage.storage(), ..extract_options(arguments.memory, shared) },
    };
    let (comparison, page) = if holds_features(&arguments.table.data)? {
        let comparison = features::run(arguments, options, shared, console)?;
        let page = page::page(&comparison, |_| None);
        (comparison, page)
    } else {
        let table = limit::limited(open_table(&arguments.table)?, arguments.table.limit, arguments.seed);
        let comparison = on_images(arguments, &table, &options, shared, console)?;
        let page = page::page(&comparison, |row| picture(&table, row));
        (comparison, page)
    };
    write_whole(&arguments.output, page.to_html().as_bytes())?;
    write_whole(&table_path, &parquet::table(&comparison)?)?;
    console.say(format!("\n{}", text::summary(&comparison, &arguments.output, &table_path)));
    let object = json::object(&comparison, &arguments.output, &table_path);
    Ok(Outcome::strict(object, arguments.strict, comparison.skipped.len()))
}

/// The comparison of backbones on images.
fn on_images(
    arguments: &CompareArguments,
    table: &Table,
    options: &CompareOptions,
    shared: &SharedArguments,
    console: Console,
) -> Result<Comparison, Failure> {
    let methods = &arguments.methods.all;
    let trains = methods.iter().any(|method| !method.is_frozen());
    if let (false, Some(option)) = (trains, arguments.recipe.typed()) {
        let fact = format!("{option} is for methods that train through the backbone; none of those asked for does");
        return Err(Failure::input(fact).hint("leave it out, or add one of them: --methods frozen,full"));
    }
    let (backbones, targets) = (backbones(&arguments.backbone)?, targets(&arguments.target_sizes));
    let entry = |backbone| {
        let recipe = training::recipe(&arguments.recipe, arguments.precision);
        let mut entry = Entry { recipe, ..Entry::new(backbone, methods.clone(), &targets) };
        entry.settings.best_layer.targets = layer_targets(&arguments.target_sizes);
        entry
    };
    let entries: Vec<Entry<'_>> = backbones.iter().map(entry).collect();
    let cache = cache_folder(shared)?;
    let mut options = options.clone();
    if trains {
        options.extract = options.extract.in_precision(arguments.precision.of_training());
    } else {
        options.extract = precision::settled(arguments.precision, &backbones, &cache, options.extract, console)?;
    }
    let store = Store::new(&cache);
    watched(arguments, console, |watch, event| Ok(compare(&entries, table, &store, &options, watch, Some(event))?))
}

/// Runs a comparison with its progress shown and an interrupt heard.
fn watched(
    arguments: &CompareArguments,
    console: Console,
    run: impl FnOnce(Watch<'_>, &(dyn Fn(&TrainingEvent) + Sync)) -> Result<Comparison, Failure>,
) -> Result<Comparison, Failure> {
    interrupt::note("finished results stay in the cache; run the same command again to go on from there");
    let follower = Follower::new(console, arguments.recipe.log.as_deref())?;
    let progress = |state: &heirloom_transfer::extract::Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let watching = Watching::begin();
    let result = run(Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) }, &event);
    drop(watching);
    follower.finish();
    result
}

/// The backbones, each named once.
fn backbones(names: &[String]) -> Result<Vec<Backbone>, Failure> {
    if names.is_empty() {
        return Ok(vec![backbone::open(None)?]);
    }
    let mut found: Vec<Backbone> = Vec::new();
    for name in names {
        let opened = backbone::open(Some(name))?;
        let same = |other: &&Backbone| {
            other.weights_digest == opened.weights_digest && other.architecture == opened.architecture
        };
        if let Some(other) = found.iter().find(same) {
            let fact = format!("'{name}' has the weights of '{}', which is compared already", other.name);
            return Err(Failure::input(fact).hint("name every backbone once"));
        }
        found.push(opened);
    }
    Ok(found)
}

/// `compare.html` -> `compare.parquet`.
fn parquet_path(page: &Path) -> Result<PathBuf, Failure> {
    let path = page.with_extension("parquet");
    if path == *page {
        let fact = format!("{}: that is the name of the table of results", page.display());
        return Err(Failure::input(fact).hint("name the page, as in -o compare.html"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lies_beside_the_page() {
        assert_eq!(parquet_path(Path::new("a/photos.html")).unwrap(), PathBuf::from("a/photos.parquet"));
        assert!(parquet_path(Path::new("a/photos.parquet")).is_err());
    }
}
