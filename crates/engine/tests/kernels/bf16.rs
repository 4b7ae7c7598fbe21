//! Products in bf16: on every variant the sums of the rounded operands, and the bits of a row whatever its batch.
#![allow(clippy::unwrap_used)]

use heirloom_engine::kernels::{
    Bf16Attention, Bf16Convolution, Bf16Linear, Isa, Rows, RowsMut, Scratch, Stage, Stored, StoredMut, StoredRowsMut,
    Window, bf16_gate, bf16_max_pool, bf16_mean_positions, max_pool, mean_positions, rounded,
};
use heirloom_engine::{Activation, Padding};

use crate::attention::reference;
use crate::support::{Sum, assert_near, assert_sums, bits, convolution, number, values};

pub fn halves(values: &[f32]) -> Vec<u16> {
    values.iter().map(|value| (rounded(*value).to_bits() >> 16) as u16).collect()
}

/// Variants of this processor, the matrix unit included.
pub fn variants() -> impl Iterator<Item = Isa> {
    Isa::available().chain((Isa::best_for_bf16() == Isa::Amx).then_some(Isa::Amx))
}

pub fn all_rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| rounded(*value)).collect()
}

struct Case {
    images: usize,
    channels: [usize; 2],
    groups: usize,
    window: Window,
}

fn case(images: usize, side: [usize; 2], channels: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Case {
    let window = Window::new(side, [kernel; 2], [stride; 2], Padding::all(padding), [1; 2], false).unwrap();
    Case { images, channels, groups: 1, window }
}

fn check(case: &Case, seed: u64) {
    let Case { images, channels: [input, output], groups, window } = *case;
    let pixels = values(seed, images * window.input_pixels() * input);
    let weight = values(seed + 1, output * (input / groups) * window.kernel[0] * window.kernel[1]);
    let expected = convolution(&window, &all_rounded(&pixels), input, &all_rounded(&weight), output, groups);
    for isa in variants() {
        let operator = Bf16Convolution::new(isa, window, &weight, output, input, groups);
        let mut found = vec![f32::NAN; images * window.output_pixels() * output];
        let mut scratch = Scratch::default();
        let to = StoredRowsMut::new(StoredMut::F32(&mut found), output);
        operator.run(Stored::F32(&pixels), to, &mut [], &mut scratch);
        let what = format!("{isa} {images} images, {input} to {output} channels in {groups} groups, {window:?}");
        assert_sums(&found, &expected, &what);
        // The last image alone, in memory that holds something else.
        let [image, to] = [window.input_pixels() * input, window.output_pixels() * output];
        let mut alone = vec![f32::NAN; to];
        let rows = RowsMut::new(&mut alone, output).into();
        operator.run(Stored::F32(&pixels[(images - 1) * image..]), rows, &mut [], &mut scratch);
        assert_eq!(bits(&alone), bits(&found[(images - 1) * to..]), "alone: {what}");
    }
}

#[test]
fn networks_own_convolutions() {
    let cases = [
        case(2, [15, 13], [64, 64], 1, 1, 0),
        case(1, [14, 14], [256, 72], 1, 2, 0),
        case(3, [9, 9], [64, 48], 3, 1, 1),
        case(2, [14, 15], [40, 33], 3, 2, 1),
        case(5, [7, 7], [100, 20], 3, 1, 1),
        case(1, [35, 33], [3, 64], 7, 2, 3),
        case(1, [33, 34], [3, 24], 3, 2, 1),
        case(2, [32, 48], [3, 40], 16, 16, 0),
        case(1, [16, 20], [3, 96], 4, 4, 0),
        case(2, [8, 6], [96, 50], 2, 2, 0),
        case(3, [1, 1], [70, 17], 1, 1, 0),
        case(1, [3, 3], [5, 7], 5, 1, 4),
        case(1, [4, 4], [600, 520], 1, 1, 0),
        // More than one band of rows, and more images than are copied together.
        case(2, [150, 112], [32, 20], 3, 1, 1),
        case(9, [30, 30], [96, 16], 3, 1, 1),
        case(1, [90, 90], [64, 40], 1, 1, 0),
    ];
    cases.iter().enumerate().for_each(|(seed, case)| check(case, seed as u64 * 2));
}

#[test]
fn convolutions_of_any_shape() {
    for seed in 0..150u64 {
        let pick = |index, low, high| number(seed + 9000, index, low, high);
        let groups = [1, 1, 1, 2, 3][pick(0, 0, 4)];
        let padding = if pick(10, 0, 3) == 0 {
            Padding::Same
        } else {
            Padding::Explicit([pick(11, 0, 3), pick(12, 0, 3), pick(13, 0, 3), pick(14, 0, 3)])
        };
        let (kernel, stride) = ([pick(6, 1, 5), pick(7, 1, 5)], [pick(8, 1, 3), pick(9, 1, 3)]);
        let dilation = [pick(15, 1, 2), pick(16, 1, 3)];
        let side = [pick(2, 1, 12), pick(3, 1, 20)];
        let Some(window) = Window::new(side, kernel, stride, padding, dilation, false) else { continue };
        let channels = [groups * pick(4, 1, 70), groups * pick(5, 1, 70)];
        check(&Case { images: pick(1, 1, 4), channels, groups, window }, seed);
    }
}

#[test]
fn linear_layers_of_any_size_and_stride() {
    for (seed, (rows, input, output)) in
        [(1, 1, 1), (1, 2048, 1000), (3, 385, 31), (15, 768, 16), (33, 1000, 33), (50, 17, 200), (700, 400, 60)]
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
                    sum.add(rounded(left[row * stride + k]), rounded(weight[n * input + k]));
                }
                expected.push(sum);
            }
        }
        for isa in variants() {
            let layer = Bf16Linear::new(isa, &weight, output, input);
            let mut found = vec![f32::NAN; rows * output];
            let to = RowsMut::new(&mut found, output).into();
            layer.run((Stored::F32(&left), stride), rows, to, &mut [], &mut Scratch::default());
            assert_sums(&found, &expected, &format!("{isa} {rows}x{input}"));
        }
    }
}

#[test]
fn stages_follow_the_sums_and_other_channels_stay() {
    let (rows, input, output, wide) = (70, 40, 21, 30);
    let (left, weight, bias) = (values(1, rows * input), values(2, output * input), values(3, output));
    let added = values(4, rows * output);
    for isa in variants() {
        let layer = Bf16Linear::new(isa, &weight, output, input);
        let run = |to: &mut [f32], stride: usize, stages: &mut [Stage<'_>]| {
            let to = RowsMut::new(to, stride).into();
            layer.run((Stored::F32(&left), input), rows, to, stages, &mut Scratch::default());
        };
        let mut plain = vec![0.0; rows * output];
        run(&mut plain, output, &mut []);
        let mut staged = vec![7.0; rows * wide];
        let mut stages = [Stage::Bias(&bias), Stage::Add(Rows::new(&added, output)), Stage::Activate(Activation::Relu)];
        run(&mut staged, wide, &mut stages);
        for (at, found) in staged.iter().enumerate() {
            let (row, column) = (at / wide, at % wide);
            let sum = |column: usize| plain[row * output + column] + bias[column] + added[row * output + column];
            let expected = if column < output { sum(column).max(0.0) } else { 7.0 };
            assert_eq!(found.to_bits(), expected.to_bits(), "{isa} row {row} column {column}");
        }
    }
}

#[test]
fn attention_of_any_shape() {
    for isa in variants() {
        for (images, tokens, heads, width) in
            [(1, 1, 1, 1), (2, 5, 2, 3), (1, 50, 3, 64), (2, 65, 2, 20), (1, 130, 1, 32), (1, 197, 3, 64)]
        {
            let channels = heads * width;
            let input = all_rounded(&values(tokens as u64, images * tokens * 3 * channels));
            let len = tokens * 3 * channels;
            let expected: Vec<f64> =
                input.chunks(len).flat_map(|image| reference(image, tokens, channels, heads)).collect();
            let operator = Bf16Attention::new(isa, tokens, channels, heads);
            let mut found = vec![f32::NAN; images * tokens * channels];
            let mut scratch = Scratch::default();
            operator.run(Stored::F32(&input), images, RowsMut::new(&mut found, channels).into(), &mut scratch);
            // Probabilities are rounded to eight bits, so a mean of values below one is off by less than a 256th.
            assert_near(&found, &expected, 1.0 / 256.0, 1.0, &format!("{isa} {images}x{tokens} {heads}x{width}"));
            let mut alone = vec![f32::NAN; tokens * channels];
            let last = Stored::F32(&input[(images - 1) * len..]);
            operator.run(last, 1, RowsMut::new(&mut alone, channels).into(), &mut scratch);
            assert_eq!(bits(&alone), bits(&found[(images - 1) * tokens * channels..]));
        }
    }
}

#[test]
fn pools_of_halves_are_those_of_their_values() {
    for seed in 0..60u64 {
        let pick = |index, low, high| number(seed + 400, index, low, high);
        let padding = Padding::Explicit([pick(0, 0, 2), pick(1, 0, 2), pick(2, 0, 2), pick(3, 0, 2)]);
        let (kernel, stride) = ([pick(4, 1, 4), pick(5, 1, 4)], [pick(6, 1, 3), pick(7, 1, 3)]);
        let (side, dilation) = ([pick(8, 1, 12), pick(9, 1, 12)], [pick(10, 1, 2), 1]);
        let Some(window) = Window::new(side, kernel, stride, padding, dilation, seed % 2 == 0) else { continue };
        let (images, channels) = (2, pick(11, 1, 70));
        let mut exact = all_rounded(&values(seed, images * window.input_pixels() * channels));
        if seed % 5 == 0 {
            exact[channels - 1] = f32::NAN;
            exact[0] = -f32::NAN;
        }
        let stored = halves(&exact);
        let rows = images * window.output_pixels();
        for isa in Isa::available() {
            let mut expected = vec![0.0; rows * channels];
            max_pool(isa, &window, channels, &exact, 0..rows, RowsMut::new(&mut expected, channels));
            let mut found = vec![0; rows * channels];
            bf16_max_pool(isa, &window, channels, &stored, &mut found);
            for (at, (found, expected)) in found.iter().zip(halves(&expected)).enumerate() {
                let nan = |half: u16| f32::from_bits(u32::from(half) << 16).is_nan();
                assert!(*found == expected || (nan(*found) && nan(expected)), "{isa} {at} {window:?}");
            }
            let positions = window.input_pixels();
            let mut expected = vec![0.0; images * channels];
            let input = Rows::new(&exact, channels);
            mean_positions(isa, input, positions, 0, channels, 0..images, RowsMut::new(&mut expected, channels));
            let mut found = vec![0.0; images * channels];
            bf16_mean_positions(isa, &stored, positions, 0, channels, &mut found);
            for (found, expected) in found.iter().zip(&expected) {
                assert!(found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()));
            }
        }
    }
}

#[test]
fn gates_round_their_products() {
    if Isa::best_for_bf16() != Isa::Amx {
        println!("skipped: values are kept as halves only beside a matrix unit");
        return;
    }
    let (images, positions, channels) = (2, 5, 37);
    let (input, factors) = (all_rounded(&values(1, images * positions * channels)), values(2, images * channels));
    let mut found = halves(&input);
    bf16_gate(&mut found, positions, channels, &factors);
    let product = |at: usize| input[at] * factors[at / channels / positions * channels + at % channels];
    let expected: Vec<f32> = (0..input.len()).map(product).collect();
    assert_eq!(found, halves(&expected));
}
