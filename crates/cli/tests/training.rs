//! Training through the backbone, as a user types it.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Ran, Scene};
use safetensors::SafeTensors;

const FIT: [&str; 8] = ["fit", "colours", "--backbone", "tiny.safetensors", "--image-size", "32", "--augment", "none"];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    scene
}

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FIT.iter().copied().chain(more.iter().copied()).collect()
}

/// All tensors of a model.
fn tensors(model: &Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = std::fs::read(model).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

#[test]
fn every_method_writes_a_model_that_predicts_what_was_measured() {
    let scene = scene();
    for method in [
        "full",
        "lp-ft",
        "scratch",
        "l2-sp",
        "delta",
        "bss",
        "co-tuning",
        "head2toe-ft",
        "head2toe-ft-plus",
        "bn-tune",
        "bitfit",
    ] {
        let typed = ["--method", method, "--epochs", "2", "--batch-size", "8", "--force", "--json"];
        let fit = scene.ok(&arguments(&typed)).json();
        assert_eq!((fit["method"].as_str(), fit["rows"]["test"].as_u64()), (Some(method), Some(24)));
        assert_eq!(fit["run"]["settings"]["epochs"], 2, "{fit}");
        // 42 rows that are no test rows, less the fifth that chooses the epoch.
        let trained = fit["rows"]["train"].as_u64().unwrap();
        assert!((32..=35).contains(&trained), "{trained}");
        let predicted = scene.ok(&["predict", "model.heirloom", "colours/test", "--json"]).json();
        let lines = predicted["predictions"].as_array().unwrap();
        let right =
            |line: &&serde_json::Value| line["image"].as_str().unwrap().contains(line["class"].as_str().unwrap());
        let share = lines.iter().filter(right).count() as f64 / 24.0;
        assert_eq!(share, fit["accuracy"]["value"].as_f64().unwrap(), "{method}");
        // The linear probe solves this task, and two epochs at a small rate leave it solved.
        assert!(method != "lp-ft" || share > 0.9, "{share}");
        assert!(!scene.at("model.training").exists(), "the kept state goes when the model is there");
        moved(&fit["movement"], method);
    }
}

/// The network after each epoch is a backbone of its own, and keeping it changes nothing.
#[test]
fn every_epoch_is_kept_where_asked() {
    let scene = scene();
    let typed = ["--method", "full", "--epochs", "2", "--batch-size", "8", "--json"];
    scene.ok(&arguments(&[&typed[..], &["-o", "a.heirloom"]].concat()));
    scene.ok(&arguments(&[&typed[..], &["-o", "b.heirloom", "--keep-epochs"]].concat()));
    let [plain, kept] = ["a.heirloom", "b.heirloom"].map(|model| tensors(&scene.at(model)));
    assert!(!plain.is_empty() && plain == kept);
    let epochs: Vec<_> = [1, 2].map(|epoch| format!("b.epoch-0{epoch}.safetensors")).into();
    let [first, last] = [0, 1].map(|at| tensors(&scene.at(&epochs[at])));
    assert!(first != last && first.len() == last.len() && !scene.at("a.epoch-01.safetensors").exists());
    for epoch in &epochs {
        scene.ok(&["inspect", epoch]);
    }
    let compared = scene.ok(&["diff", &epochs[0], &epochs[1], "--data", "colours", "--json"]).json();
    assert!(compared["distance"].is_object() || compared["distance"].is_array(), "{compared}");
    let typed = ["fit", "colours", "--backbone", "tiny.safetensors", "--keep-epochs", "--method"];
    scene.run(&[&typed[..], &["linearised"]].concat()).refused(2, &["--keep-epochs", "'linearised'"]);
    scene.run(&[&typed[..], &["head2toe-ft-plus"]].concat()).refused(2, &["--keep-epochs", "not one run of epochs"]);
    scene.run(&[&typed[..], &["linear"]].concat()).refused(2, &["--keep-epochs", "'linear'"]);
}

/// The network's first-order expansion: chosen by validation rows, one file that predicts what was measured, the same again.
#[test]
fn linearised_is_fitted_once_and_predicts_what_was_measured() {
    let scene = scene();
    let typed = ["fit", "colours", "--backbone", "tiny.safetensors", "--image-size", "32", "--method", "linearised"];
    let fit = scene.ok(&[&typed[..], &["--json"]].concat()).json();
    assert_eq!((fit["method"].as_str(), fit["rows"]["test"].as_u64()), (Some("linearised"), Some(24)), "{fit}");
    let settings = &fit["run"]["settings"];
    // Every parameter but the head's bias, which is free; 42 images of three classes.
    assert_eq!(settings["parameters"].as_u64(), Some(269_072 + 3 * 64), "{settings}");
    assert_eq!(settings["rows_of_derivatives"], 3 * 42);
    let candidates = fit["candidates"].as_array().unwrap();
    let losses: Vec<f64> = candidates.iter().map(|one| one["log_loss"].as_f64().unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let chosen: Vec<_> = candidates.iter().filter(|one| one["chosen"] == true).collect();
    assert!(chosen.len() == 1 && chosen[0]["log_loss"] == lowest && losses.len() > 8, "{fit}");
    assert!(fit["choice"].as_str().unwrap().starts_with(chosen[0]["setting"].as_str().unwrap()), "{fit}");
    moved(&fit["movement"], "linearised");
    let right = |model: &str| {
        let predicted = scene.ok(&["predict", model, "colours/test", "--json"]).json();
        let lines = predicted["predictions"].as_array().unwrap().clone();
        let is_right =
            |line: &&serde_json::Value| line["image"].as_str().unwrap().contains(line["class"].as_str().unwrap());
        lines.iter().filter(is_right).count() as f64 / 24.0
    };
    let share = right("model.heirloom");
    assert_eq!(share, fit["accuracy"]["value"].as_f64().unwrap());
    assert!(share > 0.9, "{share}");
    // The file holds the pretrained weights as they were, and the direction beside them.
    let stored = tensors(&scene.at("model.heirloom"));
    let bytes = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    let before = SafeTensors::deserialize(&bytes).unwrap();
    let key = "layer2.0.conv1.weight";
    assert_eq!(stored[key], before.tensor(key).unwrap().data());
    assert!(stored[&format!("tangent.{key}")].iter().any(|byte| *byte != 0));
    let inspected = scene.ok(&["inspect", "model.heirloom", "--json"]).json();
    assert_eq!(inspected["run"]["settings"]["method"], "linearised", "{inspected}");
    let rerun = scene.ok(&["rerun", "model.run.json", "--json"]).json();
    assert_eq!(rerun["identical"], true, "{rerun}");
    let one = [&typed[..], &["--threads", "1", "-o", "one.heirloom", "--no-report"]].concat();
    scene.ok(&one);
    assert_eq!(tensors(&scene.at("one.heirloom")), stored, "the same bits by one thread");
}

#[test]
fn linearised_refuses_what_means_nothing_to_it_and_what_is_too_large() {
    let scene = scene();
    let fit = |more: &[&str]| {
        let typed = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "linearised"];
        scene.run(&[&typed[..], more].concat())
    };
    fit(&["--epochs", "3"]).refused(2, &["--epochs", "'linearised' does not", "--method full"]);
    fit(&["--freeze", "linear"]).refused(2, &["linear.weight", "fits the head"]);
    fit(&["--slim"]).refused(2, &["--slim", "'linearised' changes it"]);
    scene.world("many", 60, 1);
    let large = ["fit", "many", "--backbone", "tiny.safetensors", "--method", "linearised", "--image-size", "1024"];
    scene.run(&large).refused(2, &["240 images of 4 classes", "960 rows", "minutes", "--limit", "--train-from"]);
    let late = scene
        .ok(&[
            "fit",
            "colours",
            "--backbone",
            "tiny.safetensors",
            "--method",
            "linearised",
            "--train-from",
            "layer3.2",
            "--image-size",
            "32",
            "--json",
        ])
        .json();
    let modules = late["movement"]["modules"].as_array().unwrap();
    assert_eq!((modules.len(), modules[0]["module"].as_str()), (2, Some("layer3.2")), "{late}");
}

/// What the record says of how far the weights moved.
fn moved(movement: &serde_json::Value, method: &str) {
    if movement.is_null() {
        assert_eq!(method, "head2toe-ft-plus", "which may keep the frozen network");
        return;
    }
    let modules = movement["modules"].as_array().unwrap();
    let name = |module: &serde_json::Value| module["module"].as_str().unwrap().to_owned();
    let beside = method.starts_with("head2toe");
    let last = modules.last().unwrap();
    assert_eq!(name(last), if beside { "head2toe" } else { "linear" }, "{method}: {movement}");
    assert!(last["change"].as_f64().unwrap() > 0.0, "{method}: {movement}");
    // Stem, nine blocks, and the head.
    assert_eq!(modules.len(), 11, "{method}: {movement}");
    assert_eq!(name(&modules[0]), "conv1");
    let square = |value: &serde_json::Value| value["change"].as_f64().unwrap().powi(2);
    let sum: f64 = modules.iter().map(square).sum();
    assert!((sum - square(&movement["all"])).abs() <= 1e-9 * sum, "{method}: {movement}");
}

#[test]
fn a_killed_run_goes_on_to_the_same_bits() {
    let scene = scene();
    let typed = ["--method", "full", "--epochs", "6", "--batch-size", "8", "--threads", "1", "--no-report", "-o"];
    let run = |output: &str| arguments(&[&typed[..], &[output]].concat()).into_iter().map(str::to_owned).collect();
    let whole: Vec<String> = run("whole.heirloom");
    scene.ok(&whole.iter().map(String::as_str).collect::<Vec<_>>());
    let mut killed = 0;
    for (number, wait) in [0, 15, 40, 70, 110].into_iter().enumerate() {
        let name = format!("killed{number}");
        let again: Vec<String> = run(&format!("{name}.heirloom"));
        let again: Vec<&str> = again.iter().map(String::as_str).collect();
        let mut child = scene.command(&again).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while !scene.at(&format!("{name}.training")).exists() && child.try_wait().unwrap().is_none() {
            assert!(started.elapsed() < Duration::from_secs(60), "no state after a minute");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(wait));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
        if !scene.at(&format!("{name}.heirloom")).exists() {
            let resumed = scene.ok(&[&again[..], &["--json"]].concat());
            assert!(resumed.err.contains("going on from the kept state"), "{}", resumed.err);
            assert_eq!(resumed.json()["epochs"].as_array().unwrap().len(), 6, "epochs before the kill are told, too");
        }
        assert_eq!(tensors(&scene.at("whole.heirloom")), tensors(&scene.at(&format!("{name}.heirloom"))), "{name}");
    }
    assert!(killed >= 3, "only {killed} of 5 runs were killed in the middle");
}

/// The candidates stand in the record with their validation accuracy, and the one that is right most often is kept.
#[test]
fn head2toe_ft_plus_keeps_the_best_candidate_by_validation_rows() {
    let scene = scene();
    let fit = |more: &[&str]| {
        let typed = ["--method", "head2toe-ft-plus", "--epochs", "2", "--batch-size", "8", "--learning-rate", "0.001"];
        let typed = [&typed[..], &["--force", "--json"]].concat();
        scene.ok(&arguments(&[&typed[..], more].concat())).json()
    };
    let check = |object: &serde_json::Value, count: usize| {
        let candidates = object["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), count, "{object}");
        let accuracy = |at: usize| candidates[at]["accuracy"].as_f64().unwrap();
        let best = (0..count).fold(0, |best, at| if accuracy(at) > accuracy(best) { at } else { best });
        let chosen: Vec<usize> = (0..count).filter(|at| candidates[*at]["chosen"] == true).collect();
        assert_eq!(chosen, [best], "{object}");
        assert_eq!(object["run"]["settings"]["kept"], candidates[best]["method"]);
        let reason = object["choice"].as_str().unwrap();
        assert!(reason.starts_with("kept head2toe") && reason.contains("validation rows right, against"), "{reason}");
        best
    };
    // This task is solved by the frozen head, and of equals the one that trains nothing is kept.
    let frozen = fit(&[]);
    assert_eq!(check(&frozen, 3), 0);
    assert_eq!(frozen["epochs"], serde_json::json!([]));
    assert_eq!(frozen["candidates"][1]["setting"], "all weights, learning rate 0.001");
    assert_eq!(frozen["candidates"][2]["setting"], "all weights, learning rate 0.005");
    let predicted = scene.ok(&["predict", "model.heirloom", "colours/test", "--json"]).json();
    assert_eq!(predicted["rows"]["predicted"], 24);
    assert!(!scene.at("model.1.training").exists() && !scene.at("model.2.training").exists());
    let one = fit(&["--rate-multipliers", "0.5"]);
    assert!(check(&one, 2) < 2);
    let wrong = ["--method", "full", "--epochs", "1", "--rate-multipliers", "2", "-o", "other.heirloom"];
    scene.run(&arguments(&wrong)).refused(2, &["--rate-multipliers", "head2toe-ft-plus", "hint:"]);
}

#[test]
fn settings_that_cannot_work_are_refused_with_a_remedy() {
    let scene = scene();
    let run = |typed: &[&str]| scene.run(&arguments(&[&["--method", "full", "--epochs", "2"], typed].concat()));
    run(&["--learning-rate", "1e30"]).refused(2, &["step", "smaller --learning-rate"]);
    std::fs::remove_file(scene.at("model.training")).unwrap_or_default();
    run(&["--batch-size", "1000"]).refused(2, &["--batch-size is 1000", "only"]);
    let frozen = ["fit", "colours", "--backbone", "tiny.safetensors", "--method", "linear", "--epochs", "2"];
    scene.run(&frozen).refused(2, &["--epochs", "'linear' does not", "--method full"]);
    run(&["--freeze", "layer9"]).refused(2, &["layer9"]);
    run(&["--train-from", "layr3"]).refused(2, &["layr3", "layer3"]);
    std::fs::write(scene.at("model.training"), b"not a checkpoint").unwrap();
    run(&[]).refused(2, &["model.training", "--force"]);
}

#[test]
fn the_state_of_other_settings_is_not_taken_up() {
    let scene = scene();
    let typed = ["--method", "full", "--epochs", "50", "--batch-size", "8", "--time-limit", "1h"];
    let mut child = scene.command(&arguments(&typed)).stderr(Stdio::null()).spawn().unwrap();
    while !scene.at("model.training").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let other = ["--method", "full", "--epochs", "50", "--batch-size", "8", "--learning-rate", "0.001"];
    scene.run(&arguments(&other)).refused(2, &["learning_rate", "--force"]);
}

#[test]
fn frozen_layers_keep_their_weights() {
    let scene = scene();
    let typed = ["--method", "full", "--epochs", "1", "--batch-size", "8", "--freeze", "conv1", "--freeze", "layer1"];
    scene.ok(&arguments(&typed));
    let bytes = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    let before = SafeTensors::deserialize(&bytes).unwrap();
    let after = tensors(&scene.at("model.heirloom"));
    let stored = |name: &str| after.iter().find(|(key, _)| key.ends_with(name)).map(|(_, bytes)| bytes.clone());
    for name in ["layer1.0.conv1.weight", "layer1.2.bn2.running_mean"] {
        assert_eq!(stored(name).as_deref(), Some(before.tensor(name).unwrap().data()), "{name}");
    }
    let moved = "layer3.2.conv2.weight";
    assert_ne!(stored(moved).as_deref(), Some(before.tensor(moved).unwrap().data()));
}

#[test]
fn one_part_alone_is_trained_with_the_head() {
    let scene = scene();
    let fit = |more: &[&str]| scene.run(&arguments(&[&["--epochs", "1", "--batch-size", "8"], more].concat()));
    assert_eq!(fit(&["--method", "full", "--train-only", "layer1"]).code, 0);
    let bytes = std::fs::read(scene.at("tiny.safetensors")).unwrap();
    let before = SafeTensors::deserialize(&bytes).unwrap();
    let after = tensors(&scene.at("model.heirloom"));
    let stored = |name: &str| after.iter().find(|(key, _)| key.ends_with(name)).map(|(_, bytes)| bytes.clone());
    let same = |name: &str| stored(name).as_deref() == Some(before.tensor(name).unwrap().data());
    for frozen in ["layer2.0.conv1.weight", "layer3.2.conv2.weight", "layer3.2.bn2.running_mean"] {
        assert!(same(frozen), "{frozen}");
    }
    assert!(!same("layer1.0.conv1.weight"));
    let chosen = scene.ok(&arguments(&[
        "--epochs",
        "1",
        "--batch-size",
        "8",
        "--method",
        "full",
        "--train-only",
        "auto",
        "--force",
        "--json",
    ]));
    let chosen = chosen.json();
    let blocks = chosen["block_gradients"].as_array().unwrap();
    assert_eq!(blocks.len(), 10, "the stem and nine blocks: {chosen}");
    let relative = |block: &serde_json::Value| block["relative"].as_f64().unwrap();
    let largest = blocks.iter().max_by(|a, b| relative(a).total_cmp(&relative(b))).unwrap();
    let moved = chosen["movement"]["modules"].as_array().unwrap();
    let moved: Vec<&str> = moved.iter().map(|module| module["module"].as_str().unwrap()).collect();
    assert_eq!(moved, [largest["block"].as_str().unwrap(), "linear"]);
    fit(&["--method", "full", "--train-only", "auto", "--train-only", "layer1", "--force"])
        .refused(2, &["stands alone"]);
    fit(&["--method", "scratch", "--train-only", "auto", "--force"]).refused(2, &["scratch", "name it"]);
    fit(&["--method", "full", "--train-only", "layer1", "--freeze", "conv1"]).refused(2, &["--freeze"]);
    fit(&["--method", "full", "--relationship", "direct", "--force"]).refused(2, &["belongs to co-tuning"]);
    assert_eq!(fit(&["--method", "co-tuning", "--relationship", "direct", "--force"]).code, 0);
}

/// A run that is killed as soon as it has kept a state: the arguments that go on, and the state's bytes.
fn kept_state(scene: &Scene, state: &str, typed: &[&str]) -> Vec<u8> {
    let mut child = scene.command(typed).stderr(Stdio::null()).spawn().unwrap();
    while !scene.at(state).exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it kept a state");
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::read(scene.at(state)).unwrap()
}

/// A state that cannot be saved ends the run; the one before is as it was, and the run goes on from it to the same bits.
fn old_state_survives(scene: &Scene, folder: &str, refuse: impl FnOnce(&Scene, &[&str], u64) -> Ran) {
    let [model, state] = ["heirloom", "training"].map(|kind| format!("{folder}/model.{kind}"));
    let typed = ["--method", "full", "--epochs", "9", "--batch-size", "8", "--no-report", "-o"];
    let [broken, whole] = [&model, "whole.heirloom"].map(|output| arguments(&[&typed[..], &[output]].concat()));
    let before = kept_state(scene, &state, &broken);
    refuse(scene, &broken, before.len() as u64).refused(2, &[&state, "hint: "]);
    assert!(std::fs::read(scene.at(&state)).unwrap() == before, "the state changed");
    assert_eq!(common::tree(&scene.at(folder)).len(), 1, "something else was left behind");
    let resumed = scene.ok(&broken);
    assert!(resumed.err.contains("going on from the kept state"), "{}", resumed.err);
    scene.ok(&whole);
    assert_eq!(tensors(&scene.at("whole.heirloom")), tensors(&scene.at(&model)));
}

#[test]
fn a_file_size_limit_leaves_the_old_state() {
    let scene = scene();
    std::fs::create_dir(scene.at("models")).unwrap();
    old_state_survives(&scene, "models", |scene, typed, bytes| {
        // The limit counts 512-byte blocks; the signal is ignored so that the write fails with an error.
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", bytes / 1024);
        let heirloom = scene.command(typed);
        let mut limited = Command::new("sh");
        limited.arg("-c").arg(script).arg(heirloom.get_program()).args(heirloom.get_args());
        limited.current_dir(scene.at("")).env("HEIRLOOM_CACHE", scene.at("cache"));
        Ran::of(limited.output().unwrap())
    });
}

#[test]
fn a_full_disk_leaves_the_old_state() {
    let scene = scene();
    let disk = scene.at("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |options: &str| {
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&disk).output();
        mounted.is_ok_and(|output| output.status.success())
    };
    if !mount("size=64m") {
        println!("skipped: mounting a small tmpfs needs a privilege that is missing here");
        return;
    }
    let unmount = Unmount(disk.clone());
    old_state_survives(&scene, "disk", |scene, typed, bytes| {
        assert!(mount(&format!("remount,size={}k", bytes * 3 / 2 / 1024)));
        let ran = scene.run(typed);
        assert!(mount("remount,size=64m"));
        ran
    });
    drop(unmount);
}

/// Unmounts at the end of a test, however it ends.
struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.0).status().is_ok_and(|status| status.success());
        assert!(unmounted || std::thread::panicking(), "{} stays mounted", self.0.display());
    }
}

#[test]
fn the_state_of_another_network_is_not_taken_up() {
    let scene = scene();
    scene.backbone("other", "cifar_resnet32", |_, _| {});
    let typed = ["--method", "full", "--epochs", "50", "--batch-size", "8"];
    let before = kept_state(&scene, "model.training", &arguments(&typed));
    let other: Vec<&str> = arguments(&typed)
        .into_iter()
        .map(|argument| if argument == "tiny.safetensors" { "other.safetensors" } else { argument })
        .collect();
    scene.run(&other).refused(2, &["model.training", "--force"]);
    assert!(std::fs::read(scene.at("model.training")).unwrap() == before);
}

/// A class of a single image is learned from it; it is not held back to choose the epoch.
#[test]
fn a_class_of_one_image() {
    let scene = scene();
    std::fs::create_dir_all(scene.at("colours/train/grey")).unwrap();
    scene.bitmap("colours/train/grey/only.bmp", [128, 128, 128], 1);
    for seed in ["0", "1", "2"] {
        let typed = ["--method", "lp-ft", "--epochs", "1", "--batch-size", "8", "--seed", seed, "--force", "--json"];
        let fit = scene.ok(&arguments(&typed)).json();
        assert_eq!(fit["classes"].as_array().unwrap().len(), 4, "{fit}");
        let predicted = scene.ok(&["predict", "model.heirloom", "colours/train/grey", "--json"]).json();
        assert_eq!(predicted["predictions"][0]["class"], "grey", "seed {seed}");
    }
    let full = ["--method", "full", "--epochs", "1", "--batch-size", "8", "--force"];
    scene.ok(&arguments(&full));
}
