//! `study head2toe` and `data make`, as a user types them.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::Scene;
use serde_json::Value;

/// One drawn target, everything on tiny networks.
const STUDY: [&str; 17] = [
    "study",
    "head2toe",
    "--size",
    "smoke",
    "--target",
    "count",
    "--backbone",
    "tiny.safetensors",
    "--control",
    "other.safetensors",
    "--tuned",
    "tiny.safetensors",
    "--scratch",
    "tiny.safetensors",
    "-o",
    "study.html",
    "--json",
];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.backbone("other", "cifar_resnet20", |_, values| values.iter_mut().for_each(|value| *value *= 0.9));
    scene
}

fn typed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    STUDY.iter().copied().chain(more.iter().copied()).collect()
}

fn methods(object: &Value) -> Vec<&str> {
    let cells = object["targets"][0]["cells"].as_array().unwrap();
    let mut methods: Vec<&str> = cells.iter().map(|cell| cell["method"].as_str().unwrap()).collect();
    methods.sort_unstable();
    methods
}

#[test]
fn every_part_of_the_study_is_done_once() {
    let scene = scene();
    let cut = scene.ok(&typed(&["--budget", "1s"])).json();
    assert!(!cut["unfinished"].as_array().unwrap().is_empty(), "{cut}");
    let whole = scene.ok(&typed(&["--force"])).json();
    assert_eq!(whole["unfinished"], serde_json::json!([]));
    assert_eq!(methods(&whole), ["all-l1", "all-l2", "all-l21", "full", "head2toe", "linear", "scratch"]);
    let target = &whole["targets"][0];
    assert_eq!((target["classes"].as_u64(), target["test"].as_u64()), (Some(6), Some(96)));
    let oracle = &target["oracle"];
    for list in ["taps", "other", "random"] {
        assert_eq!(oracle[list].as_array().unwrap().len(), 2, "{oracle}");
    }
    assert!(
        target["relations"][0]["affinity"]["value"].is_f64() && target["cost"][0]["stored"].as_f64().unwrap() > 0.0
    );
    let page = std::fs::read_to_string(scene.at("study.html")).unwrap();
    assert!(
        page.contains("From scratch, on frozen features, fine-tuned") && page.contains("One layer beside the last")
    );
    let again = scene.ok(&typed(&["--force"]));
    assert!(!again.err.contains("draw 1 of"), "something was computed again: {}", again.err);
    assert_eq!(again.json(), whole);
}

#[test]
fn the_plan_computes_nothing_and_wrong_names_are_refused() {
    let scene = scene();
    let plan = scene.ok(&typed(&["--plan"])).json();
    assert_eq!(plan["plan"].as_array().unwrap().len(), 4);
    assert!(plan["seconds"].as_f64().unwrap() > 0.0);
    assert!(!scene.at("study.html").exists());
    scene.run(&typed(&["--target", "moon"])).refused(2, &["moon", "known: office"]);
    scene.run(&typed(&["--low-data", "0"])).refused(2, &["above 0"]);
    scene
        .run(&["study", "head2toe", "--target", "usps", "--backbone", "tiny.safetensors"])
        .refused(2, &["HEIRLOOM_DATA", "hint"]);
}

#[test]
fn structured_tasks_are_drawn_once_and_can_be_fitted_on() {
    let scene = scene();
    let make = ["data", "make", "structured", "-o", "made", "--train", "8", "--test", "4", "--json"];
    let made = scene.ok(&make).json();
    assert_eq!(made["made"].as_array().unwrap().len(), 3);
    assert_eq!(
        made["made"][2],
        serde_json::json!({"task": "count", "folder": "made/count", "classes": 6, "images": 72})
    );
    scene.run(&make).refused(2, &["made/location", "already"]);
    let fitted = scene.ok(&[
        "fit",
        "made/count",
        "--backbone",
        "tiny.safetensors",
        "--method",
        "ncm",
        "-o",
        "m.heirloom",
        "--json",
    ]);
    assert_eq!(fitted.json()["rows"]["test"], 24);
}
