//! Source models, as a user types it: `pretrain`, and what `fit` makes of its files.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use common::Scene;
use safetensors::SafeTensors;

const PRETRAIN: [&str; 8] =
    ["pretrain", "colours", "--arch", "cifar_resnet20", "--augment", "none", "--batch-size", "8"];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    scene
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PRETRAIN.iter().copied().chain(more.iter().copied()).collect()
}

fn tensors(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(file).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

#[test]
fn a_source_model_opens_as_a_backbone() {
    let scene = scene();
    let typed = ["--epochs", "3", "--schedule", "one-cycle", "--keep-epochs", "--log", "log.jsonl", "--json"];
    let made = scene.ok(&arguments(&typed)).json();
    assert_eq!(made["rows"], serde_json::json!({ "train": 42, "test": 24, "skipped": 0, "planted": 0 }));
    assert_eq!(made["classes"], serde_json::json!(["blue", "green", "red"]));
    let last = tensors(&scene.at("source.safetensors"));
    assert_eq!(last, tensors(&scene.at("source.epoch-03.safetensors")), "the weights of the last epoch are written");
    assert_ne!(last, tensors(&scene.at("source.epoch-01.safetensors")));
    let log = std::fs::read_to_string(scene.at("log.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["validation_accuracy"], made["test_accuracy"]);
    assert_eq!(std::fs::read_dir(scene.at("log.tensorboard")).unwrap().count(), 1);
    let typed = ["fit", "colours", "--backbone", "source.safetensors", "--method", "linear", "--json"];
    let fit = scene.ok(&typed).json();
    assert_eq!(fit["backbone_digest"], made["backbone_digest"]);
    assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.9);
    // Going on from these weights keeps the classifier: the classes are the same.
    let typed = ["pretrain", "colours", "--from", "source.safetensors", "--epochs", "1", "--augment", "none", "--json"];
    let again = scene.ok(&[&typed[..], &["-o", "again.safetensors"]].concat()).json();
    assert!(again["test_accuracy"].as_f64().unwrap() >= made["test_accuracy"].as_f64().unwrap() - 0.2);
}

#[test]
fn a_seed_fixes_the_weights_for_any_number_of_threads() {
    let scene = scene();
    let run = |output: &str, more: &[&str]| {
        scene.ok(&arguments(&[&["--epochs", "1", "-o", output], more].concat()));
        tensors(&scene.at(output))
    };
    let first = run("a.safetensors", &["--threads", "1"]);
    assert_eq!(first, run("b.safetensors", &["--threads", "2"]));
    assert_ne!(first, run("c.safetensors", &["--seed", "1"]));
    // Property P1: planting into no image is plain training.
    assert_eq!(first, run("d.safetensors", &["--plant", "square", "--plant-share", "0"]));
    assert_ne!(first, run("e.safetensors", &["--plant", "square"]));
}

#[test]
fn interventions_are_planted_and_counted() {
    let scene = scene();
    let planted = |label: &str, output: &str| {
        let typed = ["--epochs", "1", "--json", "--plant", "square:side=0.25", "--plant-share", "0.5", "--plant-class"];
        scene.ok(&arguments(&[&typed[..], &["red", "--plant-label", label, "-o", output]].concat())).json()
    };
    let kept = planted("keep", "keep.safetensors");
    let rows = kept["rows"]["planted"].as_u64().unwrap();
    assert!((3..=11).contains(&rows), "{rows}");
    assert_eq!(kept["plant"]["share"], 0.5);
    let appended = planted("append", "append.safetensors");
    assert_eq!(appended["rows"]["train"].as_u64().unwrap(), 42 + rows);
    assert_eq!(appended["classes"].as_array().unwrap().len(), 4);
    let replaced = planted("class:blue", "class.safetensors");
    assert_eq!(replaced["rows"]["train"], 42);
    scene.run(&arguments(&["--plant", "square", "--plant-class", "mauve"])).refused(2, &["mauve", "blue, green, red"]);
    scene.run(&arguments(&["--plant", "circle"])).refused(2, &["square, gaussian, overlay"]);
}

#[test]
fn an_interrupted_run_goes_on_to_the_same_bits() {
    let scene = scene();
    scene.ok(&arguments(&["--epochs", "8", "-o", "whole.safetensors"]));
    let typed = arguments(&["--epochs", "8", "-o", "killed.safetensors"]);
    let mut child = scene.command(&typed).stderr(Stdio::null()).spawn().unwrap();
    while !scene.at("killed.training").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first state");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = scene.ok(&typed);
    assert!(resumed.err.contains("going on from the kept state"), "{}", resumed.err);
    assert_eq!(tensors(&scene.at("whole.safetensors")), tensors(&scene.at("killed.safetensors")));
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_remedy() {
    let scene = scene();
    scene.run(&["pretrain", "colours"]).refused(2, &["--arch"]);
    scene.run(&["pretrain", "colours", "--arch", "resnet19"]).refused(2, &["resnet19", "resnet18"]);
    scene.run(&arguments(&["-o", "weights.bin"])).refused(2, &["weights.bin", ".safetensors"]);
    scene.run(&arguments(&["--warm-up", "9", "--epochs", "2"])).refused(2, &["--warm-up is 9", "2 epochs"]);
    scene.run(&["pretrain", "colours", "--arch", "vit_tiny_patch16_224", "--image-size", "50"]).refused(2, &["50"]);
    std::fs::write(scene.at("source.safetensors"), b"mine").unwrap();
    scene.run(&arguments(&["--epochs", "1"])).refused(2, &["already there", "--force"]);
}

/// `spec/bias-transfer.md` P5: in frozen layers nothing moves, unless statistics are to adapt.
#[test]
fn statistics_of_frozen_layers_move_only_where_they_are_to_adapt() {
    let scene = scene();
    let bytes = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    let before = SafeTensors::deserialize(&bytes).unwrap();
    let key = "layer1.0.bn1.running_mean";
    for (how, same) in [("frozen", true), ("trained", true), ("adapt", false)] {
        let typed = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "full", "--train-from", "linear"];
        let more = ["--norm-statistics", how, "--epochs", "1", "--batch-size", "8", "--force", "--no-report"];
        scene.ok(&[&typed[..], &more].concat());
        let after = tensors(&scene.at("model.heirloom"));
        let stored = |key: &str| after.iter().find(|(name, _)| name.ends_with(key)).unwrap().1.clone();
        assert_eq!(stored(key) == before.tensor(key).unwrap().data(), same, "{how}");
        let weight = "layer1.0.conv1.weight";
        assert_eq!(stored(weight), before.tensor(weight).unwrap().data(), "{how}");
    }
}

#[test]
fn the_learning_rate_can_be_looked_for() {
    let scene = scene();
    let typed = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "full", "--learning-rate", "find"];
    let run = |output: &str| {
        let more = ["--epochs", "2", "--batch-size", "8", "--image-size", "32", "--no-report", "--json", "-o", output];
        scene.ok(&[&typed[..], &more].concat()).json()["run"]["settings"]["learning_rate"].as_f64().unwrap()
    };
    let rate = run("a.heirloom");
    assert!((1e-6..10.0).contains(&rate), "{rate}");
    assert_eq!(rate, run("b.heirloom"), "a sweep is no matter of luck");
}

/// Norms that a file holds folded are put back wherever training begins, and the reader is told.
#[test]
fn folded_norms_are_put_back_by_both_commands() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("HEIRLOOM_DATA").map_or(beside, std::path::PathBuf::from);
    let weights = data.join("weights/mobilenetv1_0.25_128.safetensors");
    if !weights.is_file() {
        eprintln!("skipped: no {} (set HEIRLOOM_DATA)", weights.display());
        return;
    }
    let scene = scene();
    let weights = weights.canonicalize().unwrap().display().to_string();
    let training = ["--image-size", "32", "--epochs", "1", "--batch-size", "8", "--json"];
    let pretrain = ["pretrain", "colours", "--from", &weights];
    let fit = ["fit", "colours", "--backbone", &weights, "--method", "full", "--no-report"];
    let warning = |command: &[&str]| {
        let warnings = scene.ok(&[command, &training[..]].concat()).json()["warnings"].clone();
        warnings.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>().join("; ")
    };
    assert!(warning(&pretrain).contains("27 batch norms") && warning(&fit).contains("27 batch norms"));
    let kept = [&fit[..], &["--keep-folded", "--force"]].concat();
    assert!(warning(&kept).contains("as they stand"));
    let stored = tensors(&scene.at("source.safetensors"));
    assert_eq!(stored.keys().filter(|key| key.ends_with("moving_variance")).count(), 27);
    assert!(!tensors(Path::new(&weights)).keys().any(|key| key.ends_with("moving_variance")));
}

/// Loose images without labels are enough; the network says how they lie, and serves as a start.
#[test]
fn a_network_is_warmed_up_on_images_without_labels() {
    let scene = Scene::new();
    std::fs::create_dir(scene.at("loose")).unwrap();
    for number in 0..12 {
        scene.bitmap(&format!("loose/{number}.bmp"), [40, 60, 200], number);
    }
    let task = ["--from", "tiny.safetensors", "--self-supervised", "rotation", "--epochs", "1", "--batch-size", "16"];
    let typed = |data| {
        [&["pretrain", data, "--augment", "none", "--json", "-o", "warm.safetensors", "--force"], &task[..]].concat()
    };
    let found = scene.ok(&typed("loose")).json();
    assert_eq!(found["classes"].as_array().unwrap().len(), 4);
    assert_eq!((&found["rows"]["train"], &found["rows"]["planted"]), (&48.into(), &0.into()));
    assert_eq!(found["self_supervised"], "rotation");
    let labelled = scene.ok(&typed("photos")).json();
    assert_eq!((&labelled["rows"]["train"], &labelled["rows"]["test"]), (&224.into(), &96.into()));
    assert!(labelled["test_accuracy"].is_number());
    scene.ok(&["fit", "photos", "--backbone", "warm.safetensors", "--no-report", "--method", "linear"]);
    scene.run(&[&typed("loose")[..], &["--plant", "square"]].concat()).refused(2, &["--self-supervised"]);
    scene.run(&typed("nowhere")).refused(2, &["nowhere"]);
}
