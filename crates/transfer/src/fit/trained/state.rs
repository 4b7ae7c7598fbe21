//! The state of a run that is not complete: which run it belongs to, and going on from it.

use std::path::{Path, PathBuf};

use heirloom_engine::Graph;
use heirloom_training::checkpoint::{Checkpoint, Identity};
use heirloom_training::trainer::{Trainer, TrainingError};

use super::super::FitError;
use super::TrainingEvent;
use crate::extract::graph_digest;

/// Puts the state kept at `path`, if there is one, into the trainer; the file and the run that it belongs to. `recipe` is everything besides the
/// graph that decides the result.
pub(crate) fn resume(
    path: Option<&Path>,
    graph: &Graph,
    recipe: &serde_json::Value,
    trainer: &mut Trainer,
    report: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<Option<(PathBuf, Identity)>, FitError> {
    let Some(path) = path else { return Ok(None) };
    let identity = Identity { graph: graph_digest(graph), recipe: recipe.to_string() };
    if path.exists() {
        let kept = Checkpoint::load(path, &identity).map_err(TrainingError::from)?;
        let (epoch, step_in_epoch) = (kept.epoch, kept.step_in_epoch);
        trainer.restore(kept)?;
        if let Some(report) = report {
            report(&TrainingEvent::Resumed { epoch, step_in_epoch });
        }
    }
    Ok(Some((path.to_path_buf(), identity)))
}

/// Which rows are trained on, short enough for a message.
pub(crate) fn rows_digest(rows: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for &row in rows {
        hasher.update(&(row as u64).to_le_bytes());
    }
    let digest = hasher.finalize().to_hex();
    format!("{} rows, {}", rows.len(), &digest[..16])
}
