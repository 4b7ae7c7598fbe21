//! How to read a table: which columns hold what, and which rows to keep.

use super::{Table, TableError};
use crate::Limits;

/// Choices for [`Table::open`]. The default finds the usual column names and keeps every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableOptions {
    /// Column of the label; by default `label`.
    pub label: Option<String>,
    /// Column whose equal values keep rows together in every split; by default `group` where there is one.
    pub group: Option<String>,
    /// Keep only rows whose attribute has this value, `(attribute, value)`; several must all hold. E.g. `domain = sketch`.
    pub only: Vec<(String, String)>,
    /// Keep rows without a label; otherwise they are skipped.
    pub keep_unlabelled: bool,
    /// Bounds on one image.
    pub limits: Limits,
}

impl TableOptions {
    pub(super) fn label_column(&self) -> &str {
        self.label.as_deref().unwrap_or("label")
    }

    /// Refuses options that name columns where the layout has none.
    pub(super) fn refuse_columns(&self, path: &std::path::Path) -> Result<(), TableError> {
        let column = self.label.as_ref().or(self.group.as_ref()).or(self.only.first().map(|(name, _)| name));
        match column {
            None => Ok(()),
            Some(column) => Err(TableError::NoColumn {
                path: path.to_path_buf(),
                column: column.clone(),
                found: "an image folder, which has no columns".to_owned(),
            }),
        }
    }

    /// Keeps the rows that `only` asks for.
    pub(super) fn restrict(&self, table: &mut Table) -> Result<(), TableError> {
        for (name, value) in &self.only {
            let Some(column) = table.attributes.iter().position(|attribute| attribute == name) else {
                return Err(TableError::NoColumn {
                    path: table.source.clone(),
                    column: name.clone(),
                    found: format!("attributes: {}", list(&table.attributes)),
                });
            };
            let mut values: Vec<String> = table.rows.iter().map(|row| row.attributes[column].clone()).collect();
            values.sort();
            values.dedup();
            if !values.contains(value) {
                return Err(TableError::NoSuchValue {
                    path: table.source.clone(),
                    attribute: name.clone(),
                    value: value.clone(),
                    found: list(&values),
                });
            }
            table.rows.retain(|row| row.attributes[column] == *value);
        }
        Ok(())
    }
}

/// At most twelve names, comma-separated.
pub(super) fn list(names: &[String]) -> String {
    let shown = names.iter().take(12).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() {
        0 => "none".to_owned(),
        count if count > 12 => format!("{shown}, ... ({count} in all)"),
        _ => shown,
    }
}
