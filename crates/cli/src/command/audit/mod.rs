//! `audit`: what a model depends on besides what it should, for somebody who knows nothing of its past.
//!
//! ```text
//! settings and limits checked -> model, data, rows -> (linear head on a backbone) -> images in memory -> measures -> record
//! record -> terminal, JSON, FILE.findings.json, page; limits held against it -> exit code
//! ```

pub mod gathered;
mod missing;
pub mod model;
mod page;
pub mod pictures;
mod remedy;
mod robust;
pub mod rows;
mod scan;
pub mod text;
mod training_set;
mod words;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heirloom_audit::robustness::RobustnessRecord;
use heirloom_audit::training_set::TrainingSetRecord;
use heirloom_audit::{AuditRecord, AuditWatch, Battery, Extent, Gate, Gated, Gating, ScanOptions, Subject};
use heirloom_report::count;
use heirloom_transfer::fit::SkippedRow;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Outcome, refuse_to_replace, write_whole};
use crate::arguments::{AuditArguments, SharedArguments};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};
use crate::progress::Progress;
use gathered::{Gathered, Held};
use remedy::Remedied;

/// Exit code of an audit that crossed a limit.
const CROSSED: u8 = 4;

/// An audit with everything that is told of it.
#[derive(Debug, Clone, Serialize)]
pub struct AuditReport {
    /// Version of the program.
    pub version: String,
    /// What was typed after the program's name.
    pub typed: Vec<String>,
    /// What was audited.
    pub model: String,
    /// Method of its head.
    pub method: String,
    /// Name of its network.
    pub backbone: String,
    /// Images its linear head was fitted on, where it came without one.
    pub fitted_on: Option<usize>,
    /// The data.
    pub data: PathBuf,
    /// What was judged: `test images`.
    pub judged: String,
    /// Models it was compared with.
    pub references: Vec<String>,
    /// Seed of everything drawn.
    pub seed: u64,
    /// How much was tried.
    pub battery: Extent,
    /// Images that went through networks.
    pub shown: usize,
    /// What has to be said of the figures.
    pub warnings: Vec<String>,
    /// Images that could not be used.
    pub skipped: Vec<SkippedRow>,
    /// Limits, and whether they were crossed.
    pub gates: Vec<Gating>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// What remedies left of what stands out, where they were asked for; the first is the model as it is.
    pub remedies: Option<Remedied>,
    /// How far answers and certainty can be trusted, where that was asked for.
    pub robustness: Option<RobustnessRecord>,
    /// What a worse training set costs, where that was asked for.
    pub training_set: Option<TrainingSetRecord>,
    /// The measures.
    #[serde(flatten)]
    pub record: AuditRecord,
}

/// Runs `audit`.
pub fn run(arguments: &AuditArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let findings = arguments.output.with_extension("findings.json");
    check(arguments, &findings)?;
    interrupt::note("nothing was written; an audit begins anew");
    let gathered = Gathered::open(arguments, shared, console)?;
    training_set::check(arguments, &gathered)?;
    let scan = arguments.scan.then(ScanOptions::default);
    let battery = Battery { scan, ..Battery::of(arguments.battery.into()) };
    console.say(plan(&gathered, &battery));
    let (record, shown) = measure(&gathered, &battery, arguments.seed)?;
    let mut report = report(arguments, &gathered, record, shown);
    let stopped = report.record.scan.as_ref().filter(|scan| !scan.is_complete(report.references.len()));
    let stopped = stopped.map(|measures| scan::stopped(&report, measures));
    report.warnings.extend(stopped.clone());
    if stopped.is_none() {
        report.remedies = remedy::tried(arguments, &gathered, &report.record, &battery, console)?;
        report.robustness = robust::asked(arguments, &gathered, console)?;
        report.training_set = training_set::asked(arguments, &gathered, console)?;
    }
    gated(arguments, &mut report);
    (report.typed, report.seconds) = (shared.typed.clone(), started.elapsed().as_secs_f64());
    page::write(&arguments.output, &report, &gathered.held.images)?;
    let object = object(&report, &arguments.output, &findings);
    write_whole(&findings, &serde_json::to_vec_pretty(&object).map_err(Failure::internal)?)?;
    console.answer(&text::summary(&report, &arguments.output, &findings))?;
    let crossed = report.gates.iter().any(|gate| gate.crossed);
    let outcome = Outcome::strict(object, arguments.strict, report.skipped.len());
    let broken_off = report.remedies.as_ref().map_or(0, |remedied| remedied.code);
    Ok(match (stopped.is_some(), broken_off, crossed) {
        (true, _, _) => Outcome { code: interrupt::INTERRUPTED, ..outcome },
        (false, 0, true) => Outcome { code: CROSSED, ..outcome },
        (false, 0, false) => outcome,
        (false, code, _) => Outcome { code, ..outcome },
    })
}

/// Holds everything that was found against the limits that were set.
fn gated(arguments: &AuditArguments, report: &mut AuditReport) {
    let hold = |gate: &Gate| gate.hold(&report.record, report.robustness.as_ref());
    let gates: Vec<Gating> = arguments.fail_on.iter().map(hold).collect();
    let undefined = gates.iter().filter(|gate| gate.value.is_none());
    let undefined =
        undefined.map(|gate| format!("{} cannot be told: what it is about could not be measured", gate.gate));
    report.warnings.extend(undefined);
    report.gates = gates;
}

fn report(arguments: &AuditArguments, gathered: &Gathered, record: AuditRecord, shown: usize) -> AuditReport {
    let ready = &gathered.held.ready;
    AuditReport {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        typed: Vec::new(),
        model: arguments.model.clone(),
        method: ready.method.clone(),
        backbone: ready.backbone.clone(),
        fitted_on: ready.fitted_on,
        data: arguments.data.clone(),
        judged: gathered.judged.to_owned(),
        references: arguments.reference.clone(),
        seed: arguments.seed,
        battery: arguments.battery.into(),
        shown,
        warnings: gathered.warnings.clone(),
        skipped: gathered.skipped.clone(),
        gates: Vec::new(),
        seconds: 0.0,
        remedies: None,
        robustness: None,
        training_set: None,
        record,
    }
}

/// Refuses what cannot work before any work is done.
fn check(arguments: &AuditArguments, findings: &Path) -> Result<(), Failure> {
    for path in [&arguments.output, findings] {
        refuse_to_replace(path, arguments.force)?;
    }
    let scanned = arguments.fail_on.iter().find(|gate| gate.of == Gated::Scan);
    if let (false, Some(gate)) = (arguments.scan, scanned) {
        let fact = format!("--fail-on {gate} is about the scan for unknown triggers, and none was asked for");
        return Err(Failure::input(fact).hint("ask for it with --scan"));
    }
    let measured = arguments.fail_on.iter().find(|gate| gate.of.needs_robustness());
    if let (false, Some(gate)) = (arguments.robustness, measured) {
        let fact = format!("--fail-on {gate} is about robustness, which was not asked for");
        return Err(Failure::input(fact).hint("ask for it with --robustness"));
    }
    if let (None, Some(gate)) = (&arguments.group, arguments.fail_on.iter().find(|gate| gate.of.needs_groups())) {
        let fact = format!("--fail-on {gate} is about groups, and no column of groups was named");
        return Err(Failure::input(fact).hint("name it with --group COLUMN"));
    }
    Ok(())
}

/// What is going to be done.
fn plan(gathered: &Gathered, battery: &Battery) -> String {
    let images = gathered.held.labels.len();
    let classes = gathered.held.ready.model.artifact().classes.len();
    let shown = most_shown(gathered, battery);
    let screening = battery.screening.min(images / 2);
    format!(
        "judging {} {} of {classes} classes: {} known triggers are tried on {screening} of them, the strongest {} judged on {} others; \
         at most {} images go through the network ({:.0} for each judged){}",
        count(images),
        gathered.judged,
        battery.triggers.len(),
        battery.confirmed,
        count(battery.reported.min(images - screening)),
        count(shown),
        shown as f64 / images.max(1) as f64,
        battery.scan.as_ref().map_or_else(String::new, |scan| format!(
            ", {} of them for the scan for unknown triggers of {} in each model",
            count(scan.shown()),
            heirloom_report::counted(scan.searches(), "size"),
        )),
    )
}

/// Most images that go through the model and its references.
fn most_shown(gathered: &Gathered, battery: &Battery) -> usize {
    let (images, classes) = (gathered.held.labels.len(), gathered.held.ready.model.artifact().classes.len());
    let references = gathered.references.len() * battery.shown_to_reference(images);
    battery.shown(images, classes, gathered.column.is_none()) + references
}

/// Asks the model and its references; the record and the number of images that went through them.
fn measure(gathered: &Gathered, battery: &Battery, seed: u64) -> Result<(AuditRecord, usize), Failure> {
    let (progress, done) = (Progress::new("images"), AtomicUsize::new(0));
    let total = most_shown(gathered, battery);
    let shown = |more: usize| progress.report(done.fetch_add(more, Ordering::Relaxed) + more, total);
    let watch = AuditWatch { shown: Some(&shown), cancel: Some(&STOP) };
    let _watching = Watching::begin();
    let ask = |held| subject(held, seed, watch);
    let (asked, references) =
        (ask(&gathered.held)?, gathered.references.iter().map(ask).collect::<Result<Vec<_>, _>>()?);
    let record = AuditRecord::of(&asked, battery, gathered.column.as_ref(), &references, &gathered.extract)?;
    Ok((record, done.load(Ordering::Relaxed)))
}

pub fn subject<'a>(held: &'a Held, seed: u64, watch: AuditWatch<'a>) -> Result<Subject<'a>, Failure> {
    Ok(Subject::new(&held.ready.model, &held.images, &held.labels, seed, watch)?)
}

fn object(report: &AuditReport, page: &Path, findings: &Path) -> Value {
    let mut object = json!(report);
    object["command"] = json!("audit");
    object["report"] = json!(page);
    object["findings_file"] = json!(findings);
    object
}
