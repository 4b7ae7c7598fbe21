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

/// Writes the model of a table of features, whose principal block tells unfamiliar rows.
pub fn save_features(fit: &Fit, principal: &str, path: &Path) -> Result<(), Failure> {
    let artifact = Artifact::of_features(fit.head.clone(), fit.record.classes.clone(), run_record(fit));
    Ok(described(artifact, fit, principal).save(path)?)
}

/// The model with its network.
pub fn of(fit: &Fit, backbone: &Backbone) -> Artifact {
    let artifact = Artifact::new(backbone, fit.head.clone(), fit.record.classes.clone(), run_record(fit));
    described(artifact, fit, &backbone.features)
}

fn run_record(fit: &Fit) -> RunRecord {
    let record = &fit.record;
    let data = DataRecord {
        source: record.run.data.clone(),
        digest: record.run.data_digest.clone(),
        train: record.rows.train,
        test: record.rows.test,
        skipped: record.rows.skipped,
    };
    let command = std::env::args().collect();
    RunRecord::new(command, record.run.settings.clone(), record.run.seed, data)
}

/// The model with what tells unfamiliar rows, and the accuracy to expect.
fn described(mut artifact: Artifact, fit: &Fit, principal: &str) -> Artifact {
    let record = &fit.record;
    artifact.preparation = fit.preparation.clone();
    let last = fit.features.blocks.iter().find(|block| block.tap == principal);
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
