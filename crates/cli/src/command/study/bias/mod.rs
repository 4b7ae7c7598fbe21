//! `study bias-transfer`: planted triggers, a lopsided sample and known objects, and what of them comes along.

mod data;
mod made_up;
mod page;
mod pictures;
mod plan;
mod text;

use heirloom_audit::study::{BiasData, BiasNetworks, BiasOptions, Part, bias_transfer};
use heirloom_transfer::compare::Cells;
use serde_json::json;

use super::watched;
use crate::arguments::{BiasArguments, BiasPart, SharedArguments, SourceSize};
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// What the study is run on, in the shape the library takes.
struct Input {
    data: BiasData,
    networks: BiasNetworks,
    /// Keeps the pictures that were drawn until the study is done.
    _folder: tempfile::TempDir,
}

/// Runs the study, or says what it would do.
pub fn run(arguments: &BiasArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.run.output {
        refuse_to_replace(path, arguments.run.force)?;
    }
    let options = options(arguments, shared);
    let input = match arguments.size {
        SourceSize::Smoke => made_up::input(arguments)?,
        SourceSize::Small | SourceSize::Full => data::input(arguments)?,
    };
    if arguments.run.plan {
        return plan::run(&input, &options, console);
    }
    let cells = Cells::new(&cache_folder(shared)?);
    let kept = "finished sources and results stay in the cache; run the same command again to go on from there";
    let found = watched(kept, console, |watch, event| {
        Ok(bias_transfer(&input.data, &input.networks, &options, &cells, watch, Some(event))?)
    })?;
    if let Some(path) = &arguments.run.output {
        write_whole(path, page::page(&found, &input.data, arguments.run.seed).to_html().as_bytes())?;
    }
    console.say(text::summary(&found, arguments.run.output.as_deref()));
    let mut object = json!(found);
    object["command"] = json!("study");
    object["study"] = json!("bias-transfer");
    object["page"] = json!(arguments.run.output);
    Ok(Outcome::done(object))
}

/// Sizes: a smoke test in minutes, the study that fits two cores in hours, everything.
fn options(arguments: &BiasArguments, shared: &SharedArguments) -> BiasOptions {
    let size = arguments.size;
    let parts = match arguments.part.as_slice() {
        [] => Part::ALL.to_vec(),
        named => Part::ALL.into_iter().filter(|part| named.iter().any(|one| one.is(*part))).collect(),
    };
    BiasOptions {
        parts,
        seeds: arguments.seeds.map_or(size.pick(1, 5, 10), usize::from),
        source_epochs: size.pick([1, 2], [2, 8], [10, 40]),
        chosen_epochs: size.pick(1, 6, 20),
        cue_epochs: size.pick(1, 8, 20),
        target_epochs: size.pick([1, 1], [10, 40], [30, 100]),
        full_targets: size.pick(1, 3, usize::MAX),
        natural_epochs: size.pick([1, 1], [10, 60], [30, 100]),
        natural_seeds: size.pick(1, 3, 5).min(arguments.seeds.map_or(usize::MAX, usize::from)),
        budget: arguments.run.budget,
        seed: arguments.run.seed,
        extract: extract_options(arguments.run.memory, shared),
    }
}

impl BiasPart {
    fn is(self, part: Part) -> bool {
        matches!(
            (self, part),
            (Self::Planted, Part::Planted) | (Self::Chosen, Part::Chosen) | (Self::Natural, Part::Natural)
        )
    }
}
