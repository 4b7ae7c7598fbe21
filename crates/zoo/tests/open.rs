//! From a path to a backbone: descriptions of every kind, recognition, and what is said when something does not fit.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "common/checkpoint.rs"]
#[allow(dead_code)]
mod checkpoint;
mod common;
#[path = "common/formula.rs"]
#[allow(dead_code)]
mod formula;

use std::path::{Path, PathBuf};

use heirloom_data::{Interpolation, Preprocess, Resize};
use heirloom_engine::{Tensor, Weights};
use heirloom_zoo::{Layout, Recipe, Sidecar, ZooError, architectures, open_path, weights_digest};
use serde_json::{Value, json};

const CIFAR: &str = "cifar_resnet20";

/// A described small network, 270 thousand parameters.
struct Small {
    folder: tempfile::TempDir,
    weights: Weights,
    sidecar: Value,
}

impl Small {
    fn new() -> Self {
        let recipe = Recipe { classes: Some(10), ..Recipe::usual("small", CIFAR).unwrap() };
        let graph = architectures::build(&recipe, Layout::Torchvision).unwrap().graph;
        let sidecar = serde_json::to_value(Sidecar::from_recipe(&recipe)).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), weights: formula::weights(&graph, &[]), sidecar }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("small.safetensors")
    }

    fn set(mut self, field: &str, value: Value) -> Self {
        self.sidecar[field] = value;
        self
    }

    fn insert(mut self, key: &str, shape: &[usize], value: f32) -> Self {
        let count = shape.iter().product();
        self.weights.tensors.insert(key.to_owned(), Tensor::new(shape.to_vec(), vec![value; count]).unwrap());
        self
    }

    fn remove(mut self, key: &str) -> Self {
        self.weights.tensors.remove(key).unwrap();
        self
    }

    fn renamed(mut self, rename: impl Fn(&str) -> String) -> Self {
        let tensors = std::mem::take(&mut self.weights.tensors);
        self.weights.tensors = tensors.into_iter().map(|(key, tensor)| (rename(&key), tensor)).collect();
        self
    }

    fn open(&self) -> Result<heirloom_zoo::Backbone, ZooError> {
        checkpoint::safetensors(&self.path(), &self.weights);
        std::fs::write(self.path().with_extension("json"), self.sidecar.to_string()).unwrap();
        open_path(&self.path())
    }

    fn open_bare(&self) -> Result<heirloom_zoo::Backbone, ZooError> {
        checkpoint::safetensors(&self.path(), &self.weights);
        open_path(&self.path())
    }

    fn error(&self) -> String {
        self.open().unwrap_err().to_string()
    }
}

#[test]
fn a_described_file_becomes_a_backbone() {
    let small = Small::new()
        .set("classes", Value::Null)
        .set("class_names", json!(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]))
        .set("licence", json!("CC0-1.0"))
        .set("source", json!("a formula"));
    let backbone = small.open().unwrap();
    assert_eq!((backbone.name.as_str(), backbone.architecture.as_str()), ("small", CIFAR));
    assert_eq!(backbone.classes.len(), 10);
    assert_eq!((backbone.licence.as_deref(), backbone.source.as_deref()), (Some("CC0-1.0"), Some("a formula")));
    assert_eq!((backbone.features.as_str(), backbone.logits.as_deref()), ("pre_logits", Some("logits")));
    assert_eq!(backbone.weights, small.weights);
    assert!(backbone.notes.is_empty());
    assert_eq!(backbone.weights_digest, weights_digest(&small.weights));
    assert_eq!(backbone.weights_digest.len(), 64);
}

#[test]
fn the_digest_is_of_the_values_not_of_the_file() {
    let small = Small::new();
    let plain = small.open().unwrap();
    let checkpoint_path = small.folder.path().join("small.pth");
    checkpoint::torch(&checkpoint_path, &small.weights);
    let from_torch = open_path(&checkpoint_path).unwrap();
    assert_eq!(from_torch.weights, plain.weights);
    assert_eq!(from_torch.weights_digest, plain.weights_digest);
    let mut other = small.weights.clone();
    other.tensors.get_mut("bn1.bias").unwrap().values[3] += 1e-6;
    assert_ne!(weights_digest(&other), plain.weights_digest);
}

#[test]
fn keys_may_be_prefixed_or_renamed_and_stay_the_file_s_own() {
    let parallel = Small::new().renamed(|key| format!("module.{key}")).open().unwrap();
    assert!(parallel.weights.tensors.contains_key("module.conv1.weight"));
    assert!(parallel.graph.find("layer1.0.conv1").is_some(), "modules go without the prefix");

    let prefixed = Small::new().renamed(|key| format!("net.{key}")).set("prefix", json!("net.")).open().unwrap();
    assert!(prefixed.weights.tensors.contains_key("net.conv1.weight"));

    let rename = |key: &str| if key == "conv1.weight" { "first/kernel".into() } else { key.to_owned() };
    let renamed = Small::new().renamed(rename).set("keys", json!({"conv1.weight": "first/kernel"})).open().unwrap();
    assert!(renamed.graph.parameters.contains_key("first/kernel"));
}

#[test]
fn a_description_that_is_wrong_says_where() {
    let cases = [
        (Small::new().set("heirloom_weights", json!(2)), "heirloom_weights is 2, this version reads 1"),
        (Small::new().set("klasses", json!(10)), "unknown field `klasses`"),
        (Small::new().set("class_names", json!(["a", "b"])), "class_names holds 2 names, classes is 10"),
        (Small::new().set("architecture", json!("resnet19")), "unknown architecture 'resnet19'; known: resnet18"),
        (Small::new().set("options", json!({"colour": 1})), "unknown field `colour`"),
        (Small::new().set("batch_norm", json!("gone")), "unknown variant `gone`"),
        (Small::new().set("preprocess", json!({"input_size": [32, 32]})), "missing field"),
    ];
    for (small, expected) in cases {
        assert!(small.error().contains(expected), "{}", small.error());
    }
    let mut zero = Small::new();
    zero.sidecar["preprocess"]["std"] = json!([0.2, 0.0, 0.2]);
    assert!(zero.error().contains("std is [0.2, 0.0, 0.2], must be positive"), "{}", zero.error());
    let mut crop = Small::new();
    crop.sidecar["preprocess"]["resize"] = json!({"shorter_side": 16});
    assert!(crop.error().contains("resized to 16 pixels"), "{}", crop.error());

    let small = Small::new();
    small.open().unwrap();
    let description = small.path().with_extension("json");
    for (text, expected) in [("{", "not valid JSON"), ("{}", "no field 'heirloom_weights'")] {
        std::fs::write(&description, text).unwrap();
        let error = open_path(&small.path()).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("small.json"), "{error}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_all_named() {
    let small = Small::new()
        .remove("layer2.1.bn1.running_var")
        .insert("conv1.weight", &[16, 3, 5, 5], 0.0)
        .insert("surplus", &[2], 0.0)
        .insert("bn1.num_batches_tracked", &[], 3.0);
    let error = small.error();
    for expected in [
        "small.safetensors: 3 of its tensors do not fit cifar_resnet20",
        "'layer2.1.bn1.running_var' [32] is missing",
        "'conv1.weight' has shape [16, 3, 5, 5], expected [16, 3, 3, 3]",
        "'surplus' [2] is not part of the architecture",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    assert!(!error.contains("num_batches_tracked"), "{error}");

    let many = (0..25).fold(Small::new(), |small, index| small.insert(&format!("extra{index:02}"), &[1], 0.0));
    let error = many.error();
    assert!(error.contains("25 of its tensors"), "{error}");
    assert!(error.contains("'extra09'") && !error.contains("'extra10'") && error.ends_with("and 15 more"), "{error}");
}

#[test]
fn a_missing_classifier_is_accepted_only_where_the_description_says_so() {
    let headless = || Small::new().remove("linear.weight").remove("linear.bias");
    assert!(headless().error().contains("'linear.weight' [10, 64] is missing"));
    let backbone = headless().set("classes", json!(0)).open().unwrap();
    assert_eq!(backbone.logits, None);
    assert_eq!(backbone.taps.last().unwrap(), "pre_logits");
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let error = Small::new().insert("layer1.0.bn1.bias", &[16], f32::NAN).open().unwrap_err();
    assert!(matches!(&error, ZooError::NotFinite { key, count: 16, .. } if key == "layer1.0.bn1.bias"), "{error}");
}

#[test]
fn weights_of_another_architecture_are_a_mismatch() {
    let error = Small::new().set("architecture", json!("resnet18")).open().unwrap_err();
    assert!(matches!(error, ZooError::Mismatch { .. }), "{error}");
    assert!(error.hint().unwrap().contains("architecture"));
}

#[test]
fn a_bare_file_is_recognised_and_its_assumptions_are_noted() {
    let small = Small::new();
    let backbone = small.open_bare().unwrap();
    assert_eq!(backbone.architecture, CIFAR);
    assert_eq!(backbone.preprocess.input_size, [32, 32]);
    assert!(backbone.notes[0].contains("recognised as cifar_resnet20") && backbone.notes[0].contains("small.json"));

    let damaged = Small::new().remove("bn1.bias").open_bare().unwrap_err().to_string();
    assert!(damaged.contains("do not fit cifar_resnet20: 'bn1.bias' [16] is missing"), "{damaged}");
}

/// What the hint says to write is a description that reads.
#[test]
fn a_bare_file_that_fits_nothing_or_too_much_is_refused_with_a_description_to_start_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("strange.safetensors");
    let strange = Small::new().insert("w", &[2, 2], 0.0);
    let only = strange.weights.tensors["w"].clone();
    checkpoint::safetensors(&path, &Weights { tensors: [("w".to_owned(), only)].into() });
    let error = open_path(&path).unwrap_err();
    assert!(error.to_string().contains("fit no architecture known here"), "{error}");
    let hint = error.hint().unwrap();
    let example = &hint[hint.find('{').unwrap()..];
    assert!(serde_json::from_str::<Sidecar>(example).is_ok(), "{example}");

    let Some(real) = common::weights_folder() else { return };
    let copy = folder.path().join("transformer.safetensors");
    std::fs::copy(real.join("deit_tiny_patch16_224.safetensors"), &copy).unwrap();
    let error = open_path(&copy).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("(vit_tiny_patch16_224, deit_tiny_patch16_224)"), "{text}");
    assert!(error.hint().unwrap().contains("\"architecture\": \"vit_tiny_patch16_224\""));
}

#[test]
fn real_weights_without_their_descriptions_are_recognised_by_their_keys() {
    let Some(real) = common::weights_folder() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (name, architecture) in [
        ("cifar10_resnet56", "cifar_resnet56"),
        ("mobilenetv1_0.25_128", "mobilenetv1_0.25"),
        ("mobilenetv2_1.0_gluon_bn", "mobilenetv2_gluon"),
    ] {
        let file = format!("{name}.safetensors");
        std::fs::copy(real.join(&file), folder.path().join(&file)).unwrap();
        assert_eq!(open_path(&folder.path().join(&file)).unwrap().architecture, architecture);
    }
}

/// A timm folder with a small network; `change` edits its config.
fn timm_folder(folder: &Path, change: impl Fn(&mut Value)) -> Result<heirloom_zoo::Backbone, ZooError> {
    let weights = folder.join("model.safetensors");
    if !weights.exists() {
        let recipe = Recipe { classes: Some(7), ..Recipe::usual("timm", "mobilenetv3_small_100").unwrap() };
        let graph = architectures::build(&recipe, Layout::Timm).unwrap().graph;
        checkpoint::safetensors(&weights, &formula::weights(&graph, &[]));
    }
    let mut config = json!({
        "architecture": "mobilenetv3_small_100",
        "num_classes": 7,
        "num_features": 1024,
        "pretrained_cfg": {
            "tag": "lamb_in1k", "custom_load": false, "input_size": [3, 224, 224], "fixed_input_size": false,
            "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center", "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225], "num_classes": 7, "pool_size": [7, 7], "first_conv": "conv_stem",
            "classifier": "classifier", "license": "apache-2.0"
        }
    });
    change(&mut config);
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    open_path(folder)
}

#[test]
fn a_timm_folder_is_a_backbone() {
    let folder = tempfile::tempdir().unwrap();
    let backbone = timm_folder(folder.path(), |_| {}).unwrap();
    assert_eq!(backbone.name, "mobilenetv3_small_100.lamb_in1k");
    let expected = Preprocess {
        input_size: [224, 224],
        resize: Resize::ShorterSide(256),
        interpolation: Interpolation::Bicubic,
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
    };
    assert_eq!(backbone.preprocess, expected);
    assert_eq!(backbone.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(open_path(&folder.path().join("model.safetensors")).unwrap().name, backbone.name);
}

#[test]
fn a_timm_config_decides_the_preprocessing_and_is_refused_where_it_asks_for_more() {
    let folder = tempfile::tempdir().unwrap();
    let set =
        |field: &'static str, value: Value| move |config: &mut Value| config["pretrained_cfg"][field] = value.clone();
    for (crop, side) in [(0.95, 235), (0.9, 248), (1.0, 224), (0.96, 233)] {
        let backbone = timm_folder(folder.path(), set("crop_pct", json!(crop))).unwrap();
        assert_eq!(backbone.preprocess.resize, Resize::ShorterSide(side), "{crop}");
    }
    let squeezed = timm_folder(folder.path(), |config| {
        config["pretrained_cfg"]["crop_mode"] = json!("squash");
        config["pretrained_cfg"]["crop_pct"] = json!(1.0);
    });
    assert_eq!(squeezed.unwrap().preprocess.resize, Resize::Squeeze);
    let refused: [(&'static str, Value, &str); 6] = [
        ("crop_mode", json!("border"), "crop_mode 'border'"),
        ("crop_mode", json!("squash"), "crop_pct 0.875"),
        ("crop_pct", json!(0.0), "crop_pct is 0"),
        ("interpolation", json!("lanczos"), "interpolation 'lanczos'"),
        ("input_size", json!([3, 224, 192]), "input_size is [3, 224, 192]"),
        ("input_size", json!([1, 224, 224]), "input_size is [1, 224, 224]"),
    ];
    for (field, value, expected) in refused {
        let error = timm_folder(folder.path(), set(field, value)).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("config.json"), "{error}");
    }
    let arguments = timm_folder(folder.path(), |config| config["model_args"] = json!({"act_layer": "gelu"}));
    assert!(arguments.unwrap_err().to_string().contains("model_args.act_layer"));
    let classes = timm_folder(folder.path(), |config| config["num_classes"] = json!(8)).unwrap_err().to_string();
    assert!(classes.contains("'classifier.weight' has shape [7, 1024], expected [8, 1024]"), "{classes}");
    let empty = tempfile::tempdir().unwrap();
    let error = open_path(empty.path()).unwrap_err().to_string();
    assert!(error.contains("neither model.safetensors nor pytorch_model.bin"), "{error}");
}

#[test]
fn known_backbones_are_ones_that_can_be_built() {
    for known in heirloom_zoo::known() {
        assert!(Recipe::usual("", known.name).is_ok(), "{}", known.name);
        assert!(known.command().ends_with(known.name) && known.page().starts_with("https://"), "{}", known.name);
    }
    assert!(heirloom_zoo::known().is_sorted_by(|a, b| a.millions <= b.millions));
}
