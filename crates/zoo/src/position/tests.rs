use heirloom_data::Resize;
use serde::Deserialize;

use super::*;
use crate::{Initialization, Recipe};

#[derive(Deserialize)]
struct Case {
    from: [usize; 2],
    to: [usize; 2],
    values: Vec<f32>,
}

/// Embedding `t` has the channels `sin(t)` and `(t mod 7) / 7`.
fn embeddings(tokens: usize) -> Tensor {
    let values = (0..tokens).flat_map(|t| [(t as f64).sin() as f32, ((t % 7) as f64 / 7.0) as f32]);
    Tensor { shape: vec![1, tokens, 2], values: values.collect() }
}

#[test]
fn grids_are_resampled_as_timm_does() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("reference.json")).unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let found = resample(&embeddings(1 + case.from[0] * case.from[1]), case.from, case.to).unwrap();
        assert_eq!(found.shape, [1, 1 + case.to[0] * case.to[1], 2]);
        for (found, expected) in found.values.iter().zip(&case.values) {
            assert!((found - expected).abs() < 2e-6, "{:?} to {:?}: {found}, expected {expected}", case.from, case.to);
        }
    }
}

#[test]
fn a_transformer_moves_to_another_size_and_back_to_its_own() {
    let mut recipe = Recipe::usual("test", "vit_tiny_patch16_224").unwrap();
    recipe.classes = Some(3);
    let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
    let small = backbone.at_input_size([96, 64]).unwrap();
    assert_eq!(small.weights.tensors["pos_embed"].shape, [1, 25, 192]);
    assert_eq!(small.weights.tensors["pos_embed"].values[..192], backbone.weights.tensors["pos_embed"].values[..192]);
    assert_eq!(small.preprocess.resize, Resize::ShorterSide(109));
    assert_ne!(small.weights_digest, backbone.weights_digest);
    assert_eq!(backbone.at_input_size([224, 224]).unwrap().weights, backbone.weights);
    let error = backbone.at_input_size([100, 96]).unwrap_err().to_string();
    assert!(error.contains("100x96 pixels does not divide into patches of 16x16"), "{error}");
}

#[test]
fn other_networks_only_change_their_preprocessing() {
    let recipe = Recipe::usual("test", "resnet18").unwrap();
    let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(0)).unwrap();
    let small = backbone.at_input_size([64, 64]).unwrap();
    assert_eq!((&small.weights, &small.graph), (&backbone.weights, &backbone.graph));
    assert_eq!((small.preprocess.input_size, small.preprocess.resize), ([64, 64], Resize::ShorterSide(73)));
    assert!(backbone.at_input_size([0, 64]).is_err());
}

#[test]
fn embeddings_that_are_no_grid_are_refused() {
    assert_eq!(square_grid(197), Some([14, 14]));
    assert_eq!([0, 1, 198].map(square_grid), [None; 3]);
    let error = resample(&embeddings(6), [2, 2], [3, 3]).unwrap_err();
    assert!(error.contains("6 position embeddings do not stand for 2 x 2 patches"), "{error}");
}
