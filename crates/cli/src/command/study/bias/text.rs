//! What the terminal shows: claims, arms, sources, what is missing.

use std::path::Path;

use heirloom_audit::study::{ArmRecord, BiasStudy, Estimate, Measured, Part};
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
        Part::Chosen => "a lopsided sample: what a person adds to the share of the answers, in points",
        Part::Natural => "known objects: what they add to the share of the class they pull to, in points",
    }
}

/// One row for each arm and probe.
pub fn arms(found: &BiasStudy, part: Part) -> Table {
    let mut table = Table::new(&[
        ("source and way to adapt", Align::Left),
        ("probe", Align::Left),
        ("found", Align::Right),
        ("twin", Align::Right),
        ("beyond the twin (95 %)", Align::Right),
        ("from scratch", Align::Right),
        ("accuracy", Align::Right),
        ("targets", Align::Right),
        ("seeds", Align::Right),
    ]);
    for arm in found.arms.iter().filter(|arm| arm.part == part) {
        for (at, probe) in shown(arm).into_iter().enumerate() {
            let once = |text: String| if at == 0 { text } else { String::new() };
            table.push([
                once(arm.words.clone()),
                probe.probe.clone(),
                points(probe.value.value),
                probe.twin.map_or_else(String::new, points),
                probe.beyond_twin.map_or_else(|| interval(probe.value), interval),
                probe.scratch.map_or_else(String::new, points),
                once(percent(accuracy(arm))),
                once(arm.targets.len().to_string()),
                once(arm.seeds.to_string()),
            ]);
        }
    }
    table
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
