//! What can stop a comparison.

use std::io;
use std::path::PathBuf;

use crate::fit::FitError;

/// An error of [`compare`](super::compare).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompareError {
    /// What stops a fit stops a comparison.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Nothing to compare.
    #[error("{what}")]
    Nothing {
        /// What is missing.
        what: &'static str,
    },
    /// A method that trains through a network was to fit a table of features.
    #[error("'{method}' trains through a network; the table holds features")]
    NoNetwork {
        /// The method.
        method: &'static str,
    },
    /// A number of training rows that no draw can have.
    #[error("{wanted} training rows a draw: there are {available} to draw from and {classes} classes")]
    TrainRows {
        /// What was asked for.
        wanted: usize,
        /// Rows to draw from.
        available: usize,
        /// Classes.
        classes: usize,
    },
    /// An image that could be read at first and cannot any more.
    #[error("{locator} could be read with the first backbone and cannot be with '{backbone}'")]
    Changed {
        /// The image.
        locator: String,
        /// The backbone.
        backbone: String,
    },
    /// A result that is kept and is none.
    #[error("{}: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A result that cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A result that cannot be put into words.
    #[error("a result cannot be kept: {reason}")]
    Cell {
        /// Why.
        reason: String,
    },
    /// Stopped by the watch.
    #[error("interrupted")]
    Interrupted,
}
