//! `demo`: the whole path on a small made-up image world, without any download.

use std::path::Path;

use heirloom_data::{Table, TableOptions, World};
use heirloom_report::{interval, percent};
use heirloom_transfer::fit::FitReport;
use heirloom_transfer::heads::Method;
use serde_json::json;

use super::Outcome;
use super::fit::{Job, make};
use super::predict;
use crate::arguments::{DemoArguments, PredictArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;

/// Runs `demo`.
pub fn run(arguments: &DemoArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let folder = &arguments.output;
    prepare(folder, arguments.force)?;
    let images = folder.join("images");
    let world = World { seed: arguments.seed, ..World::default() };
    console.say(format!(
        "drawing a made-up image world: {} classes, {} training and {} test images each, in {}",
        world.classes().len(),
        world.train,
        world.test,
        images.display()
    ));
    world.write(&images).map_err(|error| Failure::input(error.to_string()))?;
    console.say(
        "backbone: fixed filters (Gabor and random), nothing pretrained; it stands in for a downloaded one and is weaker\n",
    );
    let model = folder.join("model.heirloom");
    let record = fit(arguments, shared, &images, &model, console)?;
    let predictions = folder.join("predictions.csv");
    predict::run(&to_predict(&model, &images.join("test"), &predictions), shared, console.quiet())?;
    console.say(next(&record, folder));
    Ok(Outcome::done(json!({
        "command": "demo",
        "folder": folder,
        "fit": super::fit::object(&record, &model),
        "predictions": predictions,
    })))
}

/// An empty folder, or that of an earlier demo under `--force`.
fn prepare(folder: &Path, force: bool) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::input(format!("{}: {error}", folder.display()));
    let used = folder.is_dir() && std::fs::read_dir(folder).map_err(failed)?.next().is_some();
    if used && !force {
        let fact = format!("{} is already there", folder.display());
        return Err(Failure::input(fact).hint("--force draws the world again; --output names another folder"));
    }
    let images = folder.join("images");
    if images.is_dir() {
        std::fs::remove_dir_all(&images).map_err(failed)?;
    }
    std::fs::create_dir_all(folder).map_err(failed)
}

fn fit(
    arguments: &DemoArguments,
    shared: &SharedArguments,
    images: &Path,
    model: &Path,
    console: Console,
) -> Result<FitReport, Failure> {
    let table = Table::open(images, &TableOptions::default())?;
    let backbone = heirloom_zoo::demonstration(arguments.seed);
    let mut job = Job::new(model.to_path_buf(), shared)?;
    job.cache = arguments.output.join("cache");
    job.seed = arguments.seed;
    // What takes a moment: the demonstration is to be over in one.
    job.methods = vec![Method::Ncm, Method::Ridge, Method::Linear, Method::Knn];
    make(&job, &backbone, &table, console)
}

fn to_predict(model: &Path, images: &Path, output: &Path) -> PredictArguments {
    PredictArguments {
        model: model.to_path_buf(),
        paths: vec![images.to_path_buf()],
        top_k: 3,
        format: None,
        output: Some(output.to_path_buf()),
        force: true,
        backbone: None,
        strict: false,
    }
}

fn next(record: &FitReport, folder: &Path) -> String {
    let accuracy = &record.scores.accuracy;
    format!(
        "\n{} right; guessing would be right in {}.\n\
         report:      {}\n\
         predictions: {}\n\n\
         next, with your own photos in photos/CLASS/IMAGE and a real backbone:\n  \
         heirloom fit photos/                    lists backbones and how to fetch one\n  \
         heirloom fit photos/ --backbone FOLDER  -> model.heirloom, model.report.html\n  \
         heirloom predict model.heirloom new-photos/",
        interval(accuracy.value, accuracy.low, accuracy.high),
        percent(record.scores.majority),
        folder.join("model.report.html").display(),
        folder.join("predictions.csv").display(),
    )
}
