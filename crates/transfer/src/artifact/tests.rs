//! Artifacts of a tiny network and a small head: what is written is what is read, and every way to be wrong has its error.

use std::collections::BTreeMap;

use heirloom_data::{Interpolation, Resize};
use heirloom_engine::{Node, Op, Shape, Tensor};

use super::*;
use crate::adaptation::{ColumnStatistics, RowScaling};
use crate::heads::{Method, Settings, Training, fit};
use crate::{Block, Features, Pooling};

/// A network of one linear layer over the mean colour.
pub(crate) fn backbone() -> Backbone {
    let ops = [
        ("input", Op::Input { channels: 3 }),
        ("normalize", Op::Normalize { mean: vec![0.5; 3], std: vec![0.25; 3] }),
        ("pool", Op::GlobalAveragePool),
        ("flatten", Op::Flatten),
        ("pre_logits", Op::Linear { weight: "fc.weight".into(), bias: None, channels: 4 }),
    ];
    let node = |(id, (name, op)): (usize, (&str, Op))| Node {
        name: name.into(),
        op,
        inputs: id.checked_sub(1).into_iter().collect(),
    };
    let values = vec![0.3, -0.2, 0.9, 1.0, 0.1, -0.7, -0.4, 0.8, 0.2, 0.5, 0.6, -0.1];
    let weights =
        Weights { tensors: BTreeMap::from([("fc.weight".to_string(), Tensor::new(vec![4, 3], values).unwrap())]) };
    Backbone {
        name: "tiny".into(),
        architecture: "tiny".into(),
        graph: Graph {
            nodes: ops.into_iter().enumerate().map(node).collect(),
            parameters: BTreeMap::from([("fc.weight".to_string(), vec![4, 3])]),
            modules: BTreeMap::new(),
            outputs: vec![4],
        },
        weights_digest: weights_digest(&weights),
        weights,
        preprocess: Preprocess {
            input_size: [8, 8],
            resize: Resize::Squeeze,
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.25; 3],
        },
        licence: Some("MIT".into()),
        source: None,
        classes: Vec::new(),
        features: "pre_logits".into(),
        logits: None,
        taps: vec!["pre_logits".into()],
        notes: Vec::new(),
    }
}

/// Two classes that differ in the first column.
pub(crate) fn features() -> Features {
    let values = (0..40).flat_map(|i| [(i % 2) as f32 + 0.1, 1.0 - 0.01 * i as f32, 0.3, 0.02 * i as f32]).collect();
    let shape = Shape::Vector { channels: 4 };
    let block = Block { tap: "pre_logits".into(), shape, pooling: Pooling::MEAN, width: 4, values };
    Features { rows: 40, blocks: vec![block] }
}

pub(crate) fn artifact() -> Artifact {
    let (features, rows) = (features(), (0..40).collect::<Vec<_>>());
    let labels: Vec<usize> = (0..40).map(|row| row % 2).collect();
    let folds: Vec<usize> = (0..40).map(|row| row / 8).collect();
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: 2 };
    let head = fit(Method::Linear, &training, &Settings::default()).unwrap().head;
    let data = DataRecord { source: "photos".into(), digest: None, train: 40, test: 0, skipped: 0 };
    let settings = serde_json::json!({"method": "linear", "folds": 5, "beta": [1, 2], "alpha": {"z": 1, "a": 2}});
    let run = RunRecord::new(vec!["heirloom".into(), "fit".into()], settings, 7, data);
    let mut artifact = Artifact::new(&backbone(), head, vec!["cat".into(), "dog".into()], run);
    artifact.unfamiliar = Unfamiliar::fit(&features, &("pre_logits".into(), Pooling::MEAN), &rows);
    artifact.accuracy = Some(Accuracy { value: 0.9, low: 0.8, high: 0.95, n: 40, protocol: "nested-cv".into() });
    artifact
}

#[test]
fn what_is_written_is_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.heirloom");
    let artifact = artifact();
    artifact.save(&path).unwrap();
    let read = Artifact::load(&path).unwrap();
    assert_eq!(read, artifact);
    let (features, rows) = (features(), (0..40).collect::<Vec<_>>());
    let logits = |head: &Head| head.logits(&features, &rows).unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(logits(&read.head), logits(&artifact.head));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn equal_artifacts_are_equal_bytes_with_sorted_keys() {
    let bytes = artifact().to_bytes().unwrap();
    assert_eq!(bytes, artifact().to_bytes().unwrap());
    assert_eq!(bytes, Artifact::from_bytes(&bytes).unwrap().to_bytes().unwrap());
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata.keys().collect::<Vec<_>>(), ["heirloom"]);
    let json = &metadata["heirloom"];
    let places =
        ["{\"accuracy\":", ",\"backbone\":{", ",\"classes\":[\"cat\"", ",\"digest\":\"", ",\"run\":{", ",\"slim\":"]
            .map(|key| json.find(key).unwrap());
    assert!(places.is_sorted(), "{json}");
    assert!(json.contains("{\"alpha\":{\"a\":2,\"z\":1},\"beta\":[1,2],\"folds\":5,\"method\":\"linear\"}"), "{json}");
    assert!(header.info("fc.weight").is_some() && header.info("heirloom.head.weights").is_some());
}

#[test]
fn numbers_with_many_digits_do_not_change_the_digest() {
    let whole = artifact();
    for index in 1..200 {
        let mut artifact = whole.clone();
        let value = (f64::from(index) * 0.618_033_988_749_894_9).fract();
        artifact.accuracy = Some(Accuracy { value, low: value / 3.0, high: 1.0, n: 40, protocol: "test".into() });
        let read = Artifact::from_bytes(&artifact.to_bytes().unwrap()).unwrap();
        assert!((read.accuracy.unwrap().value - value).abs() < 1e-15);
    }
}

#[test]
fn a_slim_artifact_needs_its_own_backbone() {
    let whole = artifact();
    let bytes = whole.clone().slim().to_bytes().unwrap();
    assert!(bytes.len() < whole.to_bytes().unwrap().len());
    let mut slim = Artifact::from_bytes(&bytes).unwrap();
    assert!(slim.is_slim() && matches!(slim.network(), Err(ArtifactError::NeedsBackbone { .. })));
    let mut other = backbone();
    other.weights.tensors.get_mut("fc.weight").unwrap().values[0] = 5.0;
    let message = slim.attach(other).unwrap_err().to_string();
    assert!(message.starts_with("the artifact was fitted on 'tiny' with weights digest"), "{message}");
    slim.attach(backbone()).unwrap();
    assert_eq!(slim, whole);
}

#[test]
fn a_head_on_features_has_no_network_and_may_prepare_them() {
    let Artifact { head, classes, run, unfamiliar, .. } = artifact();
    let mut artifact = Artifact::of_features(head, classes, run);
    artifact.unfamiliar = unfamiliar;
    assert_eq!(Artifact::from_bytes(&artifact.to_bytes().unwrap()).unwrap(), artifact);
    let columns = ColumnStatistics { mean: vec![0.1, 1.0 / 3.0, 0.0, -7.5], deviation: vec![1.0, 0.7, 0.0, 2.0] };
    let pooling = Pooling::MEAN;
    let rows = RowScaling::L1;
    artifact.preparation =
        Some(Preparation { tap: "pre_logits".into(), pooling, width: 4, rows, columns: Some(columns) });
    let bytes = artifact.to_bytes().unwrap();
    let read = Artifact::from_bytes(&bytes).unwrap();
    assert_eq!(read, artifact);
    assert!(!read.is_slim() && matches!(read.network(), Err(ArtifactError::NoNetwork)));
    let wide = with(bytes.clone(), |json| json["preparation"]["width"] = 5.into());
    assert!(Artifact::from_bytes(&wide).unwrap_err().to_string().contains("expected F64 [5]"));
    let flipped = flip(bytes.clone(), "heirloom.preparation.mean");
    assert!(matches!(Artifact::from_bytes(&flipped), Err(ArtifactError::Digest { .. })));
    let missing = without(bytes, "heirloom.preparation.deviation");
    assert!(matches!(Artifact::from_bytes(&missing), Err(ArtifactError::MissingTensor { .. })));
}

#[test]
fn every_way_to_be_wrong_is_named() {
    struct Case(&'static str, fn(Vec<u8>) -> Vec<u8>, &'static str);
    let cases = [
        Case("empty", |_| Vec::new(), "not a whole safetensors file"),
        Case("truncated", |bytes| bytes[..bytes.len() - 4].to_vec(), "not a whole safetensors file"),
        Case("cut in the header", |bytes| bytes[..100].to_vec(), "not a whole safetensors file"),
        Case("some other file", |_| b"\x89PNG\r\n\x1a\nand so on".to_vec(), "not a whole safetensors file"),
        Case("no metadata", |_| plain(None), "metadata keys are []"),
        Case("foreign metadata", |_| plain(Some(("format", "pt"))), "metadata keys are [\"format\"]"),
        Case("another format", |_| plain(Some(("heirloom", "{}"))), "does not call itself"),
        Case("no JSON", |_| plain(Some(("heirloom", "hello"))), "description is broken"),
        Case("newer", |bytes| with(bytes, |json| json["version"] = 3.into()), "written in version 3"),
        Case("no version", |bytes| with(bytes, |json| json["version"] = Value::Null), "its version is"),
        Case("unknown field", |bytes| with(bytes, |json| json["more"] = 1.into()), "unknown field `more`"),
        Case("missing field", |bytes| with(bytes, |json| drop(object(json).remove("run"))), "missing field `run`"),
        Case("missing weight", |bytes| without(bytes, "fc.weight"), "tensor 'fc.weight' is missing"),
        Case("missing head", |bytes| without(bytes, "heirloom.head.bias"), "no tensor `bias`"),
        Case("missing references", |bytes| without(bytes, "heirloom.unfamiliar.references"), "is missing"),
        Case("slim with weights", |bytes| with(bytes, |json| json["slim"] = true.into()), "belongs to nothing"),
        Case(
            "another shape",
            |bytes| with(bytes, |json| json["graph"]["parameters"]["fc.weight"] = serde_json::json!([3, 4])),
            "is F32 [4, 3], expected F32 [3, 4]",
        ),
        Case("changed weight", |bytes| flip(bytes, "fc.weight"), "the content has changed"),
        Case("changed head", |bytes| flip(bytes, "heirloom.head.weights"), "the content has changed"),
        Case("changed name", |bytes| with(bytes, |json| json["classes"][0] = "cow".into()), "the content has changed"),
        Case("fewer names", |bytes| with(bytes, |json| json["classes"] = serde_json::json!(["cat"])), "1 are named"),
        Case(
            "a graph that runs backwards",
            |bytes| with(bytes, |json| json["graph"]["nodes"][2]["inputs"] = serde_json::json!([4])),
            "does not come before it",
        ),
        Case("half a network", |bytes| with(bytes, |json| json["preprocess"] = Value::Null), "must stand together"),
        Case("an empty graph", |bytes| with(bytes, |json| json["graph"]["nodes"] = serde_json::json!([])), "its input"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.heirloom");
    let whole = artifact().to_bytes().unwrap();
    for Case(name, damage, expected) in cases {
        std::fs::write(&path, damage(whole.clone())).unwrap();
        let message = Artifact::load(&path).expect_err(name).to_string();
        assert!(message.contains(expected), "{name}: {message}");
    }
    let message = Artifact::load(&folder.path().join("none")).unwrap_err().to_string();
    assert!(message.contains("cannot read"), "{message}");
}

use serde_json::Value;

fn object(json: &mut Value) -> &mut serde_json::Map<String, Value> {
    json.as_object_mut().unwrap()
}

/// A safetensors file with one tensor and at most one metadata entry.
fn plain(entry: Option<(&str, &str)>) -> Vec<u8> {
    let data = [0_u8; 4];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1], &data).unwrap();
    let metadata = entry.map(|(key, value)| [(key.to_string(), value.to_string())].into());
    safetensors::serialize([("x", view)], metadata).unwrap()
}

/// The file with its tensors and its description changed.
fn rewrite(bytes: &[u8], keep: impl Fn(&str) -> bool, change: impl Fn(&mut Value)) -> Vec<u8> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    let mut json: Value = serde_json::from_str(&header.metadata().clone().unwrap()["heirloom"]).unwrap();
    change(&mut json);
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let tensors: Vec<_> = file.tensors().into_iter().filter(|(name, _)| keep(name)).collect();
    safetensors::serialize(tensors, Some([("heirloom".to_string(), json.to_string())].into())).unwrap()
}

pub(crate) fn with(bytes: Vec<u8>, change: impl Fn(&mut Value)) -> Vec<u8> {
    rewrite(&bytes, |_| true, change)
}

pub(crate) fn without(bytes: Vec<u8>, tensor: &str) -> Vec<u8> {
    rewrite(&bytes, |name| name != tensor, |_| ())
}

/// Changes the last bit of a tensor's first value.
pub(crate) fn flip(mut bytes: Vec<u8>, tensor: &str) -> Vec<u8> {
    let (size, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let at = 8 + size + header.info(tensor).unwrap().data_offsets.0;
    bytes[at] ^= 1;
    bytes
}
