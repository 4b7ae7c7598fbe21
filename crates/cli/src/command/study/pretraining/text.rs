//! What the terminal shows, and the tables of the page.

use std::path::Path;

use heirloom_audit::study::Estimate;
use heirloom_audit::study::pretraining::{PretrainingStudy, RunRecord, Start, Task, Topic};
use heirloom_report::{Align, Table, percent};

use crate::console::indented;

/// Everything that is said at the end.
pub fn summary(found: &PretrainingStudy, page: Option<&Path>) -> String {
    let mut text = String::new();
    let tables = [
        ("networks and heads, accuracy on test images (95 %)", runs(&found.runs, |_| true)),
        ("sources of our own", sources(found)),
        ("images changed against the network", attacked(found)),
        ("images of no class, told by certainty", strange(found)),
        ("certainty beside accuracy", certainty(found)),
    ];
    for (heading, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
        text.push_str(&format!("{heading}\n{}\n", indented(&table.to_text())));
    }
    for claim in &found.claims {
        text.push_str(&format!("{}: {}\n  {}\n", claim.verdict.words(), claim.claim, claim.found));
    }
    if !found.unfinished.is_empty() {
        text.push_str(&format!("not done within the budget or the shard: {}\n", found.unfinished.join("; ")));
    }
    if let Some(page) = page {
        text.push_str(&format!("wrote {}\n", page.display()));
    }
    text
}

/// A figure with its interval, in per cent.
fn figure(Estimate { value, low, high }: Estimate) -> String {
    format!("{} ({} to {})", percent(value), percent(low), percent(high))
}

/// Claims of a topic.
pub fn claims(found: &PretrainingStudy, topic: Topic) -> Table {
    let mut table = Table::new(&[("claim", Align::Left), ("verdict", Align::Left), ("found (95 %)", Align::Left)]);
    for claim in found.claims.iter().filter(|claim| claim.topic == topic) {
        table.push([claim.claim.clone(), claim.verdict.words().to_owned(), claim.found.clone()]);
    }
    table
}

/// Runs of a kind, starts beside each other.
pub fn runs(records: &[RunRecord], wanted: impl Fn(&RunRecord) -> bool) -> Table {
    let mut table = Table::new(&[
        ("target", Align::Left),
        ("trained on", Align::Left),
        ("seeds", Align::Right),
        ("images", Align::Right),
        ("frozen features", Align::Right),
        ("fine-tuned", Align::Right),
        ("from scratch", Align::Right),
        ("epochs", Align::Right),
    ]);
    let mut named: Vec<(&str, Task)> = Vec::new();
    for record in records.iter().filter(|record| wanted(record)) {
        let name = (record.target.as_str(), record.task);
        if !named.contains(&name) {
            named.push(name);
        }
    }
    for (target, task) in named {
        let of =
            |start: Start| records.iter().find(|one| one.target == target && one.task == task && one.start == start);
        let all: Vec<&RunRecord> = [Start::FROZEN, Start::TUNED, Start::Scratch].into_iter().filter_map(of).collect();
        let accuracy = |start| of(start).map_or_else(String::new, |record| figure(record.accuracy));
        let most = |value: fn(&RunRecord) -> usize| all.iter().map(|record| value(record)).max().unwrap_or(0);
        let epochs: Vec<String> =
            all.iter().filter(|record| record.epochs > 0).map(|record| record.epochs.to_string()).collect();
        table.push([
            target.to_owned(),
            task.in_words(),
            most(|record| record.seeds).to_string(),
            most(|record| record.rows).to_string(),
            accuracy(Start::FROZEN),
            accuracy(Start::TUNED),
            accuracy(Start::Scratch),
            epochs.join(" / "),
        ]);
    }
    table
}

/// Error on the small classes.
pub fn small_classes(found: &PretrainingStudy) -> Table {
    let mut table =
        Table::new(&[("trained on", Align::Left), ("network", Align::Left), ("error on small classes", Align::Right)]);
    for record in &found.runs {
        if let Some(error) = record.small_classes {
            table.push([record.task.in_words(), record.start.in_words().to_owned(), figure(error)]);
        }
    }
    table
}

/// Sources of our own.
pub fn sources(found: &PretrainingStudy) -> Table {
    let mut headings: Vec<(&str, Align)> =
        vec![("images", Align::Right), ("epochs", Align::Right), ("own accuracy", Align::Right)];
    let targets: Vec<&str> = found
        .sources
        .first()
        .map_or_else(Vec::new, |source| source.frozen.iter().map(|(name, _)| name.as_str()).collect());
    headings.extend(targets.iter().map(|target| (*target, Align::Right)));
    headings.push(("fine-tuned", Align::Right));
    let mut table = Table::new(&headings);
    for source in &found.sources {
        let worth = targets.iter().map(|target| {
            let of = source.frozen.iter().find(|(name, _)| name == target);
            of.map_or_else(String::new, |(_, accuracy)| percent(*accuracy))
        });
        let tuned = source.tuned.map_or_else(String::new, percent);
        let own = [source.images.to_string(), source.epochs.to_string(), percent(source.accuracy)];
        table.push(own.into_iter().chain(worth).chain([tuned]));
    }
    table
}

/// Accuracy under attack.
pub fn attacked(found: &PretrainingStudy) -> Table {
    let mut table = Table::new(&[
        ("trained on", Align::Left),
        ("network", Align::Left),
        ("seeds", Align::Right),
        ("images", Align::Right),
        ("as they are", Align::Right),
        ("changed against it", Align::Right),
        ("changed by chance", Align::Right),
    ]);
    for record in &found.attacked {
        table.push([
            record.task.in_words(),
            record.start.in_words().to_owned(),
            record.seeds.to_string(),
            record.images.to_string(),
            figure(record.clean),
            figure(record.attacked),
            figure(record.by_chance),
        ]);
    }
    table
}

/// Images of no class.
pub fn strange(found: &PretrainingStudy) -> Table {
    let mut table = Table::new(&[
        ("images", Align::Left),
        ("network", Align::Left),
        ("number", Align::Right),
        ("area by probability", Align::Right),
        ("average precision", Align::Right),
        ("by chance", Align::Right),
        ("false alarms", Align::Right),
        ("area by energy", Align::Right),
    ]);
    for record in &found.strange {
        let told = record.maximum_probability;
        table.push([
            record.set.clone(),
            record.start.in_words().to_owned(),
            record.images.to_string(),
            percent(told.area),
            percent(told.precision),
            percent(told.base_rate),
            percent(told.false_alarms),
            percent(record.energy.area),
        ]);
    }
    table
}

/// Calibration.
pub fn certainty(found: &PretrainingStudy) -> Table {
    let mut table = Table::new(&[
        ("network", Align::Left),
        ("temperature", Align::Right),
        ("deviation of certainty", Align::Right),
        ("log loss", Align::Right),
    ]);
    for record in &found.certainty {
        let Estimate { value, low, high } = record.log_loss;
        let temperature = if record.tempered { format!("{:.2}", record.temperature) } else { "none".to_owned() };
        let loss = format!("{value:.3} ({low:.3} to {high:.3})");
        table.push([record.start.in_words().to_owned(), temperature, figure(record.deviation), loss]);
    }
    table
}
