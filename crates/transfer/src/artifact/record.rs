//! How an artifact came about: the backbone, the data, the settings, the accuracy. Plain data, the same in the artifact, in
//! `run.json` and in every report.

use heirloom_engine::Isa;
use heirloom_zoo::Backbone;
use serde::{Deserialize, Serialize};

use crate::extract::graph_digest;
use crate::store::NUMERICS;

/// Where a network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackboneRecord {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// BLAKE3 of its weights' content.
    pub weights: String,
    /// BLAKE3 of its graph's canonical JSON.
    pub graph: String,
    /// Licence of the weights, where known.
    pub licence: Option<String>,
    /// Where the weights come from, where known.
    pub source: Option<String>,
    /// Name of the penultimate vector.
    pub features: String,
    /// Name of the source logits, where there are any.
    pub logits: Option<String>,
    /// Default taps in depth order.
    pub taps: Vec<String>,
    /// Names of the source classes.
    pub classes: Vec<String>,
}

impl From<&Backbone> for BackboneRecord {
    fn from(backbone: &Backbone) -> Self {
        Self {
            name: backbone.name.clone(),
            architecture: backbone.architecture.clone(),
            weights: backbone.weights_digest.clone(),
            graph: graph_digest(&backbone.graph),
            licence: backbone.licence.clone(),
            source: backbone.source.clone(),
            features: backbone.features.clone(),
            logits: backbone.logits.clone(),
            taps: backbone.taps.clone(),
            classes: backbone.classes.clone(),
        }
    }
}

/// An accuracy with its interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accuracy {
    /// Share of images given their own class, 0 to 1.
    pub value: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Images it was measured on.
    pub n: usize,
    /// How it was measured: `test`, `held-out`, `nested-cv`.
    pub protocol: String,
}

/// The images a run was made on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// What was opened.
    pub source: String,
    /// BLAKE3 over the content digests of its rows, in order.
    pub digest: Option<String>,
    /// Rows fitted on.
    pub train: usize,
    /// Rows the accuracy was measured on.
    pub test: usize,
    /// Rows skipped.
    pub skipped: usize,
}

/// How long a run took. Left out of an artifact that is to be the same for the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// Start, in seconds since 1970-01-01 00:00 UTC.
    pub started: u64,
    /// Seconds of extraction.
    pub extract: f64,
    /// Seconds of fitting.
    pub fit: f64,
    /// Seconds in all.
    pub total: f64,
}

/// Everything needed to repeat a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the program.
    pub heirloom: String,
    /// [`NUMERICS`] of the program.
    pub numerics: u32,
    /// What was typed.
    pub command: Vec<String>,
    /// The settings that resulted, defaults included.
    pub settings: serde_json::Value,
    /// Seed of everything drawn at random.
    pub seed: u64,
    /// Precision of the network's arithmetic.
    pub precision: String,
    /// Kernel variant of the network's arithmetic.
    pub kernels: Isa,
    /// The images.
    pub data: DataRecord,
    /// How long it took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<Times>,
}

impl RunRecord {
    /// A record of this program at work with the best kernels of this processor in single precision.
    #[must_use]
    pub fn new(command: Vec<String>, settings: serde_json::Value, seed: u64, data: DataRecord) -> Self {
        Self {
            heirloom: env!("CARGO_PKG_VERSION").to_owned(),
            numerics: NUMERICS,
            command,
            settings,
            seed,
            precision: "f32".into(),
            kernels: Isa::detect(),
            data,
            times: None,
        }
    }
}
