//! Why batches cannot be made.

use std::path::PathBuf;

use crate::augment::AugmentError;
use crate::intervention::InterventionError;

/// What stops the making of batches. A broken image does not: see [`super::DecodedImages::left_out`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// A setting that makes no sense.
    #[error(transparent)]
    Augment(#[from] AugmentError),
    /// A row that the table does not have.
    #[error("row {row} is not one of the table's {rows}")]
    Row {
        /// The row.
        row: usize,
        /// Rows of the table.
        rows: usize,
    },
    /// A row without a class.
    #[error("{locator} has no label")]
    Unlabelled {
        /// Its path, or file and row.
        locator: String,
    },
    /// Not one image can be read.
    #[error("none of {rows} images can be read; the first, {locator}: {reason}")]
    NoImages {
        /// Images asked for.
        rows: usize,
        /// The first one's path, or file and row.
        locator: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// An epoch asks for a row whose image was left out or never decoded.
    #[error("row {row} is not among the {images} decoded images")]
    NotDecoded {
        /// The row.
        row: usize,
        /// Images decoded.
        images: usize,
    },
    /// Batches of no image.
    #[error("a batch of 0 images")]
    EmptyBatch,
    /// The images were decoded for another augmentation.
    #[error("the images were kept as {kept}, and the augmentation needs {needed}")]
    Form {
        /// How they are kept.
        kept: String,
        /// How they would have to be.
        needed: String,
    },
    /// An intervention that cannot be made at the size of the images.
    #[error(transparent)]
    Intervention(#[from] InterventionError),
    /// Decoded images that do not fit in memory could not be put on disk or read back.
    #[error("decoded images that do not fit in memory, in {}: {source}", folder.display())]
    Spill {
        /// Folder of the temporary file.
        folder: PathBuf,
        /// The operating system's refusal.
        source: std::io::Error,
    },
    /// The caller asked to stop.
    #[error("stopped after {done} of {total} images")]
    Cancelled {
        /// Images decoded.
        done: usize,
        /// Images to decode.
        total: usize,
    },
    /// The system gave no thread.
    #[error("no thread for making batches: {source}")]
    Thread {
        /// The operating system's refusal.
        source: std::io::Error,
    },
    /// A thread that made batches ended early: a fault of the program.
    #[error("a thread that makes batches ended before batch {batch}")]
    Stopped {
        /// The batch that was waited for, from 0.
        batch: usize,
    },
}
