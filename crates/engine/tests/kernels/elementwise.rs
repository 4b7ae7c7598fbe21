//! Stages, activations and the normalisation of pixels.

use heirloom_engine::Activation;
use heirloom_engine::kernels::{Gate, Isa, Normalization, Rows, RowsMut, Stage, transform, transform_in_place};

use crate::support::{assert_near, values};

/// The error function by the series of positive terms `2 / sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (1 3 ... (2n+1))`.
fn erf(x: f64) -> f64 {
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    sum * 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp()
}

fn exact(function: Activation, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let relu6 = |x: f64| x.clamp(0.0, 6.0);
    match function {
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => relu6(x),
        Activation::HardSwish => x * relu6(x + 3.0) / 6.0,
        Activation::HardSigmoid => relu6(x + 3.0) / 6.0,
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => x * (1.0 + erf(x / 2f64.sqrt())) / 2.0,
        Activation::GeluTanh => {
            x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x)).tanh()) / 2.0
        }
    }
}

const FUNCTIONS: [Activation; 8] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
];

fn apply(isa: Isa, function: Activation, input: &[f32]) -> Vec<f32> {
    let mut output = vec![f32::NAN; input.len()];
    let columns = input.len();
    transform(
        isa,
        Rows::new(input, columns),
        0..1,
        columns,
        RowsMut::new(&mut output, columns),
        &mut [Stage::Activate(function)],
    );
    output
}

#[test]
fn activations_are_accurate_everywhere() {
    let mut input: Vec<f32> = (-9000..9000).map(|i| i as f32 / 900.0 + 1e-4).collect();
    input.extend([0.0, -0.0, 1e-20, -1e-20, 1e-4, 30.0, -30.0, 87.0, 88.5, 1e4, -1e4, 3e38, -3e38]);
    for isa in Isa::available() {
        for function in FUNCTIONS {
            let expected: Vec<f64> = input.iter().map(|&x| exact(function, f64::from(x))).collect();
            let found = apply(isa, function, &input);
            // On the far negative side 1 + erf cancels in f32, and the exponent of the tanh form is large: what counts there
            // is the error against |x|.
            for ((x, found), expected) in input.iter().zip(&found).zip(&expected) {
                let cancels = matches!(function, Activation::Gelu | Activation::GeluTanh);
                let floor = if cancels { f64::from(x.abs()) } else { 1e-6 };
                let error = (f64::from(*found) - expected).abs();
                // The logistic function ends at its smallest value of about 4e-39 instead of falling further.
                let tiny = error <= 1e-38 * f64::from(x.abs().max(1.0));
                assert!(
                    tiny || error <= 2e-6 * expected.abs().max(floor),
                    "{isa} {function:?}({x}) = {found} instead of {expected}"
                );
            }
        }
    }
}

#[test]
fn not_a_number_stays_visible() {
    for isa in Isa::available() {
        for function in FUNCTIONS {
            assert!(apply(isa, function, &[1.0, f32::NAN, 2.0])[1].is_nan(), "{isa} {function:?}");
        }
    }
}

#[test]
fn stages_in_order_and_taps_between() {
    for isa in Isa::available() {
        for (rows, columns) in [(1, 1), (3, 5), (9, 16), (13, 33), (16, 40), (31, 7)] {
            let (stride, range) = (columns + 3, 2..2 + rows);
            let input = values(1, (rows + 2) * columns);
            let (bias, scale, shift, layer) =
                (values(2, columns), values(3, columns), values(4, columns), values(5, columns));
            let (other, factor) = (values(6, rows * stride), values(7, rows * columns));
            let (positions, gates) = (4, values(8, (rows + 2).div_ceil(4) * columns));
            let (mut first, mut second, mut output) =
                (vec![0.0; rows * columns], vec![9.0; rows * stride], vec![0.0; rows * columns]);
            let mut stages = [
                Stage::Bias(&bias),
                Stage::Affine { scale: &scale, shift: &shift },
                Stage::Write(RowsMut::new(&mut first, columns)),
                Stage::Activate(Activation::Relu),
                Stage::Scale(&layer),
                Stage::Add(Rows::new(&other, stride)),
                Stage::Gate(Gate { factors: Rows::new(&gates, columns), positions }),
                Stage::Write(RowsMut::new(&mut second, stride)),
                Stage::Multiply(Rows::new(&factor, columns)),
            ];
            transform(
                isa,
                Rows::new(&input, columns),
                range.clone(),
                columns,
                RowsMut::new(&mut output, columns),
                &mut stages,
            );
            for row in 0..rows {
                for column in 0..columns {
                    let wide = |slice: &[f32], at: usize| f64::from(slice[at]);
                    let (at, strided) = (row * columns + column, row * stride + column);
                    let affine = (wide(&input, (row + 2) * columns + column) + wide(&bias, column))
                        * wide(&scale, column)
                        + wide(&shift, column);
                    let sum = affine.max(0.0) * wide(&layer, column) + wide(&other, strided);
                    let gated = sum * wide(&gates, (row + 2) / positions * columns + column);
                    let what = format!("{isa} {rows}x{columns} [{row}, {column}]");
                    assert_near(&[first[at]], &[affine], 1e-6, 1.0, &what);
                    assert_near(&[second[strided]], &[gated], 1e-6, 1.0, &what);
                    assert_near(&[output[at]], &[gated * wide(&factor, at)], 1e-6, 1.0, &what);
                }
                assert!(second[row * stride..].iter().take(stride).skip(columns).all(|&v| v == 9.0));
            }
        }
    }
}

#[test]
fn in_place_is_the_same() {
    for isa in Isa::available() {
        let input = values(1, 11 * 21);
        let mut output = vec![0.0; input.len()];
        let mut stages = [Stage::Activate(Activation::Gelu)];
        transform(isa, Rows::new(&input, 21), 0..11, 21, RowsMut::new(&mut output, 21), &mut stages);
        let mut values = input;
        transform_in_place(isa, RowsMut::new(&mut values, 21), 0..11, 21, &mut stages);
        assert_eq!(values, output);
    }
}

#[test]
fn pixels_are_normalised() {
    let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    for isa in Isa::available() {
        for (channels, pixels) in [(3, 1), (3, 5), (3, 16), (3, 300), (1, 33), (2, 77)] {
            let bytes: Vec<u8> = (0..channels * pixels).map(|i| (i * 37 % 256) as u8).collect();
            let mut output = vec![f32::NAN; bytes.len()];
            Normalization::new(isa, &mean[..channels], &std[..channels]).run(&bytes, &mut output);
            let exact = |(i, &b): (usize, &u8)| {
                (f64::from(b) / 255.0 - f64::from(mean[i % channels])) / f64::from(std[i % channels])
            };
            let expected: Vec<f64> = bytes.iter().enumerate().map(exact).collect();
            assert_near(&output, &expected, 1e-6, 1.0, &format!("{isa} {channels} {pixels}"));
        }
    }
}
