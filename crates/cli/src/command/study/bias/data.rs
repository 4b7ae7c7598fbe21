//! The data sets and networks of the recipe, opened.

use std::path::{Path, PathBuf};

use heirloom_audit::study::{BiasData, BiasNetworks, Set};
use heirloom_data::{Split, Table, TableOptions};
use serde::Deserialize;

use super::{Input, pictures};
use crate::arguments::{BiasArguments, BiasSize};
use crate::backbone;
use crate::command::limit::limited;
use crate::failure::Failure;

/// The source, its class with the trigger or the people, and the class that stands against it.
const SOURCE: &str = "cifar10";
const CLASS: &str = "dog";
const AGAINST: &str = "cat";
/// Test images of the source at the small size, rows of a target's split, and test images of the stock network's target.
const SOURCE_TEST: u64 = 2000;
const TARGET: u64 = 1000;
const NATURAL_TEST: u64 = 2000;
/// Side of the images that the stock network is adapted at.
const SIDE: usize = 96;

/// A line of `recipes/bias_transfer/targets.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    about: String,
    /// Folder or file below the folder of the data sets.
    path: String,
    /// Column and value of the rows.
    #[serde(rename = "where")]
    condition: Option<(String, String)>,
}

/// Everything the study needs.
pub fn input(arguments: &BiasArguments) -> Result<Input, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let full = arguments.size == BiasSize::Full;
    let root = root(arguments)?;
    let small = |rows: u64| (!full).then_some(rows);
    let whole = Table::open(&root.join(SOURCE), &TableOptions::default())?;
    let source = with_test(&whole, small(SOURCE_TEST), arguments.run.seed);
    let natural = with_test(&whole, small(NATURAL_TEST), arguments.run.seed);
    let network = backbone::open(Some(&arguments.source))?;
    let people = person_table(&root)?;
    let data = BiasData {
        source: Set::new(SOURCE, "animals and vehicles, 32 pixels", source)?,
        class: CLASS.to_owned(),
        against: AGAINST.to_owned(),
        targets: targets(&root, small(TARGET), arguments.run.seed)?,
        natural: Some(Set::new(SOURCE, "animals and vehicles, 32 pixels", natural)?),
        people: pictures::people(&people, network.preprocess.input_size[0], folder.path())?,
        objects: pictures::objects(folder.path())?,
    };
    let open = |name: &String| backbone::open(Some(name));
    let networks = BiasNetworks {
        small: network,
        stock: Some(open(&arguments.stock)?.at_input_size([SIDE, SIDE])?),
        judges: arguments.judge.iter().map(open).collect::<Result<_, _>>()?,
    };
    Ok(Input { data, networks, _folder: folder })
}

fn root(arguments: &BiasArguments) -> Result<PathBuf, Failure> {
    if let Some(folder) = &arguments.data {
        return Ok(folder.clone());
    }
    let Some(folder) = std::env::var_os("HEIRLOOM_DATA") else {
        let hint = "name the folder of the data sets, as in `heirloom study bias-transfer datasets/`, or try --size smoke, which needs none";
        return Err(Failure::input("no data was named, and HEIRLOOM_DATA is not set").hint(hint));
    };
    Ok(PathBuf::from(folder).join("datasets"))
}

/// All training rows, and at most so many test rows.
fn with_test(table: &Table, count: Option<u64>, seed: u64) -> Table {
    let mut few = limited(table.clone(), count, seed);
    few.rows.retain(|row| row.split == Some(Split::Test));
    let mut all = table.clone();
    all.rows.retain(|row| row.split != Some(Split::Test));
    all.rows.extend(few.rows);
    all
}

fn targets(root: &Path, rows: Option<u64>, seed: u64) -> Result<Vec<Set>, Failure> {
    let text = include_str!("../../../../../../recipes/bias_transfer/targets.json");
    let entries: Vec<Entry> = serde_json::from_str(text).map_err(|error| Failure::internal(error.to_string()))?;
    let target = |entry: Entry| -> Result<Set, Failure> {
        let options = TableOptions { only: entry.condition.into_iter().collect(), ..TableOptions::default() };
        let table = Table::open(&root.join(&entry.path), &options)?;
        Ok(Set::new(&entry.name, &entry.about, limited(table, rows, seed))?)
    };
    entries.into_iter().map(target).collect()
}

/// Photographs of people.
fn person_table(root: &Path) -> Result<Table, Failure> {
    let only = vec![("domain".to_owned(), "photo".to_owned())];
    let mut table = Table::open(&root.join("pacs"), &TableOptions { only, ..TableOptions::default() })?;
    let person = table.classes.iter().position(|class| class == "person");
    let person = person.ok_or_else(|| Failure::input("pacs has no class 'person'"))?;
    table.rows.retain(|row| row.label == Some(person));
    Ok(table)
}
