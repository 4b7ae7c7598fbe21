//! Smaller models: the large tensors of an artifact in fewer bits, and heads that read fewer layers.
//!
//! ```text
//! artifact -> rounded (network, head, references of unfamiliar images) -> artifact that is written in fewer bytes and read to the same bits
//! head of several layers, features of fitted rows -> the layers that move its logits most -> head of those layers
//! ```
//!
//! What is rounded is rounded for good: the weights have another digest, and what a model of fewer bits answers has to be measured anew.
//! Biases, batch-norm parameters and single-channel tensors stay as they are: they are few, and rounding them costs most.

mod layers;
mod numbers;
mod written;

use std::collections::BTreeMap;

use heirloom_zoo::weights_digest;

pub use layers::LayerWeight;
pub use numbers::Numbers;
pub(crate) use written::{encoded, expand};

use crate::artifact::{Artifact, ArtifactError};
use crate::heads::{Head, StoredTensor};
use numbers::{Channels, round};

/// Tensors of a head that are rounded, and whether a channel is a place in their last dimension.
const OF_HEAD: [(&str, bool); 2] = [("weights", true), ("rows", false)];

/// How an artifact's tensors were rounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Compression {
    /// The numbers.
    pub numbers: Numbers,
    /// The factors of each rounded tensor, by its name in the file; none in bf16.
    pub(crate) factors: BTreeMap<String, Vec<f32>>,
}

/// The channels of a tensor that is worth rounding: two dimensions or more, and more than one channel.
fn channels(shape: &[usize], last: bool) -> Option<Channels> {
    let count = *if last { shape.last() } else { shape.first() }?;
    (shape.len() > 1 && count > 1).then_some(if last { Channels::Last(count) } else { Channels::First(count) })
}

impl Artifact {
    /// The artifact with its large tensors rounded to `numbers`. Its accuracy is unknown until it is measured anew.
    ///
    /// The network of a slim artifact stays as it is: it is another file's.
    ///
    /// # Errors
    /// An artifact that was compressed before: rounding twice would say less than it costs.
    pub fn compressed(&self, numbers: Numbers) -> Result<Self, ArtifactError> {
        if let Some(before) = &self.compression {
            return Err(ArtifactError::Compressed { numbers: before.numbers.name() });
        }
        let (mut smaller, mut factors) = (self.clone(), BTreeMap::new());
        if let Some(network) = &mut smaller.network
            && let Some(weights) = &mut network.weights
        {
            for (name, tensor) in &mut weights.tensors {
                if let Some(channels) = channels(&tensor.shape, false) {
                    factors.insert(name.clone(), round(numbers, &mut tensor.values, channels));
                }
            }
            network.backbone.weights = weights_digest(weights);
        }
        let mut head = self.head.to_stored()?;
        for (name, last) in OF_HEAD {
            if let Some(StoredTensor::F32 { shape, values }) = head.tensors.get_mut(name)
                && let Some(channels) = channels(shape, last)
            {
                factors.insert(format!("{}{name}", written::HEAD), round(numbers, values, channels));
            }
        }
        smaller.head = Head::from_stored(&head)?;
        if let Some(unfamiliar) = &mut smaller.unfamiliar {
            let rows = Channels::First(unfamiliar.references.len() / unfamiliar.width.max(1));
            factors.insert(written::REFERENCES.to_owned(), round(numbers, &mut unfamiliar.references, rows));
            unfamiliar.set_threshold();
        }
        smaller.accuracy = None;
        smaller.compression = Some(Compression { numbers, factors });
        Ok(smaller)
    }
}

#[cfg(test)]
mod tests;
