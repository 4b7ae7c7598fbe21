//! What the study would compute, and about how long that takes at the speed of this machine.

use std::time::Instant;

use heirloom_audit::study::{BiasOptions, plan};
use heirloom_data::{Split, Table as Images};
use heirloom_report::{Align, Table, count, duration};
use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{Extraction, Network};
use heirloom_zoo::Backbone;
use serde_json::json;

use super::Input;
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Images on which the speed is measured.
const TIMED: usize = 256;
/// How much slower a training step is than its three passes, and decoding beside it.
const SLOWER: f64 = 1.5;

/// Prints the plan.
pub fn run(input: &Input, options: &BiasOptions, console: Console) -> Result<Outcome, Failure> {
    let table = &input.data.source.table;
    let small = rate(&input.networks.small, table)?;
    let stock = input.networks.stock.as_ref().map(|network| rate(network, table)).transpose()?.unwrap_or(1.0);
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

/// Images a second up to the features.
fn rate(network: &Backbone, table: &Images) -> Result<f64, Failure> {
    let mut rows = table.rows_in(Some(Split::Test));
    rows.truncate(TIMED);
    let requests = [(network.features.clone(), Pooling::MEAN)];
    let started = Instant::now();
    Extraction::new(Network::from(network), table, &rows, &requests).run()?;
    Ok(rows.len() as f64 / started.elapsed().as_secs_f64().max(1e-3))
}
