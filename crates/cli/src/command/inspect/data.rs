//! A data set: rows, classes, sizes, duplicates, and every image that cannot be read.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::{DigestIndex, InspectSettings, Inspection, LikenessIndex, Table, TableOptions};
use heirloom_report::{Align, Table as Text, bytes, count, counted};
use serde_json::{Value, json};

use crate::arguments::SharedArguments;
use crate::command::{Outcome, threads};
use crate::console::{Console, facts, indented};
use crate::failure::Failure;

/// Rows with problems that a terminal names before it only counts.
const SHOWN: usize = 20;

pub fn run(path: &Path, strict: bool, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let table = Table::open(path, &TableOptions::default())?;
    let settings = InspectSettings { threads: threads(shared), ..InspectSettings::default() };
    let (mut digests, mut likenesses) = (DigestIndex::in_memory(), LikenessIndex::in_memory());
    let found = heirloom_data::inspect(&table, &mut digests, &mut likenesses, settings);
    console.answer(&text(path, &found))?;
    let unusable = found.skipped.len();
    let mut object = json!({ "command": "inspect", "kind": "data", "path": path });
    let fields = serde_json::to_value(&found).map_err(Failure::internal)?;
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    Ok(Outcome::strict(object, strict, unusable))
}

fn text(path: &Path, found: &Inspection) -> String {
    let listed = |counts: &BTreeMap<String, usize>| {
        let parts: Vec<String> = counts.iter().map(|(name, rows)| format!("{} {name}", count(*rows))).collect();
        if parts.is_empty() { "none".to_string() } else { parts.join(", ") }
    };
    let sides = found.sides.map_or("no image can be read".to_string(), |sides| {
        let shorter = sides.shorter;
        format!("shorter side {} to {} pixels, half up to {}", shorter.least, shorter.most, shorter.median)
    });
    let copies = &found.exact_duplicates.counts;
    let near = found.near_duplicates.as_ref().map_or(0, |near| near.counts.sets);
    let mut text = facts(&[
        ("data set", path.display().to_string()),
        ("rows", format!("{} ({})", count(found.rows), listed(&found.splits))),
        ("classes", count(found.classes.len())),
        ("images", format!("{}; {}; {sides}", listed(&found.formats), bytes(found.encoded_bytes))),
        ("equal images", format!("{}, {} of test rows in training", counted(copies.sets, "group"), copies.leaked_rows)),
        ("nearly equal", counted(near, "group")),
        ("unreadable", count(found.skipped.len())),
    ]);
    text.push_str(&indented(&classes(found).to_text()));
    found.warnings.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
    for row in found.skipped.iter().take(SHOWN) {
        text.push_str(&format!("  {}: {}\n", row.locator, row.reason));
    }
    if found.skipped.len() > SHOWN {
        text.push_str(&format!("  and {} more (under --json)\n", count(found.skipped.len() - SHOWN)));
    }
    text
}

/// Rows by class and split.
fn classes(found: &Inspection) -> Text {
    let splits: Vec<&String> = found.splits.keys().collect();
    let mut columns = vec![("class", Align::Left), ("rows", Align::Right)];
    if splits.len() > 1 {
        columns.extend(splits.iter().map(|split| (split.as_str(), Align::Right)));
    }
    let mut table = Text::new(&columns);
    for class in &found.classes {
        let of_split = splits.iter().map(|split| count(class.splits.get(*split).copied().unwrap_or(0)));
        let mut row = vec![class.class.clone(), count(class.rows)];
        if splits.len() > 1 {
            row.extend(of_split);
        }
        table.push(row);
    }
    table
}
