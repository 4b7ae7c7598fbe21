//! What the terminal shows: claims, arms, sources, what is missing.

use std::path::Path;

use heirloom_audit::study::{ArmRecord, BiasStudy, Estimate, Measured, Origin, Part};
use heirloom_report::{Align, Table, percent};

use crate::console::indented;

/// Everything that is said at the end.
pub fn summary(found: &BiasStudy, page: Option<&Path>) -> String {
    let mut text = String::new();
    for part in Part::ALL {
        if found.arms.iter().any(|arm| arm.part == part) {
            text.push_str(&format!("{}\n{}\n", measure(part), indented(&arms(found, part).to_text())));
        }
    }
    if !found.sources.is_empty() {
        text.push_str(&format!("sources on their own test images\n{}\n", indented(&sources(found).to_text())));
    }
    for known in &found.known {
        let (with, without) = (percent(known.with.value), percent(known.without.value));
        text.push_str(&format!("{} sees {} on {with} of images ({without} without it)\n", known.network, known.object));
    }
    for claim in &found.claims {
        text.push_str(&format!("{}: {}\n  {}\n", claim.verdict.words(), claim.claim, claim.found));
    }
    if !found.unfinished.is_empty() {
        text.push_str(&format!("not done within the budget: {}\n", found.unfinished.join(", ")));
    }
    if let Some(page) = page {
        text.push_str(&format!("wrote {}\n", page.display()));
    }
    text
}

/// What the figures of a part are.
pub const fn measure(part: Part) -> &'static str {
    match part {
        Part::Planted => {
            "planted triggers: of the right answers, the share that the trigger breaks, in per cent; mean over targets"
        }
        Part::Chosen => {
            "a lopsided sample: what a person, or the kind of picture, adds to the share of the answers, in points"
        }
        Part::Natural => "known objects: what they add to the share of the class they pull to, in points",
    }
}

/// Every arm of a part; twins stand in a column of the arms that they belong to.
pub fn arms(found: &BiasStudy, part: Part) -> Table {
    match part {
        Part::Planted => triggers(found),
        Part::Chosen | Part::Natural => probes(found, part),
    }
}

/// One row for each arm: its trigger, and controls less the twin's.
fn triggers(found: &BiasStudy) -> Table {
    let mut table = Table::new(&[
        ("source and way to adapt", Align::Left),
        ("breaks", Align::Right),
        ("twin", Align::Right),
        ("beyond the twin (95 %)", Align::Right),
        ("other colour", Align::Right),
        ("other corner", Align::Right),
        ("from scratch", Align::Right),
        ("accuracy", Align::Right),
        ("targets x seeds", Align::Right),
    ]);
    for arm in found.arms.iter().filter(|arm| arm.part == Part::Planted && !is_twin(arm)) {
        let shown = shown(arm);
        let Some(trigger) = shown.first() else { continue };
        let beyond = |name: &str| {
            let control = shown.iter().find(|probe| probe.probe.ends_with(name)).and_then(|probe| probe.beyond_twin);
            control.map_or_else(String::new, |control| format!("{:+.1}", 100.0 * control.value))
        };
        table.push([
            arm.words.clone(),
            points(trigger.value.value),
            trigger.twin.map_or_else(String::new, points),
            trigger.beyond_twin.map_or_else(|| interval(trigger.value), interval),
            beyond("another colour"),
            beyond("another corner"),
            trigger.scratch.map_or_else(String::new, points),
            percent(accuracy(arm)),
            format!("{} x {}", arm.targets.len(), arm.seeds),
        ]);
    }
    table
}

/// One row for each probe of an arm.
fn probes(found: &BiasStudy, part: Part) -> Table {
    let mut table = Table::new(&[
        ("source and way to adapt", Align::Left),
        ("probe", Align::Left),
        ("found (95 %)", Align::Right),
        ("twin", Align::Right),
        ("beyond the twin (95 %)", Align::Right),
        ("from scratch", Align::Right),
        ("accuracy", Align::Right),
        ("seeds", Align::Right),
    ]);
    for arm in found.arms.iter().filter(|arm| arm.part == part && !is_twin(arm)) {
        for (at, probe) in shown(arm).into_iter().enumerate() {
            let once = |text: String| if at == 0 { text } else { String::new() };
            table.push([
                once(arm.words.clone()),
                probe.probe.clone(),
                interval(probe.value),
                probe.twin.map_or_else(String::new, points),
                probe.beyond_twin.map_or_else(String::new, interval),
                probe.scratch.map_or_else(String::new, points),
                once(percent(accuracy(arm))),
                once(arm.seeds.to_string()),
            ]);
        }
    }
    table
}

/// Whether an arm's source is the twin of another.
pub fn is_twin(arm: &ArmRecord) -> bool {
    match arm.arm.origin {
        Origin::Planted { share, .. } => share == 0.0,
        Origin::Chosen { lopsided } | Origin::Cue { lopsided } => !lopsided,
        Origin::Stock | Origin::Nothing { .. } => false,
    }
}

/// The probes that belong to an arm: those of the other size of square say nothing of it.
fn shown(arm: &ArmRecord) -> Vec<&Measured> {
    let small = arm.words.contains("square of");
    let own = |probe: &&Measured| arm.part != Part::Planted || probe.probe.starts_with("small") == small;
    arm.mean.iter().filter(own).collect()
}

fn accuracy(arm: &ArmRecord) -> f64 {
    arm.targets.iter().map(|target| target.accuracy).sum::<f64>() / arm.targets.len().max(1) as f64
}

fn points(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

fn interval(estimate: Estimate) -> String {
    let Estimate { value, low, high } = estimate;
    format!("{:+.1} ({:+.1} to {:+.1})", 100.0 * value, 100.0 * low, 100.0 * high)
}

/// Sources on their own test images.
pub fn sources(found: &BiasStudy) -> Table {
    let mut table = Table::new(&[
        ("source", Align::Left),
        ("seeds", Align::Right),
        ("accuracy", Align::Right),
        ("below its twin", Align::Right),
        ("drawn to the class", Align::Right),
        ("with the bias put on", Align::Right),
    ]);
    for source in &found.sources {
        table.push([
            source.words.clone(),
            source.seeds.to_string(),
            percent(source.accuracy),
            source.below_twin.map_or_else(String::new, |points| format!("{points:+.1}")),
            percent(source.drawn_clean),
            percent(source.drawn),
        ]);
    }
    table
}

/// Every target of an arm, for the page.
pub fn targets(arm: &ArmRecord) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("probe", Align::Left),
        ("found", Align::Right),
        ("twin", Align::Right),
        ("beyond the twin (95 %)", Align::Right),
        ("from scratch", Align::Right),
        ("accuracy", Align::Right),
        ("twin's", Align::Right),
        ("right of images", Align::Right),
    ]);
    for target in &arm.targets {
        for (at, probe) in target.probes.iter().enumerate() {
            let once = |text: String| if at == 0 { text } else { String::new() };
            table.push([
                once(target.target.clone()),
                probe.probe.clone(),
                points(probe.value.value),
                probe.twin.map_or_else(String::new, points),
                probe.beyond_twin.map_or_else(|| interval(probe.value), interval),
                probe.scratch.map_or_else(String::new, points),
                once(percent(target.accuracy)),
                once(target.twin_accuracy.map_or_else(String::new, percent)),
                once(format!("{:.0} of {}", target.right, target.images)),
            ]);
        }
    }
    table
}
