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

use crate::artifact::{Artifact, ArtifactError, StoredNetwork, Unfamiliar};
use crate::heads::{Head, HeadError, StoredTensor};
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
        let (mut smaller, mut rounding) = (self.clone(), Rounding { numbers, factors: BTreeMap::new() });
        smaller.network.iter_mut().for_each(|network| rounding.network(network));
        smaller.head = rounding.head(&self.head)?;
        smaller.unfamiliar.iter_mut().for_each(|unfamiliar| rounding.references(unfamiliar));
        smaller.accuracy = None;
        smaller.compression = Some(Compression { numbers, factors: rounding.factors });
        Ok(smaller)
    }
}

/// A model on its way to fewer bits.
struct Rounding {
    numbers: Numbers,
    factors: BTreeMap<String, Vec<f32>>,
}

impl Rounding {
    /// Rounds one tensor, where that is worth it.
    fn tensor(&mut self, name: String, values: &mut [f32], channels: Option<Channels>) {
        if let Some(channels) = channels {
            self.factors.insert(name, round(self.numbers, values, channels));
        }
    }

    fn network(&mut self, network: &mut StoredNetwork) {
        let Some(weights) = &mut network.weights else { return };
        for (name, tensor) in &mut weights.tensors {
            self.tensor(name.clone(), &mut tensor.values, channels(&tensor.shape, false));
        }
        network.backbone.weights = weights_digest(weights);
    }

    fn head(&mut self, head: &Head) -> Result<Head, HeadError> {
        let mut stored = head.to_stored()?;
        for (name, last) in OF_HEAD {
            if let Some(StoredTensor::F32 { shape, values }) = stored.tensors.get_mut(name) {
                self.tensor(format!("{}{name}", written::HEAD), values, channels(shape, last));
            }
        }
        Head::from_stored(&stored)
    }

    fn references(&mut self, unfamiliar: &mut Unfamiliar) {
        let shape = [unfamiliar.references.len() / unfamiliar.width.max(1), unfamiliar.width];
        self.tensor(written::REFERENCES.to_owned(), &mut unfamiliar.references, channels(&shape, false));
        unfamiliar.set_threshold();
    }
}

#[cfg(test)]
mod tests;
