//! Everything an audit needs, opened and checked: the model with its images in memory, its references, the groups of a column.

use std::path::Path;

use heirloom_audit::{GroupColumn, PreparedImages};
use heirloom_data::{Table, TableOptions};
use heirloom_report::counted;
use heirloom_transfer::extract::{ExtractOptions, SkippedImage};
use heirloom_transfer::fit::SkippedRow;

use super::model::{Named, Ready};
use super::remedy;
use super::rows::{self, Rows};
use crate::arguments::{AuditArguments, SharedArguments};
use crate::command::fit;
use crate::console::Console;
use crate::failure::Failure;

/// Values of a column that are compared, at most.
const MOST_GROUPS: usize = 50;

/// A model with the images it is shown.
pub struct Held {
    /// The model.
    pub ready: Ready,
    /// The images.
    pub images: PreparedImages,
    /// Class of each image among the model's classes.
    pub labels: Vec<usize>,
}

/// Everything an audit needs.
pub struct Gathered {
    /// The model under audit.
    pub held: Held,
    /// Models it is compared with, on the same images.
    pub references: Vec<Held>,
    /// Groups of the images, where a column was named.
    pub column: Option<GroupColumn>,
    /// What the judged images are, for people.
    pub judged: &'static str,
    /// What has to be said.
    pub warnings: Vec<String>,
    /// Images that cannot be used.
    pub skipped: Vec<SkippedRow>,
    /// How networks are run.
    pub extract: ExtractOptions,
    /// The table of the images.
    pub table: Table,
    /// Rows of it that remedies may be fitted on, rising; none of them is judged.
    pub fit: Vec<usize>,
}

impl Gathered {
    /// Opens what was typed; heads are fitted where backbones were named.
    pub fn open(arguments: &AuditArguments, shared: &SharedArguments, console: Console) -> Result<Self, Failure> {
        let extract = fit::extract_options(arguments.memory, shared);
        let named = Named::open(&arguments.model)?;
        let others = arguments.reference.iter().map(|name| Named::reference(name)).collect::<Result<Vec<_>, _>>()?;
        let table = open(&arguments.data, arguments.label_column.as_deref(), &arguments.conditions)?;
        if let Some(column) = &arguments.group {
            attribute(&table, column)?;
        }
        let rows = rows(&named, &others, &table, arguments)?;
        let mut warnings: Vec<String> = table.warnings.iter().map(ToString::to_string).collect();
        warnings.extend(rows.warning.clone());
        let settings = (arguments.backbone.as_deref(), arguments.seed);
        let make = |named: Named| named.ready(&table, &rows, settings, &extract, console);
        let ready = make(named)?;
        remedy::check(arguments, &ready, &table, &rows)?;
        let (known, unknown) = ready.known(&table, &rows.judged)?;
        if unknown > 0 {
            warnings
                .push(format!("{} of classes that the model does not know were left out", counted(unknown, "image")));
        }
        let (images, skipped) = ready.prepare(&table, &known, extract.memory_limit)?;
        let labels = ready.labels(&table, images.table_rows())?;
        let held = Held { ready, images, labels };
        let reference = |named: Named| {
            let named = named.beside(&held.ready, &table, &rows, arguments.seed, &extract)?;
            reference(make(named)?, &table, &held, extract.memory_limit)
        };
        let references = others.into_iter().map(reference).collect::<Result<Vec<_>, _>>()?;
        let column = arguments.group.as_ref().map(|column| groups(&table, column, held.images.table_rows()));
        let column = column.transpose()?;
        let skipped = all_skipped(&table, skipped);
        let fit = if rows.fit.is_empty() { rows::to_fit(&table, &rows.judged, arguments.seed) } else { rows.fit };
        Ok(Self { held, references, column, judged: rows.what, warnings, skipped, extract, table, fit })
    }
}

/// The rows to judge; with rows to fit on where any of the models is a backbone.
fn rows(named: &Named, others: &[Named], table: &Table, arguments: &AuditArguments) -> Result<Rows, Failure> {
    let (limit, seed) = (arguments.limit as usize, arguments.seed);
    let mut rows = named.rows(table, limit, seed)?;
    if others.iter().any(|one| !matches!(one, Named::Fitted(_))) && rows.fit.is_empty() {
        rows.fit = rows::of_backbone(table, limit, seed)?.fit;
        rows.fit.retain(|row| rows.judged.binary_search(row).is_err());
    }
    Ok(rows)
}

/// A reference with the very images of the model under audit.
fn reference(ready: Ready, table: &Table, held: &Held, memory: u64) -> Result<Held, Failure> {
    let images = same_images(&ready, table, held, memory)?;
    let labels = ready.labels(table, images.table_rows())?;
    Ok(Held { ready, images, labels })
}

/// The very images of a model at the input size of another; refuses one that only the first can read.
pub fn same_images(ready: &Ready, table: &Table, held: &Held, memory: u64) -> Result<PreparedImages, Failure> {
    let (images, skipped) = ready.prepare(table, held.images.table_rows(), memory)?;
    match skipped.first() {
        None => Ok(images),
        Some(row) => {
            let (image, backbone, reason) = (&row.locator, &ready.backbone, &row.reason);
            Err(Failure::input(format!("{image}: the first model can read it and that on {backbone} cannot: {reason}")))
        }
    }
}

/// Rows of the table and images that cannot be used.
pub fn all_skipped(table: &Table, images: Vec<SkippedImage>) -> Vec<SkippedRow> {
    let of_table = table.skipped.iter().map(|row| (row.locator.clone(), row.reason.clone()));
    let all = of_table.chain(images.into_iter().map(|row| (row.locator, row.reason)));
    all.map(|(locator, reason)| SkippedRow { locator, reason }).collect()
}

/// The images of `data`; a table of features is refused.
pub fn open(data: &Path, label: Option<&str>, only: &[(String, String)]) -> Result<Table, Failure> {
    let options = TableOptions { label: label.map(str::to_owned), only: only.to_vec(), ..TableOptions::default() };
    if fit::holds_features(data).unwrap_or(false) {
        let fact = format!("{} holds features, and models are shown images here", data.display());
        return Err(Failure::input(fact).hint("give the images themselves"));
    }
    Ok(Table::open(data, &options)?)
}

/// Place of a column among the attributes of the table.
pub fn attribute(table: &Table, column: &str) -> Result<usize, Failure> {
    table.attributes.iter().position(|name| name == column).ok_or_else(|| {
        let known = match table.attributes.as_slice() {
            [] => "it has no columns besides labels".to_owned(),
            columns => format!("its columns are {}", columns.join(", ")),
        };
        let fact = format!("{} has no column '{column}': {known}", table.source.display());
        Failure::input(fact).hint("leave --group out: images that look alike to the model are then compared instead")
    })
}

fn groups(table: &Table, column: &str, rows: &[usize]) -> Result<GroupColumn, Failure> {
    let at = attribute(table, column)?;
    let value = |row: &usize| table.rows[*row].attributes.get(at).cloned().unwrap_or_default();
    let mut values: Vec<String> = rows.iter().map(value).collect();
    values.sort();
    values.dedup();
    if !(2..=MOST_GROUPS).contains(&values.len()) {
        let fact = format!("column '{column}' has {} on the judged images", counted(values.len(), "value"));
        return Err(
            Failure::input(fact).hint(format!("groups are compared where there are 2 to {MOST_GROUPS} of them"))
        );
    }
    let of_image = rows.iter().map(|row| values.binary_search(&value(row)).unwrap_or(0)).collect();
    Ok(GroupColumn { column: column.to_owned(), values, of_image })
}
