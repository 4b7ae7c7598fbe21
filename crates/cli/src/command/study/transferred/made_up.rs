//! The smoke size: a made-up world and networks of random weights. Its figures mean nothing.

use heirloom_audit::study::{Set, TransferredData, TransferredNetworks};
use heirloom_data::{Halves, HalvesSize, Table, TableOptions};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::Input;
use super::data::without_normalisation;
use crate::arguments::TransferredArguments;
use crate::failure::Failure;

/// Images of each class.
const SIZE: HalvesSize = HalvesSize { side: 16, source_train: 6, source_test: 2, target_train: 5, target_test: 4 };

/// Everything the study needs.
pub fn input(arguments: &TransferredArguments) -> Result<Input, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let halves = Halves::new(arguments.run.seed, SIZE);
    let drawn = |world: &heirloom_data::World, name: &str| -> Result<Table, Failure> {
        let path = folder.path().join(name);
        world.write(&path).map_err(|error| Failure::input(error.to_string()))?;
        Ok(Table::open(&path, &TableOptions::default())?)
    };
    let (source, target) = (drawn(&halves.source, "source")?, drawn(&halves.target, "target")?);
    // Random weights that no replica begins with.
    let how = Initialization::usual(arguments.run.seed.wrapping_add(1000));
    let batch_norm = Backbone::from_scratch(&Recipe::usual("small", "cifar_resnet20")?, &how)?;
    let batch_norm = batch_norm.at_input_size([SIZE.side, SIZE.side])?;
    let fixup = without_normalisation(&batch_norm, &source)?;
    let networks = TransferredNetworks { referee: Some(batch_norm.clone()), batch_norm, fixup };
    let data = TransferredData {
        source: Set::new("made up", "shapes of three textures", source)?,
        targets: vec![Set::new("made up", "other shapes of the same textures", target)?],
    };
    Ok(Input { data, networks, _folder: Some(folder) })
}
