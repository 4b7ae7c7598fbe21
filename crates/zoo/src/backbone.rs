//! A backbone: a graph with its values and everything needed to feed it.

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Weights};

use crate::architectures;
use crate::error::ZooError;
use crate::fitting::fit;
use crate::readers::TensorFile;
use crate::recipe::Recipe;

/// A pretrained network, ready to compile.
#[derive(Debug, Clone)]
pub struct Backbone {
    /// Its name, such as `resnet18.a1_in1k`.
    pub name: String,
    /// The architecture's name in [`crate::architectures::names`].
    pub architecture: String,
    /// Node 0 is the input, node 1 normalises.
    pub graph: Graph,
    /// The graph's parameters and nothing else, under the file's own keys.
    pub weights: Weights,
    /// From an image to the input.
    pub preprocess: Preprocess,
    /// [`weights_digest`] of the weights.
    pub weights_digest: String,
    /// Licence of the weights, where known.
    pub licence: Option<String>,
    /// Where they come from, where known.
    pub source: Option<String>,
    /// Names of the source classes in logit order; may be empty.
    pub classes: Vec<String>,
    /// Name of the penultimate vector.
    pub features: String,
    /// Name of the source logits, where there is a classifier.
    pub logits: Option<String>,
    /// Default taps in depth order: Head2Toe's choice for ResNets and ViTs (Evci et al. 2022, arXiv 2201.03529), the analogous one
    /// elsewhere: after the nonlinearity of each convolution unit, block outputs, the map before pooling, the penultimate vector,
    /// and the source logits of convolution networks. Two names may mean the same node.
    pub taps: Vec<String>,
    /// What was assumed for want of a description.
    pub notes: Vec<String>,
}

impl Backbone {
    /// Builds the graph that `recipe` describes and fills it from `file`.
    ///
    /// # Errors
    /// An unknown architecture, options it cannot take, tensors that do not fit, values that are not finite.
    pub fn load(recipe: Recipe, file: &mut TensorFile) -> Result<Self, ZooError> {
        let architecture = architectures::find(&recipe.architecture)?;
        check_preprocess(&recipe.preprocess)
            .map_err(|reason| ZooError::Description { path: file.path().to_owned(), reason })?;
        let found = fit(architecture, &recipe, file.entries())
            .map_err(|reason| ZooError::Description { path: file.path().to_owned(), reason })?;
        if !found.problems.0.is_empty() {
            let architecture = architecture.name.to_owned();
            return Err(ZooError::Mismatch { path: file.path().to_owned(), architecture, problems: found.problems });
        }
        let network = found.network;
        let mut weights = Weights::default();
        for key in network.graph.parameters.keys() {
            weights.tensors.insert(key.clone(), file.read(key)?);
        }
        Ok(Self {
            name: recipe.name,
            architecture: architecture.name.to_owned(),
            weights_digest: weights_digest(&weights),
            logits: network.classifier.is_some().then(|| "logits".to_owned()),
            graph: network.graph,
            weights,
            preprocess: recipe.preprocess,
            licence: recipe.licence,
            source: recipe.source,
            classes: recipe.class_names,
            features: "pre_logits".to_owned(),
            taps: network.taps,
            notes: recipe.notes,
        })
    }
}

/// BLAKE3 in hexadecimal over the tensors in order of their keys: key, shape and `f32` values, each with its length, little-endian.
/// Independent of the file's format and number type.
#[must_use]
pub fn weights_digest(weights: &Weights) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = Vec::new();
    for (key, tensor) in &weights.tensors {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
        for &side in &tensor.shape {
            hasher.update(&(side as u64).to_le_bytes());
        }
        for block in tensor.values.chunks(1 << 14) {
            bytes.clear();
            bytes.extend(block.iter().flat_map(|value| value.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    hasher.finalize().to_hex().to_string()
}

fn check_preprocess(preprocess: &Preprocess) -> Result<(), String> {
    let [height, width] = preprocess.input_size;
    if !(1..=4096).contains(&height) || !(1..=4096).contains(&width) {
        return Err(format!("input_size is {height}x{width} pixels, must be 1 to 4096 on each side"));
    }
    if let heirloom_data::Resize::ShorterSide(side) = preprocess.resize
        && !(height.max(width)..=16384).contains(&side)
    {
        return Err(format!("the shorter side is resized to {side} pixels, must be {} to 16384", height.max(width)));
    }
    if preprocess.mean.iter().any(|mean| !mean.is_finite()) {
        return Err(format!("mean is {:?}, must be finite", preprocess.mean));
    }
    if preprocess.std.iter().any(|std| !(std.is_finite() && *std > 0.0)) {
        return Err(format!("std is {:?}, must be positive", preprocess.std));
    }
    Ok(())
}
