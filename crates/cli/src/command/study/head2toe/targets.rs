//! The targets of the recipe, opened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use heirloom_data::{Split, Structured, StructuredTask, Table, TableOptions};
use heirloom_transfer::study::head2toe::StudyTarget;
use serde::Deserialize;

use crate::arguments::{Head2ToeArguments, StudySize};
use crate::command::limit::limited;
use crate::failure::Failure;

/// Rows of each split at the small size, and at the smoke size.
const SMALL: u64 = 800;
const SMOKE: u64 = 96;
/// Images of each split of a task that is drawn, at least.
const DRAWN: usize = 800;
/// Images that a share of the low-data variant is of.
const WHOLE: f64 = 1000.0;

/// A line of `recipes/head2toe/targets.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    group: String,
    about: String,
    /// Folder or file below the folder of the data sets.
    path: Option<String>,
    /// A task that is drawn.
    made: Option<String>,
    /// Column and value of the rows.
    #[serde(rename = "where")]
    condition: Option<(String, String)>,
}

/// The targets that were asked for; those that are drawn are written below `folder`.
pub fn open(arguments: &Head2ToeArguments, folder: &Path) -> Result<Vec<StudyTarget>, Failure> {
    let text = include_str!("../../../../../../recipes/head2toe/targets.json");
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| Failure::internal(error.to_string()))?;
    let known: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    if let Some(unknown) = arguments.target.iter().find(|name| !known.contains(&name.as_str())) {
        let hint = format!("known: {}", known.join(", "));
        return Err(Failure::input(format!("there is no target '{unknown}'")).hint(hint));
    }
    let wanted = |entry: &&Entry| match arguments.target.as_slice() {
        [] => arguments.size != StudySize::Smoke || entry.made.is_some(),
        names => names.contains(&entry.name),
    };
    entries.iter().filter(wanted).map(|entry| target(arguments, entry, folder)).collect()
}

fn target(arguments: &Head2ToeArguments, entry: &Entry, folder: &Path) -> Result<StudyTarget, Failure> {
    let (path, condition) = match (&entry.path, &entry.made) {
        (Some(path), _) => (data(arguments)?.join(path), entry.condition.clone()),
        (None, made) => (draw(made.as_deref().unwrap_or_default(), folder, arguments.run.seed)?, None),
    };
    let options = TableOptions { only: condition.into_iter().collect(), ..TableOptions::default() };
    let table = Table::open(&path, &options)?;
    let limit = match arguments.size {
        StudySize::Smoke => Some(SMOKE),
        StudySize::Small => Some(SMALL),
        StudySize::Full => None,
    };
    let table = match arguments.low_data {
        Some(share) => low_data(table, share),
        None => table,
    };
    Ok(StudyTarget {
        name: entry.name.clone(),
        group: entry.group.clone(),
        about: entry.about.clone(),
        table: limited(table, limit, arguments.run.seed),
    })
}

fn data(arguments: &Head2ToeArguments) -> Result<PathBuf, Failure> {
    if let Some(folder) = &arguments.data {
        return Ok(folder.clone());
    }
    let Some(folder) = std::env::var_os("HEIRLOOM_DATA") else {
        let hint = "name the folder of the data sets, as in `heirloom study head2toe datasets/`, or ask for targets that are drawn: \
                    --target location orientation count";
        return Err(Failure::input("no data was named, and HEIRLOOM_DATA is not set").hint(hint));
    };
    Ok(PathBuf::from(folder).join("datasets"))
}

/// About 800 training and 800 test images, the same number of each class.
fn draw(name: &str, folder: &Path, seed: u64) -> Result<PathBuf, Failure> {
    let task = StructuredTask::ALL.into_iter().find(|task| task.name() == name);
    let task = task.ok_or_else(|| Failure::internal(format!("the recipe asks for the task '{name}'")))?;
    let each = DRAWN.div_ceil(task.classes());
    let path = folder.join(name);
    let structured = Structured { task, seed, side: 64, train: each, test: each };
    structured.write(&path).map_err(|error| Failure::input(error.to_string()))?;
    Ok(path)
}

/// The table with `max(1, floor(1000 share / classes))` training rows of each class, the first ones (`spec/head2toe.md` section 5).
fn low_data(mut table: Table, share: f64) -> Table {
    let shots = ((WHOLE * share / table.classes.len().max(1) as f64).floor() as usize).max(1);
    let mut taken = BTreeMap::<Option<usize>, usize>::new();
    table.rows.retain(|row| {
        if row.split == Some(Split::Test) {
            return true;
        }
        let count = taken.entry(row.label).or_default();
        *count += 1;
        *count <= shots
    });
    table
}
