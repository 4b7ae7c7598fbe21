//! The parts of the report that show single rows: examples of confusions, the most confident mistakes, labels to check.

use heirloom_report::{Align, Block, Matrix, Picture, Section, Table, count, counted, percent};
use heirloom_transfer::fit::{Evaluated, FitReport, examples};

use super::page::{LINES, Words, words};
use super::text;
use crate::command::example;

/// Pictures in one gallery.
const PICTURES: usize = 24;
/// Classes up to which the whole confusion matrix is drawn; beyond, the most frequent confusions are listed.
const MATRIX_CLASSES: usize = 40;

pub fn classes(record: &FitReport, picture: &impl Fn(&Evaluated) -> Option<Picture>) -> Section {
    let mut section = Section::new("Classes").with(Block::Table(text::classes(record)));
    if record.classes.len() <= MATRIX_CLASSES {
        let (classes, counts) = (record.classes.clone(), record.confusion.clone());
        let found = examples(&record.evaluated, PICTURES);
        let examples = found.iter().filter_map(|row| example(row, captioned(record, row, picture)?)).collect();
        section.push(Block::Matrix(Matrix { classes, counts, examples }));
    } else {
        section.push(Block::Paragraph("The most frequent confusions:".into()));
        section.push(Block::Table(confusions(record)));
    }
    section
}

fn confusions(record: &FitReport) -> Table {
    let mut table = Table::new(&[("class", Align::Left), ("taken for", Align::Left), ("rows", Align::Right)]);
    let mut pairs: Vec<(usize, usize, usize)> = Vec::new();
    for (class, counts) in record.confusion.iter().enumerate() {
        let wrong = counts.iter().enumerate().filter(|(other, rows)| *other != class && **rows > 0);
        pairs.extend(wrong.map(|(other, rows)| (*rows, class, other)));
    }
    pairs.sort_by_key(|(rows, class, other)| (std::cmp::Reverse(*rows), *class, *other));
    for (rows, class, other) in pairs.into_iter().take(LINES) {
        table.push([name(record, class).to_string(), name(record, other).to_string(), count(rows)]);
    }
    table
}

fn name(record: &FitReport, class: usize) -> &str {
    record.classes.get(class).map_or("?", String::as_str)
}

fn gallery<'a>(
    record: &FitReport,
    rows: impl Iterator<Item = &'a Evaluated>,
    picture: &impl Fn(&Evaluated) -> Option<Picture>,
) -> Vec<Picture> {
    rows.take(PICTURES).filter_map(|row| captioned(record, row, picture)).collect()
}

fn captioned(record: &FitReport, row: &Evaluated, picture: &impl Fn(&Evaluated) -> Option<Picture>) -> Option<Picture> {
    let (label, predicted) = (name(record, row.label), name(record, row.predicted));
    let caption = format!("{predicted}, not {label} ({})", percent(row.confidence));
    Some(picture(row)?.captioned(caption, row.locator.as_str()))
}

pub fn mistakes(record: &FitReport, picture: &impl Fn(&Evaluated) -> Option<Picture>) -> Section {
    let wrong: Vec<&Evaluated> = record.evaluated.iter().filter(|row| row.label != row.predicted).collect();
    let Words { one, many, .. } = words(record);
    let section = Section::new(format!("Worst {many}"));
    if wrong.is_empty() {
        return section.with(Block::Paragraph(format!("Every judged {one} was recognised.")));
    }
    let text = format!(
        "{} of {} judged {many} were taken for another class. The most confident mistakes: what the model said, and the label.",
        count(wrong.len()),
        count(record.scores.accuracy.n)
    );
    section.with(Block::Paragraph(text)).with(shown(record, wrong.into_iter(), picture))
}

/// Rows as pictures; rows of features, which have none, as a table.
fn shown<'a>(
    record: &FitReport,
    rows: impl Iterator<Item = &'a Evaluated>,
    picture: &impl Fn(&Evaluated) -> Option<Picture>,
) -> Block {
    match record.backbone {
        Some(_) => Block::Gallery(gallery(record, rows, picture)),
        None => Block::Table(table_of(&record.classes, rows.take(PICTURES))),
    }
}

/// Rows that were taken for another class: where they are, what was said and how surely, and the label.
pub fn table_of<'a>(classes: &[String], rows: impl Iterator<Item = &'a Evaluated>) -> Table {
    let columns =
        [("row", Align::Left), ("taken for", Align::Left), ("confidence", Align::Right), ("label", Align::Left)];
    let mut table = Table::new(&columns);
    let name = |class: usize| classes.get(class).map_or("?", String::as_str).to_string();
    for row in rows {
        table.push([row.locator.clone(), name(row.predicted), percent(row.confidence), name(row.label)]);
    }
    table
}

pub fn labels(record: &FitReport, picture: &impl Fn(&Evaluated) -> Option<Picture>) -> Section {
    let section = Section::new("Suspected label mistakes");
    if record.suspects.is_empty() {
        return section.with(Block::Paragraph("No label stands out as a probable mistake.".into()));
    }
    let text = format!(
        "{} to check: a model that had not seen the {} gave its own class next to no probability.",
        counted(record.suspects.len(), "label"),
        words(record).one
    );
    section.with(Block::Paragraph(text)).with(shown(record, record.suspects.iter(), picture))
}
