//! Repeating runs from their records.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::Scene;

#[test]
fn runs_are_repeated_to_the_last_bit() {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    let linear = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "linear", "--threads", "2"];
    scene.ok(&linear);
    let again = scene.ok(&["rerun", "model.run.json", "--json"]).json();
    assert_eq!(again["identical"], true, "{again}");
    assert_eq!(again["differences"], serde_json::json!([]));
    let made = scene.at("model.heirloom").metadata().unwrap().modified().unwrap();

    let full = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "full", "--epochs", "1"];
    scene.ok(&[&full[..], &["--image-size", "32", "--batch-size", "8", "-o", "full.heirloom"]].concat());
    let again = scene.ok(&["rerun", "full.run.json", "-o", "again.heirloom", "--json"]).json();
    assert_eq!(again["identical"], true, "{again}");
    assert!(scene.at("again.heirloom").exists() && scene.at("again.run.json").exists());

    let pretrain = ["pretrain", "colours", "--arch", "cifar_resnet20", "--epochs", "1", "--batch-size", "8"];
    scene.ok(&pretrain);
    assert_eq!(scene.ok(&["rerun", "source.run.json", "--json"]).json()["identical"], true);
    assert_eq!(
        scene.at("model.heirloom").metadata().unwrap().modified().unwrap(),
        made,
        "what was there is not touched"
    );

    // Another image in the place of one: named, and exit code 1.
    scene.bitmap("colours/train/red/0.bmp", [40, 60, 200], 99);
    let run = scene.run(&["rerun", "full.run.json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    assert!(run.out.contains("not the same") && run.out.contains("data: "), "{}", run.out);
}

#[test]
fn records_that_cannot_be_repeated_are_refused() {
    let scene = Scene::new();
    std::fs::write(scene.at("other.json"), "{}").unwrap();
    scene.run(&["rerun", "other.json"]).refused(2, &["other.json", "no record of a run"]);
    scene.run(&["rerun", "missing.run.json"]).refused(2, &["missing.run.json"]);
    let fit = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm"];
    scene.ok(&fit);
    let record = std::fs::read_to_string(scene.at("model.run.json")).unwrap();
    let folder = scene.at("").display().to_string();
    std::fs::write(scene.at("moved.run.json"), record.replace(folder.trim_end_matches('/'), "/nowhere")).unwrap();
    scene.run(&["rerun", "moved.run.json"]).refused(2, &["/nowhere", "\"directory\""]);
    std::fs::write(scene.at("old.run.json"), record.replace("heirloom-run-1", "heirloom-run-0")).unwrap();
    scene.run(&["rerun", "old.run.json"]).refused(2, &["heirloom-run-0", "heirloom-run-1"]);
}
