//! Training checkpoints: everything that a run needs to go on as if it had never stopped, bit for bit, in one safetensors file.
//!
//! Tensors are named `weights/KEY`, `optimizer/KIND/KEY`, `average/KEY` and `best/KEY`; running statistics are weights by their own
//! keys. The one metadata key, `heirloom-training`, holds a JSON string with the format's version, the digest of the content, the
//! digest of the graph, the recipe, and the counters. A checkpoint is replaced wholly or not at all.
//!
//! ```
//! use heirloom_engine::{Tensor, Weights};
//! use heirloom_training::checkpoint::{Checkpoint, Identity};
//! # let folder = tempfile::tempdir()?;
//! let path = folder.path().join("last.safetensors");
//! let weights = Weights { tensors: [("fc.bias".into(), Tensor { shape: vec![2], values: vec![1.0, -1.0] })].into() };
//! let identity = Identity { graph: "digest of the graph".into(), recipe: r#"{"epochs":12}"#.into() };
//! let checkpoint = Checkpoint { weights, epoch: 3, ..Checkpoint::default() };
//! checkpoint.save(&path, &identity)?;
//! assert_eq!(Checkpoint::load(&path, &identity)?, checkpoint);
//! let other = Identity { recipe: r#"{"epochs":24}"#.into(), ..identity };
//! let refused = Checkpoint::load(&path, &other).unwrap_err().to_string();
//! assert!(refused.ends_with("which differs in 'epochs' (12 in the checkpoint, 24 in this run)"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod file;
mod recipe;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use heirloom_engine::Weights;
use serde_json::Value;

pub use error::CheckpointError;

use crate::optimizer::OptimizerState;

/// What a checkpoint must share with the run that goes on from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Digest of the graph.
    pub graph: String,
    /// All settings that decide the result, as canonical JSON: the seed, the data's digest, the optimiser, the schedule.
    pub recipe: String,
}

/// The state of training between two steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// Parameters and running statistics by the checkpoint's keys.
    pub weights: Weights,
    /// The optimiser's state.
    pub optimizer: OptimizerState,
    /// The average of the weights, where one is kept.
    pub average: Option<Weights>,
    /// The weights of the best epoch, where they are kept.
    pub best: Option<Weights>,
    /// Epochs that are complete.
    pub epoch: u64,
    /// Steps made in the epoch that is not.
    pub step_in_epoch: u64,
    /// Steps made in all.
    pub steps: u64,
    /// Updates of the average made.
    pub average_steps: u64,
    /// The seed; random numbers follow from it and the counters.
    pub seed: u64,
    /// What else the trainer remembers, such as early stopping and the history of metrics. Numbers with a fraction may change in
    /// their last digit here: what must come back exactly is kept as bits.
    pub notes: BTreeMap<String, Value>,
}

impl Checkpoint {
    /// Writes the checkpoint in place of the file at `path`. When that fails, an old file is as it was.
    ///
    /// # Errors
    /// [`CheckpointError::Io`], or a tensor whose values are not as many as its shape says.
    pub fn save(&self, path: &Path, identity: &Identity) -> Result<(), CheckpointError> {
        let bytes = file::to_bytes(self, identity).map_err(|error| error.at(path))?;
        write::replace(path, |file| std::io::Write::write_all(file, &bytes)).map_err(|source| io("write", path, source))
    }

    /// Reads a checkpoint to go on from.
    ///
    /// # Errors
    /// Everything that [`CheckpointError`] names: a file that is missing, cut off, damaged, of another kind or version, and a
    /// checkpoint of another architecture or recipe.
    pub fn load(path: &Path, identity: &Identity) -> Result<Self, CheckpointError> {
        let (checkpoint, found) = Self::open(path)?;
        if found.graph != identity.graph {
            let (expected, found) = (identity.graph.clone(), found.graph);
            return Err(CheckpointError::OtherArchitecture { path: path.into(), expected, found });
        }
        if found.recipe != identity.recipe {
            let differences = recipe::differences(&found.recipe, &identity.recipe);
            return Err(CheckpointError::OtherRecipe { path: path.into(), differences });
        }
        Ok(checkpoint)
    }

    /// Reads a checkpoint whatever run it belongs to, and says which.
    ///
    /// # Errors
    /// As [`Checkpoint::load`], but for the last two.
    pub fn open(path: &Path) -> Result<(Self, Identity), CheckpointError> {
        let bytes = std::fs::read(path).map_err(|source| io("read", path, source))?;
        file::from_bytes(&bytes).map_err(|error| error.at(path))
    }
}

fn io(action: &'static str, path: &Path, source: std::io::Error) -> CheckpointError {
    CheckpointError::Io { action, path: PathBuf::from(path), source }
}

#[cfg(test)]
mod tests;
