//! Convolutions (dense, grouped, depthwise) and linear layers.

use heirloom_engine::Padding;
use heirloom_engine::kernels::{Convolution, Isa, Linear, Rows, RowsMut, Scratch, Window};

use crate::support::{Sum, assert_sums, convolution, number, value, values};

struct Case {
    images: usize,
    input: [usize; 2],
    channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
    dilation: [usize; 2],
    groups: usize,
}

fn case(images: usize, input: [usize; 2], channels: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Case {
    let (kernel, stride, padding) = ([kernel; 2], [stride; 2], Padding::all(padding));
    Case { images, input, channels, kernel, stride, padding, dilation: [1, 1], groups: 1 }
}

fn check(case: &Case, isa: Isa, seed: u64) {
    let Some(window) = Window::new(case.input, case.kernel, case.stride, case.padding, case.dilation, false) else {
        return;
    };
    let [input, output] = case.channels;
    let pixels = values(seed, case.images * window.input_pixels() * input);
    let weight = values(seed + 1, output * (input / case.groups) * case.kernel[0] * case.kernel[1]);
    let expected = convolution(&window, &pixels, input, &weight, output, case.groups);
    let operator = Convolution::new(isa, window, &weight, output, input, case.groups);
    let rows = case.images * window.output_pixels();
    let mut found = vec![f32::NAN; rows * output];
    operator.run(&pixels, 0..rows, RowsMut::new(&mut found, output), &mut [], &mut Scratch::default());
    let what =
        format!("{isa} {}x{:?} {:?} {:?} groups {}", case.images, case.input, case.channels, window, case.groups);
    assert_sums(&found, &expected, &what);
}

#[test]
fn networks_own_convolutions() {
    let cases = [
        case(2, [15, 13], [64, 64], 1, 1, 0),
        case(1, [14, 14], [256, 72], 1, 2, 0),
        case(1, [9, 9], [64, 48], 3, 1, 1),
        case(1, [14, 15], [40, 33], 3, 2, 1),
        case(1, [7, 7], [100, 20], 3, 1, 1),
        case(1, [35, 33], [3, 64], 7, 2, 3),
        case(1, [33, 34], [3, 24], 3, 2, 1),
        case(1, [32, 48], [3, 40], 16, 16, 0),
        case(1, [16, 20], [3, 96], 4, 4, 0),
        case(2, [8, 6], [96, 50], 2, 2, 0),
        case(3, [1, 1], [70, 17], 1, 1, 0),
        case(1, [3, 3], [5, 7], 5, 1, 4),
        case(1, [4, 4], [600, 520], 1, 1, 0),
    ];
    for (seed, case) in cases.iter().enumerate() {
        for isa in Isa::available() {
            check(case, isa, seed as u64 * 2);
        }
    }
}

#[test]
fn same_padding_dilation_and_asymmetry() {
    for isa in Isa::available() {
        for (seed, input) in [[9, 12], [10, 11], [13, 7]].into_iter().enumerate() {
            let base = case(2, input, [6, 10], 3, 2, 0);
            check(&Case { padding: Padding::Same, ..base }, isa, seed as u64);
            check(
                &Case { dilation: [2, 2], padding: Padding::all(2), ..case(1, input, [5, 9], 3, 1, 0) },
                isa,
                seed as u64,
            );
            let uneven = Case { kernel: [2, 5], stride: [1, 3], dilation: [3, 1], ..case(1, input, [4, 35], 1, 1, 0) };
            check(&Case { padding: Padding::Explicit([1, 0, 3, 2]), ..uneven }, isa, seed as u64);
        }
    }
}

#[test]
fn random_shapes() {
    for seed in 0..120u64 {
        let pick = |index, low, high| number(seed + 1000, index, low, high);
        let groups = [1, 1, 1, 2, 3][pick(0, 0, 4)];
        let case = Case {
            images: pick(1, 1, 3),
            input: [pick(2, 1, 12), pick(3, 1, 12)],
            channels: [groups * pick(4, 1, 40), groups * pick(5, 1, 70)],
            kernel: [pick(6, 1, 5), pick(7, 1, 5)],
            stride: [pick(8, 1, 3), pick(9, 1, 3)],
            padding: if pick(10, 0, 3) == 0 {
                Padding::Same
            } else {
                Padding::Explicit([pick(11, 0, 3), pick(12, 0, 3), pick(13, 0, 3), pick(14, 0, 3)])
            },
            dilation: [pick(15, 1, 2), pick(16, 1, 3)],
            groups,
        };
        for isa in Isa::available() {
            check(&case, isa, seed);
        }
    }
}

#[test]
fn depthwise() {
    for seed in 0..120u64 {
        let pick = |index, low, high| number(seed + 5000, index, low, high);
        let channels = [pick(0, 2, 50), 16, 32, 96][pick(1, 0, 3)];
        let kernel = [pick(2, 1, 7), [3, 5, 7][pick(3, 0, 2)]];
        let case = Case {
            images: pick(4, 1, 2),
            input: [pick(5, 1, 20), pick(6, 1, 30)],
            channels: [channels; 2],
            kernel,
            stride: [pick(7, 1, 3), pick(8, 1, 2)],
            padding: if seed % 4 == 0 {
                Padding::Same
            } else {
                Padding::Explicit([pick(9, 0, 4), pick(10, 0, 4), pick(11, 0, 4), pick(12, 0, 4)])
            },
            dilation: [pick(13, 1, 2), pick(14, 1, 2)],
            groups: channels,
        };
        for isa in Isa::available() {
            check(&case, isa, seed);
        }
    }
}

#[test]
fn linear_layers_of_any_size_and_stride() {
    for (seed, (rows, input, output)) in
        [(1, 1, 1), (1, 2048, 1000), (3, 385, 31), (15, 768, 16), (29, 1000, 33), (50, 17, 200), (7, 400, 600)]
            .into_iter()
            .enumerate()
    {
        let stride = input + seed * 3;
        let left = values(seed as u64, rows * stride);
        let weight = values(seed as u64 + 50, output * input);
        let mut expected = Vec::new();
        for row in 0..rows {
            for n in 0..output {
                let mut sum = Sum::default();
                for k in 0..input {
                    sum.add(left[row * stride + k], weight[n * input + k]);
                }
                expected.push(sum);
            }
        }
        for isa in Isa::available() {
            let layer = Linear::new(isa, &weight, output, input);
            let mut found = vec![f32::NAN; rows * output];
            layer.run(
                Rows::new(&left, stride),
                0..rows,
                RowsMut::new(&mut found, output),
                &mut [],
                &mut Scratch::default(),
            );
            assert_sums(&found, &expected, &format!("{isa} {rows}x{input}x{output}"));
        }
    }
}

#[test]
fn an_output_among_other_channels_leaves_them_alone() {
    let weight = values(3, 5 * 4);
    let input = values(4, 6 * 4);
    for isa in Isa::available() {
        let layer = Linear::new(isa, &weight, 5, 4);
        let mut whole = vec![0.0; 6 * 5];
        layer.run(Rows::new(&input, 4), 0..6, RowsMut::new(&mut whole, 5), &mut [], &mut Scratch::default());
        let mut wide = vec![7.0; 6 * 12];
        layer.run(Rows::new(&input, 4), 0..6, RowsMut::new(&mut wide[4..], 12), &mut [], &mut Scratch::default());
        for (at, found) in wide.iter().enumerate() {
            let (row, column) = (at / 12, at % 12);
            let expected = if (4..9).contains(&column) { whole[row * 5 + column - 4] } else { 7.0 };
            assert_eq!(found.to_bits(), expected.to_bits(), "{isa} row {row} column {column}");
        }
    }
    assert!(value(3, 0) != value(3, 1));
}
