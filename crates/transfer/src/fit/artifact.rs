//! From a fit to the file that is deployed.

use heirloom_engine::Isa;
use heirloom_zoo::Backbone;

use super::Fit;
use crate::artifact::{Accuracy, Artifact, DataRecord, RunRecord, Unfamiliar};

impl Fit {
    /// The model with its network; `command` is what was typed, for its record.
    #[must_use]
    pub fn artifact(&self, backbone: &Backbone, command: Vec<String>) -> Artifact {
        let artifact =
            Artifact::new(backbone, self.head.clone(), self.record.classes.clone(), self.run_record(command));
        self.described(artifact, &backbone.features)
    }

    /// The model of a table of features, whose block `principal` tells unfamiliar rows.
    #[must_use]
    pub fn artifact_of_features(&self, principal: &str, command: Vec<String>) -> Artifact {
        let artifact = Artifact::of_features(self.head.clone(), self.record.classes.clone(), self.run_record(command));
        self.described(artifact, principal)
    }

    fn run_record(&self, command: Vec<String>) -> RunRecord {
        let record = &self.record;
        let data = DataRecord {
            source: record.run.data.clone(),
            digest: record.run.data_digest.clone(),
            train: record.rows.train,
            test: record.rows.test,
            skipped: record.rows.skipped,
        };
        let kernels = record.run.isa.parse().unwrap_or_else(|_| Isa::detect());
        let run = RunRecord::new(command, record.run.settings.clone(), record.run.seed, data);
        RunRecord { precision: record.run.precision.name().to_owned(), kernels, ..run }
    }

    /// The model with what tells unfamiliar rows, and the accuracy to expect.
    fn described(&self, mut artifact: Artifact, principal: &str) -> Artifact {
        artifact.preparation = self.preparation.clone();
        let last = self.features.blocks.iter().find(|block| block.tap == principal);
        artifact.unfamiliar =
            last.and_then(|last| Unfamiliar::fit(&self.features, &(last.tap.clone(), last.pooling), &self.fitted_rows));
        let accuracy = &self.record.scores.accuracy;
        artifact.accuracy = Some(Accuracy {
            value: accuracy.value,
            low: accuracy.low,
            high: accuracy.high,
            n: accuracy.n,
            protocol: self.record.protocol.name().to_string(),
        });
        artifact
    }
}
