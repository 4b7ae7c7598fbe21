//! The file form of an artifact: what is written where, and every check on the way back.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use heirloom_data::Preprocess;
use heirloom_engine::{Graph, Tensor, Weights};
use heirloom_zoo::weights_digest;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::reading::{Content, Header, Loaded, Values};
use super::unfamiliar::UnfamiliarRecord;
use super::{Accuracy, Artifact, ArtifactError, BackboneRecord, RunRecord, StoredNetwork, Unfamiliar, check};
use crate::Pooling;
use crate::adaptation::{ColumnStatistics, Preparation, RowScaling};
use crate::compress::{Numbers, encoded, expand};
use crate::extract::graph_digest;
use crate::heads::{Head, StoredHead, StoredTensor};
use crate::store::write_atomically;

/// Version of the format that is written.
const VERSION: u64 = 1;
/// Version of a compressed artifact, and the latest that is read.
const COMPRESSED: u64 = 2;
/// What the format calls itself.
const FORMAT: &str = "heirloom-artifact";
/// The one metadata key.
const KEY: &str = "heirloom";
/// Beginning of the names of tensors that are no weights.
const OWN: &str = "heirloom.";
/// Tensors of the head.
const HEAD: &str = "heirloom.head.";
/// Means of the columns that the head was adapted to.
const PREPARATION_MEAN: &str = "heirloom.preparation.mean";
/// Their standard deviations.
const PREPARATION_DEVIATION: &str = "heirloom.preparation.deviation";
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
    backbone: Option<BackboneRecord>,
    graph: Option<Graph>,
    preprocess: Option<Preprocess>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preparation: Option<PreparationRecord>,
    head: Value,
    classes: Vec<String>,
    unfamiliar: Option<UnfamiliarRecord>,
    accuracy: Option<Accuracy>,
    run: RunRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Numbers>,
}

/// What happens to features before the head reads them; means and deviations are tensors.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreparationRecord {
    tap: String,
    pooling: Pooling,
    width: usize,
    rows: RowScaling,
    columns: bool,
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
        let mut tensors = self.tensors(&head)?;
        let smaller = self.compression.as_ref().map(|one| encoded(one, &tensors)).transpose()?.unwrap_or_default();
        for (name, one) in &smaller {
            tensors.insert(name.clone(), view(one.dtype, &one.shape, &one.bytes)?);
        }
        let mut manifest = Manifest {
            format: FORMAT.into(),
            version: if self.compression.is_some() { COMPRESSED } else { VERSION },
            digest: String::new(),
            slim: self.is_slim(),
            backbone: self.network.as_ref().map(|network| network.backbone.clone()),
            graph: self.network.as_ref().map(|network| network.graph.clone()),
            preprocess: self.network.as_ref().map(|network| network.preprocess.clone()),
            preparation: self.preparation.as_ref().map(|preparation| PreparationRecord {
                tap: preparation.tap.clone(),
                pooling: preparation.pooling,
                width: preparation.width,
                rows: preparation.rows,
                columns: preparation.columns.is_some(),
            }),
            head: head.description.clone(),
            classes: self.classes.clone(),
            unfamiliar: self.unfamiliar.as_ref().map(Unfamiliar::record),
            accuracy: self.accuracy.clone(),
            run: self.run.clone(),
            numbers: self.compression.as_ref().map(|compression| compression.numbers),
        };
        let parts = tensors.iter().map(|(name, view)| (name, view.dtype(), view.shape(), view.data()));
        manifest.digest = digest(&manifest.to_json().map_err(broken)?, parts);
        let metadata = HashMap::from([(KEY.to_owned(), manifest.to_json().map_err(broken)?)]);
        safetensors::serialize(tensors, Some(metadata)).map_err(broken)
    }

    fn tensors<'t>(&'t self, head: &'t StoredHead) -> Result<BTreeMap<String, TensorView<'t>>, ArtifactError> {
        let mut tensors = BTreeMap::new();
        let weights = self.network.iter().filter_map(|network| network.weights.as_ref());
        for (name, tensor) in weights.flat_map(|weights| &weights.tensors) {
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
        if let Some(columns) = self.preparation.as_ref().and_then(|preparation| preparation.columns.as_ref()) {
            for (name, values) in [(PREPARATION_MEAN, &columns.mean), (PREPARATION_DEVIATION, &columns.deviation)] {
                tensors.insert(name.into(), view(Dtype::F64, &[values.len()], bytemuck::cast_slice(values))?);
            }
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
        Self::read(&path).map_err(|error| at(error, path))
    }

    /// Reads an artifact from the content of its file.
    ///
    /// # Errors
    /// As [`Artifact::load`], without the path.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        Self::read(&bytes)
    }

    fn read(content: &dyn Content) -> Result<Self, ArtifactError> {
        let header = Header::read(content)?;
        let json = json(header.metadata())?;
        let manifest = manifest(json)?;
        let tensors = header.tensors(content)?;
        // The digest is over the text as it stands: numbers read and written again may differ in their last digit.
        let parts = tensors.iter().map(|(name, one)| (name, one.dtype, one.shape.as_slice(), one.bytes()));
        let found = digest(&without_digest(json, &manifest.digest), parts);
        let expected = manifest.digest.clone();
        manifest.graph.as_ref().map_or(Ok(()), check::graph).map_err(broken)?;
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
        Some(VERSION | COMPRESSED) => serde_json::from_value(value).map_err(broken),
        Some(found) if found > COMPRESSED => {
            Err(ArtifactError::Newer { path: Default::default(), found, supported: COMPRESSED })
        }
        other => Err(broken(format!("its version is {other:?}"))),
    }
}

/// The description with an empty digest in place of `digest`.
fn without_digest(json: &str, digest: &str) -> String {
    json.replacen(&format!("\"digest\":\"{digest}\""), "\"digest\":\"\"", 1)
}

/// Puts an artifact together from its parts; every tensor is used, and used once.
fn assemble(manifest: Manifest, mut tensors: BTreeMap<String, Loaded>) -> Result<Artifact, ArtifactError> {
    let compression = manifest.numbers.map(|numbers| expand(numbers, &mut tensors)).transpose()?;
    let network = match (manifest.backbone, manifest.graph, manifest.preprocess) {
        (Some(backbone), Some(graph), Some(preprocess)) => {
            Some(network(backbone, graph, preprocess, manifest.slim, &mut tensors)?)
        }
        (None, None, None) if !manifest.slim => None,
        _ => return Err(broken("`backbone`, `graph` and `preprocess` must stand together, and where it is slim")),
    };
    let preparation = manifest.preparation.map(|record| preparation(record, &mut tensors)).transpose()?;
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
        network,
        preparation,
        head,
        classes: manifest.classes,
        unfamiliar,
        accuracy: manifest.accuracy,
        run: manifest.run,
        compression,
    })
}

fn network(
    backbone: BackboneRecord,
    graph: Graph,
    preprocess: Preprocess,
    slim: bool,
    tensors: &mut BTreeMap<String, Loaded>,
) -> Result<StoredNetwork, ArtifactError> {
    let mut weights = None;
    if !slim {
        let mut found = Weights::default();
        for (name, shape) in &graph.parameters {
            let values = floats(tensors, name, shape)?;
            found.tensors.insert(name.clone(), Tensor { shape: shape.clone(), values });
        }
        same_digest("weights", &backbone.weights, weights_digest(&found))?;
        weights = Some(found);
    }
    same_digest("graph", &backbone.graph, graph_digest(&graph))?;
    Ok(StoredNetwork { backbone, graph, weights, preprocess })
}

fn preparation(
    record: PreparationRecord,
    tensors: &mut BTreeMap<String, Loaded>,
) -> Result<Preparation, ArtifactError> {
    let PreparationRecord { tap, pooling, width, rows, columns } = record;
    let mut numbers = |name: &str| -> Result<Vec<f64>, ArtifactError> {
        let values: Vec<f64> = bytemuck::pod_collect_to_vec(take(tensors, name, Dtype::F64, &[width])?.bytes());
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(broken(format!("`{name}` holds a value that is not finite"))),
        }
    };
    let columns = match columns {
        true => Some(ColumnStatistics { mean: numbers(PREPARATION_MEAN)?, deviation: numbers(PREPARATION_DEVIATION)? }),
        false => None,
    };
    Ok(Preparation { tap, pooling, width, rows, columns })
}

fn unfamiliar(record: UnfamiliarRecord, tensors: &mut BTreeMap<String, Loaded>) -> Result<Unfamiliar, ArtifactError> {
    let references = floats(tensors, REFERENCES, &[record.references, record.width])?;
    let UnfamiliarRecord { tap, pooling, width, neighbour, threshold, .. } = record;
    Ok(Unfamiliar { tap, pooling, width, neighbour, threshold, references })
}

fn stored_head(description: Value, tensors: &mut BTreeMap<String, Loaded>) -> StoredHead {
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(HEAD)).cloned().collect();
    let mut head = StoredHead { tensors: BTreeMap::new(), description };
    for name in names {
        // Tensors of other types stay behind and are named as belonging to nothing.
        let Some(Loaded { dtype: Dtype::F32 | Dtype::U32, .. }) = tensors.get(&name) else { continue };
        let Some(Loaded { shape, values, .. }) = tensors.remove(&name) else { continue };
        let tensor = match values {
            Values::Floats(values) => StoredTensor::F32 { shape, values },
            Values::Bytes(bytes) => StoredTensor::U32 { shape, values: bytemuck::pod_collect_to_vec(&bytes) },
        };
        head.tensors.insert(name.trim_start_matches(HEAD).to_owned(), tensor);
    }
    head
}

/// Takes the tensor `name` of single-precision numbers.
fn floats(tensors: &mut BTreeMap<String, Loaded>, name: &str, shape: &[usize]) -> Result<Vec<f32>, ArtifactError> {
    match take(tensors, name, Dtype::F32, shape)?.values {
        Values::Floats(values) => Ok(values),
        Values::Bytes(bytes) => Ok(bytemuck::pod_collect_to_vec(&bytes)),
    }
}

/// Takes the tensor `name`, which has to have this type and shape.
fn take(
    tensors: &mut BTreeMap<String, Loaded>,
    name: &str,
    dtype: Dtype,
    shape: &[usize],
) -> Result<Loaded, ArtifactError> {
    let missing = || ArtifactError::MissingTensor { path: Default::default(), name: name.into() };
    let found = tensors.remove(name).ok_or_else(missing)?;
    if found.dtype != dtype || found.shape != shape {
        let form = |dtype: Dtype, shape: &[usize]| format!("{dtype:?} {shape:?}");
        let (found, expected) = (form(found.dtype, &found.shape), form(dtype, shape));
        return Err(ArtifactError::TensorForm { path: Default::default(), name: name.into(), found, expected });
    }
    Ok(found)
}

fn same_digest(what: &str, expected: &str, found: String) -> Result<(), ArtifactError> {
    if expected == found {
        return Ok(());
    }
    let expected = format!("{expected} (of the {what})");
    Err(ArtifactError::Digest { path: Default::default(), expected, found })
}

/// BLAKE3 over the JSON and over name, type, shape and bytes of every tensor in order of their names.
fn digest<'a>(json: &str, tensors: impl Iterator<Item = (&'a String, Dtype, &'a [usize], &'a [u8])>) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        // The same digest for any number of threads.
        hasher.update_rayon(bytes);
    };
    part(json.as_bytes());
    for (name, dtype, shape, bytes) in tensors {
        part(name.as_bytes());
        part(format!("{dtype:?} {shape:?}").as_bytes());
        part(bytes);
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
        ArtifactError::NoNetwork
        | ArtifactError::NoLine { .. }
        | ArtifactError::NeedsImages { .. }
        | ArtifactError::NeedsBackbone { .. }
        | ArtifactError::OtherBackbone { .. }
        | ArtifactError::Classifier { .. }
        | ArtifactError::Compressed { .. }
        | ArtifactError::Head(_) => {}
    }
    error
}
