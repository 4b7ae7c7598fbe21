//! The state of a run that is not complete: which run it belongs to, and going on from it.

use std::path::{Path, PathBuf};

use heirloom_data::Table;
use heirloom_engine::Graph;
use heirloom_training::checkpoint::{Checkpoint, Identity};
use heirloom_training::trainer::{EpochReport, Trainer, TrainingError};

use super::super::FitError;
use super::TrainingEvent;
use crate::extract::graph_digest;

/// The note of a checkpoint that holds the reports of its complete epochs.
const EPOCHS: &str = "epochs";

/// Where the state of a run is kept, and what complete epochs have reported.
pub(crate) struct Kept {
    /// The file and the run that it belongs to; none where no state is kept.
    pub place: Option<(PathBuf, Identity)>,
    /// Reports of the epochs before this process.
    pub epochs: Vec<EpochReport>,
}

/// Writes the state with the reports of its epochs.
pub(crate) fn save(
    mut state: Checkpoint,
    epochs: &[EpochReport],
    path: &Path,
    identity: &Identity,
) -> Result<(), TrainingError> {
    // Plain numbers always have a JSON form; a run without these reports goes on all the same.
    state.notes.extend(serde_json::to_value(epochs).ok().map(|epochs| (EPOCHS.to_owned(), epochs)));
    Ok(state.save(path, identity)?)
}

/// Puts the state kept at `path`, if there is one, into the trainer. `recipe` is everything besides the
/// graph that decides the result.
pub(crate) fn resume(
    path: Option<&Path>,
    graph: &Graph,
    recipe: &serde_json::Value,
    trainer: &mut Trainer,
    report: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<Kept, FitError> {
    let mut epochs = Vec::new();
    let Some(path) = path else { return Ok(Kept { place: None, epochs }) };
    let identity = Identity { graph: graph_digest(graph), recipe: recipe.to_string() };
    if path.exists() {
        let mut kept = Checkpoint::load(path, &identity).map_err(TrainingError::from)?;
        epochs = kept.notes.remove(EPOCHS).and_then(|epochs| serde_json::from_value(epochs).ok()).unwrap_or_default();
        let (epoch, step_in_epoch) = (kept.epoch, kept.step_in_epoch);
        trainer.restore(kept)?;
        if let Some(report) = report {
            report(&TrainingEvent::Resumed { epoch, step_in_epoch });
        }
    }
    Ok(Kept { place: Some((path.to_path_buf(), identity)), epochs })
}

/// Which rows are trained on, short enough for a message.
pub(crate) fn rows_digest(table: &Table, rows: &[usize]) -> String {
    let mut hasher = blake3::Hasher::new();
    for &at in rows {
        hasher.update(&(at as u64).to_le_bytes());
        if let Some(row) = table.rows.get(at) {
            let carried = row.intervention.as_ref().map(ToString::to_string);
            hasher.update(format!("{} {:?} {carried:?}", row.locator, row.label).as_bytes());
        }
    }
    let digest = hasher.finalize().to_hex();
    format!("{} rows, {}", rows.len(), &digest[..16])
}
