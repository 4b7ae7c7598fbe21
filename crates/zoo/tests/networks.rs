//! Every architecture, filled with formula weights, against the outputs of timm and torchvision (tests/reference/networks.py).
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;
#[path = "common/formula.rs"]
mod formula;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{relative_error, run, run_on, stored};
use heirloom_engine::{Isa, Pixels};
use heirloom_zoo::{Layout, Recipe, architectures};
use serde::Deserialize;

/// Values kept of a tensor, evenly spaced.
const KEPT: usize = 96;

#[derive(Deserialize)]
struct Case {
    architecture: String,
    layout: String,
    input_side: usize,
    scales: Vec<(String, f64)>,
    classes: usize,
    /// Taps with the number of values of each.
    taps: BTreeMap<String, usize>,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

fn cases() -> Vec<Case> {
    serde_json::from_str(&std::fs::read_to_string(data("networks.json")).unwrap()).unwrap()
}

fn layout(name: &str) -> Layout {
    match name {
        "torchvision" => Layout::Torchvision,
        "timm" => Layout::Timm,
        "slim" => Layout::Slim,
        other => panic!("layout {other}"),
    }
}

/// The values that the reference keeps of a tensor.
fn thinned(values: &[f32], tap: &str) -> Vec<f32> {
    if tap == "logits" {
        return values.iter().take(1000).copied().collect();
    }
    values.iter().step_by((values.len() / KEPT).max(1)).take(KEPT).copied().collect()
}

fn check(case: &Case) -> f64 {
    let mut recipe = Recipe::usual("formula", &case.architecture).unwrap();
    recipe.preprocess.input_size = [case.input_side; 2];
    recipe.classes = Some(case.classes);
    let network = architectures::build(&recipe, layout(&case.layout)).unwrap();
    let weights = formula::weights(&network.graph, &case.scales);
    let taps: Vec<&str> = case.taps.keys().chain(&network.taps).map(String::as_str).collect();
    let image = formula::image(case.input_side);
    let values = run(&network.graph, &weights, recipe.preprocess.input_size, &image, 1, &taps);
    let reference = stored(&data("networks.safetensors"));
    let mut worst = 0.0_f64;
    for ((tap, &count), values) in case.taps.iter().zip(&values) {
        let name = format!("{}.{}:{tap}", case.architecture, case.layout);
        assert_eq!(values.len(), count, "{name}");
        let error = relative_error(&thinned(values, tap), &reference[&name].values);
        assert!(error <= 1e-4, "{name}: {error:.2e}");
        worst = worst.max(error);
    }
    for (tap, values) in taps.iter().zip(&values) {
        let deviation = standard_deviation(values);
        assert!((0.1..=10.0).contains(&deviation), "{} {tap}: standard deviation {deviation}", case.architecture);
    }
    worst
}

/// A comparison of values that all but vanish or explode would show little.
fn standard_deviation(values: &[f32]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    (values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

fn check_all(matching: impl Fn(&str) -> bool) {
    let cases = cases();
    let chosen: Vec<&Case> = cases.iter().filter(|case| matching(&case.architecture)).collect();
    assert!(!chosen.is_empty());
    for case in chosen {
        println!("{}.{}: {:.2e}", case.architecture, case.layout, check(case));
    }
}

#[test]
fn residual_networks() {
    check_all(|name| name.contains("resnet"));
}

#[test]
fn mobile_networks() {
    check_all(|name| name.contains("mobilenet"));
}

#[test]
fn squeezenets_convnext_and_efficientnet() {
    check_all(|name| ["squeezenet", "convnext", "efficientnet"].iter().any(|family| name.starts_with(family)));
}

#[test]
fn vision_transformers() {
    check_all(|name| name.starts_with("vit") || name.starts_with("deit"));
}

/// Raw pixels go through the normalisation that the preprocessing asks for.
#[test]
fn bytes_are_normalised_by_the_graph() {
    let mut recipe = Recipe::usual("formula", "cifar_resnet20").unwrap();
    recipe.preprocess.mean = [0.1, 0.5, 0.9];
    recipe.preprocess.std = [0.2, 0.3, 0.4];
    let network = architectures::build(&recipe, Layout::Torchvision).unwrap();
    let weights = formula::weights(&network.graph, &[]);
    let bytes: Vec<u8> = (0..32 * 32 * 3).map(|index| (index * 37 % 256) as u8).collect();
    let normalised: Vec<f32> = bytes
        .iter()
        .enumerate()
        .map(|(index, &byte)| {
            (f32::from(byte) / 255.0 - recipe.preprocess.mean[index % 3]) / recipe.preprocess.std[index % 3]
        })
        .collect();
    let taps = ["pre_logits", "logits"];
    let expected = run(&network.graph, &weights, [32, 32], &normalised, 1, &taps);
    let found = run_on(Isa::detect(), &network.graph, &weights, [32, 32], Pixels::Bytes(&bytes), 1, &taps);
    for (found, expected) in found.iter().zip(&expected) {
        let error = relative_error(found, expected);
        assert!(error <= 1e-5, "{error:.2e}");
    }
}

/// No architecture without a reference, here or among the real weights of tests/goldens.rs.
#[test]
fn every_architecture_has_a_reference() {
    let cases = cases();
    let checked = |name: &str| {
        let same = |case: &Case| Recipe::usual("", &case.architecture).unwrap().architecture == name;
        cases.iter().any(same)
    };
    // The others are the same build function at a width, depth or preprocessing of a tested one.
    let by_family = |name: &str| {
        name.starts_with("wide_resnet") || name.starts_with("cifar_fixup_resnet") || name.starts_with("fixup_resnet")
    };
    let by_golden =
        ["cifar_resnet32", "cifar_resnet56", "mobilenetv1_0.25", "mobilenetv2_gluon", "deit_tiny_patch16_224"];
    let by_sibling = ["mobilenetv1_0.75", "deit_small_patch16_224", "deit_base_patch16_224"];
    for name in architectures::names() {
        let indirectly = by_golden.contains(&name) || by_sibling.contains(&name) || by_family(name);
        assert!(checked(name) || indirectly, "{name}");
    }
}
