//! `--plant`: from what was typed to what is planted.

use heirloom_data::Table;
use heirloom_data::intervention::{Classes, NewClass, Plant, Relabel};

use crate::arguments::{PlantArguments, PlantLabel};
use crate::failure::Failure;

/// What is to be planted into a table, if anything is.
pub fn plant(arguments: &PlantArguments, table: &Table) -> Result<Option<Plant>, Failure> {
    let Some(intervention) = arguments.plant.clone() else { return Ok(None) };
    let named =
        |names: &[String]| Classes::named(names, &table.classes).map_err(|error| Failure::input(error.to_string()));
    let classes = if arguments.plant_class.is_empty() { Classes::All } else { named(&arguments.plant_class)? };
    let count = table.classes.len();
    let relabel = match &arguments.plant_label {
        PlantLabel::Keep => Relabel::Keep,
        PlantLabel::Next => Relabel::Map((0..count).map(|class| (class, (class + 1) % count)).collect()),
        PlantLabel::Append => Relabel::New(NewClass::Append),
        PlantLabel::Replace => Relabel::New(NewClass::Replace),
        PlantLabel::Class(name) => {
            named(std::slice::from_ref(name))?;
            Relabel::Class(table.classes.iter().position(|class| class == name).unwrap_or_default())
        }
    };
    Ok(Some(Plant { intervention, share: arguments.plant_share, classes, relabel, seed: arguments.plant_seed }))
}
