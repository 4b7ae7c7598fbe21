//! The bits of a row depend on the row and the operator alone: not on the range of rows, its place in the batch, or the taps.

use heirloom_engine::kernels::{
    Attention, Convolution, Isa, Linear, Rows, RowsMut, Scratch, Stage, Window, average_pool, layer_norm,
};
use heirloom_engine::{Activation, Padding};

use crate::support::{bits, number, values};

/// Cuts `0..len` at places drawn from the seed.
fn cuts(seed: u64, len: usize) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start, mut index) = (Vec::new(), 0, 0);
    while start < len {
        let end = len.min(start + number(seed, index, 1, 40));
        ranges.push(start..end);
        (start, index) = (end, index + 1);
    }
    ranges
}

/// Runs `kernel(rows, output)` over all rows at once and over ranges, and compares the bits.
fn assert_ranges(what: &str, rows: usize, columns: usize, mut kernel: impl FnMut(std::ops::Range<usize>, &mut [f32])) {
    let mut whole = vec![f32::NAN; rows * columns];
    kernel(0..rows, &mut whole);
    for seed in 0..3 {
        let mut parts = vec![f32::NAN; rows * columns];
        for range in cuts(seed, rows) {
            kernel(range.clone(), &mut parts[range.start * columns..range.end * columns]);
        }
        assert_eq!(bits(&parts), bits(&whole), "{what}");
    }
}

#[test]
fn ranges_of_convolutions() {
    // (input side, channels in, out, kernel, stride, padding, groups)
    let cases = [
        (14, 64, 40, 1, 1, 0, 1),
        (13, 70, 33, 3, 1, 1, 1),
        (15, 24, 24, 5, 2, 2, 24),
        (9, 20, 30, 3, 1, 1, 5),
        (30, 3, 20, 7, 2, 3, 1),
        (6, 500, 530, 1, 1, 0, 1),
    ];
    for (side, input, output, kernel, stride, padding, groups) in cases {
        let window = Window::new([side; 2], [kernel; 2], [stride; 2], Padding::all(padding), [1, 1], false).unwrap();
        let pixels = values(1, 2 * side * side * input);
        let weight = values(2, output * input / groups * kernel * kernel);
        let rows = 2 * window.output_pixels();
        let (bias, residual) = (values(3, output), values(4, rows * output));
        for isa in Isa::available() {
            let operator = Convolution::new(isa, window, &weight, output, input, groups);
            let mut scratch = Scratch::default();
            assert_ranges(&format!("{isa} {window:?}"), rows, output, |range, to| {
                let add = Rows::new(&residual[range.start * output..], output);
                let mut stages = [Stage::Bias(&bias), Stage::Add(add), Stage::Activate(Activation::Silu)];
                operator.run(&pixels, range, RowsMut::new(to, output), &mut stages, &mut scratch);
            });
        }
    }
}

#[test]
fn ranges_of_the_other_kernels() {
    for isa in Isa::available() {
        let mut scratch = Scratch::default();
        let (tokens, channels) = (65, 24);
        let input = values(1, 2 * tokens * 3 * channels);
        let attention = Attention::new(isa, tokens, channels, 3);
        assert_ranges(&format!("{isa} attention"), 2 * tokens, channels, |range, to| {
            attention.run(&input, range, RowsMut::new(to, channels), &mut scratch);
        });
        let (weight, bias) = (values(2, channels), values(3, channels));
        assert_ranges(&format!("{isa} layer norm"), 100, channels, |range, to| {
            layer_norm(isa, Rows::new(&input, channels), range, &weight, &bias, 1e-6, RowsMut::new(to, channels));
        });
        let window = Window::new([10, 9], [3, 3], [2, 2], Padding::all(1), [1, 1], true).unwrap();
        assert_ranges(&format!("{isa} average pool"), 3 * window.output_pixels(), 30, |range, to| {
            average_pool(isa, &window, 30, &values(5, 3 * 90 * 30), range, RowsMut::new(to, 30), true);
        });
    }
}

#[test]
fn place_in_the_batch() {
    let window = Window::new([9, 9], [3, 3], [1, 1], Padding::all(1), [1, 1], false).unwrap();
    let image = values(1, 81 * 50);
    let weight = values(2, 37 * 50 * 9);
    for isa in Isa::available() {
        let operator = Convolution::new(isa, window, &weight, 37, 50, 1);
        let mut alone = vec![0.0; 81 * 37];
        operator.run(&image, 0..81, RowsMut::new(&mut alone, 37), &mut [], &mut Scratch::default());
        for images in [2, 7] {
            let mut batch = values(3, images * image.len());
            for place in [0, images / 2, images - 1] {
                batch[place * image.len()..][..image.len()].copy_from_slice(&image);
            }
            let mut found = vec![0.0; images * alone.len()];
            operator.run(&batch, 0..images * 81, RowsMut::new(&mut found, 37), &mut [], &mut Scratch::default());
            for place in [0, images / 2, images - 1] {
                assert_eq!(
                    bits(&found[place * alone.len()..][..alone.len()]),
                    bits(&alone),
                    "{isa} {place} of {images}"
                );
            }
        }
    }
}

#[test]
fn taps_change_nothing() {
    let (rows, input, output) = (75, 450, 70);
    let (left, weight, bias, residual) =
        (values(1, rows * input), values(2, input * output), values(3, output), values(4, rows * output));
    for isa in Isa::available() {
        let layer = Linear::new(isa, &weight, output, input);
        let mut scratch = Scratch::default();
        let mut run = |stages: &mut [Stage<'_>]| {
            let mut found = vec![0.0; rows * output];
            layer.run(Rows::new(&left, input), 0..rows, RowsMut::new(&mut found, output), stages, &mut scratch);
            found
        };
        let add = || Stage::Add(Rows::new(&residual, output));
        let plain = run(&mut [Stage::Bias(&bias), Stage::Activate(Activation::Gelu), add()]);
        let (mut first, mut second, mut third) = (plain.clone(), plain.clone(), plain.clone());
        let write = |values| Stage::Write(RowsMut::new(values, output));
        let tapped = run(&mut [
            write(&mut first),
            Stage::Bias(&bias),
            write(&mut second),
            Stage::Activate(Activation::Gelu),
            write(&mut third),
            add(),
        ]);
        assert_eq!(bits(&tapped), bits(&plain), "{isa}");
        assert_eq!(bits(&first), bits(&run(&mut [])), "{isa}");
        assert_eq!(bits(&second), bits(&run(&mut [Stage::Bias(&bias)])), "{isa}");
        assert_eq!(bits(&third), bits(&run(&mut [Stage::Bias(&bias), Stage::Activate(Activation::Gelu)])), "{isa}");
    }
}
