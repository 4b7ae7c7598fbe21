//! The network that an extraction runs, borrowed from a backbone or from an artifact.

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Precision, Weights};
use heirloom_zoo::Backbone;

use super::Extraction;
use crate::store::{Base, NUMERICS};

/// A network with its values and its preprocessing.
#[derive(Debug, Clone, Copy)]
pub struct Network<'a> {
    /// Name, for people.
    pub name: &'a str,
    /// The graph.
    pub graph: &'a Graph,
    /// Parameter values.
    pub weights: &'a Weights,
    /// BLAKE3 of the parameter values.
    pub weights_digest: &'a str,
    /// From image to input.
    pub preprocess: &'a Preprocess,
}

impl<'a> From<&'a Backbone> for Network<'a> {
    fn from(backbone: &'a Backbone) -> Self {
        Self {
            name: &backbone.name,
            graph: &backbone.graph,
            weights: &backbone.weights,
            weights_digest: &backbone.weights_digest,
            preprocess: &backbone.preprocess,
        }
    }
}

/// BLAKE3 of a graph's canonical JSON: fields in the order of their declaration, maps sorted by key.
#[must_use]
pub fn graph_digest(graph: &Graph) -> String {
    // Writing plain data to memory cannot fail; were it to, the digest would belong to no graph.
    let json = serde_json::to_vec(graph).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}

impl Extraction<'_> {
    /// What decides the bits of these features, apart from the images.
    pub(crate) fn base(&self) -> Base {
        let settings = self.images.settings();
        let mut preprocess = self.network.preprocess.describe();
        if !settings.is_empty() {
            preprocess = format!("{preprocess}|{settings}");
        }
        let precision = match self.options.storage {
            Precision::F32 => self.options.precision.to_string(),
            storage => format!("{}, kept in {storage}", self.options.precision),
        };
        Base {
            backbone: self.network.name.to_owned(),
            weights: self.network.weights_digest.to_owned(),
            graph: graph_digest(self.network.graph),
            preprocess,
            precision,
            kernels: self.options.isa,
            numerics: NUMERICS,
        }
    }
}
