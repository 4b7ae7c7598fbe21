//! The data sets and networks of the recipe, opened.

use heirloom_audit::study::{Set, TransferredData, TransferredNetworks};
use heirloom_data::{Table, TableOptions};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::super::data_sets;
use super::Input;
use crate::arguments::{SourceSize, TransferredArguments};
use crate::backbone;
use crate::failure::Failure;

/// The targets, the most similar to the source first.
const TARGETS: &str = include_str!("../../../../../../recipes/what_transfers/targets.json");
/// What the source without normalisation is trained on.
const SOURCE: &str = "cifar10";
/// Its architecture.
const FIXUP: &str = "cifar_fixup_resnet20";
/// Test images of the source, and rows of a target's split, at the small size.
const SOURCE_TEST: u64 = 2000;
const TARGET: u64 = 1000;

/// Everything the study needs.
pub fn input(arguments: &TransferredArguments) -> Result<Input, Failure> {
    let small = |rows: u64| (arguments.size != SourceSize::Full).then_some(rows);
    let root = data_sets::root(arguments.data.as_deref(), "what-transfers")?;
    let whole = Table::open(&root.join(SOURCE), &TableOptions::default())?;
    let source = data_sets::with_test(&whole, small(SOURCE_TEST), arguments.run.seed);
    let batch_norm = backbone::open(Some(&arguments.source))?;
    let fixup = without_normalisation(&batch_norm, &source)?;
    let referee = Some(backbone::open(Some(&arguments.referee))?);
    let data = TransferredData {
        source: Set::new(SOURCE, "animals and vehicles, 32 pixels", source)?,
        targets: data_sets::targets(TARGETS, &root, small(TARGET), arguments.run.seed)?,
    };
    Ok(Input { data, networks: TransferredNetworks { batch_norm, fixup, referee }, _folder: None })
}

/// The architecture without normalisation, for images prepared as those of `other` are.
pub fn without_normalisation(other: &Backbone, source: &Table) -> Result<Backbone, Failure> {
    let usual = Recipe::usual(FIXUP, FIXUP)?;
    let recipe = Recipe { preprocess: other.preprocess.clone(), class_names: source.classes.clone(), ..usual };
    Ok(Backbone::from_scratch(&recipe, &Initialization::usual(0))?)
}
