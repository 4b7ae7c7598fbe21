//! Gradients of convolutions and linear layers against plain loops in f64, and the same bits for any number of threads.

use heirloom_engine::Padding;
use heirloom_engine::kernels::training::{ConvolutionGradient, LinearGradient, TrainingScratch, sum_rows};
use heirloom_engine::kernels::{Convolution, Isa, Linear, Rows, RowsMut, Scratch, Stage, Window};

use crate::bf16_gradients;
use crate::support::{bits, number, values};

#[derive(Clone, Copy)]
pub struct Case {
    pub images: usize,
    pub input: [usize; 2],
    pub channels: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: Padding,
    dilation: [usize; 2],
    pub groups: usize,
}

fn case(images: usize, input: [usize; 2], channels: [usize; 2], kernel: usize, stride: usize, padding: usize) -> Case {
    let (kernel, stride, padding) = ([kernel; 2], [stride; 2], Padding::all(padding));
    Case { images, input, channels, kernel, stride, padding, dilation: [1, 1], groups: 1 }
}

/// The weight's and the input's gradient, term by term.
pub fn plain(case: &Case, window: &Window, pixels: &[f32], weight: &[f32], gradient: &[f32]) -> (Vec<f64>, Vec<f64>) {
    let [input, output] = case.channels;
    let (group_input, group_output) = (input / case.groups, output / case.groups);
    let (mut of_weight, mut of_input) = (vec![0.0; weight.len()], vec![0.0; pixels.len()]);
    let position = |axis: usize, at: usize, tap: usize| {
        let place = (at * window.stride[axis] + tap * window.dilation[axis]) as isize - window.before[axis] as isize;
        (0..window.input[axis] as isize).contains(&place).then_some(place as usize)
    };
    for image in 0..case.images {
        for (y, x) in (0..window.output[0]).flat_map(|y| (0..window.output[1]).map(move |x| (y, x))) {
            let to = ((image * window.output[0] + y) * window.output[1] + x) * output;
            for (ky, kx) in (0..window.kernel[0]).flat_map(|ky| (0..window.kernel[1]).map(move |kx| (ky, kx))) {
                let (Some(row), Some(column)) = (position(0, y, ky), position(1, x, kx)) else { continue };
                let from = ((image * window.input[0] + row) * window.input[1] + column) * input;
                for n in 0..output {
                    for c in 0..group_input {
                        let from = from + n / group_output * group_input + c;
                        let w = ((n * group_input + c) * window.kernel[0] + ky) * window.kernel[1] + kx;
                        of_weight[w] += f64::from(pixels[from]) * f64::from(gradient[to + n]);
                        of_input[from] += f64::from(weight[w]) * f64::from(gradient[to + n]);
                    }
                }
            }
        }
    }
    (of_weight, of_input)
}

/// Panics where a value is off by more than 1e-5 of the largest.
pub fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= 1e-5 * largest, "{what}: [{index}] {found} instead of {expected}, largest {largest}");
    }
}

#[allow(clippy::unwrap_used)]
pub fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// Checks both gradients of a case on every instruction set, on one and two threads, in new and used memory. Returns whether
/// the window fits its maps.
fn check(case: &Case, seed: u64) -> bool {
    let Some(window) = Window::new(case.input, case.kernel, case.stride, case.padding, case.dilation, false) else {
        return false;
    };
    let [input, output] = case.channels;
    let pixels = values(seed, case.images * window.input_pixels() * input);
    let weight = values(seed + 1, output * (input / case.groups) * case.kernel[0] * case.kernel[1]);
    let gradient = values(seed + 2, case.images * window.output_pixels() * output);
    let second = values(seed + 3, pixels.len());
    let (of_weight, of_input) = plain(case, &window, &pixels, &weight, &gradient);
    let with_second: Vec<f64> = of_input.iter().zip(&second).map(|(a, b)| a + f64::from(*b)).collect();
    for isa in Isa::available() {
        let what = format!("{isa} {}x{:?} {:?} groups {}", case.images, case.channels, window, case.groups);
        let mut operator = ConvolutionGradient::new(isa, window, output, input, case.groups);
        operator.pack(&values(seed + 4, weight.len()));
        operator.pack(&weight);
        let mut scratch = TrainingScratch::default();
        let mut first: Option<[Vec<u32>; 2]> = None;
        for threads in [1, 2, 2] {
            let mut found = vec![f32::NAN; weight.len()];
            let mut found_input = vec![f32::NAN; pixels.len()];
            let mut found_sum = vec![f32::NAN; pixels.len()];
            pool(threads).install(|| {
                operator.weight(&pixels, &gradient, &mut found, &mut scratch);
                operator.input(&gradient, &mut found_input, None, &mut scratch);
                operator.input(&gradient, &mut found_sum, Some(&second), &mut scratch);
            });
            assert_close(&found, &of_weight, &format!("weight, {what}"));
            assert_close(&found_input, &of_input, &format!("input, {what}"));
            assert_close(&found_sum, &with_second, &format!("input and another, {what}"));
            let found = [bits(&found), bits(&found_input)];
            assert_eq!(first.get_or_insert_with(|| found.clone()), &found, "{threads} threads, {what}");
        }
    }
    bf16_gradients::check(case, &window, [&pixels, &weight, &gradient]);
    true
}

#[test]
fn networks_own_convolutions() {
    let cases = [
        case(1, [12, 12], [64, 64], 1, 1, 0),
        case(2, [14, 14], [16, 16], 3, 1, 1),
        case(7, [8, 8], [16, 32], 3, 2, 1),
        case(7, [8, 8], [16, 32], 1, 2, 0),
        case(1, [15, 13], [33, 17], 3, 2, 1),
        case(3, [2, 2], [40, 70], 3, 1, 1),
        case(1, [35, 33], [3, 33], 7, 2, 3),
        case(7, [10, 10], [3, 16], 3, 1, 1),
        case(1, [32, 48], [3, 40], 16, 16, 0),
        case(1, [16, 20], [5, 17], 4, 4, 0),
        case(1, [28, 28], [8, 24], 1, 1, 0),
        case(1, [9, 9], [120, 40], 1, 1, 0),
        case(1, [3, 3], [1, 1], 5, 1, 4),
        case(1, [6, 6], [1, 33], 3, 3, 0),
        case(1, [5, 6], [390, 330], 1, 1, 0),
        case(1, [4, 4], [6, 4], 1, 1, 1),
        case(1, [4, 5], [6, 20], 1, 2, 3),
        case(1, [9, 9], [20, 6], 2, 3, 0),
    ];
    for (seed, case) in cases.iter().enumerate() {
        assert!(check(case, seed as u64 * 5));
    }
}

#[test]
fn many_pixels_are_summed_in_chunks() {
    assert!(check(&case(5, [32, 31], [4, 5], 3, 1, 1), 1));
    assert!(check(&case(40, [8, 8], [9, 3], 3, 1, 1), 2));
    assert!(check(&case(7, [40, 40], [3, 6], 3, 2, 1), 3));
    assert!(check(&Case { groups: 9, ..case(40, [8, 8], [9, 9], 3, 1, 1) }, 4));
}

#[test]
fn padding_dilation_and_asymmetry() {
    for (seed, input) in [[9, 12], [10, 11], [13, 7]].into_iter().enumerate() {
        let seed = seed as u64 * 10;
        let same = Case { padding: Padding::Same, ..case(2, input, [6, 10], 3, 2, 0) };
        let dilated = Case { dilation: [2, 2], padding: Padding::all(2), ..case(1, input, [9, 9], 3, 1, 0) };
        let uneven = Case { kernel: [2, 5], stride: [1, 3], dilation: [3, 1], ..case(1, input, [4, 35], 1, 1, 0) };
        let uneven = Case { padding: Padding::Explicit([1, 0, 3, 2]), ..uneven };
        let both = Case { stride: [2, 3], dilation: [2, 2], kernel: [3, 3], ..uneven };
        let wide = Case { padding: Padding::Explicit([4, 0, 5, 1]), ..case(1, input, [18, 18], 3, 1, 0) };
        for case in [same, dilated, uneven, both, wide] {
            assert!(check(&case, seed));
            assert!(check(&Case { channels: [18, 18], groups: 18, ..case }, seed));
            assert!(check(&Case { channels: [18, 36], groups: 2, ..case }, seed));
        }
    }
}

#[test]
fn random_shapes() {
    let mut checked = 0;
    for seed in 0..120u64 {
        let pick = |index, low, high| number(seed + 1000, index, low, high);
        let groups = [1, 1, 2, 3, 20][pick(0, 0, 4)];
        let each = if groups == 20 { [1, 1] } else { [pick(4, 1, 36), pick(5, 1, 40)] };
        let case = Case {
            images: [1, 2, 7][pick(1, 0, 2)],
            input: [pick(2, 1, 10), pick(3, 1, 10)],
            channels: each.map(|channels| groups * channels),
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
        checked += usize::from(check(&case, seed));
    }
    assert!(checked > 60, "{checked}");
}

#[test]
fn depthwise() {
    let mut checked = 0;
    for seed in 0..60u64 {
        let pick = |index, low, high| number(seed + 5000, index, low, high);
        let channels = [pick(0, 2, 50), 16, 33, 72][pick(1, 0, 3)];
        let kernel = [3, 5, 7, 11, pick(2, 1, 9)][pick(3, 0, 4)];
        let case = Case {
            padding: if seed % 4 == 0 { Padding::Same } else { Padding::all(kernel / 2) },
            groups: channels,
            ..case(pick(4, 1, 3), [pick(5, 1, 20), pick(6, 1, 30)], [channels; 2], kernel, pick(7, 1, 3), 0)
        };
        checked += usize::from(check(&case, seed));
    }
    assert!(checked > 50, "{checked}");
}

#[test]
fn linear_layers() {
    let shapes = [(1, 1, 1), (1, 300, 100), (3, 385, 31), (17, 192, 576), (2100, 5, 3), (7, 400, 600), (1200, 33, 17)];
    for (seed, (rows, input, output)) in shapes.into_iter().enumerate() {
        let seed = seed as u64 * 10;
        let (left, weight) = (values(seed, rows * input), values(seed + 1, output * input));
        let (gradient, second) = (values(seed + 2, rows * output), values(seed + 3, rows * input));
        let (mut of_weight, mut of_input) =
            (vec![0.0; weight.len()], second.iter().map(|&v| f64::from(v)).collect::<Vec<_>>());
        let mut of_bias = vec![0.0; output];
        for row in 0..rows {
            for n in 0..output {
                let slope = f64::from(gradient[row * output + n]);
                of_bias[n] += slope;
                for k in 0..input {
                    of_weight[n * input + k] += slope * f64::from(left[row * input + k]);
                    of_input[row * input + k] += slope * f64::from(weight[n * input + k]);
                }
            }
        }
        for isa in Isa::available() {
            let what = format!("{isa} {rows}x{input}x{output}");
            let mut operator = LinearGradient::new(isa, output, input);
            operator.pack(&weight);
            let run = |threads: usize| {
                let mut found = [vec![f32::NAN; weight.len()], vec![f32::NAN; left.len()], vec![f32::NAN; output]];
                let [to_weight, to_input, to_bias] = &mut found;
                let mut scratch = TrainingScratch::default();
                pool(threads).install(|| {
                    operator.weight(&left, &gradient, to_weight, &mut scratch);
                    operator.input(&gradient, to_input, Some(&second), &mut scratch);
                    sum_rows(isa, &gradient, output, to_bias);
                });
                found
            };
            let (one, two) = (run(1), run(2));
            for (found, expected) in one.iter().zip([&of_weight, &of_input, &of_bias]) {
                assert_close(found, expected, &what);
            }
            assert!(one.iter().zip(&two).all(|(one, two)| bits(one) == bits(two)), "{what}");
        }
    }
}

#[test]
fn batches_in_parallel_are_the_inference_kernels() {
    let cases = [
        case(3, [14, 15], [20, 33], 3, 2, 1),
        case(7, [9, 9], [64, 48], 1, 1, 0),
        Case { groups: 30, ..case(5, [12, 12], [30, 30], 3, 1, 1) },
        Case { groups: 2, ..case(5, [12, 12], [30, 70], 3, 1, 1) },
    ];
    for (seed, case) in cases.iter().enumerate() {
        let seed = seed as u64;
        let window = Window::new(case.input, case.kernel, case.stride, case.padding, [1, 1], false).unwrap();
        let [input, output] = case.channels;
        let weight = values(seed, output * input / case.groups * case.kernel[0] * case.kernel[1]);
        let pixels = values(seed + 1, case.images * window.input_pixels() * input);
        let rows = case.images * window.output_pixels();
        let (bias, residual) = (values(seed + 2, output), values(seed + 3, rows * output));
        for isa in Isa::available() {
            let (mut expected, mut expected_tap) = (vec![0.0; rows * output], vec![0.0; rows * output]);
            let operator = Convolution::new(isa, window, &weight, output, input, case.groups);
            let mut stages = [
                Stage::Bias(&bias),
                Stage::Write(RowsMut::new(&mut expected_tap, output)),
                Stage::Add(Rows::new(&residual, output)),
            ];
            let to = RowsMut::new(&mut expected, output);
            operator.run(&pixels, 0..rows, to, &mut stages, &mut Scratch::default());
            let other = values(seed + 9, weight.len());
            let mut operator = Convolution::new(isa, window, &other, output, input, case.groups);
            operator.repack(&weight);
            for threads in [1, 2] {
                let (mut found, mut tap) = (vec![0.0; rows * output], vec![0.0; rows * output]);
                let stages = vec![
                    Stage::Bias(&bias),
                    Stage::Write(RowsMut::new(&mut tap, output)),
                    Stage::Add(Rows::new(&residual, output)),
                ];
                let to = RowsMut::new(&mut found, output);
                pool(threads).install(|| operator.run_batch(&pixels, to, stages, &mut TrainingScratch::default()));
                assert_eq!(bits(&found), bits(&expected), "{isa} {threads} threads {window:?}");
                assert_eq!(bits(&tap), bits(&expected_tap), "{isa} {threads} threads {window:?}");
            }
        }
    }
}

#[test]
fn linear_batches_in_parallel_are_the_inference_kernels() {
    let (rows, input, output) = (500, 70, 90);
    let (left, weight) = (values(1, rows * input), values(2, output * input));
    for isa in Isa::available() {
        let mut expected = vec![0.0; rows * output];
        let to = RowsMut::new(&mut expected, output);
        let layer = Linear::new(isa, &weight, output, input);
        layer.run(Rows::new(&left, input), 0..rows, to, &mut [], &mut Scratch::default());
        let mut layer = Linear::new(isa, &values(3, weight.len()), output, input);
        layer.repack(&weight);
        let mut found = vec![0.0; rows * output];
        let to = RowsMut::new(&mut found, output);
        pool(2).install(|| layer.run_batch(Rows::new(&left, input), rows, to, vec![], &mut TrainingScratch::default()));
        assert_eq!(bits(&found), bits(&expected), "{isa}");
    }
}
