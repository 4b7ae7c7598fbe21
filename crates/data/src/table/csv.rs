//! CSV tables: a header with `path` and `label`, optionally `split`, `group` and `intervention`; any further column is an attribute.
//! Relative paths start at the CSV file's own folder; `train.parquet#17` is an image inside a parquet file.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use csv::StringRecord;

use super::locate::Places;
use super::options::list;
use super::{Locator, Row, Skipped, Split, Table, TableError, TableOptions, TableWarning};

/// Positions of the columns that have a meaning.
struct Columns {
    path: usize,
    /// None in a table that is opened without labels.
    label: Option<usize>,
    split: Option<usize>,
    group: Option<usize>,
    intervention: Option<usize>,
    attributes: Vec<usize>,
}

pub(super) fn open(path: &Path, options: &TableOptions) -> Result<Table, TableError> {
    let file = std::fs::File::open(path).map_err(|error| TableError::io(path, error))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(std::io::BufReader::new(file));
    let header = reader.headers().map_err(|error| refused(path, error))?.clone();
    let columns = columns(path, &header, options)?;
    let records = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(|error| refused(path, error))?;

    let mut table = Table::empty(path);
    table.attributes = columns.attributes.iter().map(|column| cell(&header, *column)).collect();
    let names: BTreeSet<String> =
        records.iter().map(|record| label(record, &columns)).filter(|name| !name.is_empty()).collect();
    table.classes = names.into_iter().collect();
    let mut places = Places::new(path);
    let mut seen = HashSet::new();
    let mut repeated: Vec<PathBuf> = Vec::new();
    for record in &records {
        let row = row(&mut places, record, &columns, &table.classes, options.keep_unlabelled)?;
        match row {
            Ok(row) => {
                if let Locator::File(file) = &row.locator
                    && !seen.insert(file.clone())
                {
                    repeated.push(file.clone());
                }
                table.rows.push(row);
            }
            Err(skipped) => table.skipped.push(skipped),
        }
    }
    table.parquet = places.into_parquet();
    if let Some(first) = repeated.first() {
        let first = first.display().to_string();
        table.warnings.push(TableWarning::RepeatedFile { count: repeated.len(), first });
    }
    Ok(table)
}

fn columns(path: &Path, header: &StringRecord, options: &TableOptions) -> Result<Columns, TableError> {
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    let find = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let need = |wanted: &str| {
        find(wanted).ok_or_else(|| TableError::NoColumn {
            path: path.to_path_buf(),
            column: wanted.to_owned(),
            found: format!("columns: {}", list(&names)),
        })
    };
    let group = match &options.group {
        Some(name) => Some(need(name)?),
        None => find("group"),
    };
    let (image, split) = (need("path")?, find("split"));
    let label = match find(options.label_column()) {
        None if options.keep_unlabelled && options.label.is_none() => None,
        _ => Some(need(options.label_column())?),
    };
    let intervention = find("intervention");
    let used = [Some(image), label, split, intervention];
    let attributes = (0..names.len()).filter(|column| !used.contains(&Some(*column))).collect();
    Ok(Columns { path: image, label, split, group, intervention, attributes })
}

/// A row of the table; `Ok(Err(..))` when the line is understood and cannot be used.
fn row(
    places: &mut Places,
    record: &StringRecord,
    columns: &Columns,
    classes: &[String],
    keep_unlabelled: bool,
) -> Result<Result<Row, Skipped>, TableError> {
    let line = record.position().map_or(0, csv::Position::line);
    let table = places.table().to_path_buf();
    let bad = |reason: String| TableError::Line { path: table.clone(), line, reason };
    let image = cell(record, columns.path);
    if image.is_empty() {
        return Err(bad("the path is empty".to_owned()));
    }
    let split = match columns.split.map(|column| cell(record, column)) {
        None => None,
        Some(name) if name.is_empty() => None,
        Some(name) => {
            Some(Split::named(&name).ok_or_else(|| bad(format!("split `{name}` is none of train, validation, test")))?)
        }
    };
    let intervention = columns.intervention.map(|column| cell(record, column)).filter(|text| !text.is_empty());
    let intervention = intervention.map(|text| places.intervention(&text)).transpose().map_err(bad)?;
    let label = label(record, columns);
    let name = places.named(&image);
    let skip = |reason: &str| Skipped { locator: name.clone(), reason: format!("line {line}: {reason}") };
    if label.is_empty() && !keep_unlabelled {
        return Ok(Err(skip("the label is empty")));
    }
    let locator = match places.locator(&image)? {
        Ok(locator) => locator,
        Err(reason) => return Ok(Err(skip(&reason))),
    };
    Ok(Ok(Row {
        locator,
        intervention,
        label: classes.binary_search(&label).ok(),
        group: columns.group.map(|column| cell(record, column)).filter(|group| !group.is_empty()),
        split,
        attributes: columns.attributes.iter().map(|column| cell(record, *column)).collect(),
    }))
}

/// Name of a row's class; empty where it has none.
fn label(record: &StringRecord, columns: &Columns) -> String {
    columns.label.map(|column| cell(record, column)).unwrap_or_default()
}

fn cell(record: &StringRecord, column: usize) -> String {
    record.get(column).unwrap_or_default().to_owned()
}

fn refused(path: &Path, error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    TableError::Line { path: path.to_path_buf(), line, reason: error.to_string() }
}
