//! Softmax and softmax cross-entropy.

use heirloom_engine::kernels::training::{CrossEntropy, Targets, softmax_forward, softmax_gradient};
use heirloom_engine::kernels::{Isa, RowsMut, softmax};

use super::support::{assert_close, differences, dot, double, on_threads};
use crate::support::{bits, number, values};

const SHAPES: [(usize, usize); 6] = [(1, 1), (7, 3), (1, 17), (5, 33), (300, 10), (40, 1000)];

fn reference(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = row.iter().map(|x| (x - largest).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

#[test]
fn softmax_of_batches() {
    for isa in Isa::available() {
        for (rows, columns) in SHAPES {
            let x: Vec<f32> = values(1, rows * columns).into_iter().map(|x| 4.0 * x).collect();
            let dy = values(2, rows * columns);
            let found = on_threads(|| {
                let mut found = vec![vec![f32::NAN; x.len()]; 2];
                let [y, dx] = &mut found[..] else { unreachable!() };
                softmax_forward(isa, &x, columns, y);
                softmax_gradient(isa, y, &dy, columns, dx);
                found
            });
            let mut in_place = x.clone();
            softmax(isa, RowsMut::new(&mut in_place, columns), rows, columns);
            assert_eq!(bits(&found[0]), bits(&in_place), "{isa} {rows}x{columns}");
            if rows * columns < 200 {
                let forward = |x: &[f64]| x.chunks(columns).flat_map(reference).collect::<Vec<_>>();
                assert_close(
                    &found[1],
                    &differences(&x, |x| dot(&dy, &forward(x))),
                    &format!("{isa} {rows}x{columns}"),
                );
            }
            let mut expected = Vec::new();
            for (x, dy) in double(&x).chunks(columns).zip(double(&dy).chunks(columns)) {
                let y = reference(x);
                let mean: f64 = y.iter().zip(dy).map(|(y, dy)| y * dy).sum();
                expected.extend(y.iter().zip(dy).map(|(y, dy)| y * (dy - mean)));
            }
            assert_close(&found[1], &expected, &format!("{isa} {rows}x{columns}"));
        }
    }
}

/// Rows, their targets and what changes the loss.
struct Problem {
    classes: usize,
    logits: Vec<f32>,
    labels: Vec<usize>,
    soft: Vec<f32>,
    weights: Option<Vec<f32>>,
    shift: Option<Vec<f32>>,
    smoothing: f32,
}

impl Problem {
    fn new(rows: usize, classes: usize, extras: bool, smoothing: f32) -> Self {
        let raw = values(3, rows * classes);
        let soft = raw.chunks(classes).flat_map(|row| {
            let sum: f32 = row.iter().map(|x| x.abs()).sum();
            row.iter().map(move |x| x.abs() / sum).collect::<Vec<_>>()
        });
        Self {
            classes,
            logits: values(1, rows * classes).into_iter().map(|x| 5.0 * x).collect(),
            labels: (0..rows).map(|row| number(2, row, 0, classes - 1)).collect(),
            soft: soft.collect(),
            weights: extras.then(|| values(4, rows).into_iter().map(|x| 1.5 + x).collect()),
            shift: extras.then(|| values(5, classes).into_iter().map(|x| 3.0 * x).collect()),
            smoothing,
        }
    }

    fn loss(&self, isa: Isa) -> CrossEntropy<'_> {
        CrossEntropy {
            isa,
            classes: self.classes,
            row_weights: self.weights.as_deref(),
            shift: self.shift.as_deref(),
            label_smoothing: self.smoothing,
        }
    }

    /// Probability that a row's target gives to a class.
    fn target(&self, soft: bool, row: usize, class: usize) -> f64 {
        let (e, k) = (f64::from(self.smoothing), self.classes as f64);
        let target = if soft {
            f64::from(self.soft[row * self.classes + class])
        } else {
            f64::from(u8::from(self.labels[row] == class))
        };
        (1.0 - e) * target + e / k
    }

    /// The loss of each row.
    fn losses(&self, soft: bool, logits: &[f64]) -> Vec<f64> {
        let row = |(row, logits): (usize, &[f64])| {
            let shift = |class: usize| self.shift.as_ref().map_or(0.0, |shift| f64::from(shift[class]));
            let z: Vec<f64> = logits.iter().enumerate().map(|(class, x)| x + shift(class)).collect();
            let weight = self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
            let p = reference(&z);
            -weight * (0..self.classes).map(|class| self.target(soft, row, class) * p[class].ln()).sum::<f64>()
        };
        logits.chunks(self.classes).enumerate().map(row).collect()
    }

    fn gradient(&self, soft: bool) -> Vec<f64> {
        let mut result = Vec::new();
        for (row, logits) in double(&self.logits).chunks(self.classes).enumerate() {
            let shift = |class: usize| self.shift.as_ref().map_or(0.0, |shift| f64::from(shift[class]));
            let z: Vec<f64> = logits.iter().enumerate().map(|(class, x)| x + shift(class)).collect();
            let weight = self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
            let mass: f64 = (0..self.classes).map(|class| self.target(soft, row, class)).sum();
            let p = reference(&z);
            result.extend((0..self.classes).map(|class| weight * (mass * p[class] - self.target(soft, row, class))));
        }
        result
    }
}

#[test]
fn cross_entropy_of_batches() {
    for isa in Isa::available() {
        for (rows, classes) in SHAPES.into_iter().filter(|(_, classes)| *classes > 1) {
            for (extras, smoothing) in [(false, 0.0), (true, 0.0), (false, 0.1), (true, 0.3)] {
                let problem = Problem::new(rows, classes, extras, smoothing);
                for soft in [false, true] {
                    let targets = if soft { Targets::Soft(&problem.soft) } else { Targets::Labels(&problem.labels) };
                    let found = on_threads(|| {
                        let mut found = vec![vec![f32::NAN; rows], vec![f32::NAN; rows * classes]];
                        let [losses, gradient] = &mut found[..] else { unreachable!() };
                        problem.loss(isa).run(&problem.logits, targets, losses, gradient);
                        found
                    });
                    let what = format!("{isa} {rows}x{classes} extras {extras} smoothing {smoothing} soft {soft}");
                    assert_close(&found[0], &problem.losses(soft, &double(&problem.logits)), &what);
                    assert_close(&found[1], &problem.gradient(soft), &what);
                    if rows * classes < 200 {
                        let sum = |logits: &[f64]| problem.losses(soft, logits).iter().sum();
                        assert_close(&found[1], &differences(&problem.logits, sum), &what);
                    }
                }
            }
        }
    }
}

#[test]
fn one_class_has_neither_loss_nor_gradient() {
    for isa in Isa::available() {
        let problem = Problem::new(5, 1, true, 0.3);
        for targets in [Targets::Labels(&problem.labels), Targets::Soft(&problem.soft)] {
            let (mut losses, mut gradient) = ([f32::NAN; 5], [f32::NAN; 5]);
            problem.loss(isa).run(&problem.logits, targets, &mut losses, &mut gradient);
            assert!(losses.iter().chain(&gradient).all(|x| x.abs() < 1e-6), "{isa} {losses:?} {gradient:?}");
        }
    }
}

#[test]
fn far_logits_and_not_a_number() {
    for isa in Isa::available() {
        let loss = CrossEntropy { isa, classes: 3, row_weights: None, shift: None, label_smoothing: 0.0 };
        let (mut losses, mut gradient) = ([0.0; 3], [0.0; 9]);
        let logits = [1e6, 0.0, -1e6, 1e6, 0.0, -1e6, f32::NAN, 0.0, 1.0];
        loss.run(&logits, Targets::Labels(&[0, 2, 1]), &mut losses, &mut gradient);
        assert_eq!(losses[..2], [0.0, 2e6], "{isa}");
        assert_close(&gradient[..6], &[0.0, 0.0, 0.0, 1.0, 0.0, -1.0], "far");
        assert!(losses[2].is_nan() && gradient[6..].iter().all(|x| x.is_nan()), "{isa} {gradient:?}");
    }
}

#[test]
#[should_panic(expected = "index out of bounds")]
fn a_label_that_is_no_class_is_refused() {
    let loss = CrossEntropy { isa: Isa::best(), classes: 2, row_weights: None, shift: None, label_smoothing: 0.0 };
    loss.run(&[0.0; 2], Targets::Labels(&[2]), &mut [0.0], &mut [0.0; 2]);
}
