//! The description of a weight file. Owns its format, whose page is docs/formats/weights.md.

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::Preprocess;
use serde::{Deserialize, Serialize};

use crate::error::ZooError;
use crate::recipe::{Norm, Options, Recipe};
use crate::stored_network::StoredNetwork;

/// Version of the format that this crate writes and reads.
pub(crate) const VERSION: u32 = 1;

#[doc = include_str!("../../../docs/formats/weights.md")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Version of the format.
    pub heirloom_weights: u32,
    /// Name of the backbone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Name of the architecture.
    pub architecture: String,
    /// Number of logits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<usize>,
    /// Names of the classes in logit order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub class_names: Vec<String>,
    /// Where the batch norms are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_norm: Option<Norm>,
    /// Put before every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// From the library's key to the file's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// Departures from the published architecture.
    #[serde(default)]
    pub options: Options,
    /// The network node by node, where it is no published architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<StoredNetwork>,
    /// From an image to the input.
    pub preprocess: Preprocess,
    /// Licence of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where they come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Sidecar {
    /// The recipe of the weights called `name` unless the description says otherwise.
    ///
    /// # Errors
    /// Another version of the format, or class names that are not one per class.
    pub fn into_recipe(self, name: &str, path: &Path) -> Result<Recipe, ZooError> {
        let wrong = |reason: String| ZooError::Description { path: path.to_owned(), reason };
        if self.heirloom_weights != VERSION {
            return Err(wrong(format!("heirloom_weights is {}, this version reads {VERSION}", self.heirloom_weights)));
        }
        let classes = self.classes.or((!self.class_names.is_empty()).then_some(self.class_names.len()));
        if !self.class_names.is_empty() && classes != Some(self.class_names.len()) {
            let names = self.class_names.len();
            return Err(wrong(format!("class_names holds {names} names, classes is {}", classes.unwrap_or(0))));
        }
        Ok(Recipe {
            name: self.name.unwrap_or_else(|| name.to_owned()),
            architecture: self.architecture,
            classes,
            class_names: self.class_names,
            norm: self.batch_norm,
            prefix: self.prefix,
            rename: self.keys,
            options: self.options,
            network: self.network,
            preprocess: self.preprocess,
            licence: self.licence,
            source: self.source,
            notes: Vec::new(),
        })
    }

    /// The description that reads as `recipe`.
    #[must_use]
    pub fn from_recipe(recipe: &Recipe) -> Self {
        Self {
            heirloom_weights: VERSION,
            name: Some(recipe.name.clone()),
            architecture: recipe.architecture.clone(),
            classes: recipe.classes,
            class_names: recipe.class_names.clone(),
            batch_norm: recipe.norm,
            prefix: recipe.prefix.clone(),
            keys: recipe.rename.clone(),
            options: recipe.options.clone(),
            network: recipe.network.clone(),
            preprocess: recipe.preprocess.clone(),
            licence: recipe.licence.clone(),
            source: recipe.source.clone(),
        }
    }
}
