//! What `data poison` and `data subset` have in common: a table, the split that is changed, the CSV that is written.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::{Split, Table};
use heirloom_report::count;
use serde_json::{Value, json};

use crate::arguments::{ManifestArguments, SplitName};
use crate::command::fit::open_table;
use crate::command::limit::limited;
use crate::command::{refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// Refuses an output that cannot be one, and opens the table.
pub fn open(arguments: &ManifestArguments, seed: u64) -> Result<Table, Failure> {
    let output = &arguments.output;
    if output.extension().is_none_or(|extension| extension != "csv") {
        let fact = format!("{} does not end in .csv", output.display());
        return Err(Failure::input(fact).hint("name the table with -o table.csv"));
    }
    refuse_to_replace(output, arguments.force)?;
    Ok(limited(open_table(&arguments.table)?, arguments.table.limit, seed))
}

/// The rows that are changed, and the others: those of the split that was asked for, all rows where the table has no splits.
pub fn sides(table: &Table, arguments: &ManifestArguments) -> Result<(Vec<usize>, Vec<usize>), Failure> {
    let split = match arguments.split {
        SplitName::All => return Ok(((0..table.rows.len()).collect(), Vec::new())),
        SplitName::Train => Split::Train,
        SplitName::Validation => Split::Validation,
        SplitName::Test => Split::Test,
    };
    if table.rows.iter().all(|row| row.split.is_none()) && split == Split::Train {
        return Ok(((0..table.rows.len()).collect(), Vec::new()));
    }
    let (of_split, others): (Vec<usize>, Vec<usize>) =
        (0..table.rows.len()).partition(|row| table.rows[*row].split == Some(split));
    if of_split.is_empty() {
        let fact = format!("{} has no {split} rows", arguments.table.data.display());
        return Err(Failure::input(fact).hint("--split names the rows to change: train, validation, test or all"));
    }
    Ok((of_split, others))
}

/// Writes `rows` of a table and says so.
pub fn write(table: &Table, rows: &[usize], arguments: &ManifestArguments, console: Console) -> Result<(), Failure> {
    let output = &arguments.output;
    let text = table.manifest(rows, output.parent().unwrap_or(Path::new("")));
    write_whole(output, &text.map_err(|error| Failure::input(error.to_string()))?)?;
    console.say(format!("{}: {} images; they stay where they are", output.display(), count(rows.len())));
    Ok(())
}

/// Rows by split; those without one under `all`.
pub fn counts(table: &Table, rows: &[usize]) -> Value {
    let mut counts = BTreeMap::<String, usize>::new();
    for row in rows.iter().filter_map(|row| table.rows.get(*row)) {
        *counts.entry(row.split.map_or("all".to_owned(), |split| split.to_string())).or_default() += 1;
    }
    json!(counts)
}
