//! `compress` as a user types it: a smaller file that predicts, what it costs, and what is refused.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;
use serde_json::Value;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 16, 12);
    scene.ok(&["fit", "colours", "--backbone", "tiny.safetensors", "--no-report", "-o", "model.heirloom"]);
    scene
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn a_smaller_model_predicts_and_its_cost_is_told() {
    let scene = scene();
    for numbers in ["bf16", "int8"] {
        let output = format!("{numbers}.heirloom");
        let compress =
            ["compress", "model.heirloom", "--data", "colours", "--numbers", numbers, "-o", &output, "--json"];
        let found = scene.run(&compress);
        assert_eq!(found.code, 0, "{}", found.err);
        let object = found.json();
        assert_eq!(
            (&object["command"], &object["numbers"], &object["judged"]),
            (&"compress".into(), &numbers.into(), &"test images".into())
        );
        assert!(number(&object["bytes"][1]) < number(&object["bytes"][0]), "{object}");
        let mistakes = &object["mistakes"];
        assert_eq!(mistakes["images"], 36);
        assert!(number(&mistakes["change"]["value"]).abs() < 0.2, "{mistakes}");
        scene.ok(&["predict", &output, "colours", "--json"]);
        let inspected = scene.run(&["inspect", &output, "--json"]).json();
        assert_eq!(inspected["accuracy"]["value"], mistakes["second"]["value"], "{inspected}");
        let again = scene.run(&["compress", &output, "-o", "again.heirloom"]);
        assert_eq!(again.code, 2);
        assert!(again.err.contains(numbers) && again.err.contains("already"), "{}", again.err);
    }
}

#[test]
fn layers_that_say_least_are_left_out() {
    let scene = scene();
    let fit = ["fit", "colours", "--backbone", "tiny.safetensors", "--no-report", "--method", "all-l2"];
    scene.ok(&[&fit[..], &["-o", "layers.heirloom"]].concat());
    let compress =
        ["compress", "layers.heirloom", "--data", "colours", "-o", "one.heirloom", "--layers", "1", "--numbers", "f32"];
    let found = scene.run(&[&compress[..], &["--json"]].concat());
    assert_eq!(found.code, 0, "{}", found.err);
    let object = found.json();
    let layers = object["layers"].as_array().unwrap();
    let kept: Vec<f64> =
        layers.iter().filter(|layer| layer["kept"] == true).map(|layer| number(&layer["moves"])).collect();
    assert!(layers.len() > 1 && kept.len() == 1, "{layers:?}");
    assert!(layers.iter().all(|layer| number(&layer["moves"]) <= kept[0]), "{layers:?}");
    scene.ok(&["predict", "one.heirloom", "colours"]);
    let enough = scene.run(&["compress", "layers.heirloom", "--data", "colours", "-o", "x.heirloom", "--layers", "50"]);
    assert!(enough.code == 2 && enough.err.contains("layers"), "{}", enough.err);
}

/// Without data nothing is said of accuracy, and the file does not keep that of the larger model.
#[test]
fn without_data_the_accuracy_is_unknown() {
    let scene = scene();
    let found = scene.run(&["compress", "model.heirloom", "-o", "small.heirloom"]);
    assert_eq!(found.code, 0, "{}", found.err);
    assert!(found.out.contains("unknown"), "{}", found.out);
    assert!(scene.run(&["inspect", "small.heirloom", "--json"]).json()["accuracy"].is_null());
}

#[test]
fn what_cannot_be_done_is_refused_and_nothing_is_written() {
    let scene = scene();
    for (arguments, reason) in [
        (&["compress", "model.heirloom"][..], "--output"),
        (&["compress", "model.heirloom", "-o", "model.heirloom"], "already there"),
        (&["compress", "nothing.heirloom", "-o", "x.heirloom"], "nothing.heirloom"),
        (&["compress", "tiny.safetensors", "-o", "x.heirloom"], "no model"),
        (&["compress", "model.heirloom", "--numbers", "f32", "-o", "x.heirloom"], "changes nothing"),
        (&["compress", "model.heirloom", "--layers", "2", "-o", "x.heirloom"], "--data"),
        (&["compress", "model.heirloom", "--data", "nowhere", "-o", "x.heirloom"], "nowhere"),
        (&["compress", "model.heirloom", "--data", "colours", "--layers", "1", "-o", "x.heirloom"], "1 layer"),
    ] {
        let found = scene.run(arguments);
        assert!(found.code == 2 && found.err.contains(reason), "{arguments:?}: {}", found.err);
        assert!(!scene.at("x.heirloom").exists(), "{arguments:?}");
    }
}
