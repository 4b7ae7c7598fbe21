//! Comparing recipes: a run may go on from a checkpoint of the same recipe alone, and is told where another differs.

use serde_json::{Map, Value};

/// Every setting in which two recipes differ, with the value of the checkpoint and of this run.
pub(super) fn differences(checkpoint: &str, run: &str) -> Vec<String> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    let mut found = Vec::new();
    compare("", &parse(checkpoint), &parse(run), &mut found);
    if found.is_empty() {
        // Numbers may differ by less than their parsed forms show.
        found.push(format!("their text: {checkpoint} in the checkpoint, {run} in this run"));
    }
    found
}

fn compare(path: &str, checkpoint: &Value, run: &Value, found: &mut Vec<String>) {
    match (checkpoint, run) {
        (Value::Object(a), Value::Object(b)) => compare_maps(path, a, b, found),
        (a, b) if a == b => {}
        (a, b) => found.push(format!("'{path}' ({a} in the checkpoint, {b} in this run)")),
    }
}

fn compare_maps(path: &str, checkpoint: &Map<String, Value>, run: &Map<String, Value>, found: &mut Vec<String>) {
    let mut names: Vec<&String> = checkpoint.keys().chain(run.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let value = |map: &Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
        compare(&path, &value(checkpoint), &value(run), found);
    }
}
