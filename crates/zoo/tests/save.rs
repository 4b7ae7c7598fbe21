//! What is written is what is read: checkpoints of published and of changed networks, and every way for one to be wrong.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use heirloom_data::Resize;
use heirloom_engine::Weights;
use heirloom_zoo::{
    Backbone, ChannelStatistics, HeadStart, Initialization, NewHead, Norm, Recipe, Sidecar, TensorFile, ZooError,
    demonstration, initialize, open_path, replace_head,
};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

fn begin(name: &str, side: usize, classes: &[&str]) -> Backbone {
    let mut recipe = Recipe::usual("mine", name).unwrap().at_input_size([side; 2]);
    recipe.preprocess.mean = [0.25, 0.5, 0.75];
    recipe.class_names = classes.iter().map(|&class| class.to_owned()).collect();
    recipe.licence = Some("CC0-1.0".into());
    recipe.source = Some("drawn".into());
    Backbone::from_scratch(&recipe, &Initialization::usual(2)).unwrap()
}

/// The description inside of a file.
fn description(path: &Path) -> Value {
    serde_json::from_str(&TensorFile::open(path).unwrap().metadata()["heirloom"]).unwrap()
}

fn round_trip(backbone: &Backbone) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    backbone.save(&path).unwrap();
    let found = open_path(&path).unwrap();
    assert_eq!(found.graph, backbone.graph);
    assert_eq!(found.weights, backbone.weights);
    assert_eq!((&found.taps, &found.classes), (&backbone.taps, &backbone.classes));
    assert_eq!(
        (&found.name, &found.architecture, &found.features, &found.logits),
        (&backbone.name, &backbone.architecture, &backbone.features, &backbone.logits)
    );
    assert_eq!((&found.licence, &found.source), (&backbone.licence, &backbone.source));
    assert_eq!((&found.preprocess, &found.weights_digest), (&backbone.preprocess, &backbone.weights_digest));
    assert!(found.notes.is_empty(), "{:?}", found.notes);
    // The same network is the same bytes, and nothing else is left in the folder.
    let bytes = std::fs::read(&path).unwrap();
    found.save(&path).unwrap();
    assert!(bytes == std::fs::read(&path).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    description(&path)
}

#[test]
fn published_networks_are_described_by_their_name() {
    for (name, side) in [("cifar_resnet20", 32), ("cifar_fixup_resnet20", 48), ("mobilenetv3_small_100", 64)] {
        let described = round_trip(&begin(name, side, &["cat", "dog", "owl"]));
        assert_eq!(described["architecture"], name);
        assert_eq!(described["class_names"], json!(["cat", "dog", "owl"]));
        assert!(described.get("network").is_none(), "{name}");
    }
    let transformer = begin("vit_tiny_patch16_224", 32, &["a", "b"]);
    assert!(round_trip(&transformer).get("network").is_none());
    let adapted = replace_head(&transformer, &NewHead { classes: 5, start: HeadStart::Uniform, seed: 0 }).unwrap();
    assert_eq!(round_trip(&adapted)["classes"], 5);
}

#[test]
fn changed_networks_are_described_node_by_node() {
    let squeeze = begin("squeezenet1_1", 64, &["a", "b"]);
    let adapted = replace_head(&squeeze, &NewHead { classes: 3, start: HeadStart::Uniform, seed: 0 }).unwrap();
    assert!(round_trip(&adapted)["network"]["graph"]["nodes"].is_array());
    assert!(round_trip(&demonstration(0))["network"].is_object());

    let mut recipe = Recipe::usual("folded", "cifar_resnet20").unwrap();
    (recipe.norm, recipe.classes) = (Some(Norm::Folded), Some(4));
    let graph = heirloom_zoo::architectures::build(&recipe, heirloom_zoo::Layout::Torchvision).unwrap().graph;
    let mut folded = begin("cifar_resnet20", 32, &["a", "b", "c", "d"]);
    folded.weights = initialize("cifar_resnet20", &graph, &Initialization::usual(0)).unwrap();
    folded.graph = graph;
    folded.preprocess.mean = recipe.preprocess.mean;
    folded.weights_digest = heirloom_zoo::weights_digest(&folded.weights);
    assert_eq!(round_trip(&folded)["batch_norm"], "folded");
    let one = folded.folded_convolutions()[0].clone();
    let statistics: BTreeMap<String, ChannelStatistics> =
        [(one, ChannelStatistics { mean: vec![0.5; 16], variance: vec![2.0; 16] })].into();
    let partly = folded.unfold_batch_norms(&statistics).unwrap();
    assert!(round_trip(&partly)["network"].is_object());
}

#[test]
fn real_networks_survive_being_written() {
    let Some(folder) = common::weights_folder() else { return };
    for name in ["cifar10_resnet20", "mobilenetv1_0.25_128", "resnet18_to_layer3"] {
        let backbone = open_path(&folder.join(format!("{name}.safetensors"))).unwrap();
        round_trip(&Backbone { notes: Vec::new(), ..backbone });
    }
}

#[test]
fn what_cannot_be_read_back_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("saved.safetensors");
    let good = begin("cifar_resnet20", 32, &["a", "b"]);
    let error = |change: &dyn Fn(&mut Backbone)| {
        let mut bad = good.clone();
        change(&mut bad);
        bad.save(&path).unwrap_err()
    };
    assert!(good.save(&folder.path().join("saved.pth")).unwrap_err().to_string().contains("ends in .safetensors"));
    let nan = error(&|b| b.weights.tensors.get_mut("bn1.bias").unwrap().values[3] = f32::NAN);
    assert!(matches!(&nan, ZooError::NotFinite { key, index: 3, count: 1, .. } if key == "bn1.bias"), "{nan}");
    let missing = error(&|b| drop(b.weights.tensors.remove("bn1.bias"))).to_string();
    assert!(missing.contains("parameter 'bn1.bias' is missing"), "{missing}");
    let names = error(&|b| b.classes.push("c".into())).to_string();
    assert!(names.contains("class_names holds 3 names, classes is 2"), "{names}");
    let mean = error(&|b| b.preprocess.mean = [0.1; 3]).to_string();
    assert!(mean.contains("normalises by"), "{mean}");
    let crop = error(&|b| b.preprocess.input_size = [48, 48]).to_string();
    assert!(crop.contains("the shorter side is resized to 32 pixels"), "{crop}");
    let tap = error(&|b| b.taps.push("layer9".into())).to_string();
    assert!(tap.contains("no node or module is called 'layer9'"), "{tap}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    let lost = good.save(&folder.path().join("nowhere/saved.safetensors")).unwrap_err();
    assert!(matches!(lost, ZooError::Io { .. }), "{lost}");
}

/// A file with a description that `change` has edited.
fn edited(weights: &Weights, sidecar: &Value) -> Result<Backbone, ZooError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edited.safetensors");
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = weights
        .tensors
        .iter()
        .map(|(key, tensor)| (key, &tensor.shape, tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(key, shape, bytes)| (key.as_str(), TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    let metadata = [("heirloom".to_owned(), sidecar.to_string())].into();
    std::fs::write(&path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    open_path(&path)
}

#[test]
fn a_stored_network_is_input_and_not_a_fact() {
    let backbone = demonstration(0);
    let good = serde_json::to_value(Sidecar::from_recipe(&backbone.recipe())).unwrap();
    assert!(edited(&backbone.weights, &good).is_ok());
    let cases: [(&str, Value, &str); 13] = [
        ("/network/graph/nodes/0/op", json!("softmax"), "does not begin with an input"),
        ("/network/graph/nodes/1/mean", json!([0.1, 0.5, 0.5]), "normalises by"),
        ("/network/graph/nodes/3/name", json!("edges"), "two nodes are called 'edges'"),
        ("/network/graph/nodes/3/inputs", json!([7]), "does not come before it"),
        ("/network/graph/nodes/3/inputs", json!([]), "0 inputs"),
        ("/network/graph/outputs", json!([99]), "node 99 is named as an output"),
        ("/network/graph/nodes/2/stride", json!([0, 1]), "edges"),
        ("/network/graph/nodes/2/padding", json!({"explicit": [usize::MAX, 0, 0, 0]}), "is beyond"),
        ("/network/graph/nodes/2/groups", json!(0), "edges"),
        ("/network/graph/parameters/surplus", json!([1]), "'surplus' is declared, but no node uses it"),
        ("/network/taps/0", json!("nothing"), "no node or module is called 'nothing'"),
        ("/network/colour", json!(1), "unknown field `colour`"),
        ("/classes", json!(10), "no node or module 'logits'"),
    ];
    for (place, value, expected) in cases {
        let mut bad = good.clone();
        let (parent, field) = place.rsplit_once('/').unwrap();
        match bad.pointer_mut(parent).unwrap() {
            Value::Array(items) => items[field.parse::<usize>().unwrap()] = value,
            Value::Object(fields) => drop(fields.insert(field.to_owned(), value)),
            other => panic!("{other}"),
        }
        let error = edited(&backbone.weights, &bad).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("edited.safetensors"), "{place}: {error}");
    }
    let mut fewer = backbone.weights.clone();
    fewer.tensors.remove("shapes.weight");
    let error = edited(&fewer, &good).unwrap_err().to_string();
    assert!(error.contains("'shapes.weight' [256, 128, 3, 3] is missing"), "{error}");
    let error = edited(&backbone.weights, &json!("prose")).unwrap_err().to_string();
    assert!(error.contains("the description in it"), "{error}");
}

#[test]
fn a_file_that_describes_itself_needs_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.safetensors");
    let backbone = begin("cifar_resnet20", 32, &["a", "b"]);
    backbone.save(&path).unwrap();
    std::fs::write(path.with_extension("json"), r#"{"heirloom_weights": 1, "architecture": "resnet18"}"#).unwrap();
    let found = open_path(&path).unwrap();
    assert_eq!(found.architecture, "cifar_resnet20");
    assert!(found.notes[0].contains("mine.json was not read"), "{:?}", found.notes);
}

#[test]
fn position_embeddings_of_another_size_are_resampled_and_noted() {
    let backbone = begin("vit_tiny_patch16_224", 64, &["a", "b"]);
    let mut sidecar = serde_json::to_value(Sidecar::from_recipe(&backbone.recipe())).unwrap();
    sidecar["preprocess"]["input_size"] = json!([96, 96]);
    sidecar["preprocess"]["resize"] = json!({"shorter_side": 109});
    let found = edited(&backbone.weights, &sidecar).unwrap();
    let expected = backbone.at_input_size([96, 96]).unwrap();
    assert_eq!(found.weights, expected.weights);
    assert_eq!(found.graph, expected.graph);
    // 256 for 224 pixels is 73 for 64, and these are 109 for 96.
    assert_eq!(expected.preprocess.resize, Resize::ShorterSide(109));
    assert!(found.notes[0].contains("'pos_embed' was resampled from 4x4 to 6x6 patches"), "{:?}", found.notes);
    // Eighteen tokens are no square of patches and a class token.
    let mut odd = backbone.weights.clone();
    let tensor = odd.tensors.get_mut("pos_embed").unwrap();
    (tensor.shape[1], tensor.values) = (18, vec![0.0; 18 * 192]);
    let error = edited(&odd, &sidecar).unwrap_err().to_string();
    assert!(error.contains("'pos_embed' has shape [1, 18, 192], expected [1, 37, 192]"), "{error}");
}
