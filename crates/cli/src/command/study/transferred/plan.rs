//! What the study would compute, and about how long that takes at the speed of this machine.

use heirloom_audit::study::{TransferredOptions, transferred_plan};
use heirloom_report::{Align, Table, count, duration};
use heirloom_transfer::compare::Cells;
use serde_json::json;

use super::super::speed::{SLOWER, images_a_second};
use super::Input;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Prints the plan.
pub fn run(input: &Input, options: &TransferredOptions, cells: &Cells, console: Console) -> Result<Outcome, Failure> {
    let rate = images_a_second(&input.networks.batch_norm, &input.data.source.table)?;
    let mut shown = Table::new(&[
        ("phase", Align::Left),
        ("networks", Align::Right),
        ("measures", Align::Right),
        ("passes of images", Align::Right),
        ("about", Align::Right),
    ]);
    let (mut lines, mut total) = (Vec::new(), 0.0);
    for phase in transferred_plan(&input.data, &input.networks, options, cells) {
        let seconds = SLOWER * phase.images as f64 / rate;
        total += seconds;
        let (networks, measures, images) = (phase.networks, phase.measures, phase.images);
        shown.push([phase.phase.to_owned(), count(networks), count(measures), count(images), duration(seconds)]);
        lines.push(
            json!({"phase": phase.phase, "networks": networks, "measures": measures, "images": images, "seconds": seconds}),
        );
    }
    console.say(format!(
        "{}\nabout {} at this machine's speed; what is in the cache already is not computed again.",
        shown.to_text(),
        duration(total)
    ));
    Ok(Outcome::done(json!({"command": "study", "study": "what-transfers", "plan": lines, "seconds": total})))
}
