//! What the study would compute, and about how long that takes at the speed of this machine.

use heirloom_data::Split;
use heirloom_report::{Align, Table, count, duration};
use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{Extraction, Network, Request, TableImages};
use heirloom_transfer::fit::FitError;
use heirloom_transfer::study::head2toe::{Networks, StudyOptions, StudyTarget};
use heirloom_zoo::Backbone;
use serde_json::json;

use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Images on which the speed is measured.
const TIMED: usize = 24;
/// Passes that a training step counts for: one forward, two backward.
const STEP: usize = 3;

/// One line of the plan.
struct Part {
    what: String,
    cells: usize,
    images: usize,
    seconds: f64,
}

/// Prints the plan.
pub fn run(
    targets: &[StudyTarget],
    networks: &Networks,
    options: &StudyOptions,
    console: Console,
) -> Result<Outcome, Failure> {
    let parts = parts(targets, networks, options)?;
    let mut table = Table::new(&[
        ("part", Align::Left),
        ("cells", Align::Right),
        ("images", Align::Right),
        ("about", Align::Right),
    ]);
    for part in &parts {
        table.push([part.what.clone(), count(part.cells), count(part.images), duration(part.seconds)]);
    }
    let total: f64 = parts.iter().map(|part| part.seconds).sum();
    console.say(format!(
        "{}\n{} targets, about {} of passes through networks at this machine's speed; fitting heads comes on top.\n\
         What is in the cache already is not computed again.",
        table.to_text(),
        targets.len(),
        duration(total)
    ));
    let line =
        |part: &Part| json!({"part": part.what, "cells": part.cells, "images": part.images, "seconds": part.seconds});
    let object = json!({
        "command": "study", "study": "head2toe", "plan": parts.iter().map(line).collect::<Vec<_>>(),
        "targets": targets.iter().map(|target| &target.name).collect::<Vec<_>>(), "seconds": total,
    });
    Ok(Outcome::done(object))
}

fn parts(targets: &[StudyTarget], networks: &Networks, options: &StudyOptions) -> Result<Vec<Part>, Failure> {
    let rows: usize = targets.iter().map(|target| target.table.rows.len()).sum();
    let train: usize = targets.iter().map(|target| target.table.rows_in(Some(Split::Train)).len()).sum();
    let mut parts = Vec::new();
    let mut operations_a_second = 0.0;
    for (at, network) in networks.frozen.iter().enumerate() {
        let windows = if at == 0 { options.windows } else { 0 };
        let rate = images_a_second(network, targets, &options.targets)?;
        operations_a_second = f64::max(operations_a_second, rate * operations(network, network.preprocess.input_size)?);
        parts.push(Part {
            what: format!("features and heads of {}", network.name),
            cells: targets.len() * (5 * options.draws + windows),
            images: rows,
            seconds: rows as f64 / rate,
        });
    }
    if let Some(control) = networks.control.as_ref().filter(|_| options.layers > 0) {
        parts.push(Part {
            what: format!("layers of {} as a control", control.name),
            cells: targets.len(),
            images: rows,
            seconds: rows as f64 * operations(control, control.preprocess.input_size)? / operations_a_second.max(1.0),
        });
    }
    let trained = [
        (&networks.scratch, "from scratch", options.scratch_draws, options.scratch_epochs, None),
        (&networks.tuned, "fine-tuned", options.tuned_draws, options.tuned_epochs, Some(options.tuned_side)),
    ];
    for (network, what, draws, epochs, side) in trained {
        let Some(network) = network else { continue };
        let draws = draws.min(options.draws);
        let images = STEP * train * draws * usize::try_from(epochs).unwrap_or(usize::MAX);
        let side = side.map_or(network.preprocess.input_size, |side| [side, side]);
        parts.push(Part {
            what: format!("{} {what}", network.name),
            cells: targets.len() * draws,
            images,
            seconds: images as f64 * operations(network, side)? / operations_a_second.max(1.0),
        });
    }
    Ok(parts)
}

fn operations(network: &Backbone, size: [usize; 2]) -> Result<f64, Failure> {
    let cost = network.graph.cost(size, std::slice::from_ref(&network.features)).map_err(FitError::from)?;
    Ok(cost.flops as f64)
}

/// Speed of all layers of a network on a few images of the first target.
fn images_a_second(network: &Backbone, targets: &[StudyTarget], pooling: &[usize]) -> Result<f64, Failure> {
    let Some(target) = targets.first() else { return Ok(1.0) };
    let folder = tempfile::tempdir().map_err(|error| Failure::input(format!("a temporary folder: {error}")))?;
    let images = TableImages::new(&target.table, folder.path());
    let rows: Vec<usize> = (0..TIMED.min(target.table.rows.len())).collect();
    let of_target = |&target: &usize| network.taps.iter().map(move |tap| (tap.clone(), Pooling::to(target)));
    let requests: Vec<Request> = pooling.iter().flat_map(of_target).collect();
    let summary = Extraction::new(Network::from(network), &images, &rows, &requests).run()?.summary;
    Ok(summary.images_per_second.max(0.1))
}
