//! A run that is broken off: what was finished stays, and the same command goes on from there to the same bits.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Ran, Scene, tree};

const EXTRACT: [&str; 7] = ["extract", "many/train", "--backbone", "deep.safetensors", "--threads", "1", "--cache"];

fn scene() -> Scene {
    let scene = Scene::empty();
    scene.world("many", 320, 0);
    scene.backbone("deep", "cifar_resnet56", |_, _| {});
    scene
}

/// Starts an extraction and waits until its first block of features is there.
fn start(scene: &Scene, cache: &str) -> Child {
    let child = scene.command(&[&EXTRACT[..], &[cache]].concat()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while blocks(&scene.at(cache)) == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "no block after a minute");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

fn blocks(cache: &Path) -> usize {
    let is_block = |path: &&std::path::PathBuf| path.extension().is_some_and(|ending| ending == "safetensors");
    tree(&cache.join("features-v1")).keys().filter(is_block).count()
}

#[test]
fn a_killed_extraction_resumes_to_the_same_bits() {
    let scene = scene();
    scene.ok(&[&EXTRACT[..], &["whole"]].concat());
    let all = blocks(&scene.at("whole"));
    let mut child = start(&scene, "killed");
    child.kill().unwrap();
    child.wait().unwrap();
    let done = blocks(&scene.at("killed"));
    assert!((1..all).contains(&done), "{done} of {all} blocks were there when it was killed");
    let resumed = scene.ok(&[&EXTRACT[..], &["killed", "--json"]].concat()).json();
    assert!(resumed["rows"]["cached"].as_u64().unwrap() >= 256, "{resumed}");
    let finished = |cache: &str| {
        let mut files = tree(&scene.at(cache).join("features-v1"));
        files.retain(|path, _| path.extension().is_some_and(|ending| ending == "safetensors" || ending == "json"));
        files
    };
    assert_eq!(finished("whole"), finished("killed"));
}

#[test]
fn control_c_says_how_to_go_on() {
    let scene = scene();
    let child = start(&scene, "stopped");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{}", ran.err);
    assert!(ran.err.contains("run the same command again"), "{}", ran.err);
    assert!(blocks(&scene.at("stopped")) >= 1);
}
