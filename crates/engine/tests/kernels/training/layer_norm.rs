//! Layer normalisation.

use heirloom_engine::kernels::training::{LayerNormGradient, layer_norm_forward};
use heirloom_engine::kernels::{Isa, Rows, RowsMut, layer_norm};

use super::support::{assert_close, differences, dot, double, on_threads};
use crate::support::{bits, values};

const EPSILON: f64 = 1e-5;

fn forward(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for row in x.chunks(weight.len()) {
        let mean = row.iter().sum::<f64>() / row.len() as f64;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / row.len() as f64;
        let scaled = row.iter().map(|x| (x - mean) / (variance + EPSILON).sqrt());
        y.extend(scaled.zip(weight.iter().zip(bias)).map(|(x, (weight, bias))| x * weight + bias));
    }
    y
}

/// Gradients of input, weight and bias by the formula.
fn backward(x: &[f64], weight: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let channels = weight.len();
    let mut result = [Vec::new(), vec![0.0; channels], vec![0.0; channels]];
    for (row, dy) in x.chunks(channels).zip(dy.chunks(channels)) {
        let count = channels as f64;
        let mean = row.iter().sum::<f64>() / count;
        let inverse = 1.0 / (row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count + EPSILON).sqrt();
        let u: Vec<f64> = row.iter().map(|x| (x - mean) * inverse).collect();
        let g: Vec<f64> = dy.iter().zip(weight).map(|(dy, weight)| dy * weight).collect();
        let (first, second) =
            (g.iter().sum::<f64>() / count, g.iter().zip(&u).map(|(g, u)| g * u).sum::<f64>() / count);
        for c in 0..channels {
            result[0].push(inverse * (g[c] - first - u[c] * second));
            result[1][c] += dy[c] * u[c];
            result[2][c] += dy[c];
        }
    }
    result
}

#[test]
fn gradients() {
    for (rows, channels, offset) in [
        (7, 3, 0.0),
        (1, 17, 0.0),
        (14, 33, 1.0),
        (4000, 24, 0.0),
        (197, 192, -30.0),
        (20, 4100, 5.0),
        (30_000, 3, 0.0),
    ] {
        let x: Vec<f32> = values(1, rows * channels).into_iter().map(|x| 3.0 * x + offset).collect();
        let weight: Vec<f32> = values(2, channels).into_iter().map(|x| 1.5 + x).collect();
        let (bias, dy, add) = (values(3, channels), values(4, rows * channels), values(5, rows * channels));
        let (xs, weights, biases) = (double(&x), double(&weight), double(&bias));
        let expected = backward(&xs, &weights, &double(&dy));
        if rows * channels < 600 {
            let by_differences = [
                differences(&x, |x| dot(&dy, &forward(x, &weights, &biases))),
                differences(&weight, |weight| dot(&dy, &forward(&xs, weight, &biases))),
                differences(&bias, |bias| dot(&dy, &forward(&xs, &weights, bias))),
            ];
            for (formula, difference) in expected.iter().zip(by_differences) {
                assert!(formula.iter().zip(difference).all(|(a, b)| (a - b).abs() < 1e-7), "{rows}x{channels}");
            }
        }
        let with_add: Vec<f64> = expected[0].iter().zip(&add).map(|(dx, &add)| dx + f64::from(add)).collect();
        for isa in Isa::available() {
            for (add, dx) in [(None, &expected[0]), (Some(add.as_slice()), &with_add)] {
                let operator = LayerNormGradient { isa, values: &x, weight: &weight, epsilon: EPSILON, add };
                let found = on_threads(|| {
                    let (mut dx, mut in_place) = (vec![f32::NAN; x.len()], dy.clone());
                    let parameters = operator.run(&dy, &mut dx);
                    assert_eq!(parameters, operator.run_in_place(&mut in_place));
                    assert_eq!(bits(&dx), bits(&in_place));
                    vec![dx, parameters.weight, parameters.bias]
                });
                let what = format!("{isa} {rows}x{channels}");
                for (found, expected) in found.iter().zip([dx, &expected[1], &expected[2]]) {
                    assert_close(found, expected, &what);
                }
            }
        }
    }
}

#[test]
fn a_row_of_one_channel_has_no_gradient() {
    for isa in Isa::available() {
        let (x, dy, mut dx) = (values(1, 50), values(2, 50), vec![f32::NAN; 50]);
        let operator = LayerNormGradient { isa, values: &x, weight: &[2.0], epsilon: EPSILON, add: None };
        let parameters = operator.run(&dy, &mut dx);
        assert!(dx.iter().all(|dx| dx.abs() < 1e-4), "{isa}");
        assert_eq!(parameters.weight, [0.0], "{isa}");
        assert_close(&parameters.bias, &[double(&dy).iter().sum()], "bias");
    }
}

#[test]
fn forward_has_the_bits_of_the_kernel() {
    for isa in Isa::available() {
        for (rows, channels) in [(1, 1), (7, 33), (900, 40)] {
            let (x, weight, bias) = (values(1, rows * channels), values(2, channels), values(3, channels));
            let mut expected = vec![f32::NAN; x.len()];
            let target = RowsMut::new(&mut expected, channels);
            layer_norm(isa, Rows::new(&x, channels), 0..rows, &weight, &bias, EPSILON, target);
            let found = on_threads(|| {
                let mut found = vec![f32::NAN; x.len()];
                layer_norm_forward(isa, &x, &weight, &bias, EPSILON, &mut found);
                vec![found]
            });
            assert_eq!(bits(&found[0]), bits(&expected), "{isa} {rows}x{channels}");
        }
    }
}
