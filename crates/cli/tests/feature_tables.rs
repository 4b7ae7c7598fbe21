//! Tables of features as data sets: fit, inspect, predict and every refusal, as a user types them.
#![allow(clippy::unwrap_used)]

mod common;

use std::fmt::Write;
use std::path::Path;

use common::Scene;
use safetensors::tensor::{Dtype, TensorView};

const CLASSES: [&str; 3] = ["ash", "beech", "oak"];

/// Two numbers about the corner of a class, by a formula.
fn point(row: usize) -> [f32; 2] {
    let corner = [[0.0, 4.0], [4.0, 0.0], [4.0, 4.0]][row % 3];
    let noise = |salt: usize| ((row * 37 + salt * 101) % 97) as f32 / 97.0 - 0.5;
    [corner[0] + noise(1), corner[1] + noise(2)]
}

fn csv(rows: std::ops::Range<usize>, labelled: bool) -> String {
    let mut text = if labelled { "label,width,height,place\n" } else { "width,height,place\n" }.to_owned();
    for row in rows {
        let [width, height] = point(row);
        let label = if labelled { format!("{},", CLASSES[row % 3]) } else { String::new() };
        writeln!(text, "{label}{width},{height},place {}", row / 30).unwrap();
    }
    text
}

/// Two blocks of 30 columns, of which the first tells nothing; in the second a third of the columns is larger, by class.
fn tensors(path: &Path, rows: usize) {
    let bytes = |values: Vec<f32>| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let noise = |at: usize| ((at * 2_654_435_761) >> 7 & 1023) as f32 / 1024.0;
    let shallow = bytes((0..rows * 30).map(noise).collect());
    let of_class = |at: usize| f32::from(u8::from(at % 30 % 3 == at / 30 % 3));
    let deep = bytes((0..rows * 30).map(|at| noise(at + 7) + of_class(at)).collect());
    let labels: Vec<u8> = (0..rows).flat_map(|row| ((row % 3) as i64).to_le_bytes()).collect();
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).unwrap();
    let tensors = [
        ("a", view(Dtype::F32, vec![rows, 30], &shallow)),
        ("b", view(Dtype::F32, vec![rows, 30], &deep)),
        ("label", view(Dtype::I64, vec![rows], &labels)),
    ];
    let metadata = [("classes".to_string(), serde_json::to_string(&CLASSES).unwrap())].into();
    std::fs::write(path, safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
}

#[test]
fn a_table_of_features_is_fitted_inspected_and_used_without_a_backbone() {
    let scene = Scene::empty();
    std::fs::write(scene.at("trees.csv"), csv(0..90, true)).unwrap();
    std::fs::write(scene.at("new.csv"), csv(90..120, false)).unwrap();
    for method in ["auto", "linear", "ridge", "ncm", "knn", "lda", "svm", "cache-model"] {
        let fit = scene.ok(&["fit", "trees.csv", "--method", method, "--json", "--force"]).json();
        assert_eq!(
            (fit["protocol"].as_str(), fit["accuracy"]["n"].as_u64()),
            (Some("nested-cv"), Some(90)),
            "{method}"
        );
        assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.95, "{method}: {}", fit["accuracy"]);
        assert!(fit["backbone"].is_null() && fit["images_per_second"].is_null());
        assert_eq!(fit["run"]["data_digest"].as_str().map(str::len), Some(64));
    }
    let report = std::fs::read_to_string(scene.at("model.report.html")).unwrap();
    assert!(report.contains("none, the data are features") && !report.contains("<script"));
    let again = scene.ok(&["rerun", "model.run.json", "--json"]).json();
    assert_eq!(again["identical"], true, "{again}");

    let model = scene.ok(&["inspect", "model.heirloom"]).out;
    assert!(model.contains("it reads tables of features") && model.contains("2 columns of 1 block"), "{model}");
    let table = scene.ok(&["inspect", "trees.csv", "--json"]).json();
    assert_eq!((table["kind"].as_str(), table["rows"].as_u64()), (Some("feature-table"), Some(90)));
    assert_eq!(table["columns"]["place"]["place 1"], 30);
    assert_eq!(table["blocks"], serde_json::json!([{ "block": "features", "columns": 2 }]));

    let predicted = scene.ok(&["predict", "model.heirloom", "new.csv", "--json"]).json();
    let lines = predicted["predictions"].as_array().unwrap();
    assert_eq!(lines.len(), 30);
    assert_eq!(lines[7]["image"], "new.csv#7");
    let right = (0..30).filter(|at| lines[*at]["class"] == CLASSES[at % 3]).count();
    assert!(right >= 29, "{right}");
    // The same rows in two files are the same answers.
    let twice = scene.ok(&["predict", "model.heirloom", "new.csv", "new.csv", "--json"]).json();
    assert_eq!(twice["predictions"].as_array().unwrap()[30..], lines[..]);
}

#[test]
fn groups_splits_and_conditions_hold_for_features_too() {
    let scene = Scene::empty();
    std::fs::write(scene.at("trees.csv"), csv(0..90, true)).unwrap();
    let fit = |more: &[&str]| {
        let fit = ["fit", "trees.csv", "--method", "ncm", "--json", "--force", "--no-report"];
        scene.run(&[&fit[..], more].concat())
    };
    let some = fit(&["--where", "place=place 1"]).json();
    assert_eq!(some["accuracy"]["n"], 30);
    assert_eq!(fit(&["--limit", "42"]).json()["accuracy"]["n"], 42);
    assert_eq!(fit(&["--group-column", "place"]).json()["accuracy"]["n"], 90);
    fit(&["--group-column", "nowhere"]).refused(2, &["no column `nowhere`", "hint:"]);
    // Rows of the test split are judged, the others are fitted on.
    let split = csv(0..90, true).lines().enumerate().fold(String::new(), |mut text, (at, line)| {
        let split = ["train", "test"][usize::from(at % 5 == 0)];
        let split = if at == 0 { "split" } else { split };
        writeln!(text, "{line},{split}").unwrap();
        text
    });
    std::fs::write(scene.at("trees.csv"), split).unwrap();
    let judged = fit(&[]).json();
    assert_eq!((judged["protocol"].as_str(), judged["rows"]["test"].as_u64()), (Some("test-split"), Some(18)));
}

#[test]
fn several_blocks_are_for_head2toe() {
    let scene = Scene::empty();
    tensors(&scene.at("layers.safetensors"), 60);
    let fit = scene.ok(&["fit", "layers.safetensors", "--method", "head2toe", "--json", "--no-report"]).json();
    assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", fit["accuracy"]);
    assert_eq!(fit["classes"], serde_json::json!(CLASSES));
    assert_eq!(fit["run"]["features"], serde_json::json!(["a", "b"]));
    let fit =
        scene.ok(&["fit", "layers.safetensors", "--method", "best-layer", "--json", "--no-report", "--force"]).json();
    assert!(fit["choice"].as_str().unwrap().contains("layer b"), "{}", fit["choice"]);
    assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.9, "{}", fit["accuracy"]);
    let model = scene.ok(&["inspect", "model.heirloom", "--json"]).json();
    assert_eq!(model["features"], serde_json::json!([{ "tap": "b", "pooling": 1, "columns": 30 }]));
    // Methods that read one block read the last.
    let fit = scene.ok(&["fit", "layers.safetensors", "--method", "ridge", "--json", "--force"]).json();
    assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.95, "{}", fit["accuracy"]);
    let predicted = scene.ok(&["predict", "model.heirloom", "layers.safetensors", "--json"]).json();
    assert_eq!(predicted["rows"]["predicted"], 60);
}

/// The rows of `csv` with every fifth as a test row, whose labels are moved on by `shift`.
fn with_test_rows(shift: usize) -> String {
    let lines: Vec<String> = csv(0..90, true).lines().map(str::to_owned).collect();
    let mut text = format!("{},split\n", lines[0]);
    for (row, line) in lines[1..].iter().enumerate() {
        let (split, shift) = if row % 5 == 0 { ("test", shift) } else { ("train", 0) };
        let rest = line.split_once(',').unwrap().1;
        writeln!(text, "{},{rest},{split}", CLASSES[(row + shift) % 3]).unwrap();
    }
    text
}

#[test]
fn heads_on_a_table_stand_beside_each_other_and_nothing_is_computed_twice() {
    let scene = Scene::empty();
    std::fs::write(scene.at("trees.csv"), csv(0..90, true)).unwrap();
    let compare = |more: &[&str]| scene.run(&[&["compare", "trees.csv", "--json", "--force"], more].concat());
    let names = |object: &serde_json::Value| {
        let mut names: Vec<String> =
            object["results"].as_array().unwrap().iter().map(|line| line["method"].to_string()).collect();
        names.sort();
        names
    };
    let first = compare(&[]).json();
    let heads = ["cache-model", "knn", "lda", "linear", "ncm", "ridge", "svm"].map(|name| format!("\"{name}\""));
    assert_eq!(names(&first), heads, "heads that choose among layers need two blocks");
    assert_eq!((first["protocol"].as_str(), first["rows"]["test"].as_u64()), (Some("cross-validation"), Some(90)));
    assert_eq!(first["backbones"], serde_json::json!([]));
    for line in first["results"].as_array().unwrap() {
        assert!(line["accuracy"]["value"].as_f64().unwrap() > 0.95, "{line}");
        assert!(line["backbone"].is_null() && line["images_per_second"].is_null() && line["frozen"] == true, "{line}");
        assert_eq!(line["operations"]["network"], 0.0);
        assert!(line["operations"]["head"].as_f64().unwrap() > 0.0, "{line}");
    }
    let page = std::fs::read_to_string(scene.at("compare.html")).unwrap();
    assert!(page.contains("90 rows of trees.csv") && page.contains("the one to take") && page.contains("<svg"));
    assert!(!page.contains("images") && !page.contains("backbone"), "rows are no images");
    assert!(std::fs::read(scene.at("compare.parquet")).unwrap().starts_with(b"PAR1"));

    let again = compare(&["--methods", "frozen,linear"]);
    assert!(again.err.contains("35 of 35 results are there from before"), "{}", again.err);
    assert_eq!(again.json()["results"], first["results"]);
    assert_eq!(names(&compare(&["--methods", "all", "--limit", "60"]).json()), heads);
    // Another value in one row is another row.
    std::fs::write(scene.at("trees.csv"), csv(0..90, true).replacen("4.", "4.0", 1)).unwrap();
    assert!(!compare(&["--methods", "ncm"]).err.contains("there from before"));

    tensors(&scene.at("layers.safetensors"), 60);
    let layers = ["compare", "layers.safetensors", "--methods", "best-layer,head2toe,ncm", "--seeds", "2"];
    let layers = scene.ok(&[&layers[..], &["--json", "--force"]].concat()).json();
    assert_eq!(layers["results"].as_array().unwrap().len(), 3, "{}", layers["failed"]);
    let best = layers["results"].as_array().unwrap().iter().find(|line| line["method"] == "best-layer").unwrap();
    assert!(best["choices"][0].as_str().unwrap().contains("layer b"), "{best}");
}

#[test]
fn labels_of_a_tables_test_rows_change_the_scores_alone() {
    let scene = Scene::empty();
    let run = |shift: usize| {
        let name = format!("shift{shift}.csv");
        std::fs::write(scene.at(&name), with_test_rows(shift)).unwrap();
        let cache = format!("cache{shift}");
        let typed = ["compare", &name, "--seeds", "2", "--json", "--force", "--cache", &cache];
        let object = scene.ok(&typed).json();
        let mut said: Vec<String> = common::tree(&scene.at(&cache).join("cells-v1"))
            .values()
            .map(|bytes| {
                let cell: serde_json::Value = serde_json::from_slice(bytes).unwrap();
                format!("{} {} {}", cell["choice"], cell["predicted"], cell["calibrated"]["confidence"])
            })
            .collect();
        said.sort();
        (object, said)
    };
    let ((right, of_right), (wrong, of_wrong)) = (run(0), run(1));
    assert_eq!(of_right.len(), 14, "{}", right["failed"]);
    assert_eq!(of_right, of_wrong);
    let best = |object: &serde_json::Value| object["results"][0]["accuracy"]["value"].as_f64().unwrap();
    assert!(best(&right) > 0.9 && best(&wrong) < 0.1, "{} {}", best(&right), best(&wrong));
}

#[test]
fn what_makes_no_sense_with_features_is_refused() {
    let scene = Scene::new();
    std::fs::write(scene.at("trees.csv"), csv(0..30, true)).unwrap();
    let cases: [(&[&str], &[&str]); 6] = [
        (&["--backbone", "tiny.safetensors"], &["trees.csv holds features", "--backbone", "hint: leave it out"]),
        (&["--method", "full"], &["'full' trains through a network"]),
        (&["--method", "head2toe"], &["the table has one block, `features`", "hint:"]),
        (&["--slim"], &["--slim is for images"]),
        (&["--label-column", "species"], &["no column `species`"]),
        (&["--where", "place=here"], &["no row has place = `here`"]),
    ];
    for (more, parts) in cases {
        scene.run(&[&["fit", "trees.csv"], more].concat()).refused(2, parts);
    }
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--backbone", "tiny.safetensors"], &["trees.csv holds features", "--backbone", "hint: leave it out"]),
        (&["--target-sizes", "64"], &["--target-sizes is for images"]),
        (&["--epochs", "3"], &["--epochs is for images"]),
        (&["--methods", "linear,full"], &["'full' trains through a network", "hint:"]),
        (&["--methods", "head2toe"], &["the table has one block, `features`", "hint:"]),
    ];
    for (more, parts) in cases {
        scene.run(&[&["compare", "trees.csv"], more].concat()).refused(2, parts);
    }
    scene.run(&["compare", "trees.csv", "--methods", "trained"]).refused(2, &["trains through a network"]);
    std::fs::write(scene.at("nan.csv"), "label,a\nx,1\ny,NaN\n").unwrap();
    scene.run(&["fit", "nan.csv"]).refused(2, &["row 1 holds NaN in column `a`", "hint:"]);
    std::fs::write(scene.at("broken.npz"), "PK").unwrap();
    scene.run(&["fit", "broken.npz"]).refused(2, &["broken.npz: not a readable .npz"]);
    scene.run(&["extract", "broken.npz", "--backbone", "tiny.safetensors"]).refused(2, &["images are needed here"]);

    // A model of features does not read images, nor the other way round.
    scene.ok(&["fit", "trees.csv", "--method", "ncm", "-o", "trees.heirloom", "--no-report"]);
    scene.run(&["predict", "trees.heirloom", "photos"]).refused(2, &["a table of features is one file"]);
    std::fs::write(scene.at("wide.csv"), "a,b,c\n1,2,3\n").unwrap();
    scene.run(&["predict", "trees.heirloom", "wide.csv"]).refused(2, &["3 columns; the head was fitted on 2"]);
    scene.ok(&["fit", "photos", "--backbone", "tiny.safetensors", "--method", "ncm", "--no-report"]);
    scene.run(&["predict", "model.heirloom", "trees.csv"]).refused(2, &["reads images through the network", "hint:"]);
}
