//! A weight file: what it is, which layers can be read, what an image costs, how much memory a run takes.

use heirloom_engine::{Isa, Plan, PlanOptions, Precision};
use heirloom_report::{Align, Table, count};
use heirloom_zoo::Backbone;
use serde_json::json;

use crate::arguments::{InspectArguments, SharedArguments};
use crate::command::inspect::memory::{ImageMemory, Memory};
use crate::command::inspect::profile::profile;
use crate::command::{Outcome, refuse_to_replace, threads};
use crate::console::{Console, facts, indented};
use crate::failure::Failure;

pub fn run(arguments: &InspectArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let backbone = crate::backbone::open(Some(&arguments.thing))?;
    if let Some(path) = &arguments.output {
        refuse_to_replace(path, arguments.force)?;
    }
    let threads = threads(shared);
    let input_size = backbone.preprocess.input_size;
    let taps = vec![backbone.features.clone()];
    let cost = backbone.graph.cost(input_size, &taps).map_err(|error| Failure::input(error.to_string()))?;
    let plan = Plan::compile(
        &backbone.graph,
        &backbone.weights,
        &PlanOptions { input_size, taps, isa: Isa::detect(), precision: Precision::F32 },
    )
    .map_err(|error| Failure::input(error.to_string()))?;
    let images = usize::from(arguments.images);
    let memory = Memory {
        weights: (plan.weight_bytes() + size_of::<f32>() * parameters(&backbone)) as u64,
        workspace: plan.workspace_bytes(images) as u64,
        threads: threads as u64,
        images: arguments.data.as_deref().map(ImageMemory::of).transpose()?,
    };
    let shapes = shapes(&backbone)?;
    console.answer(&text(&backbone, cost.flops, &memory, images, &shapes))?;
    if arguments.profile {
        console.stage("running it on one core for a few seconds");
    }
    let profile = arguments.profile.then(|| profile(&backbone, arguments.precision, images)).transpose()?;
    if let Some(profile) = &profile {
        console.answer(&profile.text())?;
        arguments.output.as_deref().map(|path| profile.draw(path, arguments.force)).transpose()?;
    }
    let layers: Vec<_> = shapes.iter().map(|(tap, shape)| json!({ "tap": tap, "shape": shape })).collect();
    Ok(Outcome::done(json!({
        "command": "inspect",
        "kind": "backbone",
        "backbone": backbone.name,
        "architecture": backbone.architecture,
        "backbone_digest": backbone.weights_digest,
        "licence": backbone.licence,
        "source": backbone.source,
        "preprocess": backbone.preprocess.describe(),
        "input_size": input_size,
        "parameters": parameters(&backbone),
        "flops_per_image": cost.flops,
        "peak_bytes": memory.peak(),
        "decoding_bytes": memory.images.map(|images| images.decoding),
        "reading_bytes": memory.images.map(|images| images.reading),
        "threads": threads,
        "images_per_block": images,
        "features": backbone.features,
        "logits": backbone.logits,
        "taps": layers,
        "notes": backbone.notes,
        "profile": profile,
    })))
}

fn parameters(backbone: &Backbone) -> usize {
    backbone.graph.parameters.values().map(|shape| shape.iter().product::<usize>()).sum()
}

/// The default taps with their shapes, in depth order.
fn shapes(backbone: &Backbone) -> Result<Vec<(String, String)>, Failure> {
    let all =
        backbone.graph.shapes(backbone.preprocess.input_size).map_err(|error| Failure::input(error.to_string()))?;
    let shape = |tap: &String| backbone.graph.find(tap).and_then(|node| all.get(node)).map(ToString::to_string);
    Ok(backbone.taps.iter().map(|tap| (tap.clone(), shape(tap).unwrap_or_default())).collect())
}

fn text(backbone: &Backbone, flops: u64, memory: &Memory, images: usize, shapes: &[(String, String)]) -> String {
    let [height, width] = backbone.preprocess.input_size;
    let unknown = || "not stated".to_string();
    let mut text = facts(&[
        ("backbone", backbone.name.clone()),
        ("architecture", backbone.architecture.clone()),
        ("parameters", count(parameters(backbone))),
        ("input", format!("{height} x {width} pixels; {}", backbone.preprocess.describe())),
        ("an image costs", format!("{:.2} GFLOP (a multiplication and an addition are two)", flops as f64 / 1e9)),
        ("peak memory", memory.text(images)),
        ("licence", backbone.licence.clone().unwrap_or_else(unknown)),
        ("source", backbone.source.clone().unwrap_or_else(unknown)),
        ("digest", backbone.weights_digest.clone()),
    ]);
    for note in &backbone.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    let mut table = Table::new(&[("layer", Align::Left), ("shape", Align::Left)]);
    for (tap, shape) in shapes {
        table.push([tap, shape]);
    }
    text + "layers that head2toe reads; any other node can be named too:\n" + &indented(&table.to_text())
}
