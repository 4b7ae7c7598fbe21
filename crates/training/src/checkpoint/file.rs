//! The file form of a checkpoint: what is written where, and every check on the way back.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use heirloom_engine::{Tensor, Weights};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::broken;
use super::{Checkpoint, CheckpointError, Identity};
use crate::optimizer::OptimizerState;

/// Version of the format that is written, and the latest that is read.
const VERSION: u64 = 1;
/// The one metadata key.
const KEY: &str = "heirloom-training";
/// Beginnings of the tensors' names.
const WEIGHTS: &str = "weights/";
const OPTIMIZER: &str = "optimizer/";
const AVERAGE: &str = "average/";
const BEST: &str = "best/";

/// The JSON part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u64,
    /// BLAKE3 over this manifest with an empty digest and over every tensor.
    digest: String,
    graph: String,
    /// The recipe as text, so that not a digit of it changes.
    recipe: String,
    has_average: bool,
    has_best: bool,
    epoch: u64,
    step_in_epoch: u64,
    steps: u64,
    average_steps: u64,
    seed: u64,
    /// Steps of the optimiser on each parameter.
    optimizer_steps: BTreeMap<String, u64>,
    notes: BTreeMap<String, Value>,
}

type Views<'t> = BTreeMap<String, TensorView<'t>>;

/// The content of the file.
pub(super) fn to_bytes(checkpoint: &Checkpoint, identity: &Identity) -> Result<Vec<u8>, CheckpointError> {
    let tensors = views(checkpoint)?;
    let mut manifest = Manifest {
        version: VERSION,
        digest: String::new(),
        graph: identity.graph.clone(),
        recipe: identity.recipe.clone(),
        has_average: checkpoint.average.is_some(),
        has_best: checkpoint.best.is_some(),
        epoch: checkpoint.epoch,
        step_in_epoch: checkpoint.step_in_epoch,
        steps: checkpoint.steps,
        average_steps: checkpoint.average_steps,
        seed: checkpoint.seed,
        optimizer_steps: checkpoint.optimizer.steps.clone(),
        notes: checkpoint.notes.clone(),
    };
    manifest.digest = digest(&serde_json::to_string(&manifest).map_err(broken)?, &tensors);
    let json = serde_json::to_string(&manifest).map_err(broken)?;
    safetensors::serialize(tensors, Some(HashMap::from([(KEY.to_owned(), json)]))).map_err(broken)
}

fn views(checkpoint: &Checkpoint) -> Result<Views<'_>, CheckpointError> {
    let mut views = Views::new();
    let parts = [
        (WEIGHTS, Some(&checkpoint.weights.tensors)),
        (OPTIMIZER, Some(&checkpoint.optimizer.tensors)),
        (AVERAGE, checkpoint.average.as_ref().map(|weights| &weights.tensors)),
        (BEST, checkpoint.best.as_ref().map(|weights| &weights.tensors)),
    ];
    for (prefix, tensors) in parts {
        for (name, tensor) in tensors.into_iter().flatten() {
            let bytes = bytemuck::cast_slice(&tensor.values);
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            let name = format!("{prefix}{name}");
            views.insert(name.clone(), view.map_err(|error| broken(format!("the tensor '{name}': {error}")))?);
        }
    }
    Ok(views)
}

/// A checkpoint and what it belongs to, from the content of its file.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<(Checkpoint, Identity), CheckpointError> {
    let not_safetensors =
        |error: SafeTensorError| CheckpointError::NotSafetensors { path: PathBuf::new(), reason: error.to_string() };
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
    let json = json(header.metadata().as_ref())?;
    let manifest = manifest(json)?;
    let tensors: Views<'_> = SafeTensors::deserialize(bytes).map_err(not_safetensors)?.tensors().into_iter().collect();
    // The digest is over the text as it stands: numbers read and written again may differ in their last digit.
    let found = digest(&without_digest(json, &manifest.digest), &tensors);
    if found != manifest.digest {
        return Err(CheckpointError::Digest { path: PathBuf::new(), expected: manifest.digest, found });
    }
    assemble(manifest, tensors)
}

/// The description as text.
fn json(metadata: Option<&HashMap<String, String>>) -> Result<&str, CheckpointError> {
    let own = metadata.and_then(|map| map.get(KEY).filter(|_| map.len() == 1));
    own.map(String::as_str).ok_or_else(|| {
        let mut keys: Vec<String> = metadata.iter().flat_map(|map| map.keys().cloned()).collect();
        keys.sort_unstable();
        CheckpointError::NotACheckpoint { path: PathBuf::new(), keys }
    })
}

fn manifest(json: &str) -> Result<Manifest, CheckpointError> {
    let value: Value = serde_json::from_str(json).map_err(broken)?;
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(broken),
        Some(found) if found > VERSION => {
            Err(CheckpointError::Newer { path: PathBuf::new(), found, supported: VERSION })
        }
        other => Err(broken(format!("its version is {other:?}"))),
    }
}

/// The description with an empty digest in place of `digest`.
fn without_digest(json: &str, digest: &str) -> String {
    json.replacen(&format!("\"digest\":\"{digest}\""), "\"digest\":\"\"", 1)
}

/// Puts a checkpoint together from its parts; every tensor is used, and used once.
fn assemble(manifest: Manifest, mut tensors: Views<'_>) -> Result<(Checkpoint, Identity), CheckpointError> {
    let mut part = |prefix: &str| take(&mut tensors, prefix);
    let weights = Weights { tensors: part(WEIGHTS)? };
    let optimizer = OptimizerState { tensors: part(OPTIMIZER)?, steps: manifest.optimizer_steps };
    let average = if manifest.has_average { Some(Weights { tensors: part(AVERAGE)? }) } else { None };
    let best = if manifest.has_best { Some(Weights { tensors: part(BEST)? }) } else { None };
    if let Some(name) = tensors.into_keys().next() {
        return Err(broken(format!("the tensor '{name}' belongs to nothing")));
    }
    let checkpoint = Checkpoint {
        weights,
        optimizer,
        average,
        best,
        epoch: manifest.epoch,
        step_in_epoch: manifest.step_in_epoch,
        steps: manifest.steps,
        average_steps: manifest.average_steps,
        seed: manifest.seed,
        notes: manifest.notes,
    };
    Ok((checkpoint, Identity { graph: manifest.graph, recipe: manifest.recipe }))
}

/// Takes all tensors whose names begin with `prefix`, without it.
fn take(tensors: &mut Views<'_>, prefix: &str) -> Result<BTreeMap<String, Tensor>, CheckpointError> {
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(prefix)).cloned().collect();
    let mut taken = BTreeMap::new();
    for name in names {
        let Some(view) = tensors.remove(&name) else { continue };
        if view.dtype() != Dtype::F32 {
            return Err(broken(format!("the tensor '{name}' has type {:?}, F32 is needed", view.dtype())));
        }
        let values = view.data().as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let tensor = Tensor { shape: view.shape().to_vec(), values };
        taken.insert(name.split_at(prefix.len()).1.to_owned(), tensor);
    }
    Ok(taken)
}

/// BLAKE3 over the JSON and over name, type, shape and bytes of every tensor in order of their names.
fn digest(json: &str, tensors: &Views<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    part(json.as_bytes());
    for (name, view) in tensors {
        part(name.as_bytes());
        part(format!("{:?} {:?}", view.dtype(), view.shape()).as_bytes());
        part(view.data());
    }
    hasher.finalize().to_hex().to_string()
}
