//! `study pretraining-value` and `study robustness`: what a source is worth beside random weights.

mod data;
mod figures;
mod made_up;
mod page;
mod plan;
mod text;

use heirloom_audit::study::pretraining::{Part, PretrainingData, PretrainingOptions, pretraining};
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::Shard;
use heirloom_zoo::Backbone;
use serde_json::json;

use super::watched;
use crate::arguments::{PretrainingArguments, SharedArguments, SourceSize};
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// What a study is run on, in the shape the library takes.
struct Input {
    data: PretrainingData,
    source: Backbone,
    /// Keeps the pictures that were drawn until the study is done.
    _folder: Option<tempfile::TempDir>,
}

/// What a study is called.
const fn name(part: Part) -> &'static str {
    match part {
        Part::Value => "pretraining-value",
        Part::Robustness => "robustness",
    }
}

/// Runs a study, or says what it would do.
pub fn run(
    part: Part,
    arguments: &PretrainingArguments,
    shared: &SharedArguments,
    console: Console,
) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.run.output {
        refuse_to_replace(path, arguments.run.force)?;
    }
    let options = options(part, arguments, shared);
    let input = match arguments.size {
        SourceSize::Smoke => made_up::input(arguments)?,
        SourceSize::Small | SourceSize::Full => data::input(name(part), arguments)?,
    };
    let cells = Cells::new(&cache_folder(shared)?);
    if arguments.run.plan {
        return plan::run(&input, &options, &cells, console);
    }
    let kept = "finished networks and results stay in the cache; run the same command again to go on from there";
    let found = watched(kept, console, |watch, event| {
        Ok(pretraining(&input.data, &input.source, &options, &cells, watch, Some(event))?)
    })?;
    if let Some(path) = &arguments.run.output {
        write_whole(path, page::page(&found, arguments.run.seed).to_html().as_bytes())?;
    }
    console.say(text::summary(&found, arguments.run.output.as_deref()));
    let mut object = json!(found);
    object["command"] = json!("study");
    object["study"] = json!(name(part));
    object["page"] = json!(arguments.run.output);
    Ok(Outcome::done(object))
}

/// Sizes: a smoke test in minutes, the study that fits two cores in hours, everything.
fn options(part: Part, arguments: &PretrainingArguments, shared: &SharedArguments) -> PretrainingOptions {
    let size = arguments.size;
    let usual = match part {
        Part::Value => size.pick([2, 2], [5, 3], [5, 5]),
        Part::Robustness => size.pick([2, 2], [3, 3], [5, 5]),
    };
    let seeds = arguments.seeds.map_or(usual, |seeds| usual.map(|most| most.min(usize::from(seeds)).max(1)));
    let most = arguments.seeds.map_or(seeds[0], usize::from);
    PretrainingOptions {
        part,
        seeds: [most, if part == Part::Value { seeds[1] } else { most }],
        epochs: size.pick([1, 2], [10, 30], [30, 90]),
        reference: size.pick(36, 5000, 5000),
        lengths: size.pick([vec![], vec![1]], [vec![1, 3], vec![3, 10, 60]], [vec![3, 10], vec![10, 30, 180]]),
        each: size.pick(vec![5], vec![5, 20, 80], vec![1, 2, 5, 10, 20, 50, 80]),
        batch_size: size.pick(8, 32, 32),
        // At batches of 32: a fifth of what trains a network from random weights best, and that.
        rates: size.pick(vec![2500], vec![500, 2500], vec![250, 500, 1250, 2500, 5000]),
        parts: size.pick(vec![40, 80, 160], vec![1000, 4000, 10_000, 20_000], vec![1000, 2000, 4000, 10_000, 20_000]),
        source_epochs: size.pick(1, 12, 60),
        source_each: size.pick(5, 80, 80),
        strengths: size.pick(vec![4, 8], vec![2, 4, 6, 8], (1..=10).collect()),
        gold: size.pick(vec![4], vec![4, 8], vec![2, 4, 6, 8]),
        flipped: 4,
        exponents: size.pick(vec![10], vec![2, 10], vec![2, 4, 6, 8, 10, 15, 20]),
        epsilon: 8.0 / 255.0,
        attacked: size.pick(8, 500, 2000),
        precision: arguments.precision.of_training(),
        budget: arguments.run.budget,
        shard: arguments.shard.map(|shard| Shard { index: shard.index, count: shard.count }),
        seed: arguments.run.seed,
        extract: extract_options(arguments.run.memory, shared),
    }
}
