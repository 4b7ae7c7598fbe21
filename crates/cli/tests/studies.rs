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

#[test]
fn the_study_of_bias_measures_every_arm_beside_its_twin_and_goes_on_where_it_was() {
    let scene = Scene::new();
    let study =
        ["study", "bias-transfer", "--size", "smoke", "--part", "chosen", "natural", "-o", "bias.html", "--json"];
    let plan = scene.ok(&[&study[..], &["--plan"]].concat()).json();
    assert_eq!(plan["plan"].as_array().unwrap().len(), 5, "{plan}");
    assert!(!scene.at("bias.html").exists());
    let whole = scene.ok(&study).json();
    assert_eq!(whole["unfinished"], serde_json::json!([]));
    let arms = whole["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 11, "{whole}");
    let cue = arms.iter().find(|arm| arm["measure"] == "gap").unwrap();
    assert_eq!(cue["mean"][0]["probe"], "left instead of right");
    assert!(cue["mean"][0]["beyond_twin"]["value"].is_f64() && cue["targets"][0]["images"] == 64, "{cue}");
    let lopsided = &arms[0]["mean"][0];
    let beyond = lopsided["beyond_twin"]["value"].as_f64().unwrap();
    let less = lopsided["value"]["value"].as_f64().unwrap() - lopsided["twin"].as_f64().unwrap();
    assert!((beyond - less).abs() < 1e-12, "{lopsided}");
    let stock = arms.iter().find(|arm| arm["words"] == "stock network; fixed").unwrap();
    assert_eq!(stock["mean"].as_array().unwrap().len(), 6);
    assert!(stock["mean"][0]["scratch"].is_f64() && stock["incomplete"] == serde_json::json!([]));
    let page = std::fs::read_to_string(scene.at("bias.html")).unwrap();
    assert!(page.contains("A lopsided sample") && page.contains("Objects that the source knows"));
    let again = scene.ok(&[&study[..], &["--force"]].concat());
    assert!(!again.err.contains("seed 1"), "something was computed again: {}", again.err);
    assert_eq!(again.json(), whole);
}

#[test]
fn what_the_budget_leaves_out_of_the_study_of_bias_is_named() {
    let scene = Scene::new();
    let cut = scene.ok(&["study", "bias-transfer", "--size", "smoke", "--part", "planted", "--budget", "1s", "--json"]);
    let unfinished = cut.json()["unfinished"].as_array().unwrap().len();
    assert!((9..=12).contains(&unfinished), "{}", cut.err);
    scene.run(&["study", "bias-transfer"]).refused(2, &["HEIRLOOM_DATA", "--size smoke"]);
    scene.run(&["study", "bias-transfer", "--part", "moon"]).refused(2, &["planted, chosen, natural"]);
}

#[test]
fn the_study_of_what_is_transferred_is_planned_cut_short_and_drawn() {
    let scene = Scene::new();
    let study = ["study", "what-transfers", "--size", "smoke", "-o", "page.html", "--json"];
    let plan = scene.ok(&[&study[..], &["--plan"]].concat()).json();
    let phases = plan["plan"].as_array().unwrap();
    assert!(phases.len() > 5 && phases[0]["networks"].as_u64().unwrap() > 10, "{plan}");
    assert!(!scene.at("page.html").exists());
    let cut = scene.ok(&[&study[..], &["--budget", "4s", "--shard", "1/2"]].concat()).json();
    assert!(cut["unfinished"].as_array().unwrap().len() > 3, "{cut}");
    let starts = cut["starts"].as_array().unwrap();
    assert!(!starts.is_empty() && starts.iter().all(|start| start["family"] == "batch-norm"), "{cut}");
    let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
    for part in ["What is being transferred?", "What the source is worth", "No figures yet.", "Not done:"] {
        assert!(page.contains(part), "{part}");
    }
    scene.run(&[&study[..], &["--plan"]].concat()).refused(2, &["--force"]);
    scene.run(&["study", "what-transfers", "--shard", "3/2"]).refused(2, &["no shard 3 of 2"]);
    scene.run(&["study", "what-transfers", "--replicas", "1"]).refused(2, &["2"]);
    scene.run(&["study", "what-transfers"]).refused(2, &["HEIRLOOM_DATA", "study what-transfers datasets/"]);
    // What was computed can be brought to another cache.
    let merged = scene.ok(&["cache", "merge", &scene.arg("cache"), "--cache", "elsewhere", "--json"]).json();
    assert!(merged["merged"]["copied"].as_u64().unwrap() > 2 && merged["merged"]["here"] == 0, "{merged}");
    scene.run(&["cache", "merge", "nowhere"]).refused(2, &["nowhere", "neither features nor results"]);
}

#[test]
fn the_studies_of_pretraining_are_planned_cut_short_and_drawn() {
    let scene = Scene::new();
    for (name, title) in [("pretraining-value", "What is pretraining worth?"), ("robustness", "Does pretraining make")]
    {
        let study = ["study", name, "--size", "smoke", "-o", "page.html", "--force", "--json"];
        let plan = scene.ok(&[&study[..], &["--plan"]].concat()).json();
        let phases = plan["plan"].as_array().unwrap();
        assert!(phases.len() > 4 && phases[0]["networks"].as_u64().unwrap() > 2, "{plan}");
        let cut = scene.ok(&[&study[..], &["--budget", "3s"]].concat()).json();
        assert!(!cut["unfinished"].as_array().unwrap().is_empty(), "{cut}");
        let runs = cut["runs"].as_array().unwrap();
        assert!(!runs.is_empty() && runs.iter().all(|run| run["accuracy"]["value"].is_f64()), "{cut}");
        let page = std::fs::read_to_string(scene.at("page.html")).unwrap();
        for part in [title, "What was claimed", "No figures yet.", "Not done:"] {
            assert!(page.contains(part), "{part}");
        }
        scene.run(&["study", name]).refused(2, &["HEIRLOOM_DATA", name]);
    }
    scene.run(&["study", "robustness", "--shard", "3/2"]).refused(2, &["no shard 3 of 2"]);
}

#[test]
fn episodes_of_a_few_labelled_images_stand_beside_random_weights() {
    let scene = Scene::new();
    scene.colours("colours", 12, 12);
    let study =
        ["study", "few-shot", "colours", "--backbone", "tiny.safetensors", "--episodes", "30", "--force", "--json"];
    let found = scene.ok(&[&study[..], &["--shots", "1", "3", "-o", "few.html"]].concat()).json();
    let networks = found["found"].as_array().unwrap();
    let random: Vec<bool> = networks.iter().map(|one| one["random"].as_bool().unwrap()).collect();
    assert_eq!(random, [false, false, true, true], "{found}");
    // The control has features of its own, not those that the cache holds of the network.
    assert_ne!(networks[0]["learners"], networks[2]["learners"]);
    for network in networks {
        let learners = network["learners"].as_array().unwrap();
        assert_eq!(learners.iter().filter(|one| one["gain"].is_object()).count(), 2, "{network}");
        assert!(learners.iter().all(|one| (0.0..=1.0).contains(&one["accuracy"]["value"].as_f64().unwrap())));
    }
    let page = std::fs::read_to_string(scene.at("few.html")).unwrap();
    assert!(page.contains("How far do a few labelled images go?") && page.contains("self-training"));
    let without = scene.ok(&[&study[..], &["--unlabelled", "0"]].concat()).json();
    assert_eq!(without["found"][0]["learners"].as_array().unwrap().len(), 3);
    std::fs::write(scene.at("colours/train/red/broken.jpg"), b"no picture").unwrap();
    let broken = scene.ok(&[&study[..], &["--shots", "1"]].concat()).json();
    assert!(broken["skipped"][0]["locator"].as_str().unwrap().contains("broken.jpg"), "{broken}");
    // What makes no episode is refused before anything is computed.
    let many = [&study[..], &["--queries", "500", "--cache", "untouched"]].concat();
    scene.run(&many).refused(2, &["fewer rows of each"]);
    assert!(!scene.at("untouched").exists());
    scene.run(&["study", "few-shot", "colours"]).refused(2, &["--backbone"]);
}
