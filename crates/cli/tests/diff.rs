//! `diff` as a user types it: two heads on one network, a trained network beside what it was trained from, models that have nothing in common.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;
use serde_json::Value;

/// Two models of one data set: a linear head, and the whole network trained on.
fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 16, 12);
    let fit = ["fit", "colours", "--backbone", "tiny.safetensors", "--no-report"];
    scene.ok(&[&fit[..], &["--method", "linear", "-o", "linear.heirloom"]].concat());
    let full = ["--method", "full", "--epochs", "2", "--batch-size", "16", "--seed"];
    for seed in ["0", "1"] {
        scene.ok(&[&fit[..], &full, &[seed, "-o", &format!("full{seed}.heirloom")]].concat());
    }
    scene
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn two_models_of_one_network_are_laid_side_by_side() {
    let scene = scene();
    let diff = ["diff", "full0.heirloom", "full1.heirloom", "--data", "colours", "--points", "3", "--beyond", "0.5"];
    let found = scene.run(&[&diff[..], &["--json", "--referee", "tiny.safetensors", "--basin"]].concat());
    assert_eq!(found.code, 0, "{}", found.err);
    let object = found.json();
    let basin = &object["basin"];
    let distance = number(&object["distance"]["all"]["change"]);
    assert!(number(&basin["epsilon"]) > 0.0 && number(&basin["distance"]) >= 0.9 * distance, "{basin}");
    assert!(!basin["edges"].as_array().unwrap().is_empty(), "{basin}");
    assert_eq!(
        (&object["command"], &object["judged"], &object["absent"]),
        (&"diff".into(), &"test images".into(), &Value::Array(vec![]))
    );
    let mistakes = &object["mistakes"];
    assert_eq!(mistakes["images"], 36);
    let shares = ["common", "uncommon"].map(|key| number(&mistakes[key]["value"]));
    assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
    assert!(object["clarity"]["neither"]["images"].as_u64().unwrap() > 0);

    let similarity = &object["similarity"];
    assert_eq!((&similarity["images"], &similarity["batches"]), (&36.into(), &9.into()));
    let pairs = similarity["pairs"].as_array().unwrap();
    let layers = similarity["first"].as_array().unwrap().len();
    assert_eq!(pairs.len(), layers * layers);
    // Trained from the same weights for two epochs, the first layer of both is nearly the same, and above its floor.
    assert!(number(&pairs[0]["unbiased"]) > 0.9 && number(&pairs[0]["floor"]) < 0.5, "{}", pairs[0]);

    let modules = object["distance"]["modules"].as_array().unwrap();
    assert!(modules.iter().all(|module| number(&module["change"]) > 0.0), "{modules:?}");
    let points = object["line"]["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| number(&point["share"])).collect::<Vec<_>>(), [-0.5, 0.0, 0.5, 1.0, 1.5]);
    let right = |point: &Value| point["as_is"]["accuracy"]["value"].clone();
    assert_eq!(
        (right(&points[1]), right(&points[3])),
        (mistakes["first"]["value"].clone(), mistakes["second"]["value"].clone())
    );
    assert!(object["line"]["statistics_images"].as_u64().unwrap() > 0);

    let page = std::fs::read_to_string(scene.at("diff.html")).unwrap();
    for part in [
        "In short",
        "How alike their layers see images",
        "How far their weights lie apart",
        "What lies between them",
        "(epsilon)",
        "<svg",
    ] {
        assert!(page.contains(part), "{part}");
    }
    // A page that is there is not replaced, and the same figures come again on one thread.
    let again = scene.run(&diff);
    assert!(again.code == 2 && again.err.contains("--force"), "{}", again.err);
    let again = scene.run(&[&diff[..], &["--json", "--force", "--threads", "1"]].concat()).json();
    for key in ["mistakes", "similarity", "distance", "line"] {
        assert_eq!(again[key], object[key], "{key}");
    }
}

#[test]
fn what_two_models_do_not_have_in_common_is_said() {
    let scene = scene();
    scene.backbone("wide", "cifar_resnet32", |_, _| {});
    let diff = ["diff", "linear.heirloom", "wide.safetensors", "--data", "colours", "--json", "--layers", "layer3.2"];
    let found = scene.run(&diff);
    assert_eq!(found.code, 0, "{}", found.err);
    let object = found.json();
    assert!(
        object["distance"].is_null()
            && object["line"].is_null()
            && object["similarity"]["pairs"].as_array().unwrap().len() == 1
    );
    let absent = object["absent"].to_string();
    assert!(absent.contains("\"distance\"") && absent.contains("layers of their networks differ"), "{absent}");
    // The backbone got a head of its own.
    assert!(object["second"]["fitted_on"].as_u64().unwrap() > 0 && object["first"]["fitted_on"].is_null());
}

#[test]
fn modules_are_put_back_to_where_training_began() {
    let scene = scene();
    let diff = ["diff", "tiny.safetensors", "full0.heirloom", "--data", "colours", "--no-similarity", "--no-line"];
    let found = scene.run(&[&diff[..], &["--criticality", "--critical-draws", "1", "--json"]].concat());
    assert_eq!(found.code, 0, "{}", found.err);
    let rewind = &found.json()["rewind"];
    let modules = rewind["modules"].as_array().unwrap();
    assert_eq!((&modules[0]["module"], &modules[modules.len() - 1]["module"]), (&"conv1".into(), &"layer3.2".into()));
    assert!(
        modules.iter().all(|module| number(&module["distance"]) > 0.0 && module["drop"].is_object()),
        "{modules:?}"
    );
    assert!(modules.iter().all(|module| module["criticality"]["looked_at"].as_u64().unwrap() > 0));
    assert!(rewind["limit"].is_number() && rewind["statistics_images"] == 48);
    assert!(std::fs::read_to_string(scene.at("diff.html")).unwrap().contains("Which modules matter"));
    // Shards in caches of their own, which are then merged, give the whole to the bit and compute nothing again.
    let critical = ["--criticality", "--critical-draws", "1", "--json", "--force"];
    for (shard, cache) in [("1/2", "one"), ("2/2", "two")] {
        let part = scene.ok(&[&diff[..], &critical, &["--shard", shard, "--cache", cache, "--threads", "1"]].concat());
        assert_eq!(part.json()["shard"].as_array().unwrap().len(), 2);
    }
    scene.ok(&["cache", "merge", "two", "--cache", "one"]);
    let merged = scene.ok(&[&diff[..], &critical, &["--cache", "one"]].concat()).json();
    assert_eq!(merged["rewind"], *rewind);
    assert_eq!(merged["mistakes"], found.json()["mistakes"]);
    scene.backbone("wide", "cifar_resnet32", |_, _| {});
    let refused =
        scene.run(&["diff", "full0.heirloom", "wide.safetensors", "--data", "colours", "--rewind", "--force"]);
    assert!(refused.code == 2 && refused.err.contains("cannot be put back"), "{}", refused.err);
}

#[test]
fn what_cannot_be_compared_is_refused_before_any_work() {
    let scene = scene();
    let refused = |typed: &[&str], part: &str| {
        let found = scene.run(&[&["diff"][..], typed].concat());
        assert!(found.code == 2 && found.err.contains(part), "{typed:?}: {}", found.err);
    };
    let both = ["linear.heirloom", "full0.heirloom", "--data"];
    refused(&[&both[..], &["colours", "--layers", "layer9"]].concat(), "no layer 'layer9'");
    refused(&[&both[..], &["photos"]].concat(), "none of the model's");
    refused(&[&both[..], &["colours", "--beyond", "9"]].concat(), "from 0 to 5");
    refused(&["linear.heirloom", "missing.heirloom", "--data", "colours"], "no such file");
    let fit =
        ["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report", "-o", "other.heirloom"];
    scene.ok(&fit);
    refused(&["linear.heirloom", "other.heirloom", "--data", "colours"], "answer with other classes");
}
