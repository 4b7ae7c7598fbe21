//! The artifact: everything needed to predict, in one `.heirloom` file.
//!
//! This module owns what a deployed model is: the network (or, in a slim artifact, the digest of it), how images are prepared,
//! the head, the class names, when an image is unfamiliar, and how all of this came about. The file is a safetensors file with
//! one metadata key, `heirloom`, that holds one JSON string with sorted keys, so that equal artifacts are equal bytes; see
//! `docs/formats/artifact.md`.

mod check;
mod error;
mod file;
mod record;
mod tensors;
mod unfamiliar;

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Weights};
use heirloom_zoo::{Backbone, weights_digest};

pub use error::ArtifactError;
pub use record::{Accuracy, BackboneRecord, DataRecord, RunRecord, Times};
pub use tensors::tensors_digest;
pub use unfamiliar::{BEYOND, MOST_REFERENCES, Unfamiliar};

use crate::extract::{Network, Request};
use crate::heads::Head;

/// A fitted model, ready to predict or to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// Where the network comes from.
    pub backbone: BackboneRecord,
    /// The network.
    pub graph: Graph,
    /// Its values; `None` in a slim artifact until [`Artifact::attach`] brings them.
    pub weights: Option<Weights>,
    /// From an image to the network's input.
    pub preprocess: Preprocess,
    /// From features to classes, calibration temperature included.
    pub head: Head,
    /// Class names by label.
    pub classes: Vec<String>,
    /// When an image is unlike those the head was fitted on.
    pub unfamiliar: Option<Unfamiliar>,
    /// The accuracy to expect, and how it was measured.
    pub accuracy: Option<Accuracy>,
    /// How the artifact came about.
    pub run: RunRecord,
}

impl Artifact {
    /// An artifact that holds `backbone` and the head fitted on it.
    #[must_use]
    pub fn new(backbone: &Backbone, head: Head, classes: Vec<String>, run: RunRecord) -> Self {
        Self {
            backbone: BackboneRecord::from(backbone),
            graph: backbone.graph.clone(),
            weights: Some(backbone.weights.clone()),
            preprocess: backbone.preprocess.clone(),
            head,
            classes,
            unfamiliar: None,
            accuracy: None,
            run,
        }
    }

    /// The same without the network's values: many artifacts share one backbone, which is named by its digest.
    #[must_use]
    pub fn slim(self) -> Self {
        Self { weights: None, ..self }
    }

    /// Whether the network's values have to come from elsewhere.
    #[must_use]
    pub const fn is_slim(&self) -> bool {
        self.weights.is_none()
    }

    /// Brings the values of the backbone that a slim artifact names.
    ///
    /// # Errors
    /// When `backbone` is another one.
    pub fn attach(&mut self, backbone: Backbone) -> Result<(), ArtifactError> {
        let (expected, found) = (&self.backbone.weights, weights_digest(&backbone.weights));
        if *expected != found {
            let (expected, name) = (expected.clone(), self.backbone.name.clone());
            return Err(ArtifactError::OtherBackbone { name, expected, given: backbone.name, found });
        }
        self.weights = Some(backbone.weights);
        Ok(())
    }

    /// The network as an extraction needs it; `None` while the values are missing.
    #[must_use]
    pub fn network(&self) -> Option<Network<'_>> {
        Some(Network {
            name: &self.backbone.name,
            graph: &self.graph,
            weights: self.weights.as_ref()?,
            weights_digest: &self.backbone.weights,
            preprocess: &self.preprocess,
        })
    }

    /// What has to be read from the network: the taps of the head, and the one that tells unfamiliar images.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let mut requests = Vec::<Request>::new();
        let head = self.head.columns().iter().map(|input| (input.tap.clone(), input.pooling));
        for request in head.chain(self.unfamiliar.iter().map(|unfamiliar| unfamiliar.request())) {
            if !requests.contains(&request) {
                requests.push(request);
            }
        }
        requests
    }
}

#[cfg(test)]
pub(crate) mod tests;
