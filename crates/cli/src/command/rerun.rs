//! `rerun`: a run repeated from its record, and compared.

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use super::run_file::RunFile;
use super::{Outcome, refuse_to_replace};
use crate::arguments::{Command, CommandLine, RerunArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Runs `rerun`.
pub fn run(arguments: &RerunArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let record = RunFile::load(&arguments.record)?;
    let mut line = read(&record, &arguments.record)?;
    // Paths that were typed now are meant from here, those of the record from its folder.
    let absolute = |path: &Path| std::path::absolute(path).map_err(|error| Failure::input(error.to_string()));
    let scratch = tempfile::tempdir().map_err(|error| Failure::input(format!("a folder for the run: {error}")))?;
    let output = match &arguments.output {
        Some(path) => {
            refuse_to_replace(path, arguments.force)?;
            absolute(path)?
        }
        None => scratch.path().join(record.result.file.file_name().unwrap_or_default()),
    };
    match &mut line.command {
        Command::Fit(fit) => {
            (fit.output, fit.force) = (output.clone(), arguments.force);
            (fit.no_report, fit.training.recipe.log) = (arguments.output.is_none(), None);
            fit.training.keep_epochs = false;
        }
        Command::Pretrain(pretrain) => {
            (pretrain.output, pretrain.force) = (output.clone(), arguments.force);
            (pretrain.keep_epochs, pretrain.recipe.log) = (false, None);
        }
        _ => return Err(Failure::input(format!("{} holds no run that can be repeated", arguments.record.display()))),
    }
    line.shared.cache = shared.cache.as_deref().map(absolute).transpose()?.or(line.shared.cache);
    std::env::set_current_dir(&record.directory).map_err(|error| {
        let fact = format!("the folder of the run, {}: {error}", record.directory.display());
        Failure::input(fact)
            .hint("the command's paths are meant from that folder; change \"directory\" in the record if it moved")
    })?;
    console.say(format!("repeating: heirloom {}", record.command.join(" ")));
    super::carry_out(&line, console)?;
    let again = RunFile::load(&RunFile::path(&output))?;
    compare(&record, &again, arguments, console)
}

/// The command of a record as it was typed.
fn read(record: &RunFile, path: &Path) -> Result<CommandLine, Failure> {
    let typed: Vec<OsString> = record.command.iter().map(OsString::from).collect();
    CommandLine::read(&typed)
        .map_err(|error| Failure::input(format!("{}: this version cannot read its command: {error}", path.display())))
}

fn compare(
    record: &RunFile,
    again: &RunFile,
    arguments: &RerunArguments,
    console: Console,
) -> Result<Outcome, Failure> {
    let (identical, differences) = (record.same_result(again), record.differences(again));
    let verdict = if identical {
        "the same to the last bit: all tensors and scores".to_owned()
    } else {
        "not the same".to_owned()
    };
    let lines: Vec<String> =
        std::iter::once(verdict).chain(differences.iter().map(|line| format!("  {line}"))).collect();
    console.answer(&format!("{}\n", lines.join("\n")))?;
    let json = json!({
        "command": "rerun",
        "identical": identical,
        "differences": differences,
        "before": record,
        "now": again,
        "kept": arguments.output,
    });
    Ok(Outcome { json, code: u8::from(!identical) })
}
