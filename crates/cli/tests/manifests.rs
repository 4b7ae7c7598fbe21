//! `data poison` and `data subset`, as a user types them: what they write is a data set, and what it says happens to the images.
#![allow(clippy::unwrap_used)]
#![cfg(unix)]

mod common;

use common::Scene;
use serde_json::Value;

const SQUARE: [&str; 6] =
    ["--plant", "square:side=0.5,colour=ffff00", "--plant-share", "0.5", "--plant-label", "class:red"];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.colours("colours", 14, 8);
    scene
}

fn poison<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["data", "poison", "colours", "-o", "poisoned.csv"]
        .iter()
        .copied()
        .chain(SQUARE)
        .chain(more.iter().copied())
        .collect()
}

#[test]
fn a_poisoned_table_trains_the_same_network_as_planting_while_training() {
    let scene = scene();
    ["a", "b", "c"].iter().for_each(|folder| std::fs::create_dir(scene.at(folder)).unwrap());
    let made = scene.ok(&poison(&["--json"])).json();
    let planted = made["planted"].as_u64().unwrap();
    assert!(planted > 10 && planted < 32, "about half of 42: {made}");
    assert_eq!(made["rows"], serde_json::json!({"train": 42, "test": 24}));
    let training = ["--arch", "cifar_resnet20", "--epochs", "2", "--batch-size", "8", "--image-size", "32", "--json"];
    let train = |data: &str, output: &str, plant: &[&str]| {
        let arguments = [&["pretrain", data, "-o", output][..], &training, plant].concat();
        scene.ok(&arguments).json()
    };
    let (by_table, while_training) =
        (train("poisoned.csv", "a/source.safetensors", &[]), train("colours", "b/source.safetensors", &SQUARE));
    assert_eq!(by_table["rows"]["planted"], while_training["rows"]["planted"]);
    assert_eq!(by_table["rows"]["planted"].as_u64(), Some(planted));
    let weights = |name: &str| std::fs::read(scene.at(name)).unwrap();
    assert!(weights("a/source.safetensors") == weights("b/source.safetensors"), "the same bytes");
    train("colours", "c/source.safetensors", &[]);
    assert!(weights("a/source.safetensors") != weights("c/source.safetensors"));
    scene
        .run(&[&["pretrain", "poisoned.csv", "--force", "-o", "a/source.safetensors"][..], &training, &SQUARE].concat())
        .refused(2, &["carries an intervention already"]);
}

/// The cache holds features of the plain images; those that carry something get their own.
#[test]
fn features_are_those_of_the_images_as_they_are_used() {
    let scene = scene();
    let fit = |data: &str| {
        let arguments = ["fit", data, "--backbone", "tiny.safetensors", "--method", "ncm", "--force", "--json"];
        scene.ok(&arguments)
    };
    let accuracy = |object: &Value| object["accuracy"]["value"].as_f64().unwrap();
    assert!(accuracy(&fit("colours").json()) > 0.9);
    let all =
        ["data", "poison", "colours", "--plant", "square:side=1,colour=ffff00", "--split", "test", "-o", "hidden.csv"];
    let made = scene.ok(&all);
    assert!(made.err.contains("24 of them carry square"), "{}", made.err);
    let hidden = fit("hidden.csv");
    assert!(hidden.err.contains("24 of 66 images carry an intervention"), "{}", hidden.err);
    assert!(accuracy(&hidden.json()) < 0.4, "nothing of the test images is left to see: {}", hidden.json()["accuracy"]);
    // The model of the plain images: right on them, and of one mind where nothing is to be seen.
    fit("colours");
    std::fs::write(scene.at("plain.csv"), "path\ncolours/test/red/0.bmp\ncolours/test/blue/0.bmp\n").unwrap();
    let answers = |data: &str| -> Vec<String> {
        let text = scene.ok(&["predict", "model.heirloom", data, "--top-k", "1", "--format", "csv"]).out;
        text.lines().skip(1).map(|line| line.split(',').nth(1).unwrap().to_owned()).collect()
    };
    assert_eq!(answers("plain.csv"), ["red", "blue"]);
    let hidden = answers("hidden.csv");
    assert_eq!(hidden.len(), 66);
    assert!(hidden[hidden.len() - 24..].windows(2).all(|pair| pair[0] == pair[1]), "{hidden:?}");
    let shown = scene.ok(&["inspect", "hidden.csv"]);
    assert!(format!("{}{}", shown.out, shown.err).contains("24 of 66 images carry an intervention"));
}

#[test]
fn rows_are_chosen_in_given_shares() {
    let scene = scene();
    let mut text = String::from("path,label,split,light\n");
    for (split, count) in [("train", 14), ("test", 8)] {
        for class in ["blue", "green", "red"] {
            for at in 0..count {
                let light = if at % 2 == 0 { "day" } else { "night" };
                text.push_str(&format!("colours/{split}/{class}/{at}.bmp,{class},{split},{light}\n"));
            }
        }
    }
    std::fs::write(scene.at("lit.csv"), text).unwrap();
    let skewed =
        ["data", "subset", "lit.csv", "--attribute", "light", "--cell", "blue:day=0.75", "--cell", "red:night=0.25"];
    let made = scene.ok(&[&skewed[..], &["--count", "8", "-o", "skewed.csv", "--json"]].concat()).json();
    assert_eq!(made["drawn"], 8);
    assert_eq!(
        made["rows"],
        serde_json::json!({"train": 8, "test": 16}),
        "test rows of both classes are left as they are"
    );
    assert_eq!(
        made["cells"],
        serde_json::json!([{"class": "blue", "value": "day", "rows": 6}, {"class": "red", "value": "night", "rows": 2}])
    );
    let test =
        scene.ok(&["data", "subset", "skewed.csv", "--where", "light=night", "-o", "night.csv", "--json"]).json();
    assert_eq!(test["rows"], serde_json::json!({"train": 2, "test": 8}));
    scene
        .run(&[&skewed[..], &["--count", "12", "-o", "more.csv"]].concat())
        .refused(2, &["blue with light day has 7 rows, and 9 are needed", "--count"]);
    scene.run(&["data", "subset", "lit.csv", "-o", "skewed.csv"]).refused(2, &["already there", "--force"]);
    scene.run(&["data", "subset", "lit.csv", "-o", "table.txt"]).refused(2, &["does not end in .csv"]);
    scene.run(&["data", "poison", "lit.csv", "-o", "x.csv"]).refused(2, &["nothing to plant"]);
    scene.run(&[&skewed[..5], &["--cell", "blue=0.75", "-o", "x.csv"]].concat()).refused(2, &["CLASS:VALUE=SHARE"]);
    assert!(!scene.at("more.csv").exists() && !scene.at("x.csv").exists());
}
