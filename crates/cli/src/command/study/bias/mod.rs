//! `study bias-transfer`: planted triggers, a lopsided sample and known objects, and what of them comes along.

mod data;
mod made_up;
mod page;
mod pictures;
mod plan;
mod text;

use heirloom_audit::study::{BiasData, BiasNetworks, BiasOptions, BiasStudy, Part, bias_transfer};
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::Progress;
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use serde_json::json;

use crate::arguments::{BiasArguments, BiasPart, BiasSize, SharedArguments};
use crate::command::fit::extract_options;
use crate::command::training::Follower;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};

/// What the study is run on, in the shape the library takes.
struct Input {
    data: BiasData,
    networks: BiasNetworks,
    /// Keeps the pictures that were drawn until the study is done.
    _folder: tempfile::TempDir,
}

/// Runs the study, or says what it would do.
pub fn run(arguments: &BiasArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.output {
        refuse_to_replace(path, arguments.force)?;
    }
    let options = options(arguments, shared);
    let input = match arguments.size {
        BiasSize::Smoke => made_up::input(arguments)?,
        BiasSize::Small | BiasSize::Full => data::input(arguments)?,
    };
    if arguments.plan {
        return plan::run(&input, &options, console);
    }
    let found = watched(&input, &options, &Cells::new(&cache_folder(shared)?), console)?;
    if let Some(path) = &arguments.output {
        write_whole(path, page::page(&found, &input.data, arguments.seed).to_html().as_bytes())?;
    }
    console.say(text::summary(&found, arguments.output.as_deref()));
    let mut object = json!(found);
    object["command"] = json!("study");
    object["study"] = json!("bias-transfer");
    object["page"] = json!(arguments.output);
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
        target_epochs: size.pick([1, 1], [10, 40], [30, 100]),
        full_targets: size.pick(1, 3, usize::MAX),
        natural_epochs: size.pick([1, 1], [10, 60], [30, 100]),
        natural_seeds: size.pick(1, 3, 5).min(arguments.seeds.map_or(usize::MAX, usize::from)),
        budget: arguments.budget,
        seed: arguments.seed,
        extract: extract_options(arguments.memory, shared),
    }
}

impl BiasSize {
    /// What belongs to the size.
    fn pick<T>(self, smoke: T, small: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Small => small,
            Self::Full => full,
        }
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

/// The study, with its progress shown and an interrupt heard.
fn watched(input: &Input, options: &BiasOptions, cells: &Cells, console: Console) -> Result<BiasStudy, Failure> {
    interrupt::note("finished sources and results stay in the cache; run the same command again to go on from there");
    let follower = Follower::new(console, None)?;
    let progress = |state: &Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let result = bias_transfer(&input.data, &input.networks, options, cells, watch, Some(&event));
    drop(watching);
    follower.finish();
    Ok(result?)
}
