//! The written form of rounded tensors: the values in fewer bytes under their own name, their factors beside them.

use std::collections::BTreeMap;

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::numbers::{Channels, Numbers, decode, encode};
use super::{Compression, channels};
use crate::artifact::{ArtifactError, Loaded, Values};

/// Beginning of the names of factors.
const SCALE: &str = "heirloom.scale.";
/// Tensors of the head.
pub(super) const HEAD: &str = "heirloom.head.";
/// Reference features for unfamiliar images.
pub(super) const REFERENCES: &str = "heirloom.unfamiliar.references";

/// A tensor with bytes of its own.
pub(crate) struct Encoded {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// The channels of a tensor by its name in the file.
fn channels_of(name: &str, shape: &[usize]) -> Option<Channels> {
    channels(shape, name == format!("{HEAD}weights"))
}

fn broken(reason: String) -> ArtifactError {
    ArtifactError::Description { path: Default::default(), reason }
}

/// What stands in the file in place of the rounded ones among `plain`.
pub(crate) fn encoded(
    compression: &Compression,
    plain: &BTreeMap<String, TensorView<'_>>,
) -> Result<BTreeMap<String, Encoded>, ArtifactError> {
    let mut out = BTreeMap::new();
    for (name, factors) in &compression.factors {
        let Some(view) = plain.get(name) else { continue };
        let other = || broken(format!("the values of '{name}' are not {} any more", compression.numbers.name()));
        let values: Vec<f32> = bytemuck::pod_collect_to_vec(view.data());
        let channels = channels_of(name, view.shape()).ok_or_else(other)?;
        let bytes = encode(compression.numbers, &values, factors, channels).ok_or_else(other)?;
        let dtype = dtype(compression.numbers);
        out.insert(name.clone(), Encoded { dtype, shape: view.shape().to_vec(), bytes });
        if !factors.is_empty() {
            let bytes = bytemuck::cast_slice(factors).to_vec();
            out.insert(format!("{SCALE}{name}"), Encoded { dtype: Dtype::F32, shape: vec![factors.len()], bytes });
        }
    }
    Ok(out)
}

/// Brings the rounded tensors of a file to single precision, in place; their factors are taken out of `tensors`.
pub(crate) fn expand(numbers: Numbers, tensors: &mut BTreeMap<String, Loaded>) -> Result<Compression, ArtifactError> {
    let written = dtype(numbers);
    let rounded = tensors.iter().filter(|(_, one)| one.dtype == written).map(|(name, _)| name.clone());
    let (names, mut factors): (Vec<String>, _) = (rounded.collect(), BTreeMap::new());
    for name in names {
        let Some(Loaded { shape, values, .. }) = tensors.remove(&name) else { continue };
        let (Some(channels), Values::Bytes(bytes)) = (channels_of(&name, &shape), values) else {
            return Err(broken(format!("'{name}' has shape {shape:?}, which is not rounded")));
        };
        let own = factors_of(numbers, &name, channels, tensors)?;
        let values = Values::Floats(decode(numbers, &bytes, &own, channels));
        tensors.insert(name.clone(), Loaded { dtype: Dtype::F32, shape, values });
        factors.insert(name, own);
    }
    Ok(Compression { numbers, factors })
}

const fn dtype(numbers: Numbers) -> Dtype {
    match numbers {
        Numbers::Bf16 => Dtype::BF16,
        Numbers::Int8 => Dtype::I8,
    }
}

/// The factors of a tensor: one for each channel, positive and finite.
fn factors_of(
    numbers: Numbers,
    name: &str,
    channels: Channels,
    tensors: &mut BTreeMap<String, Loaded>,
) -> Result<Vec<f32>, ArtifactError> {
    if numbers == Numbers::Bf16 {
        return Ok(Vec::new());
    }
    let scale = format!("{SCALE}{name}");
    let missing = || ArtifactError::MissingTensor { path: Default::default(), name: scale.clone() };
    let factors = match tensors.remove(&scale).ok_or_else(missing)?.values {
        Values::Floats(factors) => factors,
        Values::Bytes(_) => Vec::new(),
    };
    if factors.len() != channels.count() || factors.iter().any(|factor| !(factor.is_finite() && *factor > 0.0)) {
        return Err(broken(format!("'{scale}' needs {} positive numbers", channels.count())));
    }
    Ok(factors)
}
