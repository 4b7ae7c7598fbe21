//! The file form of an artifact: what is written where, and every check on the way back.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Tensor, Weights};
use heirloom_zoo::weights_digest;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::unfamiliar::UnfamiliarRecord;
use super::{Accuracy, Artifact, ArtifactError, BackboneRecord, RunRecord, Unfamiliar, check};
use crate::extract::graph_digest;
use crate::heads::{Head, StoredHead, StoredTensor};
use crate::store::write_atomically;

/// Version of the format that is written, and the latest that is read.
const VERSION: u64 = 1;
/// What the format calls itself.
const FORMAT: &str = "heirloom-artifact";
/// The one metadata key.
const KEY: &str = "heirloom";
/// Beginning of the names of tensors that are no weights.
const OWN: &str = "heirloom.";
/// Tensors of the head.
const HEAD: &str = "heirloom.head.";
/// Reference features for unfamiliar images.
const REFERENCES: &str = "heirloom.unfamiliar.references";

/// The JSON part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    version: u64,
    /// BLAKE3 over this manifest with an empty digest and over every tensor.
    digest: String,
    slim: bool,
    backbone: BackboneRecord,
    graph: Graph,
    preprocess: Preprocess,
    head: Value,
    classes: Vec<String>,
    unfamiliar: Option<UnfamiliarRecord>,
    accuracy: Option<Accuracy>,
    run: RunRecord,
}

impl Manifest {
    /// The manifest as one JSON string with sorted keys.
    fn to_json(&self) -> Result<String, serde_json::Error> {
        // Maps of a JSON value are sorted by key, fields of a struct are not.
        serde_json::to_string(&serde_json::to_value(self)?)
    }
}

impl Artifact {
    /// Writes the artifact to `path`: wholly or not at all.
    ///
    /// # Errors
    /// When the file cannot be written, or a weight has a name that the format keeps for itself.
    pub fn save(&self, path: &Path) -> Result<(), ArtifactError> {
        let bytes = self.to_bytes().map_err(|error| at(error, path))?;
        write_atomically(path, &[&bytes]).map_err(|source| ArtifactError::Io {
            action: "write",
            path: path.into(),
            source,
        })
    }

    /// The content of the file.
    ///
    /// # Errors
    /// A head that cannot be stored, or a weight with a name that the format keeps for itself.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let head = self.head.to_stored()?;
        let tensors = self.tensors(&head)?;
        let mut manifest = Manifest {
            format: FORMAT.into(),
            version: VERSION,
            digest: String::new(),
            slim: self.is_slim(),
            backbone: self.backbone.clone(),
            graph: self.graph.clone(),
            preprocess: self.preprocess.clone(),
            head: head.description.clone(),
            classes: self.classes.clone(),
            unfamiliar: self.unfamiliar.as_ref().map(Unfamiliar::record),
            accuracy: self.accuracy.clone(),
            run: self.run.clone(),
        };
        manifest.digest = digest(&manifest.to_json().map_err(broken)?, &tensors);
        let metadata = HashMap::from([(KEY.to_owned(), manifest.to_json().map_err(broken)?)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(broken)
    }

    fn tensors<'t>(&'t self, head: &'t StoredHead) -> Result<BTreeMap<String, TensorView<'t>>, ArtifactError> {
        let mut tensors = BTreeMap::new();
        for (name, tensor) in self.weights.iter().flat_map(|weights| &weights.tensors) {
            if name.starts_with(OWN) {
                return Err(broken(format!("the weight '{name}' has a name that begins with '{OWN}'")));
            }
            tensors.insert(name.clone(), view(Dtype::F32, &tensor.shape, bytemuck::cast_slice(&tensor.values))?);
        }
        for (name, tensor) in &head.tensors {
            let view = match tensor {
                StoredTensor::F32 { shape, values } => view(Dtype::F32, shape, bytemuck::cast_slice(values))?,
                StoredTensor::U32 { shape, values } => view(Dtype::U32, shape, bytemuck::cast_slice(values))?,
            };
            tensors.insert(format!("{HEAD}{name}"), view);
        }
        if let Some(unfamiliar) = &self.unfamiliar {
            let shape = [unfamiliar.record().references, unfamiliar.width];
            let references = view(Dtype::F32, &shape, bytemuck::cast_slice(&unfamiliar.references))?;
            tensors.insert(REFERENCES.into(), references);
        }
        Ok(tensors)
    }

    /// Reads an artifact. A slim one comes without the network's values; see [`Artifact::attach`].
    ///
    /// # Errors
    /// Everything that [`ArtifactError`] names: nothing is guessed and nothing is left out.
    pub fn load(path: &Path) -> Result<Self, ArtifactError> {
        let bytes = fs::read(path).map_err(|source| ArtifactError::Io { action: "read", path: path.into(), source })?;
        Self::from_bytes(&bytes).map_err(|error| at(error, path))
    }

    /// Reads an artifact from the content of its file.
    ///
    /// # Errors
    /// As [`Artifact::load`], without the path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let not_safetensors = |error: safetensors::SafeTensorError| ArtifactError::NotSafetensors {
            path: Default::default(),
            reason: error.to_string(),
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(not_safetensors)?;
        let json = json(header.metadata().as_ref())?;
        let manifest = manifest(json)?;
        let file = SafeTensors::deserialize(bytes).map_err(not_safetensors)?;
        let tensors: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
        // The digest is over the text as it stands: numbers read and written again may differ in their last digit.
        let found = digest(&without_digest(json, &manifest.digest), &tensors);
        let expected = manifest.digest.clone();
        check::graph(&manifest.graph).map_err(broken)?;
        let artifact = assemble(manifest, tensors)?;
        if found != expected {
            return Err(ArtifactError::Digest { path: Default::default(), expected, found });
        }
        Ok(artifact)
    }
}

/// The description as text.
fn json(metadata: Option<&HashMap<String, String>>) -> Result<&str, ArtifactError> {
    match metadata.and_then(|map| map.get(KEY).filter(|_| map.len() == 1)) {
        Some(json) => Ok(json),
        None => {
            let mut keys: Vec<String> = metadata.iter().flat_map(|map| map.keys().cloned()).collect();
            keys.sort_unstable();
            Err(ArtifactError::NotAnArtifact { path: Default::default(), keys })
        }
    }
}

fn manifest(json: &str) -> Result<Manifest, ArtifactError> {
    let value: Value = serde_json::from_str(json).map_err(broken)?;
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(broken(format!("it does not call itself '{FORMAT}'")));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => serde_json::from_value(value).map_err(broken),
        Some(found) if found > VERSION => {
            Err(ArtifactError::Newer { path: Default::default(), found, supported: VERSION })
        }
        other => Err(broken(format!("its version is {other:?}"))),
    }
}

/// The description with an empty digest in place of `digest`.
fn without_digest(json: &str, digest: &str) -> String {
    json.replacen(&format!("\"digest\":\"{digest}\""), "\"digest\":\"\"", 1)
}

/// Puts an artifact together from its parts; every tensor is used, and used once.
fn assemble(manifest: Manifest, mut tensors: BTreeMap<String, TensorView<'_>>) -> Result<Artifact, ArtifactError> {
    let mut weights = None;
    if !manifest.slim {
        let mut found = Weights::default();
        for (name, shape) in &manifest.graph.parameters {
            let values = floats(&mut tensors, name, shape)?;
            found.tensors.insert(name.clone(), Tensor { shape: shape.clone(), values });
        }
        same_digest("weights", &manifest.backbone.weights, weights_digest(&found))?;
        weights = Some(found);
    }
    same_digest("graph", &manifest.backbone.graph, graph_digest(&manifest.graph))?;
    let unfamiliar = manifest.unfamiliar.map(|record| unfamiliar(record, &mut tensors)).transpose()?;
    let head = Head::from_stored(&stored_head(manifest.head, &mut tensors))?;
    if let Some(name) = tensors.into_keys().next() {
        return Err(ArtifactError::UnknownTensor { path: Default::default(), name });
    }
    if head.classes() != manifest.classes.len() {
        let (head, names) = (head.classes(), manifest.classes.len());
        return Err(broken(format!("the head has {head} classes, {names} are named")));
    }
    Ok(Artifact {
        backbone: manifest.backbone,
        graph: manifest.graph,
        weights,
        preprocess: manifest.preprocess,
        head,
        classes: manifest.classes,
        unfamiliar,
        accuracy: manifest.accuracy,
        run: manifest.run,
    })
}

fn unfamiliar(
    record: UnfamiliarRecord,
    tensors: &mut BTreeMap<String, TensorView<'_>>,
) -> Result<Unfamiliar, ArtifactError> {
    let references = floats(tensors, REFERENCES, &[record.references, record.width])?;
    let UnfamiliarRecord { tap, pooling, width, neighbour, threshold, .. } = record;
    Ok(Unfamiliar { tap, pooling, width, neighbour, threshold, references })
}

fn stored_head(description: Value, tensors: &mut BTreeMap<String, TensorView<'_>>) -> StoredHead {
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(HEAD)).cloned().collect();
    let mut head = StoredHead { tensors: BTreeMap::new(), description };
    for name in names {
        // Tensors of other types stay behind and are named as belonging to nothing.
        let Some(view) = tensors.get(&name) else { continue };
        let shape = view.shape().to_vec();
        let tensor = match view.dtype() {
            Dtype::F32 => StoredTensor::F32 { shape, values: bytemuck::pod_collect_to_vec(view.data()) },
            Dtype::U32 => StoredTensor::U32 { shape, values: bytemuck::pod_collect_to_vec(view.data()) },
            _ => continue,
        };
        head.tensors.insert(name.trim_start_matches(HEAD).to_owned(), tensor);
        tensors.remove(&name);
    }
    head
}

/// Takes the tensor `name` of single-precision numbers.
fn floats(
    tensors: &mut BTreeMap<String, TensorView<'_>>,
    name: &str,
    shape: &[usize],
) -> Result<Vec<f32>, ArtifactError> {
    let missing = || ArtifactError::MissingTensor { path: Default::default(), name: name.into() };
    let view = tensors.remove(name).ok_or_else(missing)?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let form = |dtype: Dtype, shape: &[usize]| format!("{dtype:?} {shape:?}");
        let (found, expected) = (form(view.dtype(), view.shape()), form(Dtype::F32, shape));
        return Err(ArtifactError::TensorForm { path: Default::default(), name: name.into(), found, expected });
    }
    Ok(bytemuck::pod_collect_to_vec(view.data()))
}

fn same_digest(what: &str, expected: &str, found: String) -> Result<(), ArtifactError> {
    if expected == found {
        return Ok(());
    }
    let expected = format!("{expected} (of the {what})");
    Err(ArtifactError::Digest { path: Default::default(), expected, found })
}

/// BLAKE3 over the JSON and over name, type, shape and bytes of every tensor in order of their names.
fn digest(json: &str, tensors: &BTreeMap<String, TensorView<'_>>) -> String {
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

fn view<'t>(dtype: Dtype, shape: &[usize], bytes: &'t [u8]) -> Result<TensorView<'t>, ArtifactError> {
    TensorView::new(dtype, shape.to_vec(), bytes).map_err(broken)
}

fn broken(reason: impl ToString) -> ArtifactError {
    ArtifactError::Description { path: Default::default(), reason: reason.to_string() }
}

/// Fills in the path of an error that was found without knowing it.
fn at(mut error: ArtifactError, file: &Path) -> ArtifactError {
    match &mut error {
        ArtifactError::Io { path, .. }
        | ArtifactError::NotSafetensors { path, .. }
        | ArtifactError::NotAnArtifact { path, .. }
        | ArtifactError::Newer { path, .. }
        | ArtifactError::Description { path, .. }
        | ArtifactError::MissingTensor { path, .. }
        | ArtifactError::UnknownTensor { path, .. }
        | ArtifactError::TensorForm { path, .. }
        | ArtifactError::Digest { path, .. } => *path = file.into(),
        ArtifactError::NeedsBackbone { .. } | ArtifactError::OtherBackbone { .. } | ArtifactError::Head(_) => {}
    }
    error
}
