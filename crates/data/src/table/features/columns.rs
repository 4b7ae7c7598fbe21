//! Parquet tables of features: a list of numbers in each row is a block of its own, columns of single numbers make one block together,
//! columns of texts are attributes.

use std::path::Path;

use super::arrays::{Array, Content, Values};
use super::assemble::ROLES;
use crate::table::parquet::{ParquetFile, Scalars};
use crate::table::parquet_folder::names_in_metadata;
use crate::table::{TableError, TableOptions};

pub(super) fn read(path: &Path, options: &TableOptions) -> Result<Content, TableError> {
    let file = ParquetFile::open(path)?;
    let named = [&options.label, &options.group];
    let has_role = |name: &str| ROLES.contains(&name) || named.iter().any(|named| named.as_deref() == Some(name));
    let mut content = Content { classes: names_in_metadata(&file, options.label_column()), ..Content::default() };
    content.domains = names_in_metadata(&file, "domain");
    let mut singles: Vec<(String, Vec<Option<f32>>)> = Vec::new();
    for (name, is_list) in file.number_columns() {
        if is_list {
            content.arrays.push(lists(&file, &name)?);
        } else if !has_role(&name) {
            let values = file.numbers(&name)?.into_iter().map(|value| value.value).collect();
            singles.push((name, values));
        }
    }
    if !singles.is_empty() {
        content.arrays.push(block(path, &singles)?);
    }
    for name in file.scalar_columns() {
        match file.scalars(&name)? {
            Some(Scalars::Texts(texts)) => {
                let texts = texts.into_iter().map(Option::unwrap_or_default).collect();
                content.arrays.push(Array::texts(&name, texts));
            }
            // A null is no label, like a negative number.
            Some(Scalars::Numbers(numbers)) if has_role(&name) => {
                let numbers: Vec<i64> = numbers.into_iter().map(|number| number.unwrap_or(-1)).collect();
                content.arrays.push(Array::new(&name, vec![numbers.len()], Values::Integers(numbers)));
            }
            _ => {}
        }
    }
    Ok(content)
}

/// Columns of single numbers side by side.
fn block(path: &Path, singles: &[(String, Vec<Option<f32>>)]) -> Result<Array, TableError> {
    let rows = singles.first().map_or(0, |(_, values)| values.len());
    let mut values = Vec::with_capacity(rows * singles.len());
    for row in 0..rows {
        for (name, column) in singles {
            let reason = || format!("row {row} holds nothing in column `{name}`");
            let refused = || TableError::NotFeatures { path: path.to_path_buf(), reason: reason() };
            values.push(column[row].ok_or_else(refused)?);
        }
    }
    let columns = singles.iter().map(|(name, _)| format!("`{name}`")).collect();
    Ok(Array { columns, ..Array::new("features", vec![rows, singles.len()], Values::Floats(values)) })
}

/// A column with a list of numbers in each row; all must have the same length.
fn lists(file: &ParquetFile, name: &str) -> Result<Array, TableError> {
    let refused = |reason: String| TableError::NotFeatures { path: file.path().to_path_buf(), reason };
    let (mut lengths, mut values) = (Vec::<usize>::new(), Vec::new());
    for entry in file.numbers(name)? {
        if entry.first {
            lengths.push(0);
        }
        match (entry.value, lengths.last_mut()) {
            (Some(value), Some(length)) => {
                *length += 1;
                values.push(value);
            }
            _ => {
                let row = lengths.len().saturating_sub(1);
                return Err(refused(format!("row {row} of `{name}` holds a null or an empty list")));
            }
        }
    }
    let width = lengths.first().copied().unwrap_or(0);
    match lengths.iter().position(|length| *length != width) {
        Some(row) => {
            let length = lengths[row];
            Err(refused(format!("row {row} of `{name}` holds {length} numbers, the rows before it {width}")))
        }
        None => Ok(Array::new(name, vec![lengths.len(), width], Values::Floats(values))),
    }
}
