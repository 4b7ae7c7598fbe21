//! `study`: experiments with the figures that are expected of them.

mod adaptation;
mod bias;
mod data_sets;
mod domains;
mod easytl;
mod few_shot;
mod generalisation;
mod head2toe;
mod pretraining;
mod ranking;
mod speed;
mod targets;
mod transferred;

use heirloom_audit::study::pretraining::Part;
use heirloom_transfer::extract::Progress;
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_transfer::study::{Check, Difference};

use super::Outcome;
use super::training::Follower;
use crate::arguments::{SharedArguments, SourceSize, StudyArguments, StudyName};
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{self, STOP, Watching};

/// Exit code of a study whose figures are not the expected ones.
const DIFFERS: u8 = 4;

/// Runs `study`.
pub fn run(arguments: &StudyArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    match &arguments.name {
        StudyName::Easytl(arguments) => easytl::run(arguments, console),
        StudyName::Adaptation(arguments) => adaptation::run(arguments, shared, console),
        StudyName::FewShot(arguments) => few_shot::run(arguments, shared, console),
        StudyName::Generalisation(arguments) => generalisation::run(arguments, shared, console),
        StudyName::Ranking(arguments) => ranking::run(arguments, shared, console),
        StudyName::Head2toe(arguments) => head2toe::run(arguments, shared, console),
        StudyName::WhatTransfers(arguments) => transferred::run(arguments, shared, console),
        StudyName::PretrainingValue(arguments) => pretraining::run(Part::Value, arguments, shared, console),
        StudyName::Robustness(arguments) => pretraining::run(Part::Robustness, arguments, shared, console),
        StudyName::BiasTransfer(arguments) => bias::run(arguments, shared, console),
    }
}

/// Runs a study with its progress shown and an interrupt heard; `kept` says what an interrupt leaves.
fn watched<T>(
    kept: &'static str,
    console: Console,
    run: impl FnOnce(Watch<'_>, &(dyn Fn(&TrainingEvent) + Sync)) -> Result<T, Failure>,
) -> Result<T, Failure> {
    interrupt::note(kept);
    let follower = Follower::new(console, None)?;
    let progress = |state: &Progress| follower.progress(state);
    let stage = |text: &str| follower.stage(text);
    let event = |event: &TrainingEvent| follower.event(event);
    let watching = Watching::begin();
    let watch = Watch { progress: Some(&progress), stage: Some(&stage), cancel: Some(&STOP) };
    let result = run(watch, &event);
    drop(watching);
    follower.finish();
    result
}

impl SourceSize {
    /// What belongs to the size.
    fn pick<T>(self, smoke: T, small: T, full: T) -> T {
        match self {
            Self::Smoke => smoke,
            Self::Small => small,
            Self::Full => full,
        }
    }
}

/// Whether the figures of a recipe came out again.
fn verdict(check: &Check) -> String {
    let Check { figures, tolerance, differences } = check;
    if differences.is_empty() {
        return format!("all {figures} figures are within {tolerance} points of the expected ones\n");
    }
    let line = |difference: &Difference| {
        let found = difference.found.map_or("none".to_owned(), |found| format!("{found:.2}"));
        format!("  {}: {found}, expected {}\n", difference.what, difference.expected)
    };
    let heading =
        format!("{} of {figures} figures are not within {tolerance} points of the expected ones:\n", differences.len());
    std::iter::once(heading).chain(differences.iter().map(line)).collect()
}
