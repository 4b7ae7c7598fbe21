//! A backbone: a graph with its values and everything needed to feed it.

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Weights};

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

/// BLAKE3 in hexadecimal over the tensors in order of their keys: key, shape and `f32` values, each with its length, little-endian.
/// Independent of the file's format and number type.
#[must_use]
pub fn weights_digest(weights: &Weights) -> String {
    let mut hasher = blake3::Hasher::new();
    for (key, tensor) in &weights.tensors {
        hasher.update(&(key.len() as u64).to_le_bytes());
        hasher.update(key.as_bytes());
        hasher.update(&(tensor.shape.len() as u64).to_le_bytes());
        for &side in &tensor.shape {
            hasher.update(&(side as u64).to_le_bytes());
        }
        // The same digest for any number of threads.
        hasher.update_rayon(bytemuck::cast_slice(&tensor.values));
    }
    hasher.finalize().to_hex().to_string()
}
