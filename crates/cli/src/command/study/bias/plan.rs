//! What the study would compute, and about how long that takes at the speed of this machine.

use heirloom_audit::study::{BiasOptions, plan};
use heirloom_report::{Align, Table, count, duration};
use serde_json::json;

use super::super::speed::{SLOWER, images_a_second};
use super::Input;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Prints the plan.
pub fn run(input: &Input, options: &BiasOptions, console: Console) -> Result<Outcome, Failure> {
    let table = &input.data.source.table;
    let small = images_a_second(&input.networks.small, table)?;
    let stock =
        input.networks.stock.as_ref().map(|network| images_a_second(network, table)).transpose()?.unwrap_or(1.0);
    let mut shown = Table::new(&[
        ("stage", Align::Left),
        ("sources", Align::Right),
        ("results", Align::Right),
        ("passes of images", Align::Right),
        ("about", Align::Right),
    ]);
    let (mut lines, mut total) = (Vec::new(), 0.0);
    for stage in plan(&input.data, &input.networks, options) {
        let seconds = SLOWER * (stage.images as f64 / small + stage.stock_images as f64 / stock);
        let images = stage.images + stage.stock_images;
        total += seconds;
        let (sources, cells) = (stage.sources, stage.cells);
        shown.push([stage.stage.clone(), count(sources), count(cells), count(images), duration(seconds)]);
        lines.push(
            json!({"stage": stage.stage, "sources": sources, "results": cells, "images": images, "seconds": seconds}),
        );
    }
    console.say(format!(
        "{}\nabout {} at this machine's speed; what is in the cache already is not computed again.",
        shown.to_text(),
        duration(total)
    ));
    Ok(Outcome::done(json!({"command": "study", "study": "bias-transfer", "plan": lines, "seconds": total})))
}
