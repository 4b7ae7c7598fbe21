//! Data sets of studies that train networks of their own, opened.

use std::path::{Path, PathBuf};

use heirloom_audit::study::Set;
use heirloom_data::{Split, Table, TableOptions};
use serde::Deserialize;

use crate::command::limit::limited;
use crate::failure::Failure;

/// A line of `recipes/STUDY/targets.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    name: String,
    about: String,
    /// Folder or file below the folder of the data sets.
    path: String,
    /// Column and value of the rows.
    #[serde(rename = "where")]
    condition: Option<(String, String)>,
}

/// The folder of the data sets: the one that was typed, or the usual one.
pub fn root(typed: Option<&Path>, study: &str) -> Result<PathBuf, Failure> {
    if let Some(folder) = typed {
        return Ok(folder.to_owned());
    }
    let Some(folder) = std::env::var_os("HEIRLOOM_DATA") else {
        let hint = format!(
            "name the folder of the data sets, as in `heirloom study {study} datasets/`, or try --size smoke, which needs none"
        );
        return Err(Failure::input("no data was named, and HEIRLOOM_DATA is not set").hint(hint));
    };
    Ok(PathBuf::from(folder).join("datasets"))
}

/// The targets of a recipe, at most `rows` rows of each split.
pub fn targets(recipe: &str, root: &Path, rows: Option<u64>, seed: u64) -> Result<Vec<Set>, Failure> {
    let entries: Vec<Entry> = serde_json::from_str(recipe).map_err(|error| Failure::internal(error.to_string()))?;
    opened(entries, root, rows, seed)
}

/// The data sets of some lines, at most `rows` rows of each split.
pub fn opened(entries: Vec<Entry>, root: &Path, rows: Option<u64>, seed: u64) -> Result<Vec<Set>, Failure> {
    let target = |entry: Entry| -> Result<Set, Failure> {
        let options = TableOptions { only: entry.condition.into_iter().collect(), ..TableOptions::default() };
        let table = Table::open(&root.join(&entry.path), &options)?;
        Ok(Set::new(&entry.name, &entry.about, limited(table, rows, seed))?)
    };
    entries.into_iter().map(target).collect()
}

/// All training rows, and at most so many test rows.
pub fn with_test(table: &Table, count: Option<u64>, seed: u64) -> Table {
    let mut few = limited(table.clone(), count, seed);
    few.rows.retain(|row| row.split == Some(Split::Test));
    let mut all = table.clone();
    all.rows.retain(|row| row.split != Some(Split::Test));
    all.rows.extend(few.rows);
    all
}
