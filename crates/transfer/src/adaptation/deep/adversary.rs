//! An adversary that tells source from target, and what the bottleneck learns from it through a gradient that is turned round
//! (Ganin et al. 2016); told what the head says as well, rows weighted by how sure that is (Long et al. 2018).

use heirloom_matrix::Mat;
use heirloom_training::random::Generator;

use super::layer::{Layer, rectified_back, rectify};

/// Added inside logarithms of probabilities.
const SMALL: f64 = 1e-5;

/// Two hidden layers and a logit.
pub struct Adversary {
    layers: [Layer; 3],
}

impl Adversary {
    pub fn new(inputs: usize, width: usize, random: &mut Generator) -> Self {
        Self {
            layers: [Layer::new(inputs, width, random), Layer::new(width, width, random), Layer::new(width, 1, random)],
        }
    }

    /// Mean over both domains of the weighted cross-entropy of telling them apart, the first `source` rows being of the source, and its
    /// gradient by the rows; the adversary takes a step of its own.
    pub fn step(&mut self, rows: &Mat<f64>, source: usize, weights: &[f64], rate: f64) -> (f64, Mat<f64>) {
        let mut first = self.layers[0].forward(rows.as_ref());
        rectify(&mut first);
        let mut second = self.layers[1].forward(first.as_ref());
        rectify(&mut second);
        let logits = self.layers[2].forward(second.as_ref());
        let (loss, gradient) = told(&logits, source, weights);
        let last = self.layers[2].slope(second.as_ref(), gradient.as_ref());
        let mut back = self.layers[2].back(gradient.as_ref());
        rectified_back(&mut back, &second);
        let middle = self.layers[1].slope(first.as_ref(), back.as_ref());
        let mut back = self.layers[1].back(back.as_ref());
        rectified_back(&mut back, &first);
        let lowest = self.layers[0].slope(rows.as_ref(), back.as_ref());
        let by_rows = self.layers[0].back(back.as_ref());
        for (layer, slope) in self.layers.iter_mut().zip([lowest, middle, last]) {
            layer.step(&slope, rate);
        }
        (loss, by_rows)
    }
}

/// Cross-entropy of domain logits, half of each domain's weighted mean, and its gradient.
pub fn told(logits: &Mat<f64>, source: usize, weights: &[f64]) -> (f64, Mat<f64>) {
    let rows = logits.nrows();
    let (mut loss, mut gradient) = (0.0, Mat::zeros(rows, 1));
    for row in 0..rows {
        let count = if row < source { source } else { rows - source };
        let (wanted, weight) = (f64::from(u8::from(row < source)), 0.5 * weights[row] / count as f64);
        let (logit, share) = (logits[(row, 0)], 1.0 / (1.0 + (-logits[(row, 0)]).exp()));
        // ln(1 + e^z) - y z, safe for any z.
        loss += weight * (logit.max(0.0) - wanted * logit + (-logit.abs()).exp().ln_1p());
        gradient[(row, 0)] = weight * (share - wanted);
    }
    (loss, gradient)
}

/// How much a row counts: 1 and the exponential of minus the entropy of what the head says, of mean 1.
pub fn sureness(probabilities: &Mat<f64>) -> Vec<f64> {
    let entropy = |row: usize| -> f64 {
        let of = |column: usize| probabilities[(row, column)] * (probabilities[(row, column)] + SMALL).ln();
        -(0..probabilities.ncols()).map(of).sum::<f64>()
    };
    let raw: Vec<f64> = (0..probabilities.nrows()).map(|row| 1.0 + (-entropy(row)).exp()).collect();
    let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
    raw.iter().map(|weight| weight / mean).collect()
}

/// Each row's probabilities times each of its values, class by class.
pub fn conditioned(probabilities: &Mat<f64>, features: &Mat<f64>) -> Mat<f64> {
    let width = features.ncols();
    Mat::from_fn(features.nrows(), probabilities.ncols() * width, |row, column| {
        probabilities[(row, column / width)] * features[(row, column % width)]
    })
}

/// The gradient by the values alone; what the head says is held fixed.
pub fn conditioned_back(probabilities: &Mat<f64>, gradient: &Mat<f64>, width: usize) -> Mat<f64> {
    Mat::from_fn(gradient.nrows(), width, |row, column| {
        (0..probabilities.ncols())
            .map(|class| probabilities[(row, class)] * gradient[(row, class * width + column)])
            .sum()
    })
}
