//! `study ranking`: which score orders networks as their test accuracy does?

mod input;
mod page;
mod plan;
mod text;

use heirloom_audit::study::{RankedOptions, ranking};
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::Shard;
use heirloom_transfer::store::Store;
use serde_json::json;

use super::watched;
use crate::arguments::{SharedArguments, StudyRankingArguments};
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, precision, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;
use input::Input;

/// Runs the study, or says what it would do.
pub fn run(arguments: &StudyRankingArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.run.output {
        refuse_to_replace(path, arguments.run.force)?;
    }
    let input = Input::open(arguments)?;
    let mut options = options(arguments, shared, &input)?;
    if arguments.run.plan {
        return plan::run(&input, &options, console);
    }
    let cache = cache_folder(shared)?;
    let backbones = input.networks.iter().map(|network| &network.backbone);
    options.extract = precision::settled(arguments.precision, backbones, &cache, options.extract, console)?;
    let (cells, store) = (Cells::new(&cache), Store::new(&cache));
    let kept = "finished scores and networks stay in the cache; run the same command again to go on from there";
    let found = watched(kept, console, |watch, event| {
        Ok(ranking(&input.networks, &input.sets, &options, &cells, &store, watch, Some(event))?)
    })?;
    if let Some(path) = &arguments.run.output {
        write_whole(path, page::page(&found, &input.left_out, arguments.run.seed).to_html().as_bytes())?;
    }
    console.answer(&text::summary(&found, &input.left_out, arguments.run.output.as_deref()))?;
    let mut object = json!(found);
    object["command"] = json!("study");
    object["study"] = json!("ranking");
    object["left_out"] = json!(input.left_out);
    object["page"] = json!(arguments.run.output);
    Ok(Outcome::done(object))
}

fn options(
    arguments: &StudyRankingArguments,
    shared: &SharedArguments,
    input: &Input,
) -> Result<RankedOptions, Failure> {
    Ok(RankedOptions {
        fine_tuned: input.places(&arguments.fine_tuned)?,
        epochs: arguments.epochs,
        seeds: usize::from(arguments.seeds),
        budget: arguments.run.budget,
        shard: arguments.shard.map(|shard| Shard { index: shard.index, count: shard.count }),
        seed: arguments.run.seed,
        extract: extract_options(arguments.run.memory, shared),
    })
}
