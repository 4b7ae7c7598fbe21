//! Every way in which a checkpoint can be wrong.

use std::io;
use std::path::{Path, PathBuf};

/// A checkpoint that cannot be written, read or continued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The file cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is cut off, or no safetensors file at all.
    #[error("{}: not a whole safetensors file: {reason}", path.display())]
    NotSafetensors {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        reason: String,
    },
    /// Another kind of safetensors file.
    #[error("{}: not a training checkpoint: its metadata has the keys {keys:?}, one key 'heirloom-training' is needed", path.display())]
    NotACheckpoint {
        /// The file.
        path: PathBuf,
        /// Keys of its metadata.
        keys: Vec<String>,
    },
    /// Written by a later version.
    #[error("{}: a checkpoint of version {found}, this program reads up to version {supported}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Version found.
        found: u64,
        /// Latest version that is read.
        supported: u64,
    },
    /// A description or tensor that contradicts the format.
    #[error("{}: a broken checkpoint: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Content that is not what was written.
    #[error("{}: damaged: the content has digest {found}, {expected} was written", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Digest that was written.
        expected: String,
        /// Digest of the content.
        found: String,
    },
    /// Of another architecture.
    #[error("{}: a checkpoint of another architecture: graph {found}, this run has {expected}", path.display())]
    OtherArchitecture {
        /// The file.
        path: PathBuf,
        /// Digest of this run's graph.
        expected: String,
        /// Digest of the checkpoint's graph.
        found: String,
    },
    /// Of another recipe.
    #[error("{}: a checkpoint of another recipe, which differs in {}", path.display(), differences.join(", "))]
    OtherRecipe {
        /// The file.
        path: PathBuf,
        /// Each differing setting with the checkpoint's value and this run's.
        differences: Vec<String>,
    },
}

impl CheckpointError {
    /// Fills in the path of an error that was found without knowing it.
    pub(super) fn at(mut self, file: &Path) -> Self {
        match &mut self {
            Self::Io { path, .. }
            | Self::NotSafetensors { path, .. }
            | Self::NotACheckpoint { path, .. }
            | Self::Newer { path, .. }
            | Self::Broken { path, .. }
            | Self::Digest { path, .. }
            | Self::OtherArchitecture { path, .. }
            | Self::OtherRecipe { path, .. } => *path = file.into(),
        }
        self
    }
}

pub(super) fn broken(reason: impl ToString) -> CheckpointError {
    CheckpointError::Broken { path: PathBuf::new(), reason: reason.to_string() }
}
