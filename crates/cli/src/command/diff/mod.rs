//! `diff`: two models side by side.
//!
//! ```text
//! settings checked -> models, data, rows -> (linear heads on backbones) -> images in memory -> answers -> mistakes
//!                                         -> layers of both -> similarity      weights of both -> distance, line
//! everything -> terminal, JSON, page
//! ```

mod kept;
mod page;
mod sheets;
mod sides;
mod text;
mod weights;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heirloom_audit::diff::{
    Basin, Clarity, DiffError, LEAST, Mistakes, PathRecord, Rewind, Side, Similarity, SimilarityOptions, compared,
    similarity,
};
use heirloom_audit::{AuditError, AuditWatch, predicted_classes};
use heirloom_report::count;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::fit::SkippedRow;
use heirloom_transfer::fit::trained::Movement;
use serde::Serialize;
use serde_json::json;

use super::audit::gathered::Held;
use super::{Outcome, refuse_to_replace};
use crate::arguments::{DiffArguments, ShardArgument, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;
use kept::Kept;
use sides::Sides;
pub use text::points_of;

/// Batches that the images are put into, and the most images of one.
const BATCHES: usize = 8;
const LARGEST: usize = 256;

/// A comparison with everything that is told of it.
#[derive(Debug, Clone, Serialize)]
pub struct DiffReport {
    /// Version of the program.
    pub version: String,
    /// What was typed after the program's name.
    pub typed: Vec<String>,
    /// The first model.
    pub first: Compared,
    /// The second.
    pub second: Compared,
    /// The data.
    pub data: PathBuf,
    /// What was judged: `test images`.
    pub judged: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Seed of everything drawn.
    pub seed: u64,
    /// Mistakes of both.
    pub mistakes: Mistakes,
    /// How clear the images are that one of the two has wrong, where a referee was named.
    pub clarity: Option<Clarity>,
    /// The referee.
    pub referee: Option<String>,
    /// How alike layers see the images.
    pub similarity: Option<Similarity>,
    /// How far the weights lie apart; the norm is the first's.
    pub distance: Option<Movement>,
    /// The line from the first to the second.
    pub line: Option<PathRecord>,
    /// The basin that both lie in, where that was asked for.
    pub basin: Option<Basin>,
    /// The second's modules put back to where the first has them, where that was asked for.
    pub rewind: Option<Rewind>,
    /// Why a part is not there.
    pub absent: Vec<Absent>,
    /// What has to be said of the figures.
    pub warnings: Vec<String>,
    /// Images that could not be used.
    pub skipped: Vec<SkippedRow>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Place of every judged image that one of the two alone has wrong.
    #[serde(skip)]
    pub alone: [Vec<usize>; 2],
    /// Answers of both to every judged image.
    #[serde(skip)]
    pub answers: [Vec<usize>; 2],
}

/// One of the two models.
#[derive(Debug, Clone, Serialize)]
pub struct Compared {
    /// What was named.
    pub model: String,
    /// Method of its head.
    pub method: String,
    /// Name of its network.
    pub backbone: String,
    /// Images its linear head was fitted on, where it came without one.
    pub fitted_on: Option<usize>,
}

/// A part that could not be had.
#[derive(Debug, Clone, Serialize)]
pub struct Absent {
    /// `distance` or `line`.
    pub part: &'static str,
    /// Why.
    pub why: String,
}

/// Runs `diff`.
pub fn run(arguments: &DiffArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    // A shard draws nothing.
    refuse_to_replace(&arguments.output, arguments.force || arguments.shard.is_some())?;
    interrupt::note("finished parts are kept; the same command goes on with the others");
    let sides = Sides::open(arguments, shared, console)?;
    let layers = [&sides.first, &sides.second].map(|side| sides::layers(arguments, side.ready.model.artifact()));
    let [first_layers, second_layers] = layers;
    let layers = [first_layers?, second_layers?];
    let along = weights::along(arguments)?;
    let modules = if arguments.rewinds() { weights::modules(&sides, arguments, &along)? } else { 0 };
    let (ends, kept) = (weights::ends(&sides, arguments), Kept::of(&sides, arguments, shared)?);
    let mut report = report(arguments, &sides)?;
    console.say(plan(&report, &layers, &ends, arguments));
    let (progress, done) = (Progress::new("images"), AtomicUsize::new(0));
    let total = total(&sides, arguments, ends.is_ok());
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, total);
    let watch = AuditWatch { shown: Some(&shown), cancel: Some(&STOP) };
    let watching = Watching::begin();
    let mine = |task: usize| arguments.shard.is_none_or(|shard| task % shard.count + 1 == shard.index);
    if mine(0) && !arguments.no_similarity {
        let settings = json!([layers, batch(arguments, &sides)]);
        let made = || compare_layers(arguments, &sides, &layers, watch);
        report.similarity = Some(kept.part("similarity", &settings, made)?);
    }
    match weights::distance(&sides) {
        Ok(distance) => report.distance = Some(distance),
        Err(why) => report.absent.push(Absent { part: "distance", why }),
    }
    match ends {
        Ok(ends) => {
            let settings = json!([arguments.points, arguments.beyond, arguments.line_images]);
            if mine(1) {
                let made = || weights::line(&ends, &sides, arguments, watch);
                report.line = Some(kept.part("line", &settings, made)?);
            }
            if mine(2) && arguments.basin {
                progress.finish();
                report.basin = kept.part("basin", &settings, || basin(&ends, &sides, arguments, console))?;
            }
        }
        Err(_) if arguments.no_line => {}
        Err(why) => report.absent.push(Absent { part: "line", why }),
    }
    if modules > 0 {
        progress.finish();
        report.rewind = put_back((modules, &along), &sides, arguments, (&kept, console), mine)?;
    }
    drop(watching);
    (report.typed, report.seconds) = (shared.typed.clone(), started.elapsed().as_secs_f64());
    if let Some(shard) = arguments.shard {
        let ShardArgument { index, count } = shard;
        console.say(format!(
            "shard {index} of {count} is done; without --shard the same command draws the page from all of them"
        ));
        return Ok(Outcome::done(json!({"command": "diff", "shard": [index, count], "seconds": report.seconds})));
    }
    page::write(&arguments.output, &report, &sides)?;
    console.answer(&text::summary(&report, &arguments.output))?;
    let mut object = json!(report);
    object["command"] = json!("diff");
    object["report"] = json!(arguments.output);
    Ok(Outcome::strict(object, arguments.strict, report.skipped.len()))
}

/// Measures the basin; how far it reaches decides how many images that takes.
fn basin(
    ends: &weights::Ends,
    sides: &Sides,
    arguments: &DiffArguments,
    console: Console,
) -> Result<Option<Basin>, Failure> {
    console.say("measuring the basin that both lie in");
    let (progress, done) = (Progress::new("images at most"), AtomicUsize::new(0));
    let total = weights::of_basin(sides, arguments);
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, total);
    weights::basin(ends, sides, arguments, AuditWatch { shown: Some(&shown), cancel: Some(&STOP) })
}

/// Puts the modules of the second model back, each a task of its own; criticality looks at fewer points than there might be to look at.
fn put_back(
    (modules, along): (usize, &[Artifact]),
    sides: &Sides,
    arguments: &DiffArguments,
    (kept, console): (&Kept, Console),
    mine: impl Fn(usize) -> bool,
) -> Result<Option<Rewind>, Failure> {
    let measured = if arguments.criticality { ", measuring how critical each is" } else { "" };
    console.say(format!("putting {modules} modules of B back to where A has them{measured}"));
    let (progress, done) = (Progress::new("images at most"), AtomicUsize::new(0));
    let total = weights::put_back(sides, arguments, modules);
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, total);
    let settings = weights::rewind_settings(arguments, along)?;
    let mut all: Option<Rewind> = None;
    for place in (0..modules).filter(|place| mine(*place)) {
        let watch = AuditWatch { shown: Some(&shown), cancel: Some(&STOP) };
        let made = || weights::rewind(sides, arguments, along, place, watch);
        let one: Rewind = kept.part(&format!("module {place}"), &settings, made)?;
        all = Some(match all {
            None => one,
            Some(all) => all.with(one),
        });
    }
    Ok(all)
}

/// Answers of both models, and what they have wrong.
fn report(arguments: &DiffArguments, sides: &Sides) -> Result<DiffReport, Failure> {
    let _watching = Watching::begin();
    let labels = &sides.first.labels;
    let answers = [answers(&sides.first)?, answers(&sides.second)?];
    let mistakes = Mistakes::of(labels, &answers[0], &answers[1], arguments.seed)?;
    let alone = [0, 1].map(|side: usize| {
        let (own, other) = (&answers[side], &answers[1 - side]);
        (0..labels.len()).filter(|&image| own[image] != labels[image] && other[image] == labels[image]).collect()
    });
    Ok(DiffReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        typed: Vec::new(),
        first: compared_model(&arguments.first, &sides.first),
        second: compared_model(&arguments.second, &sides.second),
        data: arguments.data.clone(),
        judged: sides.judged.to_owned(),
        classes: sides.first.ready.model.artifact().classes.clone(),
        seed: arguments.seed,
        mistakes,
        clarity: clarity(sides, &answers, arguments.seed)?,
        referee: arguments.referee.clone(),
        similarity: None,
        distance: None,
        line: None,
        basin: None,
        rewind: None,
        absent: Vec::new(),
        warnings: sides.warnings.clone(),
        skipped: sides.skipped.clone(),
        seconds: 0.0,
        alone,
        answers,
    })
}

fn compared_model(name: &str, side: &Held) -> Compared {
    let ready = &side.ready;
    let (method, backbone) = (ready.method.clone(), ready.backbone.clone());
    Compared { model: name.to_owned(), method, backbone, fitted_on: ready.fitted_on }
}

fn answers(side: &Held) -> Result<Vec<usize>, Failure> {
    let rows: Vec<usize> = (0..side.labels.len()).collect();
    let answers = predicted_classes(&side.ready.model, &side.images, &rows, Some(&STOP)).map_err(AuditError::from)?;
    Ok(answers.into_iter().map(|(_, class)| class).collect())
}

fn clarity(sides: &Sides, answers: &[Vec<usize>; 2], seed: u64) -> Result<Option<Clarity>, Failure> {
    let Some(referee) = &sides.referee else { return Ok(None) };
    let model = &referee.ready.model;
    let rows: Vec<usize> = (0..referee.labels.len()).collect();
    let extracted = model.features(&referee.images, &rows, Some(&STOP)).map_err(AuditError::from)?;
    let head = &model.artifact().head;
    let probabilities =
        head.probabilities(&extracted.features, &rows).map_err(|error| Failure::input(error.to_string()))?;
    let classes = head.classes();
    Ok(Some(Clarity::of(&probabilities, classes, &referee.labels, &answers[0], &answers[1], seed)))
}

fn compare_layers(
    arguments: &DiffArguments,
    sides: &Sides,
    layers: &[Vec<String>; 2],
    watch: AuditWatch<'_>,
) -> Result<Similarity, Failure> {
    let artifacts = [&sides.first, &sides.second].map(|side| side.ready.model.artifact());
    let (first, second) = (artifacts[0].network()?, artifacts[1].network()?);
    let first = Side { network: first, taps: &layers[0], images: &sides.first.images };
    let second = Side { network: second, taps: &layers[1], images: &sides.second.images };
    let extract = &sides.extract;
    let (batch, seed) = (batch(arguments, sides), arguments.seed);
    let options = SimilarityOptions { batch, seed, memory: extract.memory_limit / 2, isa: extract.isa };
    Ok(similarity(&first, &second, &options, watch)?)
}

/// Images of a batch: several batches where there are images enough, since their spread is the standard error.
fn batch(arguments: &DiffArguments, sides: &Sides) -> usize {
    let eighth = (sides.first.labels.len() / BATCHES).clamp(LEAST, LARGEST);
    arguments.batch.map_or(eighth, |batch| batch as usize)
}

/// Images that go through networks besides those of the answers.
fn total(sides: &Sides, arguments: &DiffArguments, line: bool) -> usize {
    let images = sides.first.labels.len();
    let layers = if arguments.no_similarity { 0 } else { compared(images, batch(arguments, sides)) };
    layers + if line { weights::walked(sides, arguments) } else { 0 }
}

/// What is going to be done.
fn plan(
    report: &DiffReport,
    layers: &[Vec<String>; 2],
    ends: &Result<weights::Ends, String>,
    arguments: &DiffArguments,
) -> String {
    let mut plan = format!("comparing answers to {} {}", count(report.mistakes.images), report.judged);
    if !arguments.no_similarity {
        let [first, second] = [layers[0].len(), layers[1].len()];
        plan.push_str(&format!(", {first} layers of the first with {second} of the second"));
    }
    if ends.is_ok() {
        plan.push_str(&format!(", and {} points on the line between them", arguments.points));
    }
    plan
}

/// What an interrupt leaves: unlike an audit, a comparison does not begin anew.
fn going_on(failure: Failure) -> Failure {
    if failure.code() == interrupt::INTERRUPTED {
        return failure.hint("finished parts are kept; the same command goes on with the others");
    }
    failure
}

impl From<DiffError> for Failure {
    fn from(error: DiffError) -> Self {
        let failure = Self::input(error.to_string());
        match error {
            DiffError::Audit(error) => going_on(error.into()),
            DiffError::Predict(error) => going_on(AuditError::from(error).into()),
            DiffError::Artifact(error) => error.into(),
            DiffError::Memory { .. } => failure.hint("give a smaller --batch, fewer --layers, or more --memory"),
            DiffError::TooFew { .. } => failure.hint("give more labelled images"),
            DiffError::Engine(_) => failure.hint("`heirloom inspect BACKBONE` lists the layers"),
            _ => failure,
        }
    }
}
