//! Tables of features: rows that come as numbers from anywhere (another tool's network, text, speech, measurements) instead of as
//! images. The rows are those of a [`Table`], with labels, groups, splits and attributes; the numbers lie beside them in blocks.
//!
//! ```text
//! .npz, .npy, .safetensors, .csv, .parquet -> named arrays -> roles by name and shape -> Table + FeatureBlock [rows, width]
//! ```
//!
//! Nothing is repaired: a value that is no finite number, rows of different lengths and arrays of different lengths are refused, each
//! with its row and column.

mod arrays;
mod assemble;
mod columns;
mod comma;
mod numpy;
mod tensors;

use std::path::Path;

use super::parquet::{ParquetFile, is_parquet};
use super::{Locator, Table, TableError, TableOptions};
use arrays::Content;

/// Features of one kind, a row of numbers for every row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureBlock {
    /// Name of the array or column; `features` for columns of single numbers.
    pub name: String,
    /// Columns.
    pub width: usize,
    /// Values `[rows, width]`, row-major; all are finite.
    pub values: Vec<f32>,
}

/// A table whose rows are features.
#[derive(Debug, Clone)]
pub struct FeatureTable {
    /// Labels, groups, splits and attributes of the rows. There is no image behind them.
    pub table: Table,
    /// Blocks in the order of the file (by name in safetensors); row `i` of each belongs to row `i` of the table.
    pub blocks: Vec<FeatureBlock>,
}

impl FeatureTable {
    /// Whether a file is a table of features rather than a table of images or a file of weights, by what it holds.
    ///
    /// # Errors
    /// A file that cannot be opened, or not in the format that it begins with.
    pub fn recognise(path: &Path) -> Result<bool, TableError> {
        if !path.is_file() {
            return Ok(false);
        }
        if is_parquet(path)? {
            return ParquetFile::open(path)?.holds_features();
        }
        match ending(path).as_str() {
            "npz" | "npy" => Ok(true),
            "csv" => comma::has_no_path(path),
            "safetensors" => tensors::is_table(path),
            _ => Ok(false),
        }
    }

    /// Opens a labelled table of features.
    ///
    /// # Errors
    /// What stops it from being read, see [`TableError`].
    pub fn open(path: &Path, options: &TableOptions) -> Result<Self, TableError> {
        let content = read(path, options)?;
        let mut made = assemble::labelled(path, content, options)?;
        made.restrict(options)?;
        super::check::describe(&mut made.table);
        if made.table.rows.is_empty() {
            return Err(TableError::NoRows { path: path.to_path_buf(), skipped: made.table.skipped.len() });
        }
        Ok(made)
    }

    /// Opens features for prediction; labels need not be there and are not looked at.
    ///
    /// # Errors
    /// As [`FeatureTable::open`].
    pub fn unlabelled(path: &Path) -> Result<Self, TableError> {
        assemble::unlabelled(path, read(path, &TableOptions::default())?)
    }

    /// Name of the block that a method reads which reads one: `features` where there is one, else the last.
    #[must_use]
    pub fn principal(&self) -> &str {
        let named = self.blocks.iter().find(|block| block.name == "features");
        named.or(self.blocks.last()).map_or("features", |block| block.name.as_str())
    }

    /// BLAKE3 over the names and widths of all blocks, and the values, labels and domains of `rows` in order; hexadecimal.
    #[must_use]
    pub fn digest(&self, rows: &[usize]) -> String {
        let mut hasher = blake3::Hasher::new();
        for block in &self.blocks {
            hasher.update(&(block.name.len() as u64).to_le_bytes()).update(block.name.as_bytes());
            hasher.update(&(block.width as u64).to_le_bytes());
            for &row in rows {
                let values = block.values.get(row * block.width..(row + 1) * block.width).unwrap_or_default();
                values.iter().for_each(|value| {
                    hasher.update(&value.to_le_bytes());
                });
            }
        }
        for row in rows.iter().filter_map(|&row| self.table.rows.get(row)) {
            let label = row.label.map_or(u64::MAX, |label| label as u64);
            hasher.update(&label.to_le_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Keeps the rows that the options ask for, and their values.
    fn restrict(&mut self, options: &TableOptions) -> Result<(), TableError> {
        options.restrict(&mut self.table)?;
        let number = |row: &super::Row| match row.locator {
            Locator::Row { row, .. } => Some(row),
            _ => None,
        };
        let kept: Vec<usize> = self.table.rows.iter().filter_map(number).collect();
        for block in &mut self.blocks {
            if block.values.len() != kept.len() * block.width {
                let row = |&row: &usize| block.values[row * block.width..(row + 1) * block.width].iter().copied();
                block.values = kept.iter().flat_map(row).collect();
            }
        }
        Ok(())
    }
}

/// Refuses NumPy's files where images are needed.
pub(super) fn refuse_numpy(path: &Path) -> Result<(), TableError> {
    if matches!(ending(path).as_str(), "npz" | "npy") {
        let reason = "it holds features, and images are needed here".to_owned();
        return Err(TableError::NotATable { path: path.to_path_buf(), reason });
    }
    Ok(())
}

fn ending(path: &Path) -> String {
    path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default()
}

fn read(path: &Path, options: &TableOptions) -> Result<Content, TableError> {
    let metadata = std::fs::metadata(path).map_err(|error| TableError::io(path, error))?;
    if metadata.is_dir() {
        let reason = "a folder; a table of features is one file".to_owned();
        return Err(TableError::NotATable { path: path.to_path_buf(), reason });
    }
    if is_parquet(path)? {
        return columns::read(path, options);
    }
    match ending(path).as_str() {
        "npz" => numpy::read_archive(path),
        "npy" => numpy::read_beside(path),
        "safetensors" => tensors::read(path),
        _ => comma::read(path, options),
    }
}

#[cfg(test)]
mod tests;
