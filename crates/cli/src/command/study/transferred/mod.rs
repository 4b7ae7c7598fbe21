//! `study what-transfers`: networks that begin with a source beside networks that begin with random weights.

mod data;
mod made_up;
mod page;
mod plan;
mod text;

use heirloom_audit::study::{TransferredData, TransferredNetworks, TransferredOptions, what_transfers};
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::Shard;
use serde_json::json;

use super::watched;
use crate::arguments::{SharedArguments, SourceSize, TransferredArguments};
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// What the study is run on, in the shape the library takes.
struct Input {
    data: TransferredData,
    networks: TransferredNetworks,
    /// Keeps the pictures that were drawn until the study is done.
    _folder: Option<tempfile::TempDir>,
}

/// Runs the study, or says what it would do.
pub fn run(arguments: &TransferredArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.run.output {
        refuse_to_replace(path, arguments.run.force)?;
    }
    let options = options(arguments, shared);
    let input = match arguments.size {
        SourceSize::Smoke => made_up::input(arguments)?,
        SourceSize::Small | SourceSize::Full => data::input(arguments)?,
    };
    let cells = Cells::new(&cache_folder(shared)?);
    if arguments.run.plan {
        return plan::run(&input, &options, &cells, console);
    }
    let kept = "finished networks and results stay in the cache; run the same command again to go on from there";
    let found = watched(kept, console, |watch, event| {
        Ok(what_transfers(&input.data, &input.networks, &options, &cells, watch, Some(event))?)
    })?;
    if let Some(path) = &arguments.run.output {
        write_whole(path, page::page(&found, arguments.run.seed).to_html().as_bytes())?;
    }
    console.say(text::summary(&found, arguments.run.output.as_deref()));
    let mut object = json!(found);
    object["command"] = json!("study");
    object["study"] = json!("what-transfers");
    object["page"] = json!(arguments.run.output);
    Ok(Outcome::done(object))
}

/// Sizes: a smoke test in minutes, the study that fits two cores in hours, everything.
fn options(arguments: &TransferredArguments, shared: &SharedArguments) -> TransferredOptions {
    let size = arguments.size;
    let source_epochs = size.pick(2, 20, 90);
    let usual = |typed: Option<u16>, usual: usize| typed.map_or(usual, usize::from);
    TransferredOptions {
        source_epochs,
        epochs: size.pick([1, 2], [20, 40], [100, 100]),
        batch_size: 32,
        replicas: usual(arguments.replicas, size.pick(2, 4, 5)),
        same: size.pick(1, 2, 4),
        sides: size.pick(vec![4], vec![8, 4, 1], vec![16, 8, 4, 2, 1]),
        seeds: usual(arguments.seeds, size.pick(1, 3, 5)),
        main: size.pick(1, 3, usize::MAX),
        shuffled: size.pick(1, 2, usize::MAX),
        both_shuffled: size.pick(true, false, true),
        checkpoints: size.pick(vec![0, 1, 2], vec![0, 1, 2, 5, 10, 11, 15, 20], (0..=90).step_by(5).collect()),
        // At batches of 32: a fifth of what trains a network from random weights best, and that.
        rates: size.pick(vec![2500], vec![500, 2500], vec![250, 500, 1250, 2500, 5000]),
        criticality: size.pick([1, 12], [5, 256], [20, 1000]),
        budget: arguments.run.budget,
        shard: arguments.shard.map(|shard| Shard { index: shard.index, count: shard.count }),
        seed: arguments.run.seed,
        extract: extract_options(arguments.run.memory, shared),
    }
}
