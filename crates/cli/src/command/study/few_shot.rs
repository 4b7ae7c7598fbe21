//! `study few-shot`: episodes of a few labelled images of each class on frozen features, with and without unlabelled ones.

use std::path::Path;

use heirloom_audit::training_set::with_random_weights;
use heirloom_audit::{AuditError, PreparedImages};
use heirloom_data::{Table as Rows, TableOptions};
use heirloom_report::{Align, Block, Page, Section, Table, counted, percent};
use heirloom_transfer::Pooling;
use heirloom_transfer::episodes::{EpisodeError, EpisodeMean, EpisodeOptions, LearnerRecord, episodes, possible};
use heirloom_transfer::extract::{Extraction, Network, SkippedImage};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;
use serde::Serialize;
use serde_json::json;

use super::watched;
use crate::arguments::{FewShotArguments, SharedArguments};
use crate::backbone;
use crate::command::fit::extract_options;
use crate::command::{Outcome, cache_folder, refuse_to_replace, write_whole};
use crate::console::Console;
use crate::failure::Failure;

/// Classes of an episode, unless there are fewer.
const WAYS: usize = 5;
/// Images that batch norms of a network with random weights are measured on.
const MEASURED: usize = 128;
/// Images without features that are named.
const SHOWN: usize = 10;

/// What was found with one network.
#[derive(Debug, Serialize)]
struct Found {
    /// The network.
    backbone: String,
    /// Whether its weights are random: the control.
    random: bool,
    /// What every episode was made of.
    options: EpisodeOptions,
    /// By learner.
    learners: Vec<LearnerRecord>,
}

/// Runs the episodes.
pub fn run(arguments: &FewShotArguments, shared: &SharedArguments, console: Console) -> Result<Outcome, Failure> {
    if let Some(path) = &arguments.output {
        refuse_to_replace(path, arguments.force)?;
    }
    let table = Rows::open(&arguments.data, &TableOptions::default())?;
    let labels: Vec<Option<usize>> = table.rows.iter().map(|row| row.label).collect();
    for shots in &arguments.shots {
        possible(&labels, &options(&table, arguments, *shots)).map_err(|error| unfit(arguments, &error))?;
    }
    let kept = "features stay in the cache; run the same command again to go on from there";
    let (found, skipped) = watched(kept, console, |watch, _| all(&table, arguments, shared, watch))?;
    if let Some(path) = &arguments.output {
        write_whole(path, page(&found, arguments).to_html().as_bytes())?;
    }
    console.answer(&text(&found, arguments.output.as_deref(), &skipped))?;
    Ok(Outcome::done(json!({
        "command": "study", "study": "few-shot", "data": arguments.data, "found": found,
        "skipped": skipped.iter().map(|row| json!({ "locator": row.locator, "reason": row.reason })).collect::<Vec<_>>(),
        "page": arguments.output,
    })))
}

/// What an episode with so many labelled images is made of.
fn options(table: &Rows, arguments: &FewShotArguments, shots: u16) -> EpisodeOptions {
    EpisodeOptions {
        ways: arguments.ways.map_or(WAYS.min(table.classes.len()), usize::from),
        shots: usize::from(shots),
        unlabelled: usize::from(arguments.unlabelled),
        queries: usize::from(arguments.queries),
        episodes: arguments.episodes as usize,
        seed: arguments.seed,
    }
}

fn unfit(arguments: &FewShotArguments, error: &EpisodeError) -> Failure {
    Failure::input(format!("{}: {error}", arguments.data.display()))
}

/// Every network with every number of labelled images, and as a control the first one with random weights.
fn all(
    table: &Rows,
    arguments: &FewShotArguments,
    shared: &SharedArguments,
    watch: Watch<'_>,
) -> Result<(Vec<Found>, Vec<SkippedImage>), Failure> {
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for (at, name) in arguments.backbone.iter().enumerate() {
        let network = backbone::open(Some(name))?;
        let random = if at == 0 { random(table, &network, arguments, shared, watch)? } else { None };
        let random = random.as_ref().map(|network| (network, true));
        for (network, random) in std::iter::once((&network, false)).chain(random) {
            let (own, left_out) = of_network(table, network, random, arguments, shared, watch)?;
            skipped = left_out;
            found.extend(own);
        }
    }
    Ok((found, skipped))
}

fn random(
    table: &Rows,
    network: &Backbone,
    arguments: &FewShotArguments,
    shared: &SharedArguments,
    watch: Watch<'_>,
) -> Result<Option<Backbone>, Failure> {
    let options = extract_options(arguments.memory, shared);
    let rows: Vec<usize> = (0..table.rows.len()).step_by(table.rows.len().div_ceil(MEASURED).max(1)).collect();
    let (memory, cancel) = (options.memory_limit, watch.cancel);
    let images = PreparedImages::read(table, &rows, &network.preprocess, memory, cancel).map_err(AuditError::from)?.0;
    Ok(with_random_weights(network, &images, arguments.seed, options.isa)?)
}

fn of_network(
    table: &Rows,
    network: &Backbone,
    random: bool,
    arguments: &FewShotArguments,
    shared: &SharedArguments,
    watch: Watch<'_>,
) -> Result<(Vec<Found>, Vec<SkippedImage>), Failure> {
    let rows: Vec<usize> = (0..table.rows.len()).filter(|row| table.rows[*row].label.is_some()).collect();
    let requests = [(network.features.clone(), Pooling::MEAN)];
    let store = Store::new(&cache_folder(shared)?);
    let mut extraction = Extraction::new(Network::from(network), table, &rows, &requests);
    extraction.options = extract_options(arguments.memory, shared);
    (extraction.store, extraction.progress, extraction.cancel) = (Some(&store), watch.progress, watch.cancel);
    let extracted = extraction.run()?;
    if let Some(stage) = watch.stage {
        stage(&format!("{} of {}", counted(arguments.episodes as usize, "episode"), network.name));
    }
    let labels: Vec<Option<usize>> = extracted.rows.iter().map(|row| table.rows[*row].label).collect();
    let of_shots = |shots: &u16| -> Result<Found, Failure> {
        let options = options(table, arguments, *shots);
        let learners = episodes(&extracted.features, &labels, &options).map_err(|error| unfit(arguments, &error))?;
        Ok(Found { backbone: network.name.clone(), random, options, learners })
    };
    let found = arguments.shots.iter().map(of_shots).collect::<Result<_, _>>()?;
    Ok((found, extracted.summary.skipped))
}

fn interval(EpisodeMean { value, low, high }: EpisodeMean) -> String {
    format!("{} ({} to {})", percent(value), percent(low), percent(high))
}

fn points(EpisodeMean { value, low, high }: EpisodeMean) -> String {
    let [value, low, high] = [value, low, high].map(|share| 100.0 * share);
    format!("{value:+.1} ({low:+.1} to {high:+.1})")
}

fn table(found: &[Found]) -> Table {
    let mut table = Table::new(&[
        ("network", Align::Left),
        ("labelled", Align::Right),
        ("learner", Align::Left),
        ("accuracy (95 %)", Align::Right),
        ("unlabelled images add, points", Align::Right),
        ("harm in", Align::Right),
    ]);
    for Found { backbone, random, options, learners } in found {
        for (at, record) in learners.iter().enumerate() {
            let first = at == 0;
            let weights = if *random { ", random weights" } else { "" };
            table.push([
                if first { format!("{backbone}{weights}") } else { String::new() },
                if first { options.shots.to_string() } else { String::new() },
                record.learner.name().to_owned(),
                interval(record.accuracy),
                record.gain.map_or_else(String::new, points),
                record.harmed.map_or_else(String::new, percent),
            ]);
        }
    }
    table
}

/// What an episode is made of.
fn how(found: &[Found]) -> String {
    let Some(Found { options, .. }) = found.first() else { return String::new() };
    let EpisodeOptions { ways, unlabelled, queries, episodes, .. } = options;
    format!(
        "{episodes} episodes of {ways} classes, chance {}; of each class {unlabelled} unlabelled images and {queries} to judge on, no image twice. \
         Settings are fixed beforehand; intervals are over episodes and say nothing of other data.",
        percent(1.0 / *ways as f64)
    )
}

fn text(found: &[Found], page: Option<&Path>, skipped: &[SkippedImage]) -> String {
    let mut text = format!("{}\n{}\n", table(found).to_text(), how(found));
    if !skipped.is_empty() {
        text.push_str(&format!("{} could not be used\n", counted(skipped.len(), "image")));
    }
    for row in skipped.iter().take(SHOWN) {
        text.push_str(&format!("  {}: {}\n", row.locator, row.reason));
    }
    if let Some(page) = page {
        text.push_str(&format!("page: {}\n", page.display()));
    }
    text
}

fn page(found: &[Found], arguments: &FewShotArguments) -> Page {
    let lead = format!("{}; seed {}, heirloom {}", arguments.data.display(), arguments.seed, env!("CARGO_PKG_VERSION"));
    Page::new("How far do a few labelled images go?").lead(lead).with(
        Section::new("Accuracy over episodes").with(Block::Paragraph(how(found))).with(Block::Table(table(found))),
    )
}
