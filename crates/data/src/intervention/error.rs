//! Why an intervention cannot be made or planted.

use std::path::PathBuf;

/// A description that means nothing, or settings that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InterventionError {
    /// A kind nobody knows.
    #[error("'{kind}' is no intervention: expected one of {known}")]
    Kind {
        /// What was given.
        kind: String,
        /// What would do.
        known: String,
    },
    /// A setting that its kind does not have.
    #[error("'{setting}' is no setting of {kind}: expected {known}")]
    Setting {
        /// The kind.
        kind: &'static str,
        /// What was given.
        setting: String,
        /// What would do.
        known: &'static str,
    },
    /// A value that its setting cannot take.
    #[error("{setting} is '{value}': expected {expected}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What would do.
        expected: String,
    },
    /// A setting without which the kind means nothing.
    #[error("{kind} needs {setting}: {example}")]
    Missing {
        /// The kind.
        kind: &'static str,
        /// The setting.
        setting: &'static str,
        /// How it is written.
        example: &'static str,
    },
    /// Images without pixels.
    #[error("an intervention on images of {height} x {width} pixels")]
    Size {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// A picture that cannot be read.
    #[error("{}: {reason}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A class that the table does not have.
    #[error("class {class} is not one of the table's {classes}")]
    Class {
        /// Index of the class.
        class: usize,
        /// Classes of the table.
        classes: usize,
    },
    /// An image that carries an intervention already.
    #[error("{locator} carries an intervention already, and can carry one")]
    Twice {
        /// Its path, or file and row.
        locator: String,
    },
    /// A row that the table does not have, or that has no label.
    #[error("row {row} of {rows} has no label to plant by")]
    Row {
        /// The row.
        row: usize,
        /// Rows of the table.
        rows: usize,
    },
}

impl InterventionError {
    /// A value that `setting` cannot take.
    pub(super) fn value(setting: &'static str, value: impl ToString, expected: impl Into<String>) -> Self {
        Self::Value { setting, value: value.to_string(), expected: expected.into() }
    }
}
