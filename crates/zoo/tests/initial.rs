//! First weights: deviations against torchvision's and timm's (tests/reference/initial.py) and the papers' formulas, and networks
//! that begin with values of a sane size.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;
#[path = "common/formula.rs"]
#[allow(dead_code)]
mod formula;

use std::collections::BTreeMap;
use std::path::Path;

use common::run;
use heirloom_engine::{Graph, Op, Weights};
use heirloom_zoo::{Initialization, Layout, Recipe, architectures, initialize};
use serde::Deserialize;

fn graph(name: &str, layout: Layout, side: usize, classes: usize) -> Graph {
    let mut recipe = Recipe::usual("test", name).unwrap();
    recipe.preprocess.input_size = [side; 2];
    recipe.classes = Some(classes);
    architectures::build(&recipe, layout).unwrap().graph
}

fn begin(name: &str, graph: &Graph) -> Weights {
    initialize(name, graph, &Initialization::usual(11)).unwrap()
}

fn deviation(values: &[f32]) -> f64 {
    (values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

#[derive(Deserialize)]
struct Case {
    architecture: String,
    layout: String,
    deviations: BTreeMap<String, f64>,
}

#[test]
fn deviations_are_those_of_torchvision_and_timm() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/initial.json");
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut checked = 0;
    for case in cases {
        let layout = if case.layout == "timm" { Layout::Timm } else { Layout::Torchvision };
        let graph = graph(&case.architecture, layout, 224, 1000);
        let weights = begin(&case.architecture, &graph);
        for (key, expected) in case.deviations {
            let values = &weights.tensors[&key].values;
            // Both are estimates from as many values; five standard errors of their ratio.
            let bound = 5.0 / (values.len() as f64).sqrt();
            let ratio = deviation(values) / expected;
            assert!((ratio - 1.0).abs() < bound, "{} {key}: ratio {ratio}, bound {bound}", case.architecture);
            checked += 1;
        }
    }
    assert!(checked > 200, "{checked}");
}

#[test]
fn families_without_a_library_follow_their_papers() {
    let blocks_of_20 = 9.0_f64;
    let cases = [
        ("cifar_resnet56", "layer2.4.conv1.weight", (2.0 / (32.0 * 9.0_f64)).sqrt()),
        ("cifar_resnet56", "linear.bias", 0.0),
        ("wide_resnet16_2", "block3.layer.0.conv2.weight", (2.0 / (128.0 * 9.0_f64)).sqrt()),
        ("wide_resnet16_2", "block3.layer.0.convShortcut.weight", (2.0 / 128.0_f64).sqrt()),
        ("cifar_fixup_resnet20", "layer3.1.conv1.weight", (2.0 / (64.0 * 9.0_f64) / blocks_of_20).sqrt()),
        ("cifar_fixup_resnet20", "layer3.1.conv2.weight", 0.0),
        ("cifar_fixup_resnet20", "fc.weight", 0.0),
        ("cifar_fixup_resnet20", "layer1.0.bias2a", 0.0),
        ("cifar_fixup_resnet20", "layer1.0.scale", 1.0),
        // 16 blocks of three convolutions: 16^(-1/4) = 1/2.
        ("fixup_resnet50", "layer2.1.conv1.weight", 0.5 * (2.0 / 128.0_f64).sqrt()),
        ("fixup_resnet50", "layer2.1.conv2.weight", 0.5 * (2.0 / (128.0 * 9.0_f64)).sqrt()),
        ("fixup_resnet50", "layer2.1.conv3.weight", 0.0),
        ("fixup_resnet50", "layer2.0.downsample.weight", (2.0 / 512.0_f64).sqrt()),
        ("fixup_resnet50", "conv1.weight", 1.0 / (147.0 * 3.0_f64).sqrt()),
        ("fixup_resnet50", "fc.weight", 1.0 / (2048.0 * 3.0_f64).sqrt()),
    ];
    for (name, key, expected) in cases {
        let graph = graph(name, Layout::Torchvision, 64, 100);
        let tensor = &begin(name, &graph).tensors[key];
        assert_eq!(tensor.shape, graph.parameters[key], "{name} {key}");
        let found = deviation(&tensor.values);
        let bound = 5.0 / (tensor.values.len() as f64).sqrt();
        assert!((found - expected).abs() <= bound * expected, "{name} {key}: {found}, expected {expected}");
    }
}

#[test]
fn options_set_to_zero_what_they_say() {
    let begin = |name: &str, how: &Initialization| initialize(name, &graph(name, Layout::Torchvision, 32, 10), how);
    let usual = Initialization::usual(3);
    let all = |weights: &Weights, key: &str, value: f32| weights.tensors[key].values.iter().all(|&v| v == value);

    let zeroed = begin("resnet50", &Initialization { zero_last_norm: true, ..usual }).unwrap();
    assert!(all(&zeroed, "layer1.0.bn3.weight", 0.0) && all(&zeroed, "layer1.0.bn2.weight", 1.0));
    assert!(all(&zeroed, "layer1.0.downsample.1.weight", 1.0) && all(&zeroed, "layer1.0.bn3.running_var", 1.0));
    let error = begin("wide_resnet16_2", &Initialization { zero_last_norm: true, ..usual }).unwrap_err().to_string();
    assert!(error.contains("wide_resnet16_2") && error.contains("batch norm"), "{error}");

    let zeroed = begin("resnet18", &Initialization { zero_classifier: Some(true), ..usual }).unwrap();
    assert!(all(&zeroed, "fc.weight", 0.0) && all(&zeroed, "fc.bias", 0.0) && !all(&zeroed, "conv1.weight", 0.0));
    let drawn = begin("cifar_fixup_resnet20", &Initialization { zero_classifier: Some(false), ..usual }).unwrap();
    assert!(!all(&drawn, "fc.weight", 0.0));
}

/// The value of a parameter does not move when others come or go.
#[test]
fn a_seed_and_a_name_fix_a_parameter() {
    let ten = begin("resnet18", &graph("resnet18", Layout::Torchvision, 32, 10));
    let hundred = begin("resnet18", &graph("resnet18", Layout::Torchvision, 64, 100));
    for (key, tensor) in &ten.tensors {
        if !key.starts_with("fc.") {
            assert_eq!(*tensor, hundred.tensors[key], "{key}");
        }
    }
    assert_eq!(ten.tensors["fc.weight"].values, hundred.tensors["fc.weight"].values[..5120]);
    let other = initialize("resnet18", &graph("resnet18", Layout::Torchvision, 32, 10), &Initialization::usual(12));
    assert_ne!(ten.tensors["conv1.weight"], other.unwrap().tensors["conv1.weight"]);
}

/// The base-size transformers differ from the small ones in width alone.
const LARGE: [&str; 2] = ["vit_base_patch16_224", "deit_base_patch16_224"];

/// With running statistics of 0 and 1 a norm passes its input through, so that every addition about doubles the variance of a
/// residual network; nothing else may grow. Only a network with batch norms may shrink, for they will undo it.
#[test]
fn every_network_begins_with_finite_logits_of_a_sane_size() {
    let trainable = architectures::all().filter(|known| known.from_scratch && !LARGE.contains(&known.name));
    for known in trainable {
        let side = if known.input_size == [32, 32] { 32 } else { 64 };
        let graph = graph(known.name, known.layouts[0], side, 10);
        let weights = begin(known.name, &graph);
        assert!(weights.tensors.values().all(|tensor| tensor.values.iter().all(|value| value.is_finite())));
        let [features, logits] =
            run(&graph, &weights, [side; 2], &formula::image(side), 1, &["pre_logits", "logits"]).try_into().unwrap();
        let [features, logits] = [features, logits].map(|values| deviation(&values));
        let additions = graph.nodes.iter().filter(|node| node.op == Op::Add).count();
        println!("{}: {additions} additions, features {features:.3e}, logits {logits:.3e}", known.name);
        let most = 10.0 * 2.0_f64.powf(additions as f64 / 2.0);
        let normalised = graph.nodes.iter().any(|node| matches!(node.op, Op::BatchNorm { .. }));
        let least = if normalised { f64::MIN_POSITIVE } else { 0.01 };
        assert!((least..=most).contains(&features), "{}: features {features}, bound {most}", known.name);
        let zero = known.name.starts_with("cifar_fixup");
        assert!(logits <= most && (logits > 0.0) != zero, "{}: logits {logits}", known.name);
    }
}
