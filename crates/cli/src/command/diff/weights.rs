//! Distance of the two models' weights, and the line between them.

use std::path::Path;

use heirloom_audit::diff::{
    self, Basin, CriticalityOptions, PathInput, PathOptions, PathRecord, Rewind, RewindInput, RewindOptions,
};
use heirloom_audit::{AuditWatch, PreparedImages, balanced};
use heirloom_engine::Op;
use heirloom_transfer::artifact::{Artifact, ArtifactError};
use heirloom_transfer::fit::trained::Movement;

use serde_json::json;

use super::sides::Sides;
use crate::arguments::DiffArguments;
use crate::backbone;
use crate::failure::Failure;

/// Steps in which criticality goes from the first model to the second.
const STEPS: usize = 10;

/// Two models between which there is a line, and the images to judge it on.
pub struct Ends {
    judged: PreparedImages,
    labels: Vec<usize>,
    train: PreparedImages,
}

/// How far the weights lie apart, or why that cannot be said.
pub fn distance(sides: &Sides) -> Result<Movement, String> {
    let [first, second] = models(sides).map(|model| model.backbone().map_err(|error| error.to_string()));
    let (first, second) = (first?, second?);
    let classifier = first.classifier_parameters();
    diff::distance(&first.graph, &first.weights, &second.weights, &classifier).map_err(|apart| apart.to_string())
}

/// The ends of the line, or why there is none.
pub fn ends(sides: &Sides, arguments: &DiffArguments) -> Result<Ends, String> {
    if arguments.no_line {
        return Err("it was left out".to_owned());
    }
    let [first, second] = models(sides);
    // Halfway shows whether there is a line at all.
    let middle = first.between(second, 0.5).map_err(|error| error.to_string())?;
    if middle.network == first.network && middle.head == first.head {
        return Err("the two models are one and the same".to_owned());
    }
    let labels = &sides.first.labels;
    let chosen = balanced(labels, arguments.line_images as usize, arguments.seed);
    let (judged, labels) = some(&sides.first.images, labels, &chosen);
    let train = sides.train.as_ref().map_or_else(|| sides.first.images.only(&[]), |(images, _)| images.clone());
    Ok(Ends { judged, labels, train })
}

/// Walks the line.
pub fn line(
    ends: &Ends,
    sides: &Sides,
    arguments: &DiffArguments,
    watch: AuditWatch<'_>,
) -> Result<PathRecord, Failure> {
    let [first, second] = models(sides);
    let input = PathInput { first, second, judged: &ends.judged, labels: &ends.labels, train: &ends.train };
    Ok(diff::path(&input, &options(sides, arguments), watch)?)
}

/// Draws behind every figure of the basin.
const DRAWS: usize = 10;

/// Measures the basin that both models lie in.
pub fn basin(
    ends: &Ends,
    sides: &Sides,
    arguments: &DiffArguments,
    watch: AuditWatch<'_>,
) -> Result<Option<Basin>, Failure> {
    let [first, second] = models(sides);
    let input = PathInput { first, second, judged: &ends.judged, labels: &ends.labels, train: &ends.train };
    Ok(diff::basin_between(&input, &options(sides, arguments), DRAWS, watch)?)
}

/// Images that the basin shows to models, at most.
pub fn of_basin(sides: &Sides, arguments: &DiffArguments) -> usize {
    diff::most_of_basin(sides.first.labels.len().min(arguments.line_images as usize), DRAWS)
}

/// Images that the line shows to models.
pub fn walked(sides: &Sides, arguments: &DiffArguments) -> usize {
    let norms = models(sides)[0]
        .network
        .as_ref()
        .is_some_and(|network| network.graph.nodes.iter().any(|node| matches!(node.op, Op::BatchNorm { .. })));
    let judged = sides.first.labels.len().min(arguments.line_images as usize);
    diff::walked(judged, &options(sides, arguments), norms && sides.train.is_some())
}

/// Puts a module of the second model back to where the first has it, the one at this place.
pub fn rewind(
    sides: &Sides,
    arguments: &DiffArguments,
    along: &[Artifact],
    place: usize,
    watch: AuditWatch<'_>,
) -> Result<Rewind, Failure> {
    let [start, trained] = models(sides);
    let (train, train_labels) = sides.train.as_ref().ok_or_else(no_training_images)?;
    let chosen = balanced(&sides.first.labels, arguments.line_images as usize, arguments.seed);
    let (judged, labels) = some(&sides.first.images, &sides.first.labels, &chosen);
    let chosen = balanced(train_labels, arguments.critical_images as usize, arguments.seed);
    let (train, train_labels) = some(train, train_labels, &chosen);
    let (judged, train) = ((&judged, &labels[..]), (&train, &train_labels[..]));
    let input = RewindInput { start, trained, along, judged, train };
    let (draws, valley) = (arguments.critical_draws as usize, arguments.valley);
    let criticality = arguments.criticality.then_some(CriticalityOptions { steps: STEPS, draws, valley });
    let (only, seed, extract) = (Some(place), arguments.seed, sides.extract.clone());
    Ok(diff::rewind(&input, &RewindOptions { criticality, only, seed, extract }, watch)?)
}

/// Everything besides the models and images that decides a module's figures.
pub fn rewind_settings(arguments: &DiffArguments, along: &[Artifact]) -> Result<serde_json::Value, Failure> {
    let along = along.iter().map(Artifact::digest).collect::<Result<Vec<String>, ArtifactError>>()?;
    Ok(json!([
        arguments.line_images,
        arguments.critical_images,
        arguments.critical_draws,
        arguments.criticality.then_some(diff::BORDER),
        arguments.valley,
        STEPS,
        along,
    ]))
}

/// What B was in between: models, or networks with the classifier they were trained with.
pub fn along(arguments: &DiffArguments) -> Result<Vec<Artifact>, Failure> {
    let open = |name: &String| -> Result<Artifact, Failure> {
        let path = Path::new(name);
        if path.extension().is_some_and(|extension| extension == "heirloom") {
            return Ok(Artifact::load(path)?);
        }
        Ok(Artifact::of_classifier(&backbone::open(Some(name))?, arguments.seed)?)
    };
    arguments.along.iter().map(open).collect()
}

/// Images that putting modules back shows to models, at most.
pub fn put_back(sides: &Sides, arguments: &DiffArguments, modules: usize) -> usize {
    let judged = sides.first.labels.len().min(arguments.line_images as usize);
    let train = sides.train.as_ref().map_or(0, |(_, labels)| labels.len()).min(arguments.critical_images as usize);
    let valley = if arguments.valley { diff::most_of_valley() } else { 0 };
    let steps = if arguments.along.is_empty() { STEPS } else { arguments.along.len() + 1 };
    let looks = if arguments.criticality {
        modules * (1 + diff::most_looks(steps) * arguments.critical_draws as usize + valley)
    } else {
        0
    };
    // Each module is a task of its own, which judges both ends again.
    4 * modules * judged + looks * train
}

fn no_training_images() -> Failure {
    Failure::input("modules can only be put back where there are training images to measure statistics on")
        .hint("give data with training images, or leave --rewind and --criticality out")
}

/// Number of modules to put back; refuses models whose modules are not of the same shape, and data without training images.
pub fn modules(sides: &Sides, arguments: &DiffArguments, checkpoints: &[Artifact]) -> Result<usize, Failure> {
    if sides.train.is_none() {
        return Err(no_training_images());
    }
    let [start, trained] = models(sides);
    let parts = diff::parts(start, trained)?;
    for (module, part) in &parts {
        let fits = trained.moved(start, part, 1.0);
        fits.map_err(|error| {
            Failure::input(format!("module {module} of B cannot be put back to where A has it: {error}"))
        })?;
        for (name, checkpoint) in arguments.along.iter().zip(checkpoints) {
            trained.moved(checkpoint, part, 1.0).map_err(|error| {
                Failure::input(format!("module {module} of B cannot be put to where {name} has it: {error}"))
            })?;
        }
    }
    Ok(parts.len())
}

fn some(images: &PreparedImages, labels: &[usize], chosen: &[usize]) -> (PreparedImages, Vec<usize>) {
    (images.only(chosen), chosen.iter().map(|image| labels[*image]).collect())
}

fn models(sides: &Sides) -> [&Artifact; 2] {
    [&sides.first, &sides.second].map(|side| side.ready.model.artifact())
}

fn options(sides: &Sides, arguments: &DiffArguments) -> PathOptions {
    let (points, beyond) = (arguments.points as usize, arguments.beyond);
    PathOptions { points, beyond, seed: arguments.seed, extract: sides.extract.clone() }
}
