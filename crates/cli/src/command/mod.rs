//! What each command does. One file (or folder) each: check the settings, call the libraries, print.

mod artifact;
mod audit;
mod cache;
mod columns;
mod compare;
mod compress;
mod data;
mod demo;
mod diff;
mod extract;
mod features_file;
mod fit;
mod inspect;
mod layers;
mod limit;
mod mosaic;
mod plant;
mod precision;
mod predict;
mod pretrain;
mod rank;
mod rerun;
mod run_file;
mod study;
mod training;
mod valley;

use std::path::{Path, PathBuf};

use heirloom_report::{Example, Picture};
use heirloom_transfer::fit::Evaluated;
use heirloom_transfer::store::Store;
use serde_json::Value;

use crate::arguments::{Command, CommandLine, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Longer side of a picture in a confusion matrix, in pixels.
const MATRIX_THUMBNAIL: u32 = 48;

/// How a command ended well: its JSON object and exit code.
#[derive(Debug)]
pub struct Outcome {
    /// The object for `--json`.
    pub json: Value,
    /// 0, or 1 when rows were skipped under `--strict`.
    pub code: u8,
}

impl Outcome {
    /// Done, exit code 0.
    pub fn done(json: Value) -> Self {
        Self { json, code: 0 }
    }

    /// Done; exit code 1 when rows were skipped although none should be.
    pub fn strict(json: Value, strict: bool, skipped: usize) -> Self {
        Self { json, code: u8::from(strict && skipped > 0) }
    }
}

/// Runs the command that was typed.
pub fn run(line: CommandLine, console: Console) -> Result<Outcome, Failure> {
    set_threads(&line.shared)?;
    carry_out(&line, console)
}

/// The command alone, in threads that are there already.
fn carry_out(line: &CommandLine, console: Console) -> Result<Outcome, Failure> {
    let shared = &line.shared;
    match &line.command {
        Command::Fit(arguments) => fit::run(arguments, shared, console),
        Command::Compare(arguments) => compare::run(arguments, shared, console),
        Command::Rank(arguments) => rank::run(arguments, shared, console),
        Command::Predict(arguments) => predict::run(arguments, shared, console),
        Command::Audit(arguments) => audit::run(arguments, shared, console),
        Command::Diff(arguments) => diff::run(arguments, shared, console),
        Command::Compress(arguments) => compress::run(arguments, shared, console),
        Command::Pretrain(arguments) => pretrain::run(arguments, shared, console),
        Command::Rerun(arguments) => rerun::run(arguments, shared, console),
        Command::Extract(arguments) => extract::run(arguments, shared, console),
        Command::Study(arguments) => study::run(arguments, shared, console),
        Command::Data(arguments) => data::run(arguments, console),
        Command::Inspect(arguments) => inspect::run(arguments, shared, console),
        Command::Cache(arguments) => cache::run(arguments, shared, console),
        Command::Demo(arguments) => demo::run(arguments, shared, console),
    }
}

/// Threads to use: as typed, else one for each processor.
fn threads(shared: &SharedArguments) -> usize {
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    shared.threads.map_or_else(processors, usize::from)
}

/// Gives every parallel part of the program its number of threads.
fn set_threads(shared: &SharedArguments) -> Result<(), Failure> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads(shared)).build_global();
    pool.map_err(|error| Failure::internal(format!("threads: {error}")))
}

/// The folder of cached features.
fn cache_folder(shared: &SharedArguments) -> Result<PathBuf, Failure> {
    match &shared.cache {
        Some(folder) => Ok(folder.clone()),
        None => Ok(Store::default_cache(|name| std::env::var_os(name))?),
    }
}

/// Refuses to write over a file, before any work is done for it.
fn refuse_to_replace(path: &Path, force: bool) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::input(format!("{} is a folder", path.display())).hint("name a file"));
    }
    if path.exists() && !force {
        let hint = "--force replaces it; -o writes elsewhere";
        return Err(Failure::input(format!("{} is already there", path.display())).hint(hint));
    }
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if !folder.is_dir() => {
            Err(Failure::input(format!("{}: there is no folder {}", path.display(), folder.display())))
        }
        _ => Ok(()),
    }
}

/// The picture of a mistake as it stands in a confusion matrix; nothing where it cannot be shrunk.
fn example(row: &Evaluated, picture: Picture) -> Option<Example> {
    let picture = picture.shrunk(MATRIX_THUMBNAIL).ok()?;
    Some(Example { class: row.label, taken_for: row.predicted, picture })
}

/// Writes a file whole or not at all: under another name first, then renamed.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::input(format!("{}: {error}", path.display()));
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".unfinished");
    std::fs::write(&unfinished, bytes).map_err(failed)?;
    std::fs::rename(&unfinished, path).map_err(failed)
}
