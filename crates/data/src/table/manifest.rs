//! A table written down as CSV: which images, under which labels, with which interventions. The images stay where they are.

use std::path::{Path, PathBuf};

use super::{Locator, Row, Table};
use crate::intervention::InterventionError;

/// Columns with a meaning of their own.
const OWN: [&str; 5] = ["path", "label", "split", "group", "intervention"];

/// Why a table cannot be written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// A further column that would be read as something else.
    #[error("the column `{column}` of {} would be read as the {column} of an image", path.display())]
    Column {
        /// Its name.
        column: String,
        /// The table.
        path: PathBuf,
    },
    /// A row that the table does not have.
    #[error("row {row} is not one of the table's {rows}")]
    Row {
        /// The row.
        row: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// A row of features.
    #[error("{locator} is a row of features: there is no image to point at")]
    Features {
        /// Its place.
        locator: String,
    },
    /// A path that cannot be written as text, or a file that cannot be found.
    #[error("{}: {reason}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An intervention whose pictures cannot be found.
    #[error(transparent)]
    Intervention(#[from] InterventionError),
    /// Text that cannot be written.
    #[error("{0}")]
    Csv(String),
}

impl Table {
    /// Some rows as a CSV table that is to lie in `folder`, in the order of `rows`. Files below the folder are named from there, others
    /// by their whole path. Reading it with [`Table::open`] gives the same images under the same names of classes, which are then in
    /// alphabetical order.
    ///
    /// # Errors
    /// A row that is not there or points at no image, a further column with the name of one that means something, a path that is no text.
    pub fn manifest(&self, rows: &[usize], folder: &Path) -> Result<Vec<u8>, ManifestError> {
        let folder = found(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let further = self.further()?;
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = OWN.iter().copied().chain(further.iter().map(|(_, name)| *name));
        writer.write_record(header).map_err(refused)?;
        for &at in rows {
            let row = self.rows.get(at).ok_or(ManifestError::Row { row: at, rows: self.rows.len() })?;
            let label = row.label.and_then(|label| self.classes.get(label)).cloned().unwrap_or_default();
            let split = row.split.map_or_else(String::new, |split| split.to_string());
            let intervention = match &row.intervention {
                Some(carried) => carried.beside(&working_folder()?).to_string(),
                None => String::new(),
            };
            let own = [place(row, &folder)?, label, split, row.group.clone().unwrap_or_default(), intervention];
            let attributes = further.iter().map(|(column, _)| row.attributes.get(*column).cloned().unwrap_or_default());
            writer.write_record(own.into_iter().chain(attributes)).map_err(refused)?;
        }
        writer.into_inner().map_err(|error| ManifestError::Csv(error.to_string()))
    }

    /// Position and name of the columns that are written beside those with a meaning; the group's own column is one of the latter.
    fn further(&self) -> Result<Vec<(usize, &str)>, ManifestError> {
        let named = |name: &str, own: &str| name.eq_ignore_ascii_case(own);
        let columns = self.attributes.iter().enumerate().map(|(at, name)| (at, name.as_str()));
        let columns: Vec<(usize, &str)> = columns.filter(|(_, name)| !named(name, "group")).collect();
        match columns.iter().find(|(_, name)| OWN.iter().any(|own| named(name, own))) {
            Some((_, column)) => Err(ManifestError::Column { column: (*column).to_owned(), path: self.source.clone() }),
            None => Ok(columns),
        }
    }
}

/// Where a row's image is, seen from `folder`.
fn place(row: &Row, folder: &Path) -> Result<String, ManifestError> {
    let (path, cell) = match &row.locator {
        Locator::File(path) => (path.as_path(), None),
        Locator::Parquet { path, row } => (&**path, Some(*row)),
        Locator::Row { .. } => return Err(ManifestError::Features { locator: row.locator.to_string() }),
    };
    let whole = found(path)?;
    let from_there = whole.strip_prefix(folder).unwrap_or(&whole);
    let no_text = || ManifestError::Path { path: path.to_path_buf(), reason: "its path is not UTF-8".to_owned() };
    let text = from_there.to_str().ok_or_else(no_text)?.to_owned();
    Ok(cell.map_or(text.clone(), |row| format!("{text}#{row}")))
}

fn found(path: &Path) -> Result<PathBuf, ManifestError> {
    path.canonicalize().map_err(|error| ManifestError::Path { path: path.to_path_buf(), reason: error.to_string() })
}

fn working_folder() -> Result<PathBuf, ManifestError> {
    found(Path::new("."))
}

fn refused(error: csv::Error) -> ManifestError {
    ManifestError::Csv(error.to_string())
}

#[cfg(test)]
mod tests;
