//! What a study would compute, and about how long that takes at the speed of this machine.

use heirloom_audit::study::pretraining::{PretrainingOptions, plan};
use heirloom_report::{Align, Table, count, duration};
use heirloom_transfer::compare::Cells;
use serde_json::json;

use super::super::speed::{SLOWER, images_a_second};
use super::Input;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Prints the plan.
pub fn run(input: &Input, options: &PretrainingOptions, cells: &Cells, console: Console) -> Result<Outcome, Failure> {
    let rate = images_a_second(&input.source, &input.data.source.table)?;
    let mut shown = Table::new(&[
        ("phase", Align::Left),
        ("networks", Align::Right),
        ("passes of images", Align::Right),
        ("about", Align::Right),
    ]);
    let (mut lines, mut total) = (Vec::new(), 0.0);
    for phase in plan(&input.data, &input.source, options, cells)? {
        let seconds = SLOWER * phase.images as f64 / rate;
        total += seconds;
        shown.push([phase.phase.clone(), count(phase.networks), count(phase.images), duration(seconds)]);
        let (name, networks, images) = (phase.phase, phase.networks, phase.images);
        lines.push(json!({"phase": name, "networks": networks, "images": images, "seconds": seconds}));
    }
    console.say(format!(
        "{}\nabout {} at this machine's speed; what is in the cache already is not computed again.",
        shown.to_text(),
        duration(total)
    ));
    let study = super::name(options.part);
    Ok(Outcome::done(json!({"command": "study", "study": study, "plan": lines, "seconds": total})))
}
