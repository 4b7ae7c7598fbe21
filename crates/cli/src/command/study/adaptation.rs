//! `study adaptation`: every domain labelled from every other, in closed form, by shallow methods and by deep ones, on the same frozen features.

use heirloom_audit::study::{AdaptedOptions, AdaptedPair, AdaptedStudy, Way, WayAverage, WayRecord, adaptation};
use heirloom_report::{Align, Block, Page, Section, Table, count, counted, percent};
use heirloom_transfer::adaptation::DeepOptions;
use heirloom_transfer::compare::Cells;
use serde_json::json;

use crate::arguments::{SharedArguments, StudyAdaptationArguments};
use crate::command::{Outcome, cache_folder};
use crate::console::Console;
use crate::failure::Failure;

/// Runs the study.
pub fn run(
    arguments: &StudyAdaptationArguments,
    shared: &SharedArguments,
    console: Console,
) -> Result<Outcome, Failure> {
    let kept = "what was labelled stays in the cache; run the same command again to go on from there";
    let what = ["labelled from every other", "labellings"];
    let (found, skipped) = arguments.domains.watched(shared, console, kept, what, |domains, classes, watch| {
        let cells = Cells::new(&cache_folder(shared)?);
        Ok(adaptation(domains, classes, &options(arguments), &cells, watch)?)
    })?;
    let objects = [json!(found), json!(options(arguments).deep)];
    let told = (page(&found, arguments), text(&found));
    arguments.domains.tell("adaptation", objects, &skipped, told, console)
}

fn options(arguments: &StudyAdaptationArguments) -> AdaptedOptions {
    let deep = DeepOptions {
        steps: arguments.steps as usize,
        bottleneck: usize::from(arguments.bottleneck),
        seed: arguments.domains.seed,
        ..DeepOptions::default()
    };
    AdaptedOptions { deep, seeds: usize::from(arguments.seeds) }
}

/// A difference with its interval, in points.
pub(super) fn points(difference: &heirloom_audit::Difference) -> String {
    let [value, low, high] = [difference.value, difference.low, difference.high].map(|share| 100.0 * share);
    format!("{value:+.1} ({low:+.1} to {high:+.1})")
}

/// Ways on the mean over pairs.
fn averages(found: &AdaptedStudy) -> Table {
    let mut table = Table::new(&[
        ("way", Align::Left),
        ("accuracy", Align::Right),
        ("beyond source only, points", Align::Right),
        ("beyond EasyTL, CORAL", Align::Right),
        ("helps, harms", Align::Right),
    ]);
    for WayAverage { way, accuracy, gain, beyond_easytl, harmed, helped } in &found.averages {
        let own = |wanted: Way, text: String| if *way == wanted { "-".to_owned() } else { text };
        table.push([
            way.name().to_owned(),
            percent(*accuracy),
            own(Way::CONTROL, points(gain)),
            own(Way::EasyTlCoral, points(beyond_easytl)),
            own(Way::CONTROL, format!("{helped}, {harmed} of {}", found.pairs.len())),
        ]);
    }
    table
}

/// Accuracy of every way on every pair; a cross stands where a way does harm.
fn pairs(found: &AdaptedStudy) -> Table {
    let ways: Vec<Way> = found.averages.iter().map(|average| average.way).collect();
    let mut columns = vec![("source", Align::Left), ("target", Align::Left), ("rows", Align::Right)];
    columns.extend(ways.iter().map(|way| (way.name(), Align::Right)));
    let mut table = Table::new(&columns);
    for AdaptedPair { source, target, rows, ways } in &found.pairs {
        let cell = |way: &WayRecord| {
            let harm = if way.gain.high < 0.0 { " x" } else { "" };
            format!("{:.1}{harm}", 100.0 * way.accuracy.value)
        };
        let mut row = vec![source.clone(), target.clone(), count(rows[1])];
        row.extend(ways.iter().map(cell));
        table.push(row);
    }
    table
}

/// What is seen, in sentences.
fn sentence(found: &AdaptedStudy) -> String {
    let best = found.averages.iter().max_by(|left, right| left.accuracy.total_cmp(&right.accuracy));
    let best = best.map_or_else(String::new, |best| {
        format!(
            "{} is right most often, {} on the mean of {} pairs",
            best.way.name(),
            percent(best.accuracy),
            found.pairs.len()
        )
    });
    let beside = |kind: fn(Way) -> bool, side: fn(&WayAverage) -> bool| -> Vec<&str> {
        let ways = found.averages.iter().filter(|average| kind(average.way) && average.way != Way::CONTROL);
        ways.filter(|average| side(average)).map(|average| average.way.name()).collect()
    };
    let worse = |average: &WayAverage| average.beyond_easytl.high < 0.0;
    let better = |average: &WayAverage| average.beyond_easytl.low > 0.0;
    let deep = |way: Way| matches!(way, Way::Deep(_));
    let shallow = |way: Way| matches!(way, Way::Shallow(_));
    let list = |names: &[&str]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let harmed = found.averages.iter().map(|average| average.harmed).sum::<usize>();
    format!(
        "{best}. Deep methods that EasyTL with CORAL beats: {}; that beat it: {}. Shallow ones that it beats: {}; that beat it: {}. Negative transfer, worse than the source alone by the whole of \
         the interval: {harmed} of {} figures.",
        list(&beside(deep, worse)),
        list(&beside(deep, better)),
        list(&beside(shallow, worse)),
        list(&beside(shallow, better)),
        found.pairs.len() * (found.averages.len() - 1)
    )
}

const HOW: &str = "All ways see the same frozen features, rows divided by their sum, each domain standardised by itself; the source alone, \
                   which has nothing of the target, is standardised by the source. All others are transductive: the unlabelled target takes part, its labels do not. Intervals resample \
                   target rows and seeds together.";

fn text(found: &AdaptedStudy) -> String {
    format!("{}\n{}\n{HOW}\n", averages(found).to_text(), sentence(found))
}

fn page(found: &AdaptedStudy, arguments: &StudyAdaptationArguments) -> Page {
    let seeds = counted(found.seeds, "seed");
    let lead = arguments
        .domains
        .lead(&format!("every domain labelled from every other, {seeds} of everything that is trained"));
    Page::new("Which way of adaptation helps?")
        .lead(lead)
        .with(
            Section::new("On the mean over pairs")
                .with(Block::Paragraph(sentence(found)))
                .with(Block::Table(averages(found)))
                .with(Block::Paragraph(HOW.to_owned())),
        )
        .with(
            Section::new("Every pair")
                .with(Block::Paragraph(
                    "Accuracy on all rows of the target in per cent, mean over seeds; a cross marks harm.".to_owned(),
                ))
                .with(Block::Table(pairs(found))),
        )
}
