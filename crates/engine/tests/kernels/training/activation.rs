//! Element-wise functions.

use heirloom_engine::Activation;
use heirloom_engine::kernels::Isa;
use heirloom_engine::kernels::training::{activation_gradient, activation_gradient_in_place};

use super::support::{assert_close, on_threads};
use crate::support::{bits, values};

pub const FUNCTIONS: [Activation; 8] = [
    Activation::Relu,
    Activation::Relu6,
    Activation::HardSwish,
    Activation::HardSigmoid,
    Activation::Sigmoid,
    Activation::Silu,
    Activation::Gelu,
    Activation::GeluTanh,
];

/// The function in double precision.
pub fn activate(function: Activation, x: f64) -> f64 {
    let relu6 = |x: f64| x.clamp(0.0, 6.0);
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    match function {
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => relu6(x),
        Activation::HardSwish => x * relu6(x + 3.0) / 6.0,
        Activation::HardSigmoid => relu6(x + 3.0) / 6.0,
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x),
        Activation::Gelu => 0.5 * x * (1.0 + libm::erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
            0.5 * x * (1.0 + u.tanh())
        }
    }
}

/// Its derivative by central differences, away from kinks.
pub fn derivative(function: Activation, x: f64) -> f64 {
    (activate(function, x + 1e-5) - activate(function, x - 1e-5)) / 2e-5
}

/// Whether the function has a kink closer to `x` than the differences reach.
pub fn kink(x: f64) -> bool {
    [-3.0, 0.0, 3.0, 6.0].iter().any(|at| (x - at).abs() < 1e-4)
}

#[test]
fn derivatives_of_all_functions() {
    for isa in Isa::available() {
        for function in FUNCTIONS {
            for (len, spread) in [(0, 1.0), (1, 2.0), (17, 8.0), (4099, 5.0), (70_001, 12.0)] {
                let x: Vec<f32> = values(1, len).into_iter().map(|x| x * spread).collect();
                let x: Vec<f32> = x.into_iter().map(|x| if kink(x.into()) { x + 0.01 } else { x }).collect();
                let (dy, add) = (values(2, len), values(3, len));
                let slopes = x.iter().map(|&x| derivative(function, f64::from(x)));
                let expected: Vec<f64> = slopes.zip(&dy).map(|(slope, &dy)| slope * f64::from(dy)).collect();
                let with_add: Vec<f64> = expected.iter().zip(&add).map(|(dx, &add)| dx + f64::from(add)).collect();
                let found = on_threads(|| {
                    let mut results = [vec![f32::NAN; len], vec![f32::NAN; len], dy.clone(), dy.clone()];
                    activation_gradient(isa, function, &x, &dy, None, &mut results[0]);
                    activation_gradient(isa, function, &x, &dy, Some((&add).into()), &mut results[1]);
                    activation_gradient_in_place(isa, function, &x, None, &mut results[2]);
                    activation_gradient_in_place(isa, function, &x, Some((&add).into()), &mut results[3]);
                    results.to_vec()
                });
                let what = format!("{isa} {function:?} {len}");
                assert_close(&found[0], &expected, &what);
                assert_close(&found[1], &with_add, &what);
                assert_eq!(bits(&found[0]), bits(&found[2]), "{what} in place");
                assert_eq!(bits(&found[1]), bits(&found[3]), "{what} in place");
            }
        }
    }
}

#[test]
fn kinks_far_values_and_outputs() {
    let cases: [(Activation, &[(f32, f32)]); 8] = [
        (Activation::Relu, &[(0.0, 0.0), (-0.0, 0.0), (1e-30, 1.0), (-1e-30, 0.0), (1e30, 1.0), (-1e30, 0.0)]),
        (Activation::Relu6, &[(0.0, 0.0), (6.0, 0.0), (5.999, 1.0), (7.0, 0.0), (-1e30, 0.0)]),
        (Activation::HardSigmoid, &[(-3.0, 0.0), (3.0, 0.0), (0.0, 1.0 / 6.0), (1e30, 0.0), (-1e30, 0.0)]),
        (Activation::HardSwish, &[(-3.0, 0.0), (3.0, 1.0), (0.0, 0.5), (1e30, 1.0), (-1e30, 0.0)]),
        (Activation::Sigmoid, &[(0.0, 0.25), (80.0, 0.0), (-80.0, 0.0), (1e30, 0.0), (-1e30, 0.0)]),
        (Activation::Silu, &[(0.0, 0.5), (80.0, 1.0), (-80.0, 0.0), (1e4, 1.0), (-1e4, 0.0)]),
        (Activation::Gelu, &[(0.0, 0.5), (20.0, 1.0), (-20.0, 0.0), (1e15, 1.0), (-1e15, 0.0)]),
        (Activation::GeluTanh, &[(0.0, 0.5), (20.0, 1.0), (-20.0, 0.0), (1e4, 1.0), (-1e4, 0.0)]),
    ];
    for isa in Isa::available() {
        for (function, points) in cases {
            let (x, slopes): (Vec<f32>, Vec<f64>) = points.iter().map(|&(x, slope)| (x, f64::from(slope))).unzip();
            let mut found = vec![f32::NAN; x.len()];
            activation_gradient(isa, function, &x, &vec![1.0; x.len()], None, &mut found);
            assert_close(&found, &slopes, &format!("{isa} {function:?}"));
        }
        // A gradient that overflowed stays behind the zero of a piecewise function.
        for function in [Activation::Relu, Activation::Relu6, Activation::HardSwish, Activation::HardSigmoid] {
            let mut found = [f32::NAN];
            activation_gradient(isa, function, &[-4.0], &[f32::INFINITY], None, &mut found);
            assert_eq!(found, [0.0], "{isa} {function:?}");
        }
        for function in [Activation::Relu, Activation::Relu6] {
            let x: Vec<f32> = values(4, 100).into_iter().map(|x| x * 9.0).chain([0.0, 6.0]).collect();
            let output: Vec<f32> = x.iter().map(|&x| activate(function, x.into()) as f32).collect();
            let (dy, mut from_x, mut from_output) = (values(5, 102), vec![0.0; 102], vec![0.0; 102]);
            activation_gradient(isa, function, &x, &dy, None, &mut from_x);
            activation_gradient(isa, function, &output, &dy, None, &mut from_output);
            assert_eq!(from_x, from_output, "{isa} {function:?}");
        }
    }
}
