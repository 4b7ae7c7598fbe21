//! What Head2Toe can be asked, as a user types it: every scorer, how close to the optimum, the paper's recipe, the class token.
#![allow(clippy::unwrap_used)]

mod common;

use common::Scene;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::Value;

const ROWS: usize = 90;
const FIT: [&str; 5] = ["fit", "layers.safetensors", "--method", "head2toe", "--force"];

/// Two blocks of 30 columns for each row, of which the first tells nothing; in the second a third is larger, by class.
fn scene() -> Scene {
    let scene = Scene::empty();
    let bytes = |values: Vec<f32>| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let noise = |at: usize| ((at * 2_654_435_761) >> 7 & 1023) as f32 / 1024.0;
    let shallow = bytes((0..ROWS * 30).map(noise).collect());
    let of_class = |at: usize| f32::from(u8::from(at % 30 % 3 == at / 30 % 3));
    let deep = bytes((0..ROWS * 30).map(|at| noise(at + 7) + of_class(at)).collect());
    let labels: Vec<u8> = (0..ROWS).flat_map(|row| ((row % 3) as i64).to_le_bytes()).collect();
    let view = |dtype, shape, bytes| TensorView::new(dtype, shape, bytes).unwrap();
    let tensors = [
        ("a", view(Dtype::F32, vec![ROWS, 30], &shallow)),
        ("b", view(Dtype::F32, vec![ROWS, 30], &deep)),
        ("label", view(Dtype::I64, vec![ROWS], &labels)),
    ];
    let metadata = [("classes".to_string(), r#"["ash", "beech", "oak"]"#.to_string())].into();
    std::fs::write(scene.at("layers.safetensors"), safetensors::serialize(tensors, Some(metadata)).unwrap()).unwrap();
    scene
}

fn typed<'a>(more: &[&'a str]) -> Vec<&'a str> {
    FIT.iter().chain(&["--json"]).copied().chain(more.iter().copied()).collect()
}

/// Columns kept of each block.
fn kept(fit: &Value) -> [u64; 2] {
    let layers = fit["layers"].as_array().unwrap();
    assert_eq!(layers.iter().map(|layer| layer["tap"].as_str().unwrap()).collect::<Vec<_>>(), ["a", "b"]);
    [0, 1].map(|at| layers[at]["kept"].as_u64().unwrap())
}

#[test]
fn every_scorer_ranks_the_columns_of_a_table() {
    let scene = scene();
    let by_labels = ["group", "l1", "l2", "l-inf", "layer", "chi2", "anova-f", "mutual-information", "extra-trees"];
    for scorer in by_labels.into_iter().chain(["random", "standard-deviation"]) {
        let fit = scene.ok(&typed(&["--scorer", scorer, "--last-layer", "never"])).json();
        let named = fit["candidates"][0]["setting"].as_str().unwrap();
        assert_eq!(named.contains(&format!("scorer {scorer}")), scorer != "group", "{named}");
        let [shallow, deep] = kept(&fit);
        assert!(shallow + deep > 0, "{scorer}");
        if by_labels.contains(&scorer) {
            assert!(deep > shallow, "{scorer}: {shallow} {deep}");
            assert!(fit["accuracy"]["value"].as_f64().unwrap() > 0.9, "{scorer}: {}", fit["accuracy"]);
        }
    }
    scene
        .run(&["fit", "layers.safetensors", "--method", "ridge", "--scorer", "l1"])
        .refused(2, &["--scorer", "head2toe"]);
}

#[test]
fn the_gap_asked_for_is_certified_and_the_layers_are_drawn() {
    let scene = scene();
    let certified = |gap: &str| {
        let fit = scene.ok(&typed(&["--gap", gap, "--last-layer", "never"])).json();
        fit["certificate"]["relative_gap"].as_f64().unwrap()
    };
    assert!(certified("1e-6") <= 1e-6);
    assert!(certified("0.1") <= 0.1);
    let page = std::fs::read_to_string(scene.at("model.report.html")).unwrap();
    assert!(page.contains("Which layers were chosen?") && page.contains("by chance"), "the layers are not drawn");
    let all =
        scene.ok(&["fit", "layers.safetensors", "--method", "all-l21", "--gap", "1e-6", "--json", "--force"]).json();
    assert!(all["certificate"]["relative_gap"].as_f64().unwrap() <= 1e-6);
    assert_eq!(all["layers"], Value::Array(vec![]));
    scene.run(&typed(&["--gap", "0"])).refused(2, &["gap", "0"]);
    scene.run(&typed(&["--gap", "1e-6", "--replicate"])).refused(2, &["--gap", "--replicate"]);
    scene.run(&["fit", "layers.safetensors", "--method", "all-l2", "--gap", "0.1"]).refused(2, &["--gap", "all-l21"]);
}

#[test]
fn scores_are_shrunk_toward_their_layer() {
    let scene = scene();
    let [_, deep] = kept(&scene.ok(&typed(&["--scorer", "anova-f", "--shrink", "1", "--last-layer", "never"])).json());
    // At 1 the second layer stands whole before the first.
    assert!(deep > 0);
    scene.run(&typed(&["--shrink", "1.5"])).refused(2, &["shrink", "1.5"]);
}

#[test]
fn the_recipe_of_the_paper_is_replicated_with_what_its_code_does() {
    let scene = scene();
    let plain = scene.ok(&typed(&["--replicate"])).json();
    assert_eq!(plain["batched_accuracy"], Value::Null);
    let again = scene.ok(&typed(&["--replicate", "--seed", "5"])).json();
    assert_ne!(plain["log_loss"], again["log_loss"], "the seed draws other first weights");
    let names = "squared-scores,ragged-batches,layer-penalty,batched-accuracy";
    let released = scene.ok(&typed(&["--replicate", "--as-released", names, "--score-repeats", "2"])).json();
    let accuracy = released["accuracy"]["value"].as_f64().unwrap();
    // Ninety rows are two batches of 50, the second of which is short by ten.
    assert!((released["batched_accuracy"].as_f64().unwrap() - 0.9 * accuracy).abs() < 1e-9, "{released}");
    assert_ne!(plain["log_loss"], released["log_loss"]);
    scene.run(&typed(&["--score-repeats", "2"])).refused(2, &["--score-repeats", "--replicate"]);
    scene.run(&typed(&["--as-released", "ragged-batches"])).refused(2, &["--as-released", "--replicate"]);
}

/// A vision transformer on 48 pixels: nine patches and the class token.
#[test]
fn the_class_token_is_averaged_taken_alone_or_kept_whole() {
    let scene = Scene::empty();
    scene.colours("colours", 12, 6);
    scene.ok(&[
        "pretrain",
        "colours",
        "--arch",
        "vit_tiny_patch16_224",
        "--image-size",
        "48",
        "--epochs",
        "1",
        "-o",
        "vit.safetensors",
    ]);
    let fit = |mode: &str| {
        let fit = ["fit", "colours", "--backbone", "vit.safetensors", "--method", "head2toe", "--target-sizes", "1"];
        let more = ["--class-token", mode, "--last-layer", "never", "--json", "--force"];
        scene.ok(&[&fit[..], &more[..]].concat()).json()
    };
    let columns = |fit: &Value| {
        let layers = fit["layers"].as_array().unwrap();
        let layer = layers.iter().find(|layer| layer["tap"] == "pos_embed").unwrap();
        layer["columns"].as_u64().unwrap()
    };
    let (normal, only, whole) = (fit("normal"), fit("only"), fit("whole"));
    assert_eq!([columns(&normal), columns(&only), columns(&whole)], [192, 192, 384]);
    // At the position embedding the class token is the same for every image: no column of it varies, so none is kept.
    let kept = |fit: &Value| {
        let layers = fit["layers"].as_array().unwrap();
        layers.iter().find(|layer| layer["tap"] == "pos_embed").unwrap()["kept"].as_u64().unwrap()
    };
    assert_eq!(kept(&only), 0);
    assert_ne!(normal["log_loss"], only["log_loss"]);
    let predicted = scene.ok(&["predict", "model.heirloom", "colours", "--json"]).json();
    assert_eq!(predicted["rows"]["predicted"], 54);
}
