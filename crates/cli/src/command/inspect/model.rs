//! A model: what it is, how it was made, how good it is.

use std::path::Path;

use heirloom_report::{bytes, count, interval};
use heirloom_transfer::artifact::Artifact;
use serde_json::json;

use crate::command::Outcome;
use crate::console::{Console, facts};
use crate::failure::Failure;

pub fn run(path: &Path, console: Console) -> Result<Outcome, Failure> {
    let artifact = Artifact::load(path)?;
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    console.answer(&text(path, &artifact, size))?;
    let columns: Vec<_> = artifact
        .head
        .columns()
        .iter()
        .map(|input| {
            json!({
                "tap": input.tap, "pooling": input.pooling.target, "columns": input.count(),
            })
        })
        .collect();
    Ok(Outcome::done(json!({
        "command": "inspect",
        "kind": "model",
        "path": path,
        "bytes": size,
        "method": artifact.head.method(),
        "backbone": artifact.backbone.name,
        "backbone_digest": artifact.backbone.weights,
        "slim": artifact.is_slim(),
        "classes": artifact.classes,
        "accuracy": artifact.accuracy,
        "features": columns,
        "temperature": artifact.head.temperature(),
        "preprocess": artifact.preprocess.describe(),
        "run": artifact.run,
    })))
}

fn text(path: &Path, artifact: &Artifact, size: u64) -> String {
    let run = &artifact.run;
    let backbone = if artifact.is_slim() { " (left out; give it with --backbone)" } else { "" };
    let accuracy = artifact.accuracy.as_ref().map_or("not measured".to_string(), |accuracy| {
        let share = interval(accuracy.value, accuracy.low, accuracy.high);
        format!("{share} on {} rows ({})", count(accuracy.n), accuracy.protocol)
    });
    let columns: usize = artifact.head.columns().iter().map(|input| input.count()).sum();
    let taps = heirloom_report::counted(artifact.head.columns().len(), "layer");
    facts(&[
        ("model", format!("{} ({})", path.display(), bytes(size))),
        ("method", artifact.head.method().to_string()),
        ("settings", run.settings.to_string()),
        ("reads", format!("{} columns of {taps}", count(columns))),
        ("backbone", format!("{}{backbone}", artifact.backbone.name)),
        ("accuracy", accuracy),
        ("classes", artifact.classes.join(", ")),
        ("data", format!("{}: {} rows fitted, {} skipped", run.data.source, count(run.data.train), run.data.skipped)),
        ("made by", format!("heirloom {}, seed {}", run.heirloom, run.seed)),
        ("command", run.command.join(" ")),
    ])
}
