//! A row's bits depend on nothing but the row: not on the batch, the place in it, or the other taps.

use super::cases::{self, Case};
use heirloom_engine::{Isa, Pixels, Plan, PlanOptions, Precision, Workspace};

/// The images of a batch: the stored one with other signs and scales, so that rows differ.
fn batch(case: &Case, images: usize) -> Vec<f32> {
    let scale = |image: usize| (1.0 + image as f32 / 16.0) * if image.is_multiple_of(2) { 1.0 } else { -1.0 };
    (0..images).flat_map(|image| case.input.iter().map(move |x| x * scale(image))).collect()
}

fn run(case: &Case, isa: Isa, taps: Vec<String>, pixels: &[f32], images: usize) -> Vec<f32> {
    let options = PlanOptions { input_size: case.input_size, taps, isa, precision: Precision::F32 };
    let plan = Plan::compile(&case.graph, &case.weights(), &options).unwrap();
    let mut workspace = Workspace::default();
    plan.run(Pixels::Normalized(pixels), images, &mut workspace).unwrap();
    workspace.tap(0).unwrap().to_vec()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn the_batch_changes_no_bit() {
    for isa in cases::instruction_sets() {
        for case in cases::inference() {
            let (all, length) = (batch(&case, 64), case.input.len());
            let whole = run(&case, isa, case.output(), &all, 64);
            let width = whole.len() / 64;
            for size in [1, 7] {
                for first in (0..64 - size).step_by(size) {
                    let part = run(&case, isa, case.output(), &all[first * length..(first + size) * length], size);
                    let same = &whole[first * width..(first + size) * width];
                    assert_eq!(bits(&part), bits(same), "{isa:?} {} rows {first}..{}", case.name, first + size);
                }
            }
        }
    }
}

#[test]
fn the_other_taps_change_no_bit() {
    for isa in cases::instruction_sets() {
        for case in cases::inference() {
            let alone = run(&case, isa, case.output(), &case.input, 1);
            let mut taps = case.output();
            taps.extend(case.graph.nodes.iter().map(|node| node.name.clone()));
            let together = run(&case, isa, taps, &case.input, 1);
            assert_eq!(bits(&alone), bits(&together), "{isa:?} {}", case.name);
        }
    }
}
