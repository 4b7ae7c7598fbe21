//! The smoke size: a made-up world and networks of random weights. Its figures mean nothing.

use std::path::Path;

use heirloom_audit::study::{BiasData, BiasNetworks, Cue, Set};
use heirloom_data::{Halves, HalvesSize, Table, TableOptions, World};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::{Input, pictures};
use crate::arguments::BiasArguments;
use crate::failure::Failure;

/// Images of each class.
const SIZE: HalvesSize = HalvesSize { side: 32, source_train: 8, source_test: 4, target_train: 10, target_test: 6 };

/// Everything the study needs.
pub fn input(arguments: &BiasArguments) -> Result<Input, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let halves = Halves::new(arguments.run.seed, SIZE);
    let source = drawn(&halves.source, &folder.path().join("source"))?;
    let target = drawn(&halves.target, &folder.path().join("target"))?;
    let [class, against] = [0, 1].map(|at| source.classes.get(at).cloned().unwrap_or_default());
    let objects = pictures::objects(folder.path())?;
    let data = BiasData {
        class,
        against,
        people: [0, 1].map(|_| vec![objects[1].picture.clone()]),
        targets: vec![Set::new("made up", "shapes of three textures", target.clone())?],
        natural: Some(Set::new("made up", "shapes of three textures", target)?),
        cue: Some(cue(source.clone())?),
        source: Set::new("made up", "other shapes of the same textures", source)?,
        objects,
    };
    let networks = BiasNetworks { small: network("small", 1)?, stock: Some(network("stock", 2)?), judges: Vec::new() };
    Ok(Input { data, networks, _folder: folder })
}

/// A column that says nothing of the images, and two classes that it shall give away.
fn cue(mut table: Table) -> Result<Cue, Failure> {
    let kinds = ["left", "right", "neither"];
    table.attributes = vec!["kind".to_owned()];
    for (at, row) in table.rows.iter_mut().enumerate() {
        row.attributes = vec![kinds[at % kinds.len()].to_owned()];
    }
    Ok(Cue {
        column: "kind".to_owned(),
        kinds: [kinds[0], kinds[1]].map(str::to_owned),
        classes: table.classes.iter().take(2).cloned().collect(),
        names: ["one of two", "another"].map(str::to_owned),
        set: Set::new("made up", "shapes of three textures", table)?,
    })
}

fn drawn(world: &World, folder: &Path) -> Result<Table, Failure> {
    world.write(folder).map_err(|error| Failure::input(error.to_string()))?;
    Ok(Table::open(folder, &TableOptions::default())?)
}

fn network(name: &str, seed: u64) -> Result<Backbone, Failure> {
    Ok(Backbone::from_scratch(&Recipe::usual(name, "cifar_resnet20")?, &Initialization::usual(seed))?)
}
