//! What the cells of a CSV table point at: image files, images inside parquet files, interventions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::parquet::ParquetFile;
use super::parquet_images::ParquetImages;
use super::{Locator, TableError};
use crate::intervention::Intervention;

/// Everything that a table points at, opened once.
pub(super) struct Places {
    table: PathBuf,
    parquet: HashMap<PathBuf, Arc<ParquetImages>>,
    interventions: HashMap<String, Arc<Intervention>>,
}

impl Places {
    /// Relative paths start at the folder of `table`.
    pub fn new(table: &Path) -> Self {
        Self { table: table.to_path_buf(), parquet: HashMap::new(), interventions: HashMap::new() }
    }

    /// The table's own file.
    pub fn table(&self) -> &Path {
        &self.table
    }

    fn folder(&self) -> &Path {
        self.table.parent().unwrap_or(Path::new(""))
    }

    /// What a message calls the image of a cell.
    pub fn named(&self, cell: &str) -> String {
        self.folder().join(cell).display().to_string()
    }

    /// A file, or `FILE.parquet#ROW`; a reason where there is no such image.
    pub fn locator(&mut self, cell: &str) -> Result<Result<Locator, String>, TableError> {
        let file = self.folder().join(cell);
        if file.is_file() {
            return Ok(Ok(Locator::File(file)));
        }
        let inside = cell.rsplit_once('#').and_then(|(file, row)| Some((self.folder().join(file), row.parse().ok()?)));
        match inside {
            Some((file, row)) if file.is_file() => {
                let images = self.images(&file)?;
                let known = row < images.rows();
                let locator = Locator::Parquet { path: images.path().clone(), row };
                let reason = || format!("the file has {} rows, counted from 0", images.rows());
                Ok(if known { Ok(locator) } else { Err(reason()) })
            }
            _ => Ok(Err("there is no such file".to_owned())),
        }
    }

    fn images(&mut self, file: &Path) -> Result<Arc<ParquetImages>, TableError> {
        if let Some(images) = self.parquet.get(file) {
            return Ok(Arc::clone(images));
        }
        let images = Arc::new(ParquetFile::open(file)?.images()?);
        self.parquet.insert(file.to_path_buf(), Arc::clone(&images));
        Ok(images)
    }

    /// What `text` describes, once for all rows that carry it, with the pictures that it needs beside the table.
    pub fn intervention(&mut self, text: &str) -> Result<Arc<Intervention>, String> {
        if let Some(known) = self.interventions.get(text) {
            return Ok(Arc::clone(known));
        }
        let typed: Intervention = text.parse().map_err(|error| format!("{error}"))?;
        let made = Arc::new(typed.beside(self.folder()));
        made.digest().map_err(|error| error.to_string())?;
        self.interventions.insert(text.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// The parquet files that were opened.
    pub fn into_parquet(self) -> Vec<Arc<ParquetImages>> {
        let mut files: Vec<_> = self.parquet.into_values().collect();
        files.sort_by(|a, b| a.path().cmp(b.path()));
        files
    }
}
