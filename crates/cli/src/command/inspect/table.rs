//! A table of features: blocks, rows, classes, domains.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::{FeatureTable, TableOptions};
use heirloom_report::{Align, Table as Text, count};
use serde_json::{Value, json};

use crate::command::Outcome;
use crate::console::{Console, facts, indented};
use crate::failure::Failure;

/// Distinct values of a column that are worth counting one by one.
const DISTINCT: usize = 20;

pub fn run(path: &Path, console: Console) -> Result<Outcome, Failure> {
    let found = FeatureTable::open(path, &TableOptions { keep_unlabelled: true, ..TableOptions::default() })?;
    let columns = columns(&found);
    console.answer(&text(path, &found, &columns))?;
    let counts = found.table.class_counts(|_| true);
    let classes: Vec<Value> =
        found.table.classes.iter().zip(counts).map(|(class, rows)| json!({ "class": class, "rows": rows })).collect();
    let blocks: Vec<Value> =
        found.blocks.iter().map(|block| json!({ "block": block.name, "columns": block.width })).collect();
    Ok(Outcome::done(json!({
        "command": "inspect",
        "kind": "feature-table",
        "path": path,
        "rows": found.table.rows.len(),
        "blocks": blocks,
        "principal": found.principal(),
        "classes": classes,
        "unlabelled": found.table.rows.iter().filter(|row| row.label.is_none()).count(),
        "splits": splits(&found),
        "columns": columns,
        "warnings": found.table.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })))
}

/// Rows by split; those without one under `all`.
fn splits(found: &FeatureTable) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in &found.table.rows {
        *counts.entry(row.split.map_or("all".to_owned(), |split| split.to_string())).or_default() += 1;
    }
    counts
}

/// Further columns: the rows of each value where they are few, else none listed.
fn columns(found: &FeatureTable) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut columns = BTreeMap::new();
    for (at, name) in found.table.attributes.iter().enumerate() {
        let mut counts = BTreeMap::<String, usize>::new();
        for row in &found.table.rows {
            *counts.entry(row.attributes[at].clone()).or_default() += 1;
        }
        columns.insert(name.clone(), if counts.len() > DISTINCT { BTreeMap::new() } else { counts });
    }
    columns
}

fn text(path: &Path, found: &FeatureTable, columns: &BTreeMap<String, BTreeMap<String, usize>>) -> String {
    let listed = |counts: &BTreeMap<String, usize>| {
        let parts: Vec<String> = counts.iter().map(|(name, rows)| format!("{} {name}", count(*rows))).collect();
        if parts.is_empty() { "many values".to_owned() } else { parts.join(", ") }
    };
    let blocks: Vec<String> =
        found.blocks.iter().map(|block| format!("{} x {}", block.name, count(block.width))).collect();
    let unlabelled = found.table.rows.iter().filter(|row| row.label.is_none()).count();
    let mut lines = vec![
        ("features", path.display().to_string()),
        ("rows", format!("{} ({})", count(found.table.rows.len()), listed(&splits(found)))),
        ("blocks", format!("{}; methods that read one read `{}`", blocks.join(", "), found.principal())),
        ("unlabelled", count(unlabelled)),
    ];
    lines.extend(columns.iter().map(|(name, counts)| (name.as_str(), listed(counts))));
    let mut text = facts(&lines);
    let mut classes = Text::new(&[("class", Align::Left), ("rows", Align::Right)]);
    for (class, rows) in found.table.classes.iter().zip(found.table.class_counts(|_| true)) {
        classes.push([class.clone(), count(rows)]);
    }
    text.push_str(&indented(&classes.to_text()));
    found.table.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    text
}
