//! What can be wrong with a whole data set (an error) and what is merely odd (a warning).

use std::path::{Path, PathBuf};

use super::Split;

/// What stops a data set from being read or trained on. The text states the fact; [`TableError::hint`] the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// There is nothing at the path.
    #[error("{}: no such file or folder", path.display())]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was being read.
        path: PathBuf,
        /// The operating system's words.
        error: std::io::Error,
    },
    /// A folder without class folders, or a file that is no table.
    #[error("{}: {reason}", path.display())]
    NotATable {
        /// What was opened.
        path: PathBuf,
        /// Why it is no table of images.
        reason: String,
    },
    /// No row is left.
    #[error("{}: no images ({skipped} rows skipped)", path.display())]
    NoRows {
        /// What was opened.
        path: PathBuf,
        /// Rows that were read and left out.
        skipped: usize,
    },
    /// A column that was asked for, or is needed, is not there.
    #[error("{}: no column `{column}` (found {found})", path.display())]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// The missing column.
        column: String,
        /// What there is instead.
        found: String,
    },
    /// A column holds values of a kind that cannot be used.
    #[error("{}: column `{column}` holds {kind}, expected {expected}", path.display())]
    ColumnType {
        /// The table.
        path: PathBuf,
        /// The column.
        column: String,
        /// What it holds.
        kind: String,
        /// What is read.
        expected: &'static str,
    },
    /// The attribute never has the value asked for.
    #[error("{}: no row has {attribute} = `{value}` (found {found})", path.display())]
    NoSuchValue {
        /// The table.
        path: PathBuf,
        /// The attribute.
        attribute: String,
        /// The value asked for.
        value: String,
        /// The values there are.
        found: String,
    },
    /// A line or row that cannot be read.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// The CSV file.
        path: PathBuf,
        /// Line, counted from 1 with the header.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A file that is no table of features, or whose arrays do not fit together.
    #[error("{}: {reason}", path.display())]
    NotFeatures {
        /// The file.
        path: PathBuf,
        /// What is wrong, with names, rows and sizes.
        reason: String,
    },
    /// A feature that is not a number, or infinite.
    #[error("{}: row {row} holds {value} in column {column}", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Row, counted from 0.
        row: usize,
        /// Name or number of the column.
        column: String,
        /// The value, `NaN`, `inf` or `-inf`.
        value: f32,
    },
    /// A parquet file that its own rules refuse.
    #[error("{}: not a readable parquet file: {reason}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The reader's words.
        reason: String,
    },
    /// The same class name stands twice in the list of class names.
    #[error("{}: class name `{class}` stands {count} times", path.display())]
    DuplicateClass {
        /// The table or label file.
        path: PathBuf,
        /// The name.
        class: String,
        /// How often.
        count: usize,
    },
    /// Two files of one table name their classes differently.
    #[error("{}: its classes differ from those of {}: {difference}", path.display(), other.display())]
    ClassesDiffer {
        /// The file at odds.
        path: PathBuf,
        /// The file read before it.
        other: PathBuf,
        /// The first difference.
        difference: String,
    },
    /// Nothing to tell apart.
    #[error("{}: only one class, `{class}` ({rows} images); at least two are needed", path.display())]
    OneClass {
        /// The table.
        path: PathBuf,
        /// The class.
        class: String,
        /// Its images.
        rows: usize,
    },
    /// A class that has test or validation rows and nothing to learn it from.
    #[error("{}: class `{class}` has {rows} {split} rows and no training row", path.display())]
    UnseenClass {
        /// The table.
        path: PathBuf,
        /// The class.
        class: String,
        /// The split it stands in.
        split: Split,
        /// Its rows there.
        rows: usize,
    },
    /// A table without labels where labels are needed.
    #[error("{}: {rows} of {total} rows have no label", path.display())]
    Unlabelled {
        /// The table.
        path: PathBuf,
        /// Rows without a label.
        rows: usize,
        /// All rows.
        total: usize,
    },
}

impl TableError {
    pub(super) fn io(path: &Path, error: std::io::Error) -> TableError {
        let path = path.to_path_buf();
        match error.kind() {
            std::io::ErrorKind::NotFound => TableError::Missing { path },
            _ => TableError::Io { path, error },
        }
    }

    pub(super) fn parquet(path: &Path, error: impl std::fmt::Display) -> TableError {
        TableError::Parquet { path: path.to_path_buf(), reason: error.to_string() }
    }

    /// What the user can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            TableError::NotATable { .. } | TableError::NoRows { .. } => Some(
                "one folder per class with its images inside, or a CSV file with the columns path,label, or parquet with the columns image and label",
            ),
            TableError::NotFeatures { .. } => {
                Some("docs/formats/feature-tables.md says what a table of features holds")
            }
            TableError::NotFinite { .. } => Some("replace or leave out values that are missing before they get here"),
            TableError::NoColumn { .. } => Some("name the column with --label-column or --group-column"),
            TableError::OneClass { .. } => Some("add a folder with images of what it is to be told apart from"),
            TableError::UnseenClass { .. } => {
                Some("add training images of this class, or take its folder or rows out of the other splits")
            }
            TableError::Unlabelled { .. } => Some("to get classes for images without labels, use `heirloom predict`"),
            TableError::DuplicateClass { .. } => Some("give each class one name and one entry"),
            _ => None,
        }
    }
}

/// Something odd about a data set that stops nobody, counted and printed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableWarning {
    /// Rows whose images carry an intervention.
    #[error("{rows} of {all} images carry an intervention (first: {first})")]
    Interventions {
        /// How many.
        rows: usize,
        /// Of so many.
        all: usize,
        /// What the first of them carries.
        first: String,
    },
    /// A class without any row.
    #[error("class `{class}` has no images")]
    EmptyClass {
        /// The class.
        class: String,
    },
    /// A class without a training row, though the table has a training split.
    #[error("class `{class}` has {rows} {split} rows and no training row")]
    UnseenClass {
        /// The class.
        class: String,
        /// The split it stands in.
        split: Split,
        /// Its rows there.
        rows: usize,
    },
    /// Files beside the class folders.
    #[error("{count} files in {place} are in no class folder and were left out (first: {first})")]
    StrayFiles {
        /// The folder.
        place: String,
        /// How many.
        count: usize,
        /// The first of them.
        first: String,
    },
    /// Folders beside `train` and `test`.
    #[error("folder {name} stands beside the splits and was left out")]
    StrayFolder {
        /// The folder.
        name: String,
    },
    /// Parquet files beside those of the splits.
    #[error("{name} names no split, beside files that do, and was left out")]
    StrayFile {
        /// The file.
        name: String,
    },
    /// A table in several files of which some are not there.
    #[error("{found} of the {expected} files {name}-*-of-{expected:05}.parquet are there: rows are missing")]
    MissingShards {
        /// What the files' names begin with.
        name: String,
        /// Files found.
        found: usize,
        /// Files that their names promise.
        expected: usize,
    },
    /// Part of a folder that cannot be searched.
    #[error("{reason}")]
    Unsearched {
        /// The walker's words, with the path.
        reason: String,
    },
    /// Groups that the table's own splits tear apart: what was learnt from a group is measured on it.
    #[error("{groups} groups have rows both to train on and to test on, {rows} of them to test on (first: {first})")]
    TornGroups {
        /// How many.
        groups: usize,
        /// Their test and validation rows.
        rows: usize,
        /// The first of them.
        first: String,
    },
    /// Class names were not given and stand as the numbers found.
    #[error("no class names given: classes are named by their {count} label numbers")]
    NumberedClasses {
        /// How many.
        count: usize,
    },
    /// Several rows name the same file.
    #[error("{count} rows name a file that an earlier row names (first: {first})")]
    RepeatedFile {
        /// How many rows beyond the first.
        count: usize,
        /// The first such file.
        first: String,
    },
}
