//! The artifact: everything needed to predict, in one `.heirloom` file.
//!
//! This module owns what a deployed model is: the network (or, in a slim artifact, the digest of it), how images are prepared,
//! the head, the class names, when an image is unfamiliar, and how all of this came about. The file is a safetensors file with
//! one metadata key, `heirloom`, that holds one JSON string with sorted keys, so that equal artifacts are equal bytes; see
//! `docs/formats/artifact.md`.

mod between;
mod check;
mod classifier;
mod error;
mod file;
mod reading;
mod record;
mod tensors;
mod unfamiliar;

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Weights};
use heirloom_zoo::{Backbone, weights_digest};

pub use between::Part;
pub use error::ArtifactError;
pub(crate) use reading::{Loaded, Values};
pub use record::{Accuracy, BackboneRecord, DataRecord, RunRecord, Times};
pub use tensors::tensors_digest;
pub use unfamiliar::{BEYOND, MOST_REFERENCES, Unfamiliar};

use crate::adaptation::Preparation;
use crate::compress::Compression;
use crate::extract::{Network, Request};
use crate::heads::Head;

/// A fitted model, ready to predict or to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Artifact {
    /// The network whose features the head reads; `None` where features come as such, from a table of them.
    pub network: Option<StoredNetwork>,
    /// What happens to features before the head reads them, where it was adapted to a target domain.
    pub preparation: Option<Preparation>,
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
    /// How its large tensors were rounded, where they were.
    pub compression: Option<Compression>,
}

/// The network of an artifact.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredNetwork {
    /// Where it comes from.
    pub backbone: BackboneRecord,
    /// Its operations.
    pub graph: Graph,
    /// Its values; `None` in a slim artifact until [`Artifact::attach`] brings them.
    pub weights: Option<Weights>,
    /// From an image to its input.
    pub preprocess: Preprocess,
}

impl Artifact {
    /// An artifact that holds `backbone` and the head fitted on it.
    #[must_use]
    pub fn new(backbone: &Backbone, head: Head, classes: Vec<String>, run: RunRecord) -> Self {
        let network = StoredNetwork {
            backbone: BackboneRecord::from(backbone),
            graph: backbone.graph.clone(),
            weights: Some(backbone.weights.clone()),
            preprocess: backbone.preprocess.clone(),
        };
        Self { network: Some(network), ..Self::of_features(head, classes, run) }
    }

    /// An artifact for features that come from elsewhere.
    #[must_use]
    pub const fn of_features(head: Head, classes: Vec<String>, run: RunRecord) -> Self {
        Self {
            network: None,
            preparation: None,
            head,
            classes,
            unfamiliar: None,
            accuracy: None,
            run,
            compression: None,
        }
    }

    /// The same without the network's values: many artifacts share one backbone, which is named by its digest.
    #[must_use]
    pub fn slim(mut self) -> Self {
        if let Some(network) = &mut self.network {
            network.weights = None;
        }
        self
    }

    /// Whether the network's values have to come from elsewhere.
    #[must_use]
    pub fn is_slim(&self) -> bool {
        self.network.as_ref().is_some_and(|network| network.weights.is_none())
    }

    /// Brings the values of the backbone that a slim artifact names.
    ///
    /// # Errors
    /// When `backbone` is another one, or the artifact has no network.
    pub fn attach(&mut self, backbone: Backbone) -> Result<(), ArtifactError> {
        let network = self.network.as_mut().ok_or(ArtifactError::NoNetwork)?;
        let (expected, found) = (&network.backbone.weights, weights_digest(&backbone.weights));
        if *expected != found {
            let (expected, name) = (expected.clone(), network.backbone.name.clone());
            return Err(ArtifactError::OtherBackbone { name, expected, given: backbone.name, found });
        }
        network.weights = Some(backbone.weights);
        Ok(())
    }

    /// The network as an extraction needs it.
    ///
    /// # Errors
    /// No network, or one whose values are missing.
    pub fn network(&self) -> Result<Network<'_>, ArtifactError> {
        let network = self.network.as_ref().ok_or(ArtifactError::NoNetwork)?;
        let missing = || ArtifactError::NeedsBackbone {
            name: network.backbone.name.clone(),
            digest: network.backbone.weights.clone(),
        };
        Ok(Network {
            name: &network.backbone.name,
            graph: &network.graph,
            weights: network.weights.as_ref().ok_or_else(missing)?,
            weights_digest: &network.backbone.weights,
            preprocess: &network.preprocess,
        })
    }

    /// The network as a backbone to adapt further.
    ///
    /// # Errors
    /// As [`Artifact::network`].
    pub fn backbone(&self) -> Result<Backbone, ArtifactError> {
        let weights = self.network()?.weights.clone();
        let network = self.network.as_ref().ok_or(ArtifactError::NoNetwork)?;
        let record = network.backbone.clone();
        Ok(Backbone {
            name: record.name,
            architecture: record.architecture,
            graph: network.graph.clone(),
            weights,
            preprocess: network.preprocess.clone(),
            weights_digest: record.weights,
            licence: record.licence,
            source: record.source,
            classes: record.classes,
            features: record.features,
            logits: record.logits,
            taps: record.taps,
            notes: Vec::new(),
        })
    }

    /// What has to be there to predict: the taps or blocks of the head, and the one that tells unfamiliar images.
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
