//! Batch normalisation.

use heirloom_engine::Activation;
use heirloom_engine::kernels::training::{
    AffineGradient, BatchNormAffine, BatchNormGradient, affine_forward, batch_statistics,
};
use heirloom_engine::kernels::{Isa, Rows, RowsMut, Stage, Stored, transform};

use super::activation::{FUNCTIONS, activate, derivative, kink};
use super::support::{assert_close, assert_within, differences, dot, double, on_threads};
use crate::support::{bits, values};

const EPSILON: f64 = 1e-5;

/// Mean and biased variance of each channel.
fn statistics(values: &[f64], channels: usize) -> [Vec<f64>; 2] {
    let rows = values.len() / channels;
    let column = |channel: usize| values.iter().skip(channel).step_by(channels);
    let mean: Vec<f64> = (0..channels).map(|c| column(c).sum::<f64>() / rows as f64).collect();
    let variance = (0..channels).map(|c| column(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / rows as f64).collect();
    [mean, variance]
}

#[test]
fn statistics_of_batches() {
    for isa in Isa::available() {
        for (rows, channels, offset, scale) in [
            (1, 1, 0.0, 1.0),
            (7, 3, 0.0, 1.0),
            (49, 17, 100.0, 1.0),
            (300, 33, -3000.0, 2.0),
            (2000, 64, 1e4, 1.0),
            (1000, 24, 5.0, 1e-3),
            (9, 4100, 10.0, 1.0),
            (40_000, 3, -50.0, 1.0),
        ] {
            let input: Vec<f32> = values(7, rows * channels).into_iter().map(|x| x * scale + offset).collect();
            let [mean, variance] = statistics(&double(&input), channels);
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; channels]; 2];
                let [mean, variance] = &mut found[..] else { unreachable!() };
                batch_statistics(isa, &input, mean, variance);
                found
            });
            let what = format!("{isa} {rows}x{channels} about {offset}");
            assert_within(&found[0], &mean, 2e-7, &what);
            assert_near_each(&found[1], &variance, &what);
        }
    }
}

/// Each variance by itself, to 1e-5 of its own size.
fn assert_near_each(found: &[f32], expected: &[f64], what: &str) {
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() <= 1e-5 * expected, "{what}: {found} instead of {expected}");
    }
}

#[test]
fn a_constant_channel_has_no_variance_and_a_nan_is_seen() {
    for isa in Isa::available() {
        let mut input: Vec<f32> = (0..3000).map(|index| [1e6, 0.1, 7.0][index % 3]).collect();
        input[5] = f32::NAN;
        let (mut mean, mut variance) = ([0.0; 3], [1.0; 3]);
        batch_statistics(isa, &input, &mut mean, &mut variance);
        assert_eq!((mean[0], mean[1], variance[0], variance[1]), (1e6, 0.1, 0.0, 0.0), "{isa}");
        assert!(mean[2].is_nan() && variance[2].is_nan(), "{isa}");
    }
}

#[test]
fn forward_has_the_bits_of_the_stages() {
    for isa in Isa::available() {
        for (rows, channels) in [(1, 1), (7, 3), (50, 17), (33, 33), (100, 64), (3, 1000), (700, 40), (2, 5000)] {
            let (x, add) = (values(1, rows * channels), values(2, rows * channels));
            let (scale, shift) = (values(3, channels), values(4, channels));
            for activation in FUNCTIONS.into_iter().map(Some).chain([None]) {
                for add in [None, Some(add.as_slice())] {
                    let mut stages = vec![Stage::Affine { scale: &scale, shift: &shift }];
                    stages.extend(add.map(|add| Stage::Add(Rows::new(add, channels))));
                    stages.extend(activation.map(Stage::Activate));
                    let mut expected = vec![f32::NAN; x.len()];
                    let target = RowsMut::new(&mut expected, channels);
                    transform(isa, Rows::new(&x, channels), 0..rows, channels, target, &mut stages);
                    let mut found = vec![f32::NAN; x.len()];
                    affine_forward(isa, &x, &scale, &shift, add.map(Stored::F32), activation, &mut found);
                    assert!(bits(&found) == bits(&expected), "{isa} {rows}x{channels} {activation:?}");
                }
            }
        }
    }
}

/// One batch norm: inputs, parameters and what its gradient is asked with.
struct Problem {
    channels: usize,
    batch_statistics: bool,
    activation: Option<Activation>,
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    running: [Vec<f32>; 2],
    dy: Vec<f32>,
    add: Vec<f32>,
}

impl Problem {
    fn new(rows: usize, channels: usize, batch_statistics: bool, activation: Option<Activation>) -> Self {
        let positive = |seed| values(seed, channels).into_iter().map(|x| 1.5 + x).collect();
        Self {
            channels,
            batch_statistics,
            activation,
            x: values(11, rows * channels).into_iter().map(|x| 3.0 * x + 0.5).collect(),
            weight: positive(12),
            bias: values(13, channels),
            running: [values(14, channels), positive(15)],
            dy: values(16, rows * channels),
            add: values(17, rows * channels),
        }
    }

    /// The norm in double precision, without what follows.
    fn norm(&self, x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
        let [mean, variance] = if self.batch_statistics {
            statistics(x, self.channels)
        } else {
            [double(&self.running[0]), double(&self.running[1])]
        };
        let one = |(index, x): (usize, &f64)| {
            let c = index % self.channels;
            (x - mean[c]) / (variance[c] + EPSILON).sqrt() * weight[c] + bias[c]
        };
        x.iter().enumerate().map(one).collect()
    }

    fn forward(&self, x: &[f64], weight: &[f64], bias: &[f64]) -> f64 {
        let mut y = self.norm(x, weight, bias);
        if let Some(function) = self.activation {
            y.iter_mut().for_each(|y| *y = activate(function, *y));
        }
        dot(&self.dy, &y)
    }

    /// Takes the gradient away where rounding decides on which side of a kink a value lies.
    fn silence_kinks(&mut self) {
        let y = self.norm(&double(&self.x), &double(&self.weight), &double(&self.bias));
        self.dy.iter_mut().zip(y).filter(|(_, y)| kink(*y)).for_each(|(dy, _)| *dy = 0.0);
    }

    /// Gradients of input, weight and bias by the formula in double precision.
    fn expected(&self) -> [Vec<f64>; 3] {
        let (x, weight, bias) = (double(&self.x), double(&self.weight), double(&self.bias));
        let y = self.norm(&x, &weight, &bias);
        let dz = |i: usize| f64::from(self.dy[i]) * self.activation.map_or(1.0, |function| derivative(function, y[i]));
        let dz: Vec<f64> = (0..x.len()).map(dz).collect();
        self.gradients(&x, &dz)
    }

    fn gradients(&self, x: &[f64], dz: &[f64]) -> [Vec<f64>; 3] {
        let (channels, rows) = (self.channels, x.len() / self.channels);
        let [mean, variance] = if self.batch_statistics {
            statistics(x, channels)
        } else {
            [double(&self.running[0]), double(&self.running[1])]
        };
        let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        let u = |i: usize| (x[i] - mean[i % channels]) * inverse[i % channels];
        let (mut weight, mut bias) = (vec![0.0; channels], vec![0.0; channels]);
        for i in 0..x.len() {
            weight[i % channels] += dz[i] * u(i);
            bias[i % channels] += dz[i];
        }
        let count = if self.batch_statistics { rows as f64 } else { f64::INFINITY };
        let dx = |i: usize| {
            let c = i % channels;
            f64::from(self.weight[c]) * inverse[c] * (dz[i] - bias[c] / count - u(i) * weight[c] / count)
        };
        [(0..x.len()).map(dx).collect(), weight, bias]
    }

    fn affine(&self, isa: Isa) -> BatchNormAffine {
        let [mut mean, mut variance] = self.running.clone();
        if self.batch_statistics {
            batch_statistics(isa, &self.x, &mut mean, &mut variance);
        }
        BatchNormAffine::new(&mean, &variance, &self.weight, &self.bias, EPSILON)
    }

    fn operator<'a>(&'a self, isa: Isa, affine: &'a BatchNormAffine, add: bool) -> BatchNormGradient<'a> {
        BatchNormGradient {
            isa,
            values: (&self.x).into(),
            affine,
            batch_statistics: self.batch_statistics,
            activation: self.activation,
            add: add.then_some((&self.add).into()),
        }
    }

    /// Every way to ask for the gradients gives those of `expected`.
    fn check(&self, isa: Isa, [dx, weight, bias]: &[Vec<f64>; 3]) {
        let what = format!("{isa} {}x{} {:?}", self.x.len(), self.channels, self.activation);
        let affine = self.affine(isa);
        let with_add: Vec<f64> = dx.iter().zip(&self.add).map(|(dx, &add)| dx + f64::from(add)).collect();
        for (add, dx) in [(false, dx), (true, &with_add)] {
            let operator = self.operator(isa, &affine, add);
            let found = on_threads(|| {
                let (mut dx, mut in_place) = (vec![f32::NAN; self.x.len()], self.dy.clone());
                let parameters = operator.run(&self.dy, &mut dx);
                assert_eq!(parameters, operator.run_in_place(&mut in_place), "{what}");
                assert_eq!(parameters, operator.parameters(&self.dy), "{what}");
                assert_eq!(bits(&dx), bits(&in_place), "{what}");
                vec![dx, parameters.weight, parameters.bias]
            });
            assert_close(&found[0], dx, &what);
            assert_close(&found[1], weight, &what);
            assert_close(&found[2], bias, &what);
        }
    }
}

#[test]
fn gradients_by_central_differences() {
    for batch_statistics in [true, false] {
        for activation in [None, Some(Activation::Silu), Some(Activation::Gelu)] {
            for (rows, channels) in [(6, 1), (7, 3), (14, 17), (5, 33)] {
                let problem = Problem::new(rows, channels, batch_statistics, activation);
                let (x, weight, bias) = (double(&problem.x), double(&problem.weight), double(&problem.bias));
                let expected = [
                    differences(&problem.x, |x| problem.forward(x, &weight, &bias)),
                    differences(&problem.weight, |weight| problem.forward(&x, weight, &bias)),
                    differences(&problem.bias, |bias| problem.forward(&x, &weight, bias)),
                ];
                Isa::available().for_each(|isa| problem.check(isa, &expected));
            }
        }
    }
}

#[test]
fn gradients_of_many_rows_by_the_formula() {
    for batch_statistics in [true, false] {
        for (rows, channels, activation) in [
            (7, 5, None),
            (4000, 33, Some(Activation::Sigmoid)),
            (20_000, 3, None),
            (5000, 24, Some(Activation::GeluTanh)),
            (3000, 64, Some(Activation::Relu)),
            (20, 4100, Some(Activation::HardSwish)),
        ] {
            let mut problem = Problem::new(rows, channels, batch_statistics, activation);
            problem.silence_kinks();
            let expected = problem.expected();
            Isa::available().for_each(|isa| problem.check(isa, &expected));
        }
    }
}

#[test]
fn one_row_has_no_gradient() {
    for isa in Isa::available() {
        let problem = Problem::new(1, 17, true, None);
        let mut found = vec![f32::NAN; 17];
        problem.operator(isa, &problem.affine(isa), false).run(&problem.dy, &mut found);
        // The terms that cancel are as large as `weight / sqrt(epsilon)`.
        assert!(found.iter().all(|dx| dx.abs() < 1e-6 * 800.0), "{isa} {found:?}");
    }
}

#[test]
fn gradients_behind_a_sum() {
    for isa in Isa::available() {
        for batch_statistics in [true, false] {
            for (rows, channels, function) in
                [(7, 3, Activation::Relu), (50, 17, Activation::Relu6), (900, 64, Activation::Relu)]
            {
                let problem = Problem::new(rows, channels, batch_statistics, None);
                let output: Vec<f32> = values(21, rows * channels)
                    .into_iter()
                    .map(|x| activate(function, f64::from(8.0 * x)) as f32)
                    .collect();
                let open = |y: f32| y > 0.0 && !(function == Activation::Relu6 && y == 6.0);
                let masked = |(&y, &dy): (&f32, &f32)| if open(y) { f64::from(dy) } else { 0.0 };
                let dz: Vec<f64> = output.iter().zip(&problem.dy).map(masked).collect();
                let [mut dx, weight, bias] = problem.gradients(&double(&problem.x), &dz);
                dx.iter_mut().zip(&problem.add).for_each(|(dx, &add)| *dx += f64::from(add));
                let affine = problem.affine(isa);
                let operator = problem.operator(isa, &affine, true);
                let found = on_threads(|| {
                    let (mut dx, mut gradient, mut alone) =
                        (vec![f32::NAN; output.len()], problem.dy.clone(), problem.dy.clone());
                    let parameters = operator.run_behind_sum(function, &output, &mut gradient, Some((&mut dx).into()));
                    assert_eq!(parameters, operator.run_behind_sum(function, &output, &mut alone, None));
                    assert_eq!(bits(&gradient), bits(&alone));
                    let AffineGradient { weight, bias } = parameters;
                    vec![gradient, dx, weight, bias]
                });
                let what = format!("{isa} {rows}x{channels} {function:?}");
                for (found, expected) in found.iter().zip([dz, dx, weight, bias]) {
                    assert_close(found, &expected, &what);
                }
            }
        }
    }
}
