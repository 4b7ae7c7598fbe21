//! The smoke size: a made-up world and networks of random weights. Its figures mean nothing.

use std::path::Path;

use heirloom_audit::study::{BiasData, BiasNetworks, Set};
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
        source: Set::new("made up", "other shapes of the same textures", source)?,
        objects,
    };
    let networks = BiasNetworks { small: network("small", 1)?, stock: Some(network("stock", 2)?), judges: Vec::new() };
    Ok(Input { data, networks, _folder: folder })
}

fn drawn(world: &World, folder: &Path) -> Result<Table, Failure> {
    world.write(folder).map_err(|error| Failure::input(error.to_string()))?;
    Ok(Table::open(folder, &TableOptions::default())?)
}

fn network(name: &str, seed: u64) -> Result<Backbone, Failure> {
    Ok(Backbone::from_scratch(&Recipe::usual(name, "cifar_resnet20")?, &Initialization::usual(seed))?)
}
