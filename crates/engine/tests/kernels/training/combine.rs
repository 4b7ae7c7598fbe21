//! Sums, products, factors and summands per channel, gates.

use heirloom_engine::Activation;
use heirloom_engine::kernels::training::{
    add_assign, gate_forward, gate_gradient, multiply_forward, multiply_gradient, scale_forward, scale_gradient,
    shift_forward, sum_forward, sum_rows,
};
use heirloom_engine::kernels::{Gate, Isa, Rows, RowsMut, Stage, transform};

use super::activation::FUNCTIONS;
use super::support::{assert_close, differences, dot, double, on_threads};
use crate::support::{bits, values};

const SHAPES: [(usize, usize); 7] = [(1, 1), (7, 3), (49, 17), (14, 33), (2000, 24), (3, 4100), (60_000, 1)];

/// The rows through the stages, by the kernel that has them.
fn staged(isa: Isa, x: &[f32], channels: usize, stages: &mut [Stage<'_>]) -> Vec<u32> {
    let mut found = vec![f32::NAN; x.len()];
    let (rows, target) = (x.len() / channels, RowsMut::new(&mut found, channels));
    transform(isa, Rows::new(x, channels), 0..rows, channels, target, stages);
    bits(&found)
}

#[test]
fn forward_has_the_bits_of_the_stages() {
    for isa in Isa::available() {
        for (rows, channels) in SHAPES {
            let len = rows * channels;
            let (x, other, per_channel) = (values(1, len), values(2, len), values(3, channels));
            let add = || Stage::Add(Rows::new(&other, channels));
            let found = |work: &(dyn Fn(&mut [f32]) + Sync)| {
                let results = on_threads(|| {
                    let mut to = vec![f32::NAN; len];
                    work(&mut to);
                    vec![to]
                });
                bits(&results[0])
            };
            for function in FUNCTIONS {
                let sum = found(&|to| sum_forward(isa, &x, Some((&other).into()), Some(function), to));
                assert!(
                    sum == staged(isa, &x, channels, &mut [add(), Stage::Activate(function)]),
                    "{isa} {function:?}"
                );
                let alone = found(&|to| sum_forward(isa, &x, None, Some(function), to));
                assert!(alone == staged(isa, &x, channels, &mut [Stage::Activate(function)]), "{isa} {function:?}");
            }
            assert!(found(&|to| sum_forward(isa, &x, None, None, to)) == bits(&x), "{isa} copy");
            let assigned = found(&|to| {
                to.copy_from_slice(&x);
                add_assign(isa, to, &other);
            });
            assert!(assigned == staged(isa, &x, channels, &mut [add()]), "{isa} add");
            let product = found(&|to| multiply_forward(isa, &x, &other, to));
            assert!(product == staged(isa, &x, channels, &mut [Stage::Multiply(Rows::new(&other, channels))]), "{isa}");
            let scaled = found(&|to| scale_forward(isa, &x, &per_channel, Some(&other), to));
            assert!(scaled == staged(isa, &x, channels, &mut [Stage::Scale(&per_channel), add()]), "{isa} scale");
            let shifted = found(&|to| shift_forward(isa, &x, &per_channel, to));
            assert!(shifted == staged(isa, &x, channels, &mut [Stage::Bias(&per_channel)]), "{isa} shift");
        }
    }
}

#[test]
fn a_negative_zero_stays_one() {
    for isa in Isa::available() {
        let mut to = [1.0; 3];
        sum_forward(isa, &[-0.0, 0.0, -1.0], None, None, &mut to);
        assert_eq!(bits(&to), bits(&[-0.0, 0.0, -1.0]), "{isa}");
        sum_forward(isa, &[-3.0, f32::NAN, 5.0], None, Some(Activation::Relu), &mut to);
        assert!(to[0] == 0.0 && to[1].is_nan() && to[2] == 5.0, "{isa} {to:?}");
    }
}

#[test]
fn gradients_of_products() {
    for isa in Isa::available() {
        for len in [1, 17, 4099, 70_001] {
            let (a, b, dy) = (values(1, len), values(2, len), values(3, len));
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; len]; 2];
                let [first, second] = &mut found[..] else { unreachable!() };
                multiply_gradient(isa, &a, &b, &dy, first, second);
                found
            });
            let product =
                |x: &[f32]| x.iter().zip(&dy).map(|(&x, &dy)| f64::from(x) * f64::from(dy)).collect::<Vec<_>>();
            assert_close(&found[0], &product(&b), "first");
            assert_close(&found[1], &product(&a), "second");
        }
    }
}

#[test]
fn gradients_of_factors_and_summands() {
    for isa in Isa::available() {
        for (rows, channels) in SHAPES {
            let len = rows * channels;
            let (x, dy, add, weight) = (values(1, len), values(2, len), values(3, len), values(4, channels));
            for add in [None, Some(add.as_slice())] {
                let mut expected = [vec![0.0; len], vec![0.0; channels], vec![0.0; channels]];
                for i in 0..len {
                    let (dy, c) = (f64::from(dy[i]), i % channels);
                    expected[0][i] = dy * f64::from(weight[c]) + add.map_or(0.0, |add| f64::from(add[i]));
                    expected[1][c] += dy * f64::from(x[i]);
                    expected[2][c] += dy;
                }
                let found = on_threads(|| {
                    let mut dx = vec![f32::NAN; len];
                    let factors = scale_gradient(isa, &x, &weight, &dy, add, &mut dx);
                    let mut sums = vec![f32::NAN; channels];
                    sum_rows(isa, &dy, channels, &mut sums);
                    vec![dx, factors, sums]
                });
                for (found, expected) in found.iter().zip(&expected) {
                    assert_close(found, expected, &format!("{isa} {rows}x{channels}"));
                }
            }
        }
    }
}

#[test]
fn sums_of_many_rows_keep_their_digits() {
    for isa in Isa::available() {
        let values = vec![0.1f32; 3 * 1_000_000];
        let mut sums = [f32::NAN; 3];
        sum_rows(isa, &values, 3, &mut sums);
        for sum in sums {
            // One chain in single precision is off by 900.
            assert!((f64::from(sum) - 1e6 * f64::from(0.1f32)).abs() < 0.2, "{isa} {sum}");
        }
    }
}

#[test]
fn gates() {
    for isa in Isa::available() {
        for (images, positions, channels) in [(1, 1, 1), (7, 5, 3), (1, 300, 17), (2, 900, 33), (7, 49, 64)] {
            let len = images * positions * channels;
            let (x, dy, add, gates) = (values(1, len), values(2, len), values(3, len), values(4, images * channels));
            let factors = Gate { factors: Rows::new(&gates, channels), positions };
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; len], vec![f32::NAN; len], vec![f32::NAN; gates.len()]];
                let [to, dx, d_gates] = &mut found[..] else { unreachable!() };
                gate_forward(isa, &x, &gates, channels, to);
                gate_gradient(isa, &x, &gates, channels, &dy, Some(&add), dx, d_gates);
                found
            });
            assert!(bits(&found[0]) == staged(isa, &x, channels, &mut [Stage::Gate(factors)]), "{isa} forward");
            let gate = |i: usize| i / (positions * channels) * channels + i % channels;
            let (mut dx, mut d_gates) = (Vec::new(), vec![0.0; gates.len()]);
            for i in 0..len {
                dx.push(f64::from(dy[i]) * f64::from(gates[gate(i)]) + f64::from(add[i]));
                d_gates[gate(i)] += f64::from(dy[i]) * f64::from(x[i]);
            }
            assert_close(&found[1], &dx, &format!("{isa} {images}x{positions}x{channels}"));
            assert_close(&found[2], &d_gates, &format!("{isa} {images}x{positions}x{channels}"));
            if len < 200 {
                let xs = double(&x);
                let forward = |gates: &[f64]| {
                    let y: Vec<f64> = xs.iter().enumerate().map(|(i, x)| x * gates[gate(i)]).collect();
                    dot(&dy, &y)
                };
                assert_close(&found[2], &differences(&gates, forward), "gates by differences");
            }
        }
    }
}
