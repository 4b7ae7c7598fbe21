//! `data subset`: rows of a data set, where asked for in given proportions of class and attribute.

use std::collections::BTreeMap;

use heirloom_data::{Joint, JointError, Table};
use heirloom_report::{Align, Table as Text, count};
use serde_json::{Value, json};

use super::manifest;
use crate::arguments::SubsetArguments;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Writes the table.
pub fn run(arguments: &SubsetArguments, console: Console) -> Result<Outcome, Failure> {
    let table = manifest::open(&arguments.manifest, arguments.seed)?;
    let (pool, mut rows) = manifest::sides(&table, &arguments.manifest)?;
    let drawn = match joint(arguments)? {
        None => pool,
        Some(joint) => {
            let drawn = joint.draw(&table, &pool).map_err(|error| refused(&error))?;
            rows.retain(|row| is_named(&table, *row, &joint));
            console.say(cells(&table, &drawn, &joint));
            drawn
        }
    };
    rows.extend(&drawn);
    rows.sort_unstable();
    manifest::write(&table, &rows, &arguments.manifest, console)?;
    Ok(Outcome::done(json!({
        "command": "data", "action": "subset", "table": arguments.manifest.output, "rows": manifest::counts(&table, &rows),
        "drawn": drawn.len(), "cells": counted(&table, &drawn, arguments.attribute.as_deref()), "seed": arguments.seed,
    })))
}

fn joint(arguments: &SubsetArguments) -> Result<Option<Joint>, Failure> {
    let Some(attribute) = &arguments.attribute else { return Ok(None) };
    let mut cells = BTreeMap::new();
    for (class, value, share) in &arguments.cells {
        if cells.insert((class.clone(), value.clone()), *share).is_some() {
            return Err(Failure::input(format!("the cell of {class} and {value} stands there twice")));
        }
    }
    let count = arguments.count.map(|count| count as usize);
    Ok(Some(Joint { attribute: attribute.clone(), cells, count, seed: arguments.seed }))
}

fn refused(error: &JointError) -> Failure {
    let failure = Failure::input(error.to_string());
    match error {
        JointError::Rows { .. } => failure.hint("ask for fewer with --count, or leave it out for as many as there are"),
        JointError::Few { .. } => failure.hint("ask for more with --count"),
        _ => failure,
    }
}

/// Whether a row's class stands in some cell: in a table of two classes nothing of a third is to be judged.
fn is_named(table: &Table, row: usize, joint: &Joint) -> bool {
    let class = table.rows.get(row).and_then(|row| table.classes.get(row.label?));
    class.is_some_and(|class| joint.cells.keys().any(|(named, _)| named == class))
}

/// Rows of each class and value.
fn counted(table: &Table, rows: &[usize], attribute: Option<&str>) -> Value {
    let column = attribute.and_then(|name| table.attributes.iter().position(|known| known == name));
    let mut counts = BTreeMap::<(String, String), usize>::new();
    for row in rows.iter().filter_map(|row| table.rows.get(*row)) {
        let class = row.label.and_then(|label| table.classes.get(label)).cloned().unwrap_or_default();
        let value = column.and_then(|column| row.attributes.get(column)).cloned().unwrap_or_default();
        *counts.entry((class, value)).or_default() += 1;
    }
    let line = |((class, value), rows)| json!({"class": class, "value": value, "rows": rows});
    counts.into_iter().map(line).collect()
}

/// The same for a reader.
fn cells(table: &Table, rows: &[usize], joint: &Joint) -> String {
    let counts = counted(table, rows, Some(&joint.attribute));
    let mut text =
        Text::new(&[("class", Align::Left), (joint.attribute.as_str(), Align::Left), ("rows", Align::Right)]);
    for line in counts.as_array().into_iter().flatten() {
        let cell = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        text.push([cell("class"), cell("value"), count(line["rows"].as_u64().unwrap_or_default() as usize)]);
    }
    text.to_text()
}
