//! CSV tables of features: a heading, one line a row. Columns of numbers are features, columns without any number are attributes.

use std::io::BufReader;
use std::path::Path;

use csv::StringRecord;

use super::arrays::{Array, Content, Values};
use super::assemble::ROLES;
use crate::table::{TableError, TableOptions};

/// Whether the heading lacks the column `path`, which images have.
pub(super) fn has_no_path(path: &Path) -> Result<bool, TableError> {
    let mut reader = reader(path)?;
    let header = reader.headers().map_err(|error| refused(path, error))?;
    Ok(!header.iter().any(|name| name.eq_ignore_ascii_case("path")))
}

pub(super) fn read(path: &Path, options: &TableOptions) -> Result<Content, TableError> {
    let mut reader = reader(path)?;
    let header = reader.headers().map_err(|error| refused(path, error))?.clone();
    let records = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(|error| refused(path, error))?;
    let named = [&options.label, &options.group];
    let has_role = |name: &str| ROLES.contains(&name) || named.iter().any(|named| named.as_deref() == Some(name));
    let cell = |record: &StringRecord, column: usize| record.get(column).unwrap_or_default().to_owned();
    let mut content = Content::default();
    let mut features = Vec::new();
    for (column, name) in header.iter().enumerate() {
        let name = if has_role(&name.to_lowercase()) { name.to_lowercase() } else { name.to_owned() };
        let numbers = records.iter().any(|record| number(record.get(column).unwrap_or_default()).is_some());
        if has_role(&name) || !numbers {
            let texts = records.iter().map(|record| cell(record, column)).collect();
            content.arrays.push(Array::texts(&name, texts));
        } else {
            features.push((column, name));
        }
    }
    if !features.is_empty() {
        content.arrays.insert(0, block(path, &records, &features)?);
    }
    Ok(content)
}

fn block(path: &Path, records: &[StringRecord], features: &[(usize, String)]) -> Result<Array, TableError> {
    let mut values = Vec::with_capacity(records.len() * features.len());
    for record in records {
        for (column, name) in features {
            let text = record.get(*column).unwrap_or_default();
            let line = record.position().map_or(0, csv::Position::line);
            let reason = || format!("column `{name}` holds `{text}`, which is no number");
            let value =
                number(text).ok_or_else(|| TableError::Line { path: path.to_path_buf(), line, reason: reason() });
            values.push(value?);
        }
    }
    let shape = vec![records.len(), features.len()];
    let columns = features.iter().map(|(_, name)| format!("`{name}`")).collect();
    Ok(Array { columns, ..Array::new("features", shape, Values::Floats(values)) })
}

fn number(text: &str) -> Option<f32> {
    text.parse().ok()
}

fn reader(path: &Path) -> Result<csv::Reader<BufReader<std::fs::File>>, TableError> {
    let file = std::fs::File::open(path).map_err(|error| TableError::io(path, error))?;
    Ok(csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(BufReader::new(file)))
}

fn refused(path: &Path, error: csv::Error) -> TableError {
    let line = error.position().map_or(1, csv::Position::line);
    TableError::Line { path: path.to_path_buf(), line, reason: error.to_string() }
}
