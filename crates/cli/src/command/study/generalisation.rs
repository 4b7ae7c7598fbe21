//! `study generalisation`: every domain left out once, and what all others teach of it on the same frozen features.

use heirloom_audit::study::{
    GeneralisedAverage, GeneralisedOptions, GeneralisedStudy, SeveralTarget, UnseenTarget, generalisation,
};
use heirloom_report::{Align, Block, Page, Section, Table, count, counted, percent};
use heirloom_transfer::generalisation::{Combination, GeneralisationOptions, Similarity};
use serde_json::json;

use super::adaptation::points;
use crate::arguments::{SharedArguments, StudyGeneralisationArguments};
use crate::command::Outcome;
use crate::console::Console;
use crate::failure::Failure;

/// Runs the study.
pub fn run(
    arguments: &StudyGeneralisationArguments,
    shared: &SharedArguments,
    console: Console,
) -> Result<Outcome, Failure> {
    let kept = "features stay in the cache; the study itself begins anew";
    let what = ["left out once", "trainings"];
    let (found, skipped) = arguments.domains.watched(shared, console, kept, what, |domains, classes, watch| {
        Ok(generalisation(domains, classes, &options(arguments), watch)?)
    })?;
    let objects = [json!(found), json!(options(arguments).training)];
    let told = (page(&found, arguments), text(&found));
    arguments.domains.tell("generalisation", objects, &skipped, told, console)
}

fn options(arguments: &StudyGeneralisationArguments) -> GeneralisedOptions {
    let training = GeneralisationOptions {
        draws: usize::from(arguments.draws),
        steps: arguments.steps as usize,
        seed: arguments.domains.seed,
        ..GeneralisationOptions::default()
    };
    GeneralisedOptions { training, seeds: usize::from(arguments.seeds) }
}

/// A combination in words, with the names of sources.
fn name(combination: Combination, sources: &[String]) -> String {
    let source = |at: usize| sources.get(at).map_or("?", String::as_str).to_owned();
    match combination {
        Combination::Pooled => "all, pooled".to_owned(),
        Combination::Weighted(Similarity::ProxyDistance) => "all, by proxy A-distance".to_owned(),
        Combination::Weighted(Similarity::Mmd) => "all, by MMD".to_owned(),
        Combination::Nearest => "the nearest alone".to_owned(),
        Combination::Single(at) => format!("{} alone", source(at)),
        Combination::Without(at) => format!("all but {}", source(at)),
    }
}

fn gain(way: usize, gain: &heirloom_audit::Difference) -> String {
    if way == 0 { "-".to_owned() } else { points(gain) }
}

/// Methods on domains that they never met.
fn unseen(found: &GeneralisedStudy) -> Table {
    let mut columns = vec![("method", Align::Left)];
    columns.extend(found.unseen.iter().map(|UnseenTarget { target, .. }| (target.as_str(), Align::Right)));
    columns.extend([("mean", Align::Right), ("beyond ERM, points", Align::Right)]);
    let mut table = Table::new(&columns);
    for (at, average) in found.unseen_averages.iter().enumerate() {
        let mut row = vec![average.way.name().to_owned()];
        row.extend(found.unseen.iter().map(|target| percent(target.methods[at].accuracy.value)));
        row.extend([percent(average.accuracy), gain(at, &average.gain)]);
        table.push(row);
    }
    table
}

/// Sources of a target on the mean over targets.
fn several(found: &GeneralisedStudy) -> Table {
    let mut columns = vec![("sources", Align::Left)];
    columns.extend(found.several.iter().map(|SeveralTarget { target, .. }| (target.as_str(), Align::Right)));
    columns.extend([("mean", Align::Right), ("beyond pooled, points", Align::Right)]);
    let mut table = Table::new(&columns);
    for (at, GeneralisedAverage { way, accuracy, gain: beyond }) in found.several_averages.iter().enumerate() {
        let mut row = vec![name(*way, &[])];
        row.extend(found.several.iter().map(|target| percent(target.combinations[at].accuracy.value)));
        row.extend([percent(*accuracy), gain(at, beyond)]);
        table.push(row);
    }
    table
}

/// Every combination on every target.
fn targets(found: &GeneralisedStudy) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("rows", Align::Right),
        ("sources", Align::Left),
        ("weights", Align::Left),
        ("accuracy", Align::Right),
        ("beyond pooled, points", Align::Right),
    ]);
    for SeveralTarget { target, rows, sources, combinations } in &found.several {
        for (at, way) in combinations.iter().enumerate() {
            let weights = sources.iter().zip(&way.weights).map(|(source, weight)| format!("{source} {weight:.2}"));
            table.push([
                target.clone(),
                count(*rows),
                name(way.combination, sources),
                weights.collect::<Vec<_>>().join(", "),
                percent(way.accuracy.value),
                gain(at, &way.gain),
            ]);
        }
    }
    table
}

fn how(found: &GeneralisedStudy) -> String {
    format!(
        "Linear heads on the same frozen features, mean of {}. Settings: the best of {}, the same number for every method, by {}. \
         Intervals resample rows of the domain judged.",
        counted(found.seeds, "seed"),
        counted(found.draws, "draw"),
        found.selection
    )
}

const UNSEEN: &str = "A domain that nobody has seen: learned from all others, its rows labelled one by one.";
const SEVERAL: &str = "A target without labels: all its rows standardise its columns and say which source is near; its labels take no part.";

fn text(found: &GeneralisedStudy) -> String {
    let (unseen, several, targets) = (unseen(found).to_text(), several(found).to_text(), targets(found).to_text());
    format!("{UNSEEN}\n{unseen}\n{SEVERAL}\n{several}\n{targets}\n{}\n", how(found))
}

fn page(found: &GeneralisedStudy, arguments: &StudyGeneralisationArguments) -> Page {
    let lead = arguments.domains.lead("every domain left out once");
    let section = |title: &str, what: &str, table: Table| {
        Section::new(title).with(Block::Paragraph(what.to_owned())).with(Block::Table(table))
    };
    Page::new("What do several domains teach of another?")
        .lead(lead)
        .with(section("Unseen domains", UNSEEN, unseen(found)).with(Block::Paragraph(how(found))))
        .with(section("Several sources", SEVERAL, several(found)))
        .with(section("Every target", "Single sources, and all but one.", targets(found)))
}
