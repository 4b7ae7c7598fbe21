//! Writing a network to a weight file that [`open`](crate::open) reads back and that other programs can use.
//!
//! One safetensors file: the parameters as `f32` under their own keys, and one metadata key, `heirloom`, that holds the description
//! whose format is on the page of weight files. A description inside the file cannot be parted from it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use heirloom_engine::Tensor;
use safetensors::Dtype;
use safetensors::tensor::View;

use crate::architectures;
use crate::backbone::Backbone;
use crate::error::ZooError;
use crate::load;
use crate::recipe::{Norm, Recipe};
use crate::sidecar::Sidecar;
use crate::stored_network::StoredNetwork;
use crate::write;

/// The metadata key of the description.
pub(crate) const KEY: &str = "heirloom";

impl Backbone {
    /// Writes the network to `path`, wholly or not at all. What [`crate::open_path`] makes of the file equals this backbone, apart
    /// from its notes.
    ///
    /// ```
    /// use heirloom_zoo::{Backbone, Initialization, Recipe};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("mine.safetensors");
    /// let backbone = Backbone::from_scratch(&Recipe::usual("mine", "cifar_resnet20")?, &Initialization::usual(0))?;
    /// backbone.save(&path)?;
    /// assert_eq!(heirloom_zoo::open_path(&path)?.weights, backbone.weights);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A name that does not end in `.safetensors`, weights that are not finite or not the graph's, class names that are not one for
    /// each logit, a graph that cannot be run, or a file that cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ZooError> {
        let wrong = |reason: String| ZooError::Unsupported { path: path.to_owned(), reason };
        if path.extension().is_none_or(|extension| extension != "safetensors") {
            return Err(wrong("weights are written to a file whose name ends in .safetensors".into()));
        }
        self.check_weights(path)?;
        load::check_preprocess(&self.preprocess).map_err(wrong)?;
        let recipe = self.recipe();
        self.stored_network().check(&recipe.preprocess, recipe.classes).map_err(wrong)?;
        let description =
            serde_json::to_string(&Sidecar::from_recipe(&recipe)).map_err(|error| wrong(error.to_string()))?;
        // Read back as open does it, so that a description that cannot be read is never written.
        serde_json::from_str::<Sidecar>(&description)
            .map_err(|error| wrong(error.to_string()))?
            .into_recipe(&recipe.name, path)?;
        let tensors: Vec<(&str, Values<'_>)> =
            self.weights.tensors.iter().map(|(key, tensor)| (key.as_str(), Values(tensor))).collect();
        let metadata = HashMap::from([(KEY.to_owned(), description)]);
        let written = write::atomically(path, |temporary| {
            safetensors::serialize_to_file(tensors, Some(metadata), temporary).map_err(std::io::Error::other)
        });
        written.map_err(|source| ZooError::Io { path: path.to_owned(), source })
    }

    /// The description of this network: its architecture where that is all there is to say, or else node by node.
    #[must_use]
    pub fn recipe(&self) -> Recipe {
        let logits = self.logits.as_ref().and_then(|_| self.classifier_parameters().into_iter().next());
        let classes = logits.and_then(|key| self.graph.parameters.get(&key)?.first().copied()).unwrap_or(0);
        let recipe = Recipe {
            name: self.name.clone(),
            architecture: self.architecture.clone(),
            classes: Some(classes),
            class_names: self.classes.clone(),
            norm: None,
            prefix: None,
            rename: Default::default(),
            options: Default::default(),
            network: None,
            preprocess: self.preprocess.clone(),
            licence: self.licence.clone(),
            source: self.source.clone(),
            notes: Vec::new(),
        };
        self.published(&recipe).unwrap_or_else(|| Recipe { network: Some(self.stored_network()), ..recipe.clone() })
    }

    /// The recipe, where the published architecture under one of its key names is this very network.
    fn published(&self, recipe: &Recipe) -> Option<Recipe> {
        for &layout in architectures::layouts(&self.architecture).ok()? {
            for norm in [Norm::Separate, Norm::Folded] {
                let recipe = Recipe { norm: Some(norm), ..recipe.clone() };
                let Ok(network) = architectures::build(&recipe, layout) else { continue };
                if network.graph == self.graph && network.taps == self.taps && self.features == "pre_logits" {
                    return Some(recipe);
                }
            }
        }
        None
    }

    fn stored_network(&self) -> StoredNetwork {
        StoredNetwork { graph: self.graph.clone(), taps: self.taps.clone(), features: self.features.clone() }
    }

    fn check_weights(&self, path: &Path) -> Result<(), ZooError> {
        self.weights
            .check(&self.graph)
            .map_err(|error| ZooError::Unsupported { path: path.to_owned(), reason: error.to_string() })?;
        for (key, tensor) in &self.weights.tensors {
            let mut wrong = tensor.values.iter().enumerate().filter(|(_, value)| !value.is_finite());
            if let Some((index, &value)) = wrong.next() {
                let (path, key, count) = (path.to_owned(), key.clone(), 1 + wrong.count());
                return Err(ZooError::NotFinite { path, key, index, value, count });
            }
        }
        Ok(())
    }
}

/// A tensor's bytes, made when they are asked for.
struct Values<'a>(&'a Tensor);

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        self.0.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn data_len(&self) -> usize {
        4 * self.0.values.len()
    }
}
