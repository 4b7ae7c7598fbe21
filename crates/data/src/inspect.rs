//! What a data set is, before anything is fitted on it: rows, classes, splits, sizes, formats, problems, duplicates. Every
//! image is decoded once.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::likeness::LikenessIndex;
use crate::parallel::blocks;
use crate::{
    Decoder, Digest, DigestIndex, DuplicateCounts, Image, NearDuplicateSettings, Problem, Skipped, Split, Table,
    count_duplicates, exact_duplicates, near_duplicates,
};

/// How much to look at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct InspectSettings {
    /// Threads that decode.
    pub threads: usize,
    /// Search for near-duplicates, and when two images count as such.
    pub near_duplicates: Option<NearDuplicateSettings>,
    /// Sets of duplicates that are listed with their names.
    pub examples: usize,
}

impl Default for InspectSettings {
    fn default() -> Self {
        Self { threads: 1, near_duplicates: Some(NearDuplicateSettings::default()), examples: 10 }
    }
}

/// Rows of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// Name of the class.
    pub class: String,
    /// All its rows.
    pub rows: usize,
    /// Rows by split: `train`, `validation`, `test`, or `none`.
    pub splits: BTreeMap<String, usize>,
}

/// Smallest, middle and largest of some numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Smallest.
    pub least: usize,
    /// Median, the lower one of two.
    pub median: usize,
    /// Largest.
    pub most: usize,
}

/// Sizes of the images that decode, in pixels, after the orientation is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Sides {
    /// Widths.
    pub width: Span,
    /// Heights.
    pub height: Span,
    /// Shorter sides: below a backbone's input size, images are enlarged.
    pub shorter: Span,
}

/// Duplicates of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DuplicateReport {
    /// Figures over all of them.
    #[serde(flatten)]
    pub counts: DuplicateCounts,
    /// The first few sets, by the rows' names.
    pub examples: Vec<Vec<String>>,
}

/// A data set's summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// What was opened.
    pub source: String,
    /// Rows of the table, those with problems included.
    pub rows: usize,
    /// Classes in the order of their labels.
    pub classes: Vec<ClassCount>,
    /// Rows by split: `train`, `validation`, `test`, or `none`.
    pub splits: BTreeMap<String, usize>,
    /// Distinct groups among the rows that have one.
    pub groups: usize,
    /// Rows by value, for each attribute with at most 50 values.
    pub attributes: BTreeMap<String, BTreeMap<String, usize>>,
    /// Sizes; `None` when no image decodes.
    pub sides: Option<Sides>,
    /// Rows by format.
    pub formats: BTreeMap<String, usize>,
    /// Encoded bytes of all rows that could be read.
    pub encoded_bytes: u64,
    /// Rows that cannot be used, by kind of problem.
    pub problems: BTreeMap<String, usize>,
    /// Each row that cannot be used, with the reason; those that the table itself left out come first.
    pub skipped: Vec<Skipped>,
    /// What is odd about the table.
    pub warnings: Vec<String>,
    /// Rows with equal bytes.
    pub exact_duplicates: DuplicateReport,
    /// Rows that look alike and are not equal; candidates, to be confirmed by their features.
    pub near_duplicates: Option<DuplicateReport>,
}

/// What decoding one row gave.
struct Seen {
    format: String,
    width: usize,
    height: usize,
    bytes: u64,
}

/// Looks at every image of a table. The indices remember digests and likenesses between runs.
pub fn inspect(
    table: &Table,
    digests: &mut DigestIndex,
    likenesses: &mut LikenessIndex,
    settings: InspectSettings,
) -> Inspection {
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    let seen = blocks(rows.len(), 16, settings.threads, |block| look(table, &rows[block]));
    let digests: Vec<Option<Digest>> = digests.digests(table, &rows).into_iter().map(Result::ok).collect();
    let exact = exact_duplicates(&digests);
    let near = settings.near_duplicates.map(|near| {
        let usable: Vec<usize> = usable_once(&seen, &exact);
        let theirs: Vec<Option<Digest>> = usable.iter().map(|row| digests[*row]).collect();
        let found = likenesses.likenesses(table, &usable, &theirs, settings.threads);
        let found: Vec<_> = found.into_iter().map(Result::ok).collect();
        let mut groups = crate::Groups::new(rows.len());
        for (a, b) in near_duplicates(&found, near).pairs {
            groups.unite(usable[a], usable[b]);
        }
        report(table, &groups.sets(), settings.examples)
    });

    let mut problems = BTreeMap::new();
    let mut skipped = table.skipped.clone();
    let mut formats = BTreeMap::new();
    for (row, outcome) in table.rows.iter().zip(&seen) {
        match outcome {
            Ok(seen) => *formats.entry(seen.format.clone()).or_default() += 1,
            Err(problem) => {
                *problems.entry(problem.kind()).or_default() += 1;
                skipped.push(Skipped { locator: row.locator.to_string(), reason: problem.to_string() });
            }
        }
    }
    Inspection {
        source: table.source.display().to_string(),
        rows: rows.len(),
        classes: classes(table),
        splits: splits(table, |_| true),
        groups: groups(table),
        attributes: attributes(table),
        sides: sides(&seen),
        formats,
        encoded_bytes: seen.iter().flatten().map(|seen| seen.bytes).sum(),
        problems,
        skipped,
        warnings: table.warnings.iter().map(ToString::to_string).collect(),
        exact_duplicates: report(table, &exact, settings.examples),
        near_duplicates: near,
    }
}

fn look(table: &Table, rows: &[usize]) -> Vec<Result<Seen, Problem>> {
    let (mut decoder, mut image) = (Decoder::new(table.limits()), Image::default());
    let mut one = |bytes: Result<Vec<u8>, Problem>| {
        let bytes = bytes?;
        let format = decoder.decode_into(&bytes, &mut image)?.to_string();
        Ok(Seen { format, width: image.width(), height: image.height(), bytes: bytes.len() as u64 })
    };
    table.stream(rows).map(&mut one).collect()
}

/// Rows that decode, without the repetitions of exact duplicates.
fn usable_once(seen: &[Result<Seen, Problem>], exact: &[Vec<usize>]) -> Vec<usize> {
    let mut usable: Vec<bool> = seen.iter().map(Result::is_ok).collect();
    for row in exact.iter().flat_map(|set| set.iter().skip(1)) {
        usable[*row] = false;
    }
    (0..seen.len()).filter(|row| usable[*row]).collect()
}

fn report(table: &Table, sets: &[Vec<usize>], examples: usize) -> DuplicateReport {
    let name = |row: &usize| table.rows[*row].locator.to_string();
    let examples = sets.iter().take(examples).map(|set| set.iter().map(name).collect()).collect();
    DuplicateReport { counts: count_duplicates(table, sets), examples }
}

fn splits(table: &Table, keep: impl Fn(&crate::Row) -> bool) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in table.rows.iter().filter(|row| keep(row)) {
        *counts.entry(row.split.map_or("none".to_owned(), |split: Split| split.to_string())).or_default() += 1;
    }
    counts
}

fn classes(table: &Table) -> Vec<ClassCount> {
    let one = |(label, class): (usize, &String)| {
        let splits = splits(table, |row| row.label == Some(label));
        ClassCount { class: class.clone(), rows: splits.values().sum(), splits }
    };
    table.classes.iter().enumerate().map(one).collect()
}

fn groups(table: &Table) -> usize {
    let mut names: Vec<&str> = table.rows.iter().filter_map(|row| row.group.as_deref()).collect();
    names.sort_unstable();
    names.dedup();
    names.len()
}

fn attributes(table: &Table) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut all = BTreeMap::new();
    for (column, name) in table.attributes.iter().enumerate() {
        let mut values: BTreeMap<String, usize> = BTreeMap::new();
        for row in &table.rows {
            *values.entry(row.attributes[column].clone()).or_default() += 1;
        }
        if values.len() <= 50 {
            all.insert(name.clone(), values);
        }
    }
    all
}

fn sides(seen: &[Result<Seen, Problem>]) -> Option<Sides> {
    let span = |side: &dyn Fn(&Seen) -> usize| {
        let mut values: Vec<usize> = seen.iter().flatten().map(side).collect();
        values.sort_unstable();
        let median = values.get(values.len().saturating_sub(1) / 2).copied();
        Some(Span { least: *values.first()?, median: median?, most: *values.last()? })
    };
    Some(Sides {
        width: span(&|seen| seen.width)?,
        height: span(&|seen| seen.height)?,
        shorter: span(&|seen| seen.width.min(seen.height))?,
    })
}
