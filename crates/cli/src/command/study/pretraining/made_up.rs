//! The smoke size: a made-up world and a network of random weights. Its figures mean nothing.

use heirloom_audit::study::Set;
use heirloom_audit::study::pretraining::PretrainingData;
use heirloom_data::{Halves, HalvesSize, Table, TableOptions};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::Input;
use crate::arguments::PretrainingArguments;
use crate::failure::Failure;

/// Images of each class.
const SIZE: HalvesSize = HalvesSize { side: 16, source_train: 12, source_test: 4, target_train: 12, target_test: 6 };

/// Everything a study needs.
pub fn input(arguments: &PretrainingArguments) -> Result<Input, Failure> {
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let seed = arguments.run.seed;
    let worlds = [Halves::new(seed, SIZE), Halves::new(seed.wrapping_add(1), SIZE)];
    let drawn = |name: &str, world: &heirloom_data::World| -> Result<Set, Failure> {
        let path = folder.path().join(name);
        world.write(&path).map_err(|error| Failure::input(error.to_string()))?;
        Ok(Set::new(name, "made up", Table::open(&path, &TableOptions::default())?)?)
    };
    let data = PretrainingData {
        source: drawn("source", &worlds[0].source)?,
        targets: vec![
            drawn("main", &worlds[0].target)?,
            drawn("fine", &worlds[1].target)?,
            drawn("coarse", &worlds[1].source)?,
        ],
        varied: 1,
        pairs: vec![[1, 2]],
        outliers: vec![drawn("others", &worlds[1].target)?],
    };
    // Random weights that no seed begins with.
    let how = Initialization::usual(seed.wrapping_add(1000));
    let source = Backbone::from_scratch(&Recipe::usual("small", "cifar_resnet20")?, &how)?;
    Ok(Input { data, source: source.at_input_size([SIZE.side, SIZE.side])?, _folder: Some(folder) })
}
