//! The table of images: one row per image, with its label, group and split, and where its encoded bytes are. Opening a
//! table opens no image; bytes are read for the rows asked for, never for the whole table.

mod check;
mod csv;
mod error;
mod features;
mod files;
mod folder;
mod locate;
mod manifest;
mod options;
mod parquet;
mod parquet_folder;
mod parquet_images;
mod parquet_numbers;
mod turned;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use error::{TableError, TableWarning};
pub use features::{FeatureBlock, FeatureTable};
pub use manifest::ManifestError;
pub use options::TableOptions;

use crate::intervention::Intervention;
use crate::{Limits, Problem};
use parquet_images::ParquetImages;

/// Where one row's encoded image, or its features, are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Locator {
    /// A file of its own.
    File(PathBuf),
    /// A cell of a parquet file.
    Parquet {
        /// The parquet file.
        path: Arc<Path>,
        /// Row in that file, counted from 0.
        row: usize,
    },
    /// A row of a table of features.
    Row {
        /// The file.
        path: Arc<Path>,
        /// Row in that file, counted from 0.
        row: usize,
    },
}

impl fmt::Display for Locator {
    /// The path, or `train.parquet#17`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Locator::File(path) => write!(formatter, "{}", path.display()),
            Locator::Parquet { path, row } | Locator::Row { path, row } => {
                let name = path.file_name().unwrap_or(path.as_os_str());
                write!(formatter, "{}#{row}", Path::new(name).display())
            }
        }
    }
}

/// The use a data set's author gave a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Split {
    /// For fitting and choosing.
    Train,
    /// For choosing, where the author set some aside.
    Validation,
    /// For the final figure alone.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Split::Train => "train",
            Split::Validation => "validation",
            Split::Test => "test",
        })
    }
}

impl Split {
    /// The split that a folder, file or cell of this name means, in any case of letters.
    pub fn named(name: &str) -> Option<Split> {
        match name.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validation" | "dev" => Some(Split::Validation),
            "test" | "testing" | "eval" => Some(Split::Test),
            _ => None,
        }
    }
}

/// One image of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Where its bytes are.
    pub locator: Locator,
    /// Index into [`Table::classes`]; `None` in an unlabelled table.
    pub label: Option<usize>,
    /// Rows of one group never stand on both sides of a split.
    pub group: Option<String>,
    /// The split the table gives it.
    pub split: Option<Split>,
    /// Its value of each of [`Table::attributes`], in that order.
    pub attributes: Vec<String>,
    /// What is put on the image wherever it is used, after it has been brought to a network's input size.
    pub intervention: Option<Arc<Intervention>>,
}

/// A row that was left out, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Skipped {
    /// Which row.
    pub locator: String,
    /// Why, with its figures.
    pub reason: String,
}

/// A data set as rows, in an order that depends on its content alone.
#[derive(Debug, Clone)]
pub struct Table {
    /// What was opened.
    pub source: PathBuf,
    /// The images.
    pub rows: Vec<Row>,
    /// Class names by label; empty in an unlabelled table.
    pub classes: Vec<String>,
    /// Names of the further columns (domain, scene, ...) that rows carry.
    pub attributes: Vec<String>,
    /// Rows that the table itself could not give a meaning to.
    pub skipped: Vec<Skipped>,
    /// What is odd about the table without stopping anybody.
    pub warnings: Vec<TableWarning>,
    limits: Limits,
    parquet: Vec<Arc<ParquetImages>>,
}

impl Table {
    /// Opens a labelled data set: an image folder (`class/image`, with or without `train`, `validation`, `test` above), a
    /// CSV file (`path,label[,split][,group]`), a parquet file, or a folder of parquet files in the layout of Hugging
    /// Face `datasets`.
    ///
    /// ```no_run
    /// let table = heirloom_data::Table::open("photos".as_ref(), &Default::default())?;
    /// println!("{} images of {} classes", table.rows.len(), table.classes.len());
    /// # Ok::<(), heirloom_data::TableError>(())
    /// ```
    ///
    /// # Errors
    /// What stops a table from being read, see [`TableError`].
    pub fn open(path: &Path, options: &TableOptions) -> Result<Table, TableError> {
        let metadata = std::fs::metadata(path).map_err(|error| TableError::io(path, error))?;
        let mut table = if metadata.is_dir() {
            match parquet_folder::files(path)? {
                Some(found) => parquet_folder::open(path, found, options)?,
                None => folder::open(path, options)?,
            }
        } else if parquet::is_parquet(path)? {
            let named = path.file_stem().and_then(|stem| parquet_folder::split_of(&stem.to_string_lossy()));
            parquet_folder::open(path, vec![(named, path.to_path_buf())], options)?
        } else {
            features::refuse_numpy(path)?;
            csv::open(path, options)?
        };
        table.limits = options.limits;
        options.restrict(&mut table)?;
        check::describe(&mut table);
        if table.rows.is_empty() {
            return Err(TableError::NoRows { path: path.to_path_buf(), skipped: table.skipped.len() });
        }
        Ok(table)
    }

    /// Opens images without labels, for prediction: files, folders (searched to any depth), parquet and CSV tables.
    ///
    /// # Errors
    /// A path that does not exist, or no image file among them.
    pub fn unlabelled(paths: &[PathBuf], limits: Limits) -> Result<Table, TableError> {
        files::open(paths, limits)
    }

    fn empty(source: &Path) -> Table {
        Table {
            source: source.to_path_buf(),
            rows: Vec::new(),
            classes: Vec::new(),
            attributes: Vec::new(),
            skipped: Vec::new(),
            warnings: Vec::new(),
            limits: Limits::default(),
            parquet: Vec::new(),
        }
    }

    /// Encoded bytes of some rows, in their order, read as they are asked for: one row's are in memory at a time. In a
    /// parquet file neighbouring rows in rising order are fast; any thread may ask.
    ///
    /// A row index outside the table is a [`Problem::Missing`].
    pub fn stream(&self, rows: &[usize]) -> impl Iterator<Item = Result<Vec<u8>, Problem>> {
        rows.iter().map(|row| match &self.rows.get(*row).ok_or(Problem::Missing)?.locator {
            Locator::File(path) => files::read(path, &self.limits),
            Locator::Parquet { path, row } => {
                let file = self.parquet.iter().find(|file| file.path() == path).ok_or(Problem::Missing)?;
                file.read(*row, &self.limits)
            }
            // Features have no image behind them.
            Locator::Row { .. } => Err(Problem::Missing),
        })
    }

    /// The same, all in memory together.
    pub fn encoded(&self, rows: &[usize]) -> Vec<Result<Vec<u8>, Problem>> {
        self.stream(rows).collect()
    }

    /// Bytes that reading takes besides the row's own: the largest page of a parquet table, which may hold all images of a
    /// row group; 0 for files. Reads the whole table.
    ///
    /// # Errors
    /// A parquet file that cannot be read to its end.
    pub fn reading_bytes(&self) -> Result<u64, Problem> {
        let pages = self.parquet.iter().map(|file| file.largest_page()).collect::<Result<Vec<u64>, _>>()?;
        Ok(pages.into_iter().max().unwrap_or(0))
    }

    /// The table with an intervention on every image that carries none yet.
    ///
    /// ```no_run
    /// # fn run(table: heirloom_data::Table) -> Result<(), Box<dyn std::error::Error>> {
    /// let stamped = table.carrying(&"square:side=0.25,colour=ffff00".parse()?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn carrying(&self, intervention: &Intervention) -> Table {
        let (mut table, carried) = (self.clone(), Arc::new(intervention.clone()));
        for row in &mut table.rows {
            row.intervention.get_or_insert_with(|| Arc::clone(&carried));
        }
        table
    }

    /// Indices of the rows of one split.
    pub fn rows_in(&self, split: Option<Split>) -> Vec<usize> {
        (0..self.rows.len()).filter(|row| self.rows[*row].split == split).collect()
    }

    /// Number of rows per class, over the rows that `keep` accepts.
    pub fn class_counts(&self, keep: impl Fn(&Row) -> bool) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for row in self.rows.iter().filter(|row| keep(row)) {
            if let Some(count) = row.label.and_then(|label| counts.get_mut(label)) {
                *count += 1;
            }
        }
        counts
    }

    /// Bounds on one image.
    pub fn limits(&self) -> Limits {
        self.limits
    }
}
