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
use heirloom_transfer::artifact::{Accuracy, Artifact};
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
    // Before any image is read: what cannot be done is refused at once.
    let rounded = numbers.map(|numbers| artifact.compressed(numbers)).transpose()?;
    if numbers.is_none() && arguments.layers.is_none() {
        let fact = "--numbers f32 without --layers changes nothing";
        return Err(
            Failure::input(fact).hint("--numbers bf16 halves the file, --layers N lets the head read fewer layers")
        );
    }
    let judged =
        arguments.data.as_ref().map(|data| Judged::open(data, arguments, shared, &artifact, console)).transpose()?;
    let (mut smaller, layers) = match (arguments.layers, &judged) {
        (Some(keep), Some(judged)) => {
            let (fewer, layers) = judged.with_fewer_layers(&artifact, keep as usize)?;
            let smaller = numbers.map(|numbers| fewer.compressed(numbers)).transpose()?;
            (smaller.unwrap_or(fewer), layers)
        }
        _ => (rounded.unwrap_or(artifact), Vec::new()),
    };
    let mistakes = judged.as_ref().map(|judged| judged.mistakes(&smaller, arguments, console)).transpose()?;
    let of_test = judged.as_ref().is_some_and(|judged| judged.what() == "test images");
    smaller.accuracy = mistakes.as_ref().filter(|_| of_test).map(|mistakes| {
        let share = &mistakes.second;
        Accuracy { value: share.value, low: share.low, high: share.high, n: share.n, protocol: "test".into() }
    });
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
