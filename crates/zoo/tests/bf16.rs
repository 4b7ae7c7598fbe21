//! Whole networks in bf16: near those in `f32`, and nearer still to the same rounding without the matrix unit.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "common/formula.rs"]
mod formula;

use common::run_in;
use heirloom_engine::{Isa, Pixels, Precision};
use heirloom_zoo::{Layout, Recipe, architectures};

/// Every family, at a side that is no multiple of a tile after the strides.
const CASES: &[(&str, Layout, usize)] = &[
    ("cifar_resnet20", Layout::Torchvision, 32),
    ("resnet18", Layout::Torchvision, 72),
    ("resnet50", Layout::Torchvision, 64),
    ("mobilenetv1_0.25", Layout::Slim, 72),
    ("mobilenetv3_small_100", Layout::Timm, 72),
    ("squeezenet1_1", Layout::Torchvision, 72),
    ("efficientnet_b0", Layout::Timm, 64),
    ("convnext_tiny", Layout::Timm, 64),
    ("vit_tiny_patch16_224", Layout::Timm, 64),
];

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn every_family_stays_near_f32() {
    for &(name, layout, side) in CASES {
        let mut recipe = Recipe::usual("test", name).unwrap();
        recipe.preprocess.input_size = [side; 2];
        let network = architectures::build(&recipe, layout).unwrap();
        let weights = formula::weights(&network.graph, &[]);
        let image = formula::image(side);
        let pixels: Vec<f32> =
            (0..3).flat_map(|row| image.iter().map(move |value| value * (1.0 - row as f32))).collect();
        let all: Vec<&str> = network.taps.iter().map(String::as_str).collect();
        let run = |precision, isa| {
            run_in(precision, isa, &network.graph, &weights, [side; 2], Pixels::Normalized(&pixels), 3, &all)
        };
        let exact = run(Precision::F32, Isa::detect());
        let rounded = run(Precision::Bf16, Isa::detect());
        let unit = Isa::detect_for(Precision::Bf16);
        let tiles = (unit == Isa::Amx).then(|| run(Precision::Bf16, unit));
        for (at, tap) in all.iter().enumerate() {
            let near = cosine(&rounded[at], &exact[at]);
            assert!(near > 0.998 && rounded[at] != exact[at], "{name} {tap}: {near} with rounded operands");
            let Some(tiles) = &tiles else { continue };
            let (near, same) = (cosine(&tiles[at], &exact[at]), cosine(&tiles[at], &rounded[at]));
            assert!(
                near > 0.998 && same > 0.998,
                "{name} {tap}: {near} in the matrix unit, {same} to rounded operands"
            );
        }
    }
    if Isa::detect_for(Precision::Bf16) != Isa::Amx {
        println!("skipped in part: this processor has no matrix unit");
    }
}
