//! Accuracy after every epoch from the logs of several runs, drawn as one SVG figure.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_report::{Side, training_curves};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

/// What a log calls the accuracy after an epoch: `heirloom pretrain --log`, and the scripts of `recipes`.
const KEYS: [&str; 2] = ["validation_accuracy", "test_accuracy"];

/// Draws: `curves --output FILE.svg NAME=LOG.jsonl ...`. Logs of one name are runs of one side, in the order of their first log.
pub fn run(arguments: &[String]) -> Result<(), Failure> {
    let usage = "usage: curves --output FILE.svg NAME=LOG.jsonl ...";
    let [option, output, logs @ ..] = arguments else { return Err(usage.into()) };
    if option != "--output" {
        return Err(usage.into());
    }
    let mut sides: Vec<Side> = Vec::new();
    for argument in logs {
        let (name, path) = argument.split_once('=').ok_or(usage)?;
        let run = accuracies(Path::new(path))?;
        match sides.iter_mut().find(|side| side.name == name) {
            Some(side) => side.runs.push(run),
            None => sides.push(Side { name: name.to_owned(), runs: vec![run] }),
        }
    }
    let svg = training_curves(&sides, "test accuracy")
        .ok_or("one or two names with at least two epochs each can be drawn")?;
    Ok(std::fs::write(output, svg)?)
}

/// Accuracy after each epoch. A log that a broken-off run went on with may tell an epoch twice: the last word counts.
fn accuracies(path: &Path) -> Result<Vec<f64>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let value: Value = serde_json::from_str(line)?;
        let accuracy = KEYS.iter().find_map(|key| value[key].as_f64());
        let (Some(epoch), Some(accuracy)) = (value["epoch"].as_u64(), accuracy) else {
            return Err(format!("{}, line {}: no epoch with an accuracy", path.display(), number + 1).into());
        };
        found.insert(epoch, accuracy);
    }
    Ok(found.into_values().collect())
}
