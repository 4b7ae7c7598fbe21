//! `compare`: ways to adapt beside each other, accuracy against cost, on one page.

mod json;
mod page;
mod parquet;
#[cfg(test)]
mod sample;
mod text;

use std::path::{Path, PathBuf};

use heirloom_transfer::compare::{CompareOptions, Comparison, Entry, compare};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

use super::fit::{extract_options, open_table, picture, targets};
use super::training::{self, Follower};
use super::{Outcome, cache_folder, limit, refuse_to_replace, write_whole};
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
    let trains = arguments.methods.0.iter().any(|method| !method.is_frozen());
    if let (false, Some(option)) = (trains, arguments.recipe.typed()) {
        let fact = format!("{option} is for methods that train through the backbone; none of those asked for does");
        return Err(Failure::input(fact).hint("leave it out, or add one of them: --methods frozen,full"));
    }
    let backbones = backbones(&arguments.backbone)?;
    let table = limit::limited(open_table(&arguments.table)?, arguments.table.limit, arguments.seed);
    let options = CompareOptions {
        draws: usize::from(arguments.seeds),
        train_rows: arguments.train_rows.map(|rows| rows as usize),
        rows: None,
        time_limit: arguments.recipe.time_limit,
        timed: true,
        seed: arguments.seed,
        extract: extract_options(arguments.memory, shared),
    };
    let targets = targets(&arguments.target_sizes);
    let entry = |backbone| Entry {
        recipe: training::recipe(&arguments.recipe),
        ..Entry::new(backbone, arguments.methods.0.clone(), &targets)
    };
    let entries: Vec<Entry<'_>> = backbones.iter().map(entry).collect();
    let comparison = watched(&entries, &table, &Store::new(&cache_folder(shared)?), &options, arguments, console)?;
    write_whole(&arguments.output, page::page(&comparison, |row| picture(&table, row)).to_html().as_bytes())?;
    write_whole(&table_path, &parquet::table(&comparison)?)?;
    console.say(format!("\n{}", text::summary(&comparison, &arguments.output, &table_path)));
    let object = json::object(&comparison, &arguments.output, &table_path);
    Ok(Outcome::strict(object, arguments.strict, comparison.skipped.len()))
}

/// The comparison, with its progress shown and an interrupt heard.
fn watched(
    entries: &[Entry<'_>],
    table: &heirloom_data::Table,
    store: &Store,
    options: &CompareOptions,
    arguments: &CompareArguments,
    console: Console,
) -> Result<Comparison, Failure> {
    interrupt::note("finished results stay in the cache; run the same command again to go on from there");
    let follower = Follower::new(console, arguments.recipe.log.as_deref())?;
    let progress = |state: &heirloom_transfer::extract::Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let result = compare(entries, table, store, options, watch, Some(&event));
    drop(watching);
    follower.finish();
    Ok(result?)
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
