//! `compare`, as a user types it: many ways to adapt beside each other, nothing computed twice, no test label read too early.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Scene, tree};
use serde_json::Value;

const COMPARE: [&str; 6] = ["compare", "colours", "--backbone", "tiny.safetensors", "--target-sizes", "1"];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    scene
}

fn typed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    COMPARE.iter().copied().chain(more.iter().copied()).collect()
}

fn methods(object: &Value) -> Vec<&str> {
    object["results"].as_array().unwrap().iter().map(|line| line["method"].as_str().unwrap()).collect()
}

/// What every kept result says of its rows, apart from the labels.
fn kept(scene: &Scene, cache: &str) -> Vec<String> {
    let mut files = tree(&scene.at(cache).join("cells-v1"));
    files.retain(|path, _| path.extension().is_some_and(|ending| ending == "json"));
    let said = |bytes: &Vec<u8>| {
        let cell: Value = serde_json::from_slice(bytes).unwrap();
        format!("{} {} {}", cell["predicted"], cell["calibrated"]["confidence"], cell["uncalibrated"]["confidence"])
    };
    let mut all: Vec<String> = files.values().map(said).collect();
    all.sort();
    all
}

#[test]
fn a_second_run_computes_nothing_and_a_further_method_itself_alone() {
    let scene = scene();
    let first = scene.ok(&typed(&["--methods", "ncm,linear", "--seeds", "3", "--json"])).json();
    assert_eq!(first["protocol"], "test-split");
    assert_eq!(first["rows"], serde_json::json!({ "train": 33, "test": 24, "skipped": 0 }));
    assert_eq!(first["draws"].as_array().unwrap().len(), 3);
    let lines = first["results"].as_array().unwrap();
    assert_eq!(lines[0]["against_best"], serde_json::json!({ "value": 0.0, "low": 0.0, "high": 0.0 }));
    assert!(lines.iter().all(|line| line["operations"]["network"].as_f64().unwrap() > 1e8), "{first}");
    let linear = lines.iter().find(|line| line["method"] == "linear").unwrap();
    assert!(linear["operations"]["head"].as_f64().unwrap() > 0.0, "{first}");
    assert!(first["advice"]["reason"].as_str().unwrap().starts_with("Take "), "{first}");

    let again = scene.ok(&typed(&["--methods", "ncm,linear", "--seeds", "3", "--json", "--force"]));
    assert!(again.err.contains("6 of 6 results are there from before"), "{}", again.err);
    assert_eq!(again.json()["results"], first["results"], "seconds included: nothing was measured again");

    let more = scene.ok(&typed(&["--methods", "ncm,linear,knn", "--seeds", "3", "--json", "--force"]));
    assert!(more.err.contains("6 of 9") && more.err.contains("knn on tiny"), "{}", more.err);
    assert!(!more.err.contains("linear on tiny"), "{}", more.err);
    assert_eq!(methods(&more.json()).len(), 3);
    let page = std::fs::read_to_string(scene.at("compare.html")).unwrap();
    assert!(page.contains("the one to take") && page.contains("<svg"));
    assert!(std::fs::read(scene.at("compare.parquet")).unwrap().starts_with(b"PAR1"));
    assert_eq!(scene.ok(&["cache", "--json"]).json()["results"]["files"], 9);
    scene.ok(&["cache", "clear"]);
    assert_eq!(scene.ok(&["cache", "--json"]).json()["results"]["files"], 0);
}

#[test]
fn two_backbones_and_a_cross_validation_stand_side_by_side() {
    let scene = scene();
    scene.backbone("other", "cifar_resnet32", |_, _| {});
    let data = scene.at("colours/train").display().to_string();
    let arguments = ["compare", &data, "--backbone", "tiny.safetensors", "other.safetensors", "--methods", "ncm,ridge"];
    let ran = scene.ok(&[&arguments[..], &["--json"]].concat());
    let object = ran.json();
    assert_eq!(object["protocol"], "cross-validation");
    assert_eq!(object["rows"]["test"], 42, "five draws judge every image once");
    assert_eq!(object["results"].as_array().unwrap().len(), 4);
    assert!(ran.err.contains("other"), "{}", ran.err);
    let limited = scene.ok(&[&arguments[..], &["--json", "--force", "--train-rows", "15"]].concat()).json();
    assert_eq!(limited["rows"]["train"], 15);
}

#[test]
fn the_automatic_choice_answers_as_the_head_that_it_took() {
    let scene = scene();
    let object =
        scene.ok(&typed(&["--methods", "auto,ncm,ridge,linear,knn,head2toe", "--seeds", "2", "--json"])).json();
    let lines = object["results"].as_array().unwrap();
    let of = |method: &str| lines.iter().find(|line| line["method"] == method).unwrap();
    for draw in 0..2 {
        let choice = of("auto")["choices"][draw].as_str().unwrap();
        let (taken, setting) = choice.split_once(": ").unwrap();
        assert_eq!(of(taken)["choices"][draw].as_str().unwrap(), setting);
        assert_eq!(of(taken)["accuracy_by_draw"][draw], of("auto")["accuracy_by_draw"][draw]);
    }
}

/// No label of a test row reaches training, selection, calibration or the draws, for any method.
#[test]
fn permuted_test_labels_change_the_scores_alone() {
    let scene = scene();
    let table = |name: &str, shift: usize| {
        let classes = ["blue", "green", "red"];
        let mut text = String::from("path,label,split\n");
        for (split, count, shift) in [("train", 14, 0), ("test", 8, shift)] {
            for (at, class) in classes.into_iter().enumerate() {
                let label = classes[(at + shift) % 3];
                (0..count)
                    .for_each(|image| text.push_str(&format!("colours/{split}/{class}/{image}.bmp,{label},{split}\n")));
            }
        }
        std::fs::write(scene.at(name), text).unwrap();
    };
    table("right.csv", 0);
    table("wrong.csv", 1);
    let run = |data: &str| {
        let training = ["--epochs", "1", "--batch-size", "8", "--image-size", "32"];
        let cache = format!("cache-{data}");
        let arguments =
            ["compare", data, "--backbone", "tiny.safetensors", "--target-sizes", "1", "--methods", "auto,all"];
        let rest = ["--seeds", "1", "--json", "--force", "--cache", &cache];
        (scene.ok(&[&arguments[..], &training, &rest].concat()).json(), kept(&scene, &cache))
    };
    let ((right, of_right), (wrong, of_wrong)) = (run("right.csv"), run("wrong.csv"));
    assert_eq!(of_right, of_wrong);
    assert_eq!(of_right.len(), methods(&right).len(), "one result for every method: {}", right["failed"]);
    let best = |object: &Value| object["results"][0]["accuracy"]["value"].as_f64().unwrap();
    assert!(best(&right) > 0.9, "{}", right["results"][0]);
    let linear = |object: &Value| {
        let lines = object["results"].as_array().unwrap();
        lines.iter().find(|line| line["method"] == "linear").unwrap()["accuracy"]["value"].as_f64().unwrap()
    };
    assert!(linear(&wrong) < 0.1 && linear(&right) > 0.9, "{} {}", linear(&wrong), linear(&right));
}

#[test]
fn a_killed_comparison_goes_on_where_it_was() {
    let scene = scene();
    let methods = ["--methods", "ncm,full", "--epochs", "20", "--batch-size", "8", "--seeds", "2", "--json"];
    let mut child = scene.command(&typed(&methods)).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while kept(&scene, "cache").len() < 2 {
        assert!(started.elapsed() < Duration::from_secs(60), "no result after a minute");
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let done = kept(&scene, "cache");
    let resumed = scene.ok(&typed(&methods));
    assert!(resumed.err.contains("of 4 results are there from before"), "{}", resumed.err);
    let all = kept(&scene, "cache");
    assert_eq!(all.len(), 4);
    assert!(done.iter().all(|cell| all.contains(cell)), "what was kept is still there");
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_done() {
    let scene = scene();
    scene.run(&["compare", "colours"]).refused(2, &["--backbone"]);
    scene.run(&typed(&["--methods", "magic"])).refused(2, &["magic", "head2toe"]);
    scene.run(&typed(&["--epochs", "3"])).refused(2, &["--epochs", "--methods frozen,full"]);
    scene.run(&typed(&["-o", "results.parquet"])).refused(2, &["results.parquet", "compare.html"]);
    scene.run(&typed(&["--train-rows", "4000"])).refused(2, &["4000", "42 to draw from"]);
    let twice = ["compare", "colours", "--backbone", "tiny.safetensors", "./tiny.safetensors"];
    scene.run(&twice).refused(2, &["compared already"]);
    std::fs::write(scene.at("compare.parquet"), b"mine").unwrap();
    scene.run(&typed(&[])).refused(2, &["compare.parquet", "--force"]);
    assert_eq!(std::fs::read(scene.at("compare.parquet")).unwrap(), b"mine");
}
