//! `data poison`: an intervention planted into a data set, without a pixel of it being touched.

use heirloom_data::intervention::Planted;
use heirloom_report::count;
use serde_json::json;

use super::manifest;
use crate::arguments::PoisonArguments;
use crate::command::Outcome;
use crate::command::plant::plant;
use crate::console::Console;
use crate::failure::Failure;

/// Writes the table.
pub fn run(arguments: &PoisonArguments, console: Console) -> Result<Outcome, Failure> {
    let table = manifest::open(&arguments.manifest, arguments.plant.plant_seed)?;
    let Some(plant) = plant(&arguments.plant, &table)? else {
        let hint = "name it, as in --plant square:side=0.25,colour=ffff00";
        return Err(Failure::input("there is nothing to plant").hint(hint));
    };
    let (rows, others) = manifest::sides(&table, &arguments.manifest)?;
    let Planted { table, mut rows, stamped } =
        plant.apply(&table, &rows).map_err(|error| Failure::input(error.to_string()))?;
    rows.extend(others);
    rows.sort_unstable();
    manifest::write(&table, &rows, &arguments.manifest, console)?;
    console.say(format!("{} of them carry {}", count(stamped.len()), plant.intervention));
    Ok(Outcome::done(json!({
        "command": "data", "action": "poison", "table": arguments.manifest.output, "rows": manifest::counts(&table, &rows),
        "planted": stamped.len(), "plant": plant, "classes": table.classes,
    })))
}
