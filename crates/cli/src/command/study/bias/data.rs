//! The data sets and networks of the recipe, opened.

use std::path::Path;

use heirloom_audit::study::{BiasData, BiasNetworks, Cue, Set};
use heirloom_data::{Table, TableOptions};

use super::super::data_sets;
use super::{Input, pictures};
use crate::arguments::{BiasArguments, SourceSize};
use crate::backbone;
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

/// The targets of the planted sources.
const TARGETS: &str = include_str!("../../../../../../recipes/bias_transfer/targets.json");

/// Everything the study needs.
pub fn input(arguments: &BiasArguments) -> Result<Input, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let full = arguments.size == SourceSize::Full;
    let root = data_sets::root(arguments.data.as_deref(), "bias-transfer")?;
    let small = |rows: u64| (!full).then_some(rows);
    let whole = Table::open(&root.join(SOURCE), &TableOptions::default())?;
    let source = data_sets::with_test(&whole, small(SOURCE_TEST), arguments.run.seed);
    let natural = data_sets::with_test(&whole, small(NATURAL_TEST), arguments.run.seed);
    let network = backbone::open(Some(&arguments.source))?;
    let people = person_table(&root)?;
    let data = BiasData {
        source: Set::new(SOURCE, "animals and vehicles, 32 pixels", source)?,
        class: CLASS.to_owned(),
        against: AGAINST.to_owned(),
        targets: data_sets::targets(TARGETS, &root, small(TARGET), arguments.run.seed)?,
        natural: Some(Set::new(SOURCE, "animals and vehicles, 32 pixels", natural)?),
        people: pictures::people(&people, network.preprocess.input_size[0], folder.path())?,
        cue: Some(cue(&root)?),
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

/// Animals in sketches against objects and people in photographs.
fn cue(root: &Path) -> Result<Cue, Failure> {
    let table = Table::open(&root.join("pacs"), &TableOptions::default())?;
    Ok(Cue {
        set: Set::new("pacs", "animals and things: photographs, paintings, cartoons, sketches", table)?,
        column: "domain".to_owned(),
        kinds: ["sketch", "photo"].map(str::to_owned),
        classes: ["dog", "elephant", "giraffe", "horse"].map(str::to_owned).to_vec(),
        names: ["animal", "thing or person"].map(str::to_owned),
    })
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
