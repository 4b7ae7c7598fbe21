//! The kernel centred, the path of penalties over it, and what the parameters are at a point of the path.

use super::gram::{Gram, times};
use crate::heads::logistic::{self, Solution};

/// The kernel of fitted rows with each class's mean row of the Jacobian taken away, divided by the mean square norm of those rows; and
/// the same of held rows with them.
#[derive(Debug)]
pub(crate) struct Centred {
    classes: usize,
    /// `[fitted * classes, fitted * classes]`.
    own: Vec<f64>,
    /// `[held * classes, fitted * classes]`.
    held: Vec<f64>,
    /// What products of rows were divided by.
    scale: f64,
}

/// A point of the path of penalties.
#[derive(Debug, Clone)]
pub(crate) struct Fitted {
    /// The relative penalty.
    pub penalty: f64,
    solution: Solution,
    /// Logits of the held rows, `[held, classes]`.
    pub held: Vec<f32>,
}

impl Centred {
    /// Of the first `fitted` images of `kernel`; the others are held.
    pub fn new(kernel: &Gram, classes: usize, fitted: usize) -> Self {
        let size = kernel.size;
        let own = fitted * classes;
        let at = |row: usize, column: usize| kernel.values[row * size + column];
        // Means over the fitted images: of a row with the rows of a class, and of one class's rows with another's.
        let mut means = vec![0.0_f64; size * classes];
        for row in 0..size {
            let means = &mut means[row * classes..(row + 1) * classes];
            for column in 0..own {
                means[column % classes] += at(row, column) / fitted as f64;
            }
        }
        let mut grand = vec![0.0_f64; classes * classes];
        for row in 0..own {
            for class in 0..classes {
                grand[(row % classes) * classes + class] += means[row * classes + class] / fitted as f64;
            }
        }
        let centre = |row: usize, column: usize| {
            let (a, b) = (row % classes, column % classes);
            at(row, column) - means[row * classes + b] - means[column * classes + a] + grand[a * classes + b]
        };
        let square = (0..own).map(|row| centre(row, row)).sum::<f64>() / own.max(1) as f64;
        let scale = if square > 0.0 { square } else { 1.0 };
        let part = |rows: std::ops::Range<usize>| -> Vec<f64> {
            let places = rows.flat_map(|row| (0..own).map(move |column| (row, column)));
            places.map(|(row, column)| centre(row, column) / scale).collect()
        };
        Self { classes, own: part(0..own), held: part(own..size), scale }
    }

    /// The optimum for each penalty, strong to weak, until one cannot be reached. `offsets` are the logits at the pretrained parameters of all
    /// images, the fitted ones first, whose classes are `labels`.
    pub fn path(&self, offsets: &[f32], labels: &[usize], penalties: &[f64], tolerance: f64) -> Vec<Fitted> {
        let (own, held) = offsets.split_at(labels.len() * self.classes);
        let own: Vec<f64> = own.iter().map(|&logit| f64::from(logit)).collect();
        let solutions = logistic::path_beside(&self.own, &own, labels, self.classes, penalties, tolerance);
        let fitted = |(&penalty, solution): (&f64, Solution)| {
            let image = times(&self.held, &solution.weights);
            let logit =
                |(at, image): (usize, f64)| (f64::from(held[at]) + image + solution.bias[at % self.classes]) as f32;
            Fitted { penalty, held: image.into_iter().enumerate().map(logit).collect(), solution }
        };
        penalties.iter().zip(solutions).map(fitted).collect()
    }

    /// Coefficients `a` of `v = J^T a` over the fitted rows: every class's sum is zero, which takes its mean row away.
    pub fn coefficients(&self, fitted: &Fitted) -> Vec<f64> {
        let weights = &fitted.solution.weights;
        let images = (weights.len() / self.classes.max(1)) as f64;
        let mean = |class: usize| weights.iter().skip(class).step_by(self.classes).sum::<f64>() / images;
        let means: Vec<f64> = (0..self.classes).map(mean).collect();
        weights.iter().enumerate().map(|(at, weight)| (weight - means[at % self.classes]) / self.scale).collect()
    }

    /// What the head's bias grows by: the fitted one less the mean rows' share. `kernel` is the one this was made from.
    pub fn bias(&self, fitted: &Fitted, kernel: &Gram) -> Vec<f64> {
        let coefficients = self.coefficients(fitted);
        let images = (coefficients.len() / self.classes.max(1)) as f64;
        let mut bias = fitted.solution.bias.clone();
        for row in 0..coefficients.len() {
            let products = kernel.row(row).iter().zip(&coefficients);
            let change: f64 = products.map(|(product, coefficient)| product * coefficient).sum();
            bias[row % self.classes] -= change / images;
        }
        bias
    }
}
