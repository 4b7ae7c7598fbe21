//! From a fit to the file that is deployed.

use std::path::Path;

use heirloom_transfer::artifact::{Accuracy, Artifact, DataRecord, RunRecord, Unfamiliar};
use heirloom_transfer::fit::Fit;
use heirloom_zoo::Backbone;

use crate::failure::Failure;

/// Writes the model; with `slim` the backbone is named by its digest and left out.
pub fn save(fit: &Fit, backbone: &Backbone, slim: bool, path: &Path) -> Result<(), Failure> {
    let artifact = of(fit, backbone);
    let artifact = if slim { artifact.slim() } else { artifact };
    Ok(artifact.save(path)?)
}

/// The model with its network.
pub fn of(fit: &Fit, backbone: &Backbone) -> Artifact {
    let record = &fit.record;
    let data = DataRecord {
        source: record.run.data.clone(),
        digest: record.run.data_digest.clone(),
        train: record.rows.train,
        test: record.rows.test,
        skipped: record.rows.skipped,
    };
    let command = std::env::args().collect();
    let run = RunRecord::new(command, record.run.settings.clone(), record.run.seed, data);
    let mut artifact = Artifact::new(backbone, fit.head.clone(), record.classes.clone(), run);
    let last = fit.features.blocks.iter().find(|block| block.tap == backbone.features);
    artifact.unfamiliar =
        last.and_then(|last| Unfamiliar::fit(&fit.features, &(last.tap.clone(), last.pooling), &fit.fitted_rows));
    let accuracy = &record.scores.accuracy;
    artifact.accuracy = Some(Accuracy {
        value: accuracy.value,
        low: accuracy.low,
        high: accuracy.high,
        n: accuracy.n,
        protocol: record.protocol.name().to_string(),
    });
    artifact
}
