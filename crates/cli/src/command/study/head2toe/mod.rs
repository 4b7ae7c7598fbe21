//! `study head2toe`: methods beside each other on near and far targets, and what became of the claims.

mod json;
mod page;
mod plan;
mod targets;
mod text;

use std::path::Path;

use heirloom_transfer::store::Store;
use heirloom_transfer::study::Check;
use heirloom_transfer::study::head2toe::{Expected, Head2ToeStudy, Networks, StudyOptions, figures, study};
use heirloom_zoo::Backbone;

use super::{DIFFERS, watched};
use crate::arguments::{Head2ToeArguments, SharedArguments, StudySize};
use crate::backbone;
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// Runs the study, or says what it would do.
pub fn run(arguments: &Head2ToeArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    for path in arguments.run.output.iter().chain(&arguments.figures) {
        refuse_to_replace(path, arguments.run.force)?;
    }
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let targets = targets::open(arguments, folder.path())?;
    let networks = networks(arguments)?;
    let options = options(arguments, shared);
    if arguments.run.plan {
        return plan::run(&targets, &networks, &options, console);
    }
    let store = Store::new(&cache_folder(shared)?);
    let kept = "finished results stay in the cache; run the same command again to go on from there";
    let found =
        watched(kept, console, |watch, event| Ok(study(&targets, &networks, &options, &store, watch, Some(event))?))?;
    let run = run_of(arguments, &options);
    let check = check(&found, &run)?;
    if let Some(path) = &arguments.figures {
        write_figures(path, &found, &run)?;
    }
    if let Some(path) = &arguments.run.output {
        write_whole(path, page::page(&found, check.as_ref()).to_html().as_bytes())?;
    }
    console.say(text::summary(&found, check.as_ref(), arguments.run.output.as_deref()));
    let differs = check.as_ref().is_some_and(|check| !check.differences.is_empty());
    let json = json::object(&found, check.as_ref(), arguments.run.output.as_deref());
    Ok(Outcome { json, code: if differs { DIFFERS } else { 0 } })
}

fn networks(arguments: &Head2ToeArguments) -> Result<Networks, Failure> {
    let open = |name: &String| backbone::open(Some(name));
    Ok(Networks {
        frozen: arguments.backbone.iter().map(open).collect::<Result<Vec<Backbone>, _>>()?,
        control: Some(open(&arguments.control)?),
        tuned: Some(open(&arguments.tuned)?),
        scratch: Some(open(&arguments.scratch)?),
    })
}

/// Sizes: a smoke test in minutes, the study that fits two cores in hours, everything.
fn options(arguments: &Head2ToeArguments, shared: &SharedArguments) -> StudyOptions {
    let of_size = |smoke, small, full| match arguments.size {
        StudySize::Smoke => smoke,
        StudySize::Small => small,
        StudySize::Full => full,
    };
    let draws = if arguments.low_data.is_some() { 1 } else { of_size(2, 3, 5) };
    StudyOptions {
        draws: arguments.draws.map_or(draws, usize::from),
        scratch_draws: of_size(1, 1, 3),
        tuned_draws: of_size(1, 1, 3),
        scratch_epochs: of_size(2, 40, 100) as u64,
        tuned_epochs: of_size(1, 12, 30) as u64,
        tuned_side: of_size(32, 96, 96),
        targets: if arguments.size == StudySize::Smoke { vec![1] } else { vec![1, 512, 2048] },
        windows: of_size(1, 8, 16),
        layers: of_size(2, 12, usize::MAX),
        budget: arguments.run.budget,
        seed: arguments.run.seed,
        extract: extract_options(arguments.run.memory, shared),
    }
}

/// What figures are comparable with: the same size, draws and seed.
fn run_of(arguments: &Head2ToeArguments, options: &StudyOptions) -> String {
    let size = match arguments.size {
        StudySize::Smoke => "smoke",
        StudySize::Small => "small",
        StudySize::Full => "full",
    };
    let low_data = arguments.low_data.map(|share| format!(", low data {share}")).unwrap_or_default();
    format!("{size}, {} draws, seed {}{low_data}", options.draws, options.seed)
}

/// The comparison with the stored figures, where those are of such a run.
fn check(found: &Head2ToeStudy, run: &str) -> Result<Option<Check>, Failure> {
    let expected = Expected::stored().map_err(Failure::internal)?;
    Ok(if expected.run == run { expected.check(&found.targets) } else { None })
}

fn write_figures(path: &Path, found: &Head2ToeStudy, run: &str) -> Result<(), Failure> {
    let expected = Expected { run: run.to_owned(), tolerance: 1.0, figures: figures(&found.targets) };
    let mut text = serde_json::to_string_pretty(&expected).map_err(|error| Failure::internal(error.to_string()))?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}
