//! `compress`: a fitted model in a smaller file, and what that costs.
//!
//! ```text
//! model -> (fewer layers, by images it may be fitted on) -> rounded -> file
//! model, smaller one, test images -> answers of both -> accuracy of both, their difference, answers that changed
//! ```

mod judged;
mod text;

use std::path::PathBuf;
use std::time::Instant;

use heirloom_audit::diff::Mistakes;
use heirloom_transfer::artifact::{Accuracy, Artifact, ArtifactError};
use heirloom_transfer::compress::LayerWeight;
use heirloom_transfer::fit::SkippedRow;
use serde::Serialize;
use serde_json::json;

use super::{Outcome, inspect, refuse_to_replace};
use crate::arguments::{CompressArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt;
use judged::Judged;

/// What was made, and what it costs.
#[derive(Debug, Serialize)]
struct Compressed {
    model: PathBuf,
    output: PathBuf,
    /// `f32`, `bf16` or `int8`.
    numbers: &'static str,
    /// Bytes of the file before and after.
    bytes: [u64; 2],
    /// Layers of the head and what they say; empty where none was to be left out.
    layers: Vec<LayerWeight>,
    /// Mistakes of both on the same images, the smaller model second.
    mistakes: Option<Mistakes>,
    /// What the judged images are.
    judged: Option<&'static str>,
    warnings: Vec<String>,
    skipped: Vec<SkippedRow>,
    seconds: f64,
}

/// Runs `compress`.
pub fn run(arguments: &CompressArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    refuse_to_replace(&arguments.output, arguments.force)?;
    interrupt::note("nothing was written; the same command begins anew");
    let artifact = open(arguments)?;
    let numbers = arguments.numbers.numbers();
    refuse_in_vain(&artifact, arguments)?;
    let open = |data| Judged::open(data, arguments, shared, &artifact, console);
    let judged = arguments.data.as_deref().map(open).transpose()?;
    let (mut smaller, layers) = smaller(&artifact, arguments, judged.as_ref())?;
    let mistakes = judged.as_ref().map(|judged| judged.mistakes(&smaller, arguments, console)).transpose()?;
    let of_test = judged.as_ref().is_some_and(|judged| judged.what() == "test images");
    smaller.accuracy = mistakes.as_ref().filter(|_| of_test).map(accuracy);
    record(&mut smaller, arguments, shared);
    let before = std::fs::metadata(&arguments.model).map_or(0, |file| file.len());
    smaller.save(&arguments.output)?;
    let after = std::fs::metadata(&arguments.output).map_or(0, |file| file.len());
    let made = Compressed {
        model: arguments.model.clone(),
        output: arguments.output.clone(),
        numbers: numbers.map_or("f32", |numbers| numbers.name()),
        bytes: [before, after],
        layers,
        mistakes,
        judged: judged.as_ref().map(Judged::what),
        warnings: judged.as_ref().map_or_else(Vec::new, |judged| judged.warnings.clone()),
        skipped: judged.map_or_else(Vec::new, |judged| judged.skipped),
        seconds: started.elapsed().as_secs_f64(),
    };
    console.answer(&text::summary(&made))?;
    let mut object = json!(made);
    object["command"] = json!("compress");
    Ok(Outcome::strict(object, arguments.strict, made.skipped.len()))
}

/// Refuses what would change nothing, and what was compressed before, ahead of any image.
fn refuse_in_vain(artifact: &Artifact, arguments: &CompressArguments) -> Result<(), Failure> {
    if let (Some(before), Some(_)) = (&artifact.compression, arguments.numbers.numbers()) {
        return Err(ArtifactError::Compressed { numbers: before.numbers.name() }.into());
    }
    if arguments.numbers.numbers().is_none() && arguments.layers.is_none() {
        let hint = "--numbers bf16 halves the file, --layers N lets the head read fewer layers";
        return Err(Failure::input("--numbers f32 without --layers changes nothing").hint(hint));
    }
    Ok(())
}

/// The smaller model, and what its layers say where some were to be left out.
fn smaller(
    artifact: &Artifact,
    arguments: &CompressArguments,
    judged: Option<&Judged>,
) -> Result<(Artifact, Vec<LayerWeight>), Failure> {
    let (fewer, layers) = match (arguments.layers, judged) {
        (Some(keep), Some(judged)) => judged.with_fewer_layers(artifact, keep as usize)?,
        _ => (artifact.clone(), Vec::new()),
    };
    let rounded = arguments.numbers.numbers().map(|numbers| fewer.compressed(numbers)).transpose()?;
    Ok((rounded.unwrap_or(fewer), layers))
}

/// What the smaller model gets right, as its file has it.
fn accuracy(mistakes: &Mistakes) -> Accuracy {
    let share = &mistakes.second;
    Accuracy { value: share.value, low: share.low, high: share.high, n: share.n, protocol: "test".into() }
}

fn open(arguments: &CompressArguments) -> Result<Artifact, Failure> {
    let path = &arguments.model;
    if path.is_file() && !inspect::is_model(path)? {
        return Err(
            Failure::input(format!("{} is no model", path.display())).hint("give the file that `heirloom fit` wrote")
        );
    }
    Ok(Artifact::load(path)?)
}

/// Writes into the record of the run what became of its model.
fn record(artifact: &mut Artifact, arguments: &CompressArguments, shared: &SharedArguments) {
    let change = json!({
        "numbers": artifact.compression.as_ref().map_or("f32", |compression| compression.numbers.name()),
        "layers": arguments.layers,
        "command": shared.typed,
    });
    if let Some(settings) = artifact.run.settings.as_object_mut() {
        settings.insert("compressed".to_owned(), change);
    }
}
