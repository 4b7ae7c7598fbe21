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
        "backbone": artifact.network.as_ref().map(|network| &network.backbone.name),
        "backbone_digest": artifact.network.as_ref().map(|network| &network.backbone.weights),
        "adapted": artifact.preparation.is_some(),
        "slim": artifact.is_slim(),
        "classes": artifact.classes,
        "accuracy": artifact.accuracy,
        "features": columns,
        "temperature": artifact.head.temperature(),
        "preprocess": artifact.network.as_ref().map(|network| network.preprocess.describe()),
        "run": artifact.run,
    })))
}

/// What happens to features before the head reads them.
fn prepares(artifact: &Artifact) -> String {
    match &artifact.preparation {
        None => "nothing beforehand".to_string(),
        Some(preparation) => {
            let columns = if preparation.columns.is_some() { ", columns by the statistics of the target" } else { "" };
            format!("rows scaled ({:?}){columns}, as the head was adapted", preparation.rows).to_lowercase()
        }
    }
}

fn text(path: &Path, artifact: &Artifact, size: u64) -> String {
    let run = &artifact.run;
    let left_out = if artifact.is_slim() { " (left out; give it with --backbone)" } else { "" };
    let backbone = artifact.network.as_ref().map(|network| format!("{}{left_out}", network.backbone.name));
    let accuracy = artifact.accuracy.as_ref().map_or("not measured".to_string(), |accuracy| {
        let share = interval(accuracy.value, accuracy.low, accuracy.high);
        format!("{share} on {} rows ({})", count(accuracy.n), accuracy.protocol)
    });
    let columns: usize = artifact.head.columns().iter().map(|input| input.count()).sum();
    let layer = if artifact.network.is_some() { "layer" } else { "block" };
    let taps = heirloom_report::counted(artifact.head.columns().len(), layer);
    facts(&[
        ("model", format!("{} ({})", path.display(), bytes(size))),
        ("method", artifact.head.method().to_string()),
        ("settings", run.settings.to_string()),
        ("reads", format!("{} columns of {taps}", count(columns))),
        ("backbone", backbone.unwrap_or_else(|| "none, it reads tables of features".to_string())),
        ("prepares", prepares(artifact)),
        ("accuracy", accuracy),
        ("classes", artifact.classes.join(", ")),
        ("data", format!("{}: {} rows fitted, {} skipped", run.data.source, count(run.data.train), run.data.skipped)),
        ("made by", format!("heirloom {}, seed {}", run.heirloom, run.seed)),
        ("command", run.command.join(" ")),
    ])
}
