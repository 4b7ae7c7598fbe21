//! fit, predict, inspect, extract and cache on one small scene, as a user types them.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Scene, tree};
use serde_json::Value;

fn has(object: &Value, keys: &[&str]) {
    for key in keys {
        assert!(object.get(key).is_some(), "no key {key:?} in {object}");
    }
}

#[test]
fn a_model_is_fitted_inspected_and_used() {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    let fit = scene.ok(&["fit", "colours", "--backbone", "tiny.safetensors", "--method", "linear", "--json"]).json();
    let keys = [
        "command",
        "method",
        "backbone",
        "accuracy",
        "balanced_accuracy",
        "log_loss",
        "brier",
        "classes",
        "rows",
        "seconds",
        "images_per_second",
        "artifact",
        "protocol",
    ];
    has(&fit, &keys);
    has(&fit["accuracy"], &["value", "low", "high", "n"]);
    has(&fit["rows"], &["train", "test", "skipped"]);
    assert_eq!(fit["run"]["data_digest"].as_str().map(str::len), Some(64));
    has(&fit["seconds"], &["extract", "fit", "total"]);
    assert_eq!((fit["command"].as_str(), fit["method"].as_str()), (Some("fit"), Some("linear")));
    assert_eq!((fit["protocol"].as_str(), fit["rows"]["test"].as_u64()), (Some("test-split"), Some(24)));
    assert!(fit["accuracy"]["value"].as_f64().unwrap() >= 0.9, "{fit}");

    let report = std::fs::read_to_string(scene.at("model.report.html")).unwrap();
    assert!(report.contains("How good is it?") && !report.contains("<script"));

    let inspected = scene.ok(&["inspect", "model.heirloom", "--json"]).json();
    assert_eq!(inspected["kind"], "model");
    assert_eq!(inspected["accuracy"]["value"], fit["accuracy"]["value"]);
    assert!(scene.ok(&["inspect", "model.heirloom"]).out.contains("test-split"));

    // The accuracy of what predict says about the test images is the accuracy that fit printed.
    let predicted = scene.ok(&["predict", "model.heirloom", "colours/test", "--json"]).json();
    let lines = predicted["predictions"].as_array().unwrap();
    assert_eq!(lines.len(), 24);
    let right = |line: &&Value| line["image"].as_str().unwrap().contains(line["class"].as_str().unwrap());
    let right = lines.iter().filter(right).count();
    assert_eq!(right as f64 / 24.0, fit["accuracy"]["value"].as_f64().unwrap());
    has(&lines[0], &["image", "class", "probability", "unfamiliar", "top"]);
}

/// One pass serves several heads, and says what each says alone.
#[test]
fn many_tasks_share_one_backbone() {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    let fit = |data: &str, method: &str, output: &str| {
        let arguments = ["fit", data, "--backbone", "tiny.safetensors", "--method", method, "-o", output, "--slim"];
        scene.ok(&[&arguments[..], &["--no-report", "--target-sizes", "1"]].concat());
    };
    fit("colours", "linear", "colour.heirloom");
    fit("photos", "head2toe", "kind.heirloom");
    let predict = |more: &[&str]| {
        let arguments = [&["predict"], more, &["--backbone", "tiny.safetensors", "--json"]].concat();
        scene.ok(&arguments).json()["predictions"].as_array().unwrap().clone()
    };
    let both = predict(&["colour.heirloom", "colours/test", "--tasks", "kind.heirloom"]);
    for (task, name) in ["colour", "kind"].into_iter().enumerate() {
        let alone = predict(&[&format!("{name}.heirloom"), "colours/test"]);
        assert_eq!((alone.len(), both.len()), (24, 48));
        for (line, alone) in both.iter().skip(task).step_by(2).zip(&alone) {
            assert_eq!(line["task"], name);
            let mut line = line.clone();
            line.as_object_mut().unwrap().remove("task");
            assert_eq!(&line, alone, "the same bits as alone");
        }
    }
    let typed = ["predict", "colour.heirloom", "colours/test", "--backbone", "tiny.safetensors", "--tasks"];
    let csv = scene.ok(&[&typed[..], &["kind.heirloom"]].concat()).out;
    assert!(csv.starts_with("image,task,class,probability,unfamiliar"), "{csv}");
    assert_eq!(csv.lines().count(), 49);

    scene.backbone("other", "cifar_resnet32", |_, _| {});
    let other = ["fit", "photos", "--backbone", "other.safetensors", "--method", "ncm", "-o", "far.heirloom", "--slim"];
    scene.ok(&[&other[..], &["--no-report"]].concat());
    scene.run(&[&typed[..], &["far.heirloom"]].concat()).refused(2, &["their weights differ", "same backbone"]);
    scene.run(&[&typed[..], &["./colour.heirloom"]].concat()).refused(2, &["two models are called 'colour'"]);
}

#[test]
fn a_second_fit_opens_no_image_and_gives_the_same_model() {
    let scene = Scene::new();
    let fit = |output: &str, threads: &str| {
        let arguments = ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ridge", "-o", output];
        scene.ok(&[&arguments[..], &["--json", "--threads", threads, "--no-report"]].concat()).json()
    };
    let first = fit("a.heirloom", "1");
    assert!(first["images_per_second"].is_number());
    let second = fit("b.heirloom", "2");
    assert!(second["images_per_second"].is_null(), "features came from the cache");
    for key in ["accuracy", "log_loss", "confusion", "candidates"] {
        assert_eq!(first[key], second[key], "{key}");
    }
    assert!(!scene.at("a.report.html").exists());
}

#[test]
fn without_test_rows_every_image_is_judged_out_of_fold() {
    let scene = Scene::new();
    let arguments =
        ["fit", "photos/train", "--backbone", "tiny.safetensors", "--method", "auto", "--json", "--target-sizes", "1"];
    let fit = scene.ok(&arguments).json();
    assert_eq!((fit["protocol"].as_str(), fit["refitted_on_all_rows"].as_bool()), (Some("nested-cv"), Some(true)));
    assert_eq!((fit["rows"]["train"].as_u64(), fit["accuracy"]["n"].as_u64()), (Some(56), Some(56)));
    let candidates = fit["candidates"].as_array().unwrap();
    assert_eq!(candidates.iter().filter(|candidate| candidate["chosen"] == true).count(), 1);
    assert_eq!(candidates.len(), 5, "one line for each method");
    assert_eq!(fit["requested_method"], "auto");
}

#[test]
fn predictions_come_as_csv_json_lines_and_parquet() {
    let scene = Scene::new();
    scene.ok(&["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--slim"]);
    let predict = ["predict", "model.heirloom", "photos/test", "--backbone", "tiny.safetensors", "--top-k", "2"];
    let csv = scene.ok(&predict).out;
    assert!(csv.starts_with("image,class,probability,unfamiliar,class_2,probability_2\n"), "{csv}");
    assert_eq!(csv.lines().count(), 25);
    scene.ok(&[&predict[..], &["-o", "p.jsonl"]].concat());
    let first = std::fs::read_to_string(scene.at("p.jsonl")).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["top"].as_array().unwrap().len(), 2);
    scene.ok(&[&predict[..], &["-o", "p.parquet"]].concat());
    assert!(std::fs::read(scene.at("p.parquet")).unwrap().starts_with(b"PAR1"));
    scene.run(&[&predict[..], &["-o", "p.parquet"]].concat()).refused(2, &["already there", "hint: "]);
    // A slim model without its backbone, and with another one.
    scene.run(&["predict", "model.heirloom", "photos/test"]).refused(2, &["tiny", "hint: "]);
    scene.backbone("other", "cifar_resnet20", |_, values| values[0] += 0.5);
    scene.run(&["predict", "model.heirloom", "photos", "--backbone", "other.safetensors"]).refused(2, &["hint: "]);
}

#[test]
fn the_cache_is_shown_shared_in_shards_and_cleared() {
    let scene = Scene::new();
    scene.world("many", 150, 0);
    let extract =
        ["extract", "many", "--backbone", "tiny.safetensors", "--tap", "layer2", "--tap", "pre_logits", "--json"];
    let whole = scene.ok(&[&extract[..], &["--cache", "whole"]].concat()).json();
    assert_eq!(whole["rows"]["computed"], 600);
    for shard in ["1/2", "2/2"] {
        scene.ok(&[&extract[..], &["--cache", "parts", "--shard", shard, "--threads", "1"]].concat());
    }
    let features = |cache: &str| tree(&scene.at(cache).join("features-v1"));
    assert!(features("whole").len() >= 6);
    assert_eq!(features("whole"), features("parts"), "shards on one thread give the same files");
    let shown = scene.ok(&["cache", "--cache", "whole", "--json"]).json();
    assert_eq!(shown["backbones"][0]["images"], 600);
    assert_eq!(scene.ok(&["inspect", "whole", "--json"]).json()["kind"], "features");
    assert!(scene.ok(&["cache", "--cache", "whole"]).out.contains("tiny"));
    scene.ok(&["cache", "clear", "--cache", "whole", "--json"]);
    assert_eq!(scene.ok(&["cache", "--cache", "whole", "--json"]).json()["bytes"], 0);
}

#[test]
fn backbones_and_data_sets_are_inspected() {
    let scene = Scene::new();
    let backbone = scene.ok(&["inspect", "tiny.safetensors", "--threads", "2", "--json"]).json();
    has(&backbone, &["architecture", "flops_per_image", "peak_bytes", "taps", "parameters", "preprocess"]);
    // What the images add: 32 x 32 pixels and their encoded bytes on each of two threads.
    let inspect = ["inspect", "tiny.safetensors", "--data", "photos", "--threads", "2"];
    let with_images = scene.ok(&[&inspect[..], &["--json"]].concat()).json();
    let added = with_images["peak_bytes"].as_u64().unwrap() - backbone["peak_bytes"].as_u64().unwrap();
    let decoding = with_images["decoding_bytes"].as_u64().unwrap();
    assert_eq!((with_images["reading_bytes"].as_u64(), added), (Some(0), 2 * decoding));
    assert!((32 * 32 * 3..2 * 32 * 32 * 3 + 1000).contains(&decoding), "{decoding}");
    assert!(scene.ok(&inspect).out.contains("a thread to decode"));
    assert!(backbone["decoding_bytes"].is_null() && backbone["reading_bytes"].is_null());
    let file = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let values: usize = tensors.iter().map(|(_, tensor)| tensor.data().len() / 4).sum();
    assert_eq!(backbone["parameters"], values);
    std::fs::write(scene.at("photos/train/disc-smooth/broken.jpg"), b"\xff\xd8\xff\xe0 no more").unwrap();
    let data = scene.ok(&["inspect", "photos", "--json"]).json();
    assert_eq!((data["kind"].as_str(), data["skipped"].as_array().unwrap().len()), (Some("data"), 1));
    assert!(scene.ok(&["inspect", "photos"]).out.contains("broken.jpg"));
    assert_eq!(scene.run(&["inspect", "photos", "--strict"]).code, 1);
}

#[test]
fn copies_are_kept_together_and_leaks_are_reported() {
    let scene = Scene::new();
    let image = scene.at("photos/train/disc-smooth/0000.png");
    std::fs::copy(&image, scene.at("photos/train/disc-smooth/copy.png")).unwrap();
    std::fs::copy(&image, scene.at("photos/test/disc-smooth/copy.png")).unwrap();
    let fit = scene.ok(&["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--json"]).json();
    let group = fit["duplicates"].as_array().unwrap().iter().find(|group| group["exact"] == true).unwrap();
    assert_eq!(group["locators"].as_array().unwrap().len(), 3);
    assert_eq!(group["crosses_split"], true);
    assert!(fit["warnings"].to_string().contains("copies of training images"), "{}", fit["warnings"]);
}

#[test]
fn a_backbone_answers_by_its_own_classes_or_by_what_a_map_makes_of_them() {
    let scene = Scene::new();
    scene.world("photos", 1, 2);
    let own = scene.ok(&["predict", "tiny.safetensors", "photos", "--json"]).json();
    let lines = own["predictions"].as_array().unwrap();
    assert_eq!(own["rows"]["predicted"], lines.len());
    let numbered = |line: &Value| line["class"].as_str().unwrap().parse::<usize>().is_ok();
    assert!(!lines.is_empty() && lines.iter().all(|line| numbered(line) && line["unfamiliar"].is_null()), "{own}");

    std::fs::write(scene.at("map.csv"), "source,class\n0,cat\n1,cat\n2,dog\n").unwrap();
    let mapped = scene.ok(&["predict", "tiny.safetensors", "photos", "--class-map", "map.csv", "--json"]).json();
    for line in mapped["predictions"].as_array().unwrap() {
        let shares: Vec<f64> =
            line["top"].as_array().unwrap().iter().map(|one| one["probability"].as_f64().unwrap()).collect();
        assert!(shares.len() == 2 && (shares.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        assert!(["cat", "dog"].contains(&line["class"].as_str().unwrap()));
    }
    assert!(mapped["rows"]["outside_map"].as_u64().unwrap() <= lines.len() as u64);

    std::fs::write(scene.at("wrong.csv"), "source,class\nlion,cat\n2,dog\n").unwrap();
    scene
        .run(&["predict", "tiny.safetensors", "photos", "--class-map", "wrong.csv"])
        .refused(2, &["wrong.csv, line 2", "no class 'lion'"]);
    scene.run(&["predict", "gone.safetensors", "photos"]).refused(2, &["gone.safetensors"]);
    scene.run(&["predict", "gone.heirloom", "photos"]).refused(2, &["gone.heirloom"]);
    scene.ok(&["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report"]);
    scene
        .run(&["predict", "model.heirloom", "photos", "--class-map", "map.csv"])
        .refused(2, &["a fitted model has the classes it was fitted on"]);
    scene
        .run(&["predict", "tiny.safetensors", "photos", "--tasks", "model.heirloom"])
        .refused(2, &["--tasks goes with models that fit wrote"]);
}

#[test]
fn features_that_extract_wrote_are_fitted_like_the_images() {
    let scene = Scene::new();
    scene.world("photos", 6, 3);
    let fit = |data: &str, more: &[&str]| {
        let typed = ["fit", data, "--method", "ridge", "--no-report", "--force", "--json"];
        scene.ok(&[&typed[..], more].concat()).json()
    };
    let images = fit("photos", &["--backbone", "tiny.safetensors", "--precision", "f32"]);
    for name in ["features.parquet", "features.csv", "features.safetensors"] {
        let extract =
            ["extract", "photos", "--backbone", "tiny.safetensors", "--precision", "f32", "-o", name, "--json"];
        assert_eq!(scene.ok(&extract).json()["output"], name);
        scene.run(&extract).refused(2, &[name, "--force"]);
        let given = fit(name, &[]);
        // Safetensors have no texts, so no split either.
        if name != "features.safetensors" {
            assert_eq!(given["scores"]["accuracy"], images["scores"]["accuracy"], "{name}");
            assert_eq!(given["rows"], images["rows"], "{name}");
        }
        assert_eq!(given["classes"], images["classes"], "{name}");
    }
    let wrong = ["extract", "photos", "--backbone", "tiny.safetensors", "-o", "features.txt"];
    scene.run(&wrong).refused(2, &["features.txt", ".parquet"]);
}
