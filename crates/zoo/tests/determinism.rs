//! The bits of a row depend neither on the batch it stands in, nor on its place, nor on the other taps.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;
#[path = "common/formula.rs"]
mod formula;

use common::{run_in, run_on};
use heirloom_engine::{Graph, Isa, Pixels, Precision, Weights};
use heirloom_zoo::{Layout, Recipe, architectures};

/// Small inputs keep this quick; the side is no multiple of a vector's width after the strides.
const CASES: &[(&str, Layout, usize)] = &[
    ("cifar_resnet20", Layout::Torchvision, 20),
    ("resnet18", Layout::Torchvision, 40),
    ("mobilenetv1_0.25", Layout::Slim, 36),
    ("mobilenetv3_small_100", Layout::Timm, 36),
    ("squeezenet1_1", Layout::Torchvision, 36),
    ("vit_tiny_patch16_224", Layout::Timm, 32),
];

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn batches_places_and_other_taps_change_no_bit() {
    CASES.iter().for_each(|case| rows_alone_and_together(case, Precision::F32, Isa::detect()));
}

/// In the matrix unit where there is one, and with rounded operands.
#[test]
fn nor_in_bf16() {
    for case in CASES {
        rows_alone_and_together(case, Precision::Bf16, Isa::detect());
        if Isa::detect_for(Precision::Bf16) == Isa::Amx {
            rows_alone_and_together(case, Precision::Bf16, Isa::Amx);
        }
    }
}

fn rows_alone_and_together(&(name, layout, side): &(&str, Layout, usize), precision: Precision, isa: Isa) {
    let run = |graph: &Graph, weights: &Weights, size, pixels: &[f32], images, taps: &[&str]| {
        run_in(precision, isa, graph, weights, size, Pixels::Normalized(pixels), images, taps)
    };
    let mut recipe = Recipe::usual("test", name).unwrap();
    recipe.preprocess.input_size = [side; 2];
    recipe.classes = Some(10);
    let network = architectures::build(&recipe, layout).unwrap();
    let weights = formula::weights(&network.graph, &[]);
    let all: Vec<&str> = network.taps.iter().map(String::as_str).collect();
    let image = formula::image(side);
    let alone = run(&network.graph, &weights, [side; 2], &image, 1, &all);
    for tap in [all[0], all[all.len() / 2], all[all.len() - 1]] {
        let only = run(&network.graph, &weights, [side; 2], &image, 1, &[tap]);
        let index = all.iter().position(|name| *name == tap).unwrap();
        assert_eq!(bits(&only[0]), bits(&alone[index]), "{name} {tap} alone, {precision} {isa}");
    }
    for images in [7, 64] {
        // The others are shifted copies, so that a mix-up of rows shows.
        let shifted = (0..images).flat_map(|row| image.iter().map(move |value| value + row as f32 * 0.125));
        let mut pixels: Vec<f32> = shifted.collect();
        let place = images - 2;
        pixels[place * image.len()..(place + 1) * image.len()].copy_from_slice(&image);
        let together = run(&network.graph, &weights, [side; 2], &pixels, images, &all);
        for ((tap, one), many) in all.iter().zip(&alone).zip(&together) {
            let row = &many[place * one.len()..(place + 1) * one.len()];
            assert_eq!(bits(row), bits(one), "{name} {tap} in a batch of {images}, {precision} {isa}");
        }
    }
}

/// The instruction set asked for is the one that runs: the portable kernels round otherwise than the vector ones somewhere in a
/// network of this depth, so equal bits throughout would mean that the choice is lost on the way.
#[test]
fn the_instruction_set_asked_for_is_used() {
    if Isa::best() == Isa::Portable {
        println!("skipped: this processor has only the portable kernels");
        return;
    }
    let mut recipe = Recipe::usual("test", "resnet18").unwrap();
    recipe.preprocess.input_size = [40; 2];
    let network = architectures::build(&recipe, Layout::Torchvision).unwrap();
    let weights = formula::weights(&network.graph, &[]);
    let image = formula::image(40);
    let [portable, best] = [Isa::Portable, Isa::best()].map(|isa| {
        run_on(isa, &network.graph, &weights, [40, 40], Pixels::Normalized(&image), 1, &["logits"]).remove(0)
    });
    assert_ne!(bits(&portable), bits(&best));
}
