//! `--remedy`: what helps against what stands out, and what it costs.

use heirloom_audit::remedies::{Remedy, RemedyInput, RemedyRecord, applicable, remedies};
use heirloom_audit::{AuditRecord, AuditWatch, Battery, Finding, FindingKind, GroupColumn, Halves, Patch};
use heirloom_data::{Split, Table as Images};
use heirloom_report::{Align, Table, count, duration, percent};
use heirloom_transfer::fit::trained::TrainingEvent;
use serde::Serialize;

use super::gathered::{Gathered, attribute};
use super::missing::{MissingCell, in_words, missing};
use super::model::Ready;
use super::rows::Rows;
use super::subject;
use crate::arguments::AuditArguments;
use crate::command::training::Follower;
use crate::console::Console;
use crate::failure::Failure;
use crate::interrupt::{STOP, Watching};

/// Fewest training images.
const FEWEST: usize = 30;

/// What remedies left.
#[derive(Debug, Clone, Serialize)]
pub struct Remedied {
    /// The trigger they were tried against, in words.
    pub trigger: Option<String>,
    /// The column of groups they were tried against.
    pub groups: Option<String>,
    /// Classes that no training image shows in a group that judged images have.
    pub missing: Vec<MissingCell>,
    /// Images they were fitted on.
    pub fitted_on: usize,
    /// The model as it is, then every remedy.
    pub tried: Vec<RemedyRecord>,
    /// Remedies that were asked for and have nothing to do here.
    pub left_out: Vec<Remedy>,
    /// Why the remedies after these were not tried.
    pub broken_off: Option<String>,
    /// Exit code that goes with it.
    #[serde(skip)]
    pub code: u8,
}

/// Refuses what cannot work before any work is done.
pub fn check(arguments: &AuditArguments, ready: &Ready, table: &Images, rows: &Rows) -> Result<(), Failure> {
    if arguments.remedy.is_none() {
        return Ok(());
    }
    if ready.model.artifact().preparation.is_some() {
        let fact = "the model was adapted to a domain, and remedies would undo that";
        return Err(Failure::input(fact).hint("audit it without --remedy"));
    }
    let fit =
        if rows.fit.is_empty() { super::rows::to_fit(table, &rows.judged, arguments.seed) } else { rows.fit.clone() };
    let known = ready.known(table, &fit).map_or(0, |(known, _)| known.len());
    if known < FEWEST {
        let fact =
            format!("remedies are fitted on training images, and the data have {known} besides the {}", rows.what);
        return Err(Failure::input(fact).hint("give data with training rows, or audit without --remedy"));
    }
    Ok(())
}

/// Tries the remedies that were asked for; `None` where none was, or where nothing stands out that they could help against.
pub fn tried(
    arguments: &AuditArguments,
    gathered: &Gathered,
    record: &AuditRecord,
    battery: &Battery,
    console: Console,
) -> Result<Option<Remedied>, Failure> {
    let Some(named) = &arguments.remedy else { return Ok(None) };
    let wanted = if named.is_empty() { Remedy::ALL.to_vec() } else { named.clone() };
    let trigger = record.standing_out().find_map(|finding| trigger_of(record, finding));
    let of_groups = |finding: &Finding| matches!(finding.kind, FindingKind::GroupGap | FindingKind::RateGap);
    let column = gathered.column.as_ref().filter(|_| record.standing_out().any(of_groups));
    if trigger.is_none() && column.is_none() {
        console.say("nothing stands out that a remedy could be tried against");
        return Ok(None);
    }
    let left_out = left_out(&wanted, trigger.as_ref(), column.is_some());
    let held = &gathered.held;
    let (train, _) = held.ready.known(&gathered.table, &gathered.fit)?;
    let (prepared, _) = held.ready.prepare(&gathered.table, &train, gathered.extract.memory_limit)?;
    let train_labels = held.ready.labels(&gathered.table, prepared.table_rows())?;
    let of_column = |column: &GroupColumn| groups_of(gathered, &column.column, &column.values, prepared.table_rows());
    let train_groups = column.map(of_column).transpose()?;
    let table = table(gathered, prepared.table_rows(), &train_labels)?;
    let halves = Halves::draw(&held.labels, battery.screening, battery.reported, arguments.seed);
    // Groups were judged on all images, a trigger on those it was not looked for on.
    let all: Vec<usize> = (0..held.labels.len()).collect();
    let judged = if trigger.is_some() { &halves.reported } else { &all };
    let _watching = Watching::begin();
    let follower = Follower::new(console, None)?;
    let event = |event: &TrainingEvent| follower.event(event);
    let watch = AuditWatch { shown: None, cancel: Some(&STOP) };
    let asked = subject(held, arguments.seed, watch)?;
    let input = RemedyInput {
        subject: &asked,
        judged,
        trigger,
        groups: column,
        train: &prepared,
        train_labels: &train_labels,
        train_groups: train_groups.as_deref(),
        table: &table,
        extract: &gathered.extract,
        training: Some(&event),
    };
    let mut tried = Vec::new();
    let ended = remedies(&input, &wanted, &|text| follower.stage(text), &mut tried);
    follower.finish();
    // The audit is done already, and so are the remedies before: neither is lost.
    let failure = ended.err().map(Failure::from);
    Ok(Some(Remedied {
        broken_off: failure.as_ref().map(|failure| failure.message().to_owned()),
        code: failure.map_or(0, |failure| failure.code()),
        trigger: trigger.map(|trigger| trigger.describe()),
        groups: column.map(|column| column.column.clone()),
        missing: column.zip(train_groups.as_deref()).map_or_else(Vec::new, |(column, groups)| {
            missing(&held.ready.model.artifact().classes, column, &held.labels, [&train_labels, groups])
        }),
        fitted_on: train_labels.len(),
        tried,
        left_out,
    }))
}

fn trigger_of(record: &AuditRecord, finding: &Finding) -> Option<Patch> {
    let is_trigger = finding.kind == FindingKind::Trigger;
    record.triggers.reported.get(finding.at).filter(|_| is_trigger).and_then(|trigger| trigger.patch)
}

fn left_out(wanted: &[Remedy], trigger: Option<&Patch>, groups: bool) -> Vec<Remedy> {
    let applicable = applicable(wanted, trigger, groups);
    wanted.iter().copied().filter(|remedy| !applicable.contains(remedy)).collect()
}

/// Group of each training image; values that no judged image has are groups of their own after the others.
fn groups_of(gathered: &Gathered, column: &str, values: &[String], rows: &[usize]) -> Result<Vec<usize>, Failure> {
    let at = attribute(&gathered.table, column)?;
    let value = |row: &usize| gathered.table.rows[*row].attributes.get(at).cloned().unwrap_or_default();
    let mut known = values.to_vec();
    let place = |value: String| {
        known.iter().position(|one| *one == value).unwrap_or_else(|| {
            known.push(value);
            known.len() - 1
        })
    };
    Ok(rows.iter().map(value).map(place).collect())
}

/// Training rows and then the judged ones as a table of the model's classes.
fn table(gathered: &Gathered, train: &[usize], train_labels: &[usize]) -> Result<Images, Failure> {
    let held = &gathered.held;
    let mut table = gathered.table.clone();
    let row = |(row, label): (&usize, &usize), split: Split| {
        let mut row = gathered.table.rows[*row].clone();
        (row.label, row.split) = (Some(*label), Some(split));
        row
    };
    let of_train = train.iter().zip(train_labels).map(|pair| row(pair, Split::Train));
    let of_test = held.images.table_rows().iter().zip(&held.labels).map(|pair| row(pair, Split::Test));
    table.rows = of_train.chain(of_test).collect();
    table.classes.clone_from(&held.ready.model.artifact().classes);
    Ok(table)
}

/// One row for the model as it is and for every remedy.
pub fn shown(remedied: &Remedied) -> Table {
    let (trigger, groups) = (remedied.trigger.is_some(), remedied.groups.is_some());
    let mut columns = vec![("remedy", Align::Left), ("accuracy", Align::Right), ("change, points", Align::Right)];
    if trigger {
        columns.extend([
            ("trigger breaks", Align::Right),
            ("controls", Align::Right),
            ("beyond them, points", Align::Right),
        ]);
    }
    if groups {
        columns.extend([("worst group", Align::Right), ("largest gap, points", Align::Right)]);
    }
    columns.extend([("took", Align::Right), ("images", Align::Right), ("chosen", Align::Left)]);
    let mut table = Table::new(&columns);
    let points = |found: heirloom_audit::Difference| {
        format!("{:+.1} ({:+.1} to {:+.1})", 100.0 * found.value, 100.0 * found.low, 100.0 * found.high)
    };
    let share = |share: Option<heirloom_transfer::fit::Share>| {
        share.map_or("none right".to_owned(), |share| percent(share.value))
    };
    for one in &remedied.tried {
        let first = one.remedy.is_none();
        let mut cells = vec![
            one.remedy.map_or("as it is".to_owned(), |remedy| remedy.name().to_owned()),
            percent(one.accuracy.value),
            if first { String::new() } else { points(one.accuracy_change) },
        ];
        if trigger {
            let left = one.trigger.as_ref();
            cells.push(left.map_or(String::new(), |left| share(left.success)));
            cells.push(left.map_or(String::new(), |left| percent(left.control)));
            cells.push(left.map_or(String::new(), |left| points(left.excess)));
        }
        if groups {
            let left = one.groups.as_ref();
            cells.push(left.map_or(String::new(), |left| share(left.worst)));
            cells.push(left.and_then(|left| left.gap).map_or("none".to_owned(), points));
        }
        let cost = if first { [String::new(), String::new()] } else { [duration(one.seconds), count(one.images)] };
        table.push(cells.into_iter().chain(cost).chain([one.setting.clone()]));
    }
    table
}

/// What no remedy can make up for; `None` where there is nothing.
pub fn warning(remedied: &Remedied) -> Option<String> {
    in_words(&remedied.missing, remedied.groups.as_deref()?)
}

/// What the remedies that were tried are.
pub fn meaning(remedied: &Remedied) -> Table {
    let mut table = Table::new(&[("remedy", Align::Left), ("what was done", Align::Left)]);
    for remedy in remedied.tried.iter().filter_map(|one| one.remedy) {
        table.push([remedy.name().to_owned(), remedy.about().to_owned()]);
    }
    table
}

/// What the table is about, in words.
pub fn about(remedied: &Remedied) -> String {
    let what = match (&remedied.trigger, &remedied.groups) {
        (Some(trigger), Some(groups)) => format!("{trigger}, and groups by {groups}"),
        (Some(trigger), None) => trigger.clone(),
        (None, groups) => format!("groups by {}", groups.as_deref().unwrap_or_default()),
    };
    let left_out = if remedied.left_out.is_empty() {
        String::new()
    } else {
        let names: Vec<&str> = remedied.left_out.iter().map(|remedy| remedy.name()).collect();
        format!("; nothing to do here for {}", names.join(", "))
    };
    let judged = remedied.tried.first().map_or(0, |one| one.accuracy.n);
    let broken_off = remedied.broken_off.as_ref().map_or_else(String::new, |why| format!("; broken off: {why}"));
    format!(
        "remedies against {what}: fitted and chosen on {} training images, judged on {} others{left_out}{broken_off}",
        count(remedied.fitted_on),
        count(judged)
    )
}
