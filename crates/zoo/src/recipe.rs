//! What must be known about a weight file before its graph can be built; sidecars, timm configs and recognition all end here.

use std::collections::BTreeMap;

use heirloom_data::{Preprocess, Resize};

use crate::architectures;
use crate::error::ZooError;
use crate::stored_network::StoredNetwork;
use serde::{Deserialize, Serialize};

/// Where the batch norms of a checkpoint are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Modules of their own, with running statistics.
    Separate,
    /// Folded into the weight and bias of the convolution before them.
    Folded,
}

/// Departures from the published architecture that a checkpoint may need.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// ResNet: keep stages 1 to this one only (1 to 4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_stage: Option<usize>,
    /// MobileNetV2: stride of each of the 17 bottlenecks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strides: Option<Vec<usize>>,
    /// SqueezeNet: whether max pooling rounds the output side up (torchvision) or down (the original).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceil_pooling: Option<bool>,
    /// MobileNetV1: factor on the number of channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
}

/// A weight file, described.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Name of the backbone.
    pub name: String,
    /// Name of the architecture, one of [`crate::architectures::names`] or an alias.
    pub architecture: String,
    /// Logits; 0 for a checkpoint without a classifier, `None` to read it off the classifier.
    pub classes: Option<usize>,
    /// Names of the classes in logit order, or empty.
    pub class_names: Vec<String>,
    /// Where the batch norms are; `None` to find out from the keys.
    pub norm: Option<Norm>,
    /// Put before every key.
    pub prefix: Option<String>,
    /// From the layout's own keys to the file's, where they differ.
    pub rename: BTreeMap<String, String>,
    /// Departures from the published architecture.
    pub options: Options,
    /// The network node by node, where it is no published architecture; the fields above then say nothing about it.
    pub network: Option<StoredNetwork>,
    /// From an image to the network's input.
    pub preprocess: Preprocess,
    /// Licence of the weights.
    pub licence: Option<String>,
    /// Where they come from.
    pub source: Option<String>,
    /// What was assumed for want of a description; for the user to read.
    pub notes: Vec<String>,
}

impl Recipe {
    /// An architecture with its usual preprocessing and nothing else said.
    ///
    /// # Errors
    /// An unknown architecture.
    pub fn usual(name: &str, architecture: &str) -> Result<Self, ZooError> {
        let architecture = architectures::find(architecture)?;
        Ok(Self {
            name: name.to_owned(),
            architecture: architecture.name.to_owned(),
            classes: None,
            class_names: Vec::new(),
            norm: None,
            prefix: None,
            rename: BTreeMap::new(),
            options: Options::default(),
            network: None,
            preprocess: architecture.usual.preprocess(),
            licence: None,
            source: None,
            notes: Vec::new(),
        })
    }

    /// The same for images of `[height, width]` pixels; the resize before the crop keeps its ratio to the input.
    #[must_use]
    pub fn at_input_size(self, input_size: [usize; 2]) -> Self {
        Self { preprocess: at_input_size(&self.preprocess, input_size), ..self }
    }
}

/// Preprocessing for another input size `[height, width]`; the resize before the crop keeps its ratio to the input.
pub(crate) fn at_input_size(preprocess: &Preprocess, input_size: [usize; 2]) -> Preprocess {
    let [old, new] = [preprocess.input_size, input_size].map(|[height, width]| height.max(width));
    let resize = match preprocess.resize {
        Resize::ShorterSide(side) => Resize::ShorterSide((side * new / old.max(1)).max(new)),
        Resize::Squeeze => Resize::Squeeze,
    };
    Preprocess { input_size, resize, ..preprocess.clone() }
}
