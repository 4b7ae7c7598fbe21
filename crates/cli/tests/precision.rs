//! `--precision` and `inspect --profile`, as a user types them, on processors with and without a matrix unit.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::Scene;

/// Each precision has features, records and predictions of its own; a model is used in the one it was fitted in, where that is fast.
#[test]
fn a_model_remembers_its_precision() {
    let scene = Scene::new();
    let fit = |precision: &str, model: &str| {
        let typed = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "linear", "--precision", precision];
        scene.ok(&[&typed[..], &["-o", model, "--json"]].concat()).json()
    };
    let (exact, rounded) = (fit("f32", "f32.heirloom"), fit("bf16", "bf16.heirloom"));
    assert_eq!(exact["run"]["precision"], "f32");
    assert_eq!(rounded["run"]["precision"], "bf16");
    assert_ne!(exact["run"]["isa"], "amx", "f32 never runs in the matrix unit");
    // Features of one precision are none of the other: both stand in the cache.
    let cache = scene.ok(&["cache", "--json"]).json();
    assert_eq!(cache["backbones"].as_array().unwrap().len(), 2, "{cache}");
    let again = fit("bf16", "again.heirloom");
    assert_eq!(again["images_per_second"], serde_json::Value::Null, "the second time they come from the cache");
    let predict =
        |model: &str, precision: &[&str]| scene.ok(&[&["predict", model, "photos/test"][..], precision].concat()).out;
    let [as_fitted, explicit] = [predict("f32.heirloom", &[]), predict("f32.heirloom", &["--precision", "f32"])];
    assert_eq!(as_fitted, explicit);
    assert_ne!(predict("bf16.heirloom", &["--precision", "bf16"]), predict("bf16.heirloom", &["--precision", "f32"]));
}

#[test]
fn auto_says_what_it_took_and_keeps_what_it_found() {
    let scene = Scene::new();
    let run = || scene.ok(&["extract", "photos", "--backbone", "tiny.safetensors", "--json"]);
    let first = run().json();
    let parity = scene.at("cache").join("parity-v1");
    match first["precision"].as_str().unwrap() {
        // Found once, and read the second time.
        "bf16" => assert_eq!(std::fs::read_dir(&parity).unwrap().count(), 1),
        precision => assert_eq!(precision, "f32"),
    }
    assert_eq!(run().json()["precision"], first["precision"]);
}

/// Training takes it, too: other bits than f32, the same ones again, and a record that says so.
#[test]
fn training_in_bf16() {
    let scene = Scene::new();
    let train = |precision: &str, model: &str| {
        let typed = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "full", "--epochs", "2"];
        scene.ok(&[&typed[..], &["--precision", precision, "-o", model, "--json"]].concat()).json()
    };
    let losses = |found: &serde_json::Value| -> Vec<f64> {
        found["epochs"].as_array().unwrap().iter().map(|epoch| epoch["loss"].as_f64().unwrap()).collect()
    };
    let [exact, rounded, again] = [("f32", "a"), ("bf16", "b"), ("bf16", "c")]
        .map(|(precision, name)| train(precision, &format!("{name}.heirloom")));
    assert_ne!(losses(&exact), losses(&rounded));
    assert_eq!(losses(&rounded), losses(&again));
    for (exact, rounded) in losses(&exact).iter().zip(losses(&rounded)) {
        assert!((exact - rounded).abs() < 0.05 * exact, "{exact} and {rounded}");
    }
    scene.ok(&["rerun", "b.run.json"]);
    let typed = ["pretrain", "photos", "--from", "tiny.safetensors", "--epochs", "1", "--precision", "bf16"];
    let made = scene.ok(&[&typed[..], &["-o", "source.safetensors", "--json"]].concat()).json();
    assert_eq!(made["recipe"]["precision"], "bf16");
}

#[test]
fn bf16_is_refused_where_nothing_runs_in_it() {
    let scene = Scene::new();
    let typed = ["fit", "photos", "--backbone", "tiny.safetensors", "--precision", "bf16", "-o", "m.heirloom"];
    let linearised = scene.run(&[&typed[..], &["--method", "linearised"]].concat());
    linearised.refused(2, &["--precision", "f32 alone"]);
    scene.run(&["extract", "photos", "--backbone", "tiny.safetensors", "--precision", "fp8"]).refused(2, &["bf16"]);
}

/// Features in bf16 are rounded before anything uses them, so that those from the cache are those that were computed.
#[test]
fn features_are_kept_in_bf16_where_asked() {
    let scene = Scene::new();
    let fit = |storage: &str, model: &str| {
        let typed = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "linear", "--precision", "f32"];
        scene.ok(&[&typed[..], &["--feature-storage", storage, "-o", model, "--json"]].concat()).json()
    };
    let size = || scene.ok(&["cache", "--json"]).json()["bytes"].as_u64().unwrap();
    let rounded = fit("bf16", "a.heirloom");
    let halves = size();
    assert_eq!(rounded["run"]["feature_storage"], "bf16");
    let again = fit("bf16", "b.heirloom");
    assert_eq!(again["images_per_second"], serde_json::Value::Null, "the second time they come from the cache");
    assert_eq!((&again["log_loss"], &again["accuracy"]), (&rounded["log_loss"], &rounded["accuracy"]));
    let exact = fit("f32", "c.heirloom");
    assert!(size() - halves > halves, "{} bytes in f32, {halves} in bf16", size() - halves);
    assert_ne!(exact["log_loss"], rounded["log_loss"]);
}

#[test]
fn a_profile_names_every_step_and_draws_the_roof() {
    let scene = Scene::new();
    let typed = ["inspect", "tiny.safetensors", "--profile", "--precision", "bf16", "-o", "roof.svg"];
    let found = scene.ok(&[&typed[..], &["--json"]].concat()).json();
    let profile = &found["profile"];
    let steps = profile["steps"].as_array().unwrap();
    assert!(steps.len() > 20 && profile["flops_limit"].as_f64().unwrap() > 1e8, "{profile}");
    let shares: f64 = steps.iter().map(|step| step["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-6, "{shares}");
    assert!(std::fs::read_to_string(scene.at("roof.svg")).unwrap().contains("<svg"));
    scene.run(&typed).refused(2, &["roof.svg", "--force"]);
    scene.run(&["inspect", "photos", "--profile"]).refused(2, &["--profile runs a backbone"]);
}
