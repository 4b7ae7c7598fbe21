//! Prediction on a table of features: the head at work without a network.

use heirloom_data::FeatureTable;

use super::prediction::outcomes;
use super::{Outcome, PredictError};
use crate::Features;
use crate::artifact::{Artifact, ArtifactError};

/// Predicts every row of `table` with an artifact that was fitted on a table of features; `top` classes are listed for each.
///
/// # Errors
/// An artifact that reads images, a block that is missing or has another width.
pub fn predict_table(artifact: &Artifact, table: &FeatureTable, top: usize) -> Result<Vec<Outcome>, PredictError> {
    if let Some(network) = &artifact.network {
        return Err(ArtifactError::NeedsImages { name: network.backbone.name.clone() }.into());
    }
    let rows: Vec<usize> = (0..table.table.rows.len()).collect();
    let features = Features::of_table(table, &rows);
    let locator = |row: usize| table.table.rows.get(row).map(|row| row.locator.to_string()).unwrap_or_default();
    outcomes(artifact, &features, &rows, &[], &locator, top)
}
