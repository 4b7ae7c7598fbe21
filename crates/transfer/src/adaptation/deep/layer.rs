//! A linear layer with its stochastic gradient descent: momentum as Nesterov has it, weight decay on everything.

use heirloom_matrix::{Mat, MatRef, product};
use heirloom_training::random::Generator;

const MOMENTUM: f64 = 0.9;
const DECAY: f64 = 1e-3;

#[derive(Debug, Clone)]
pub struct Layer {
    /// `[inputs, outputs]`.
    pub weight: Mat<f64>,
    pub bias: Vec<f64>,
    velocity: (Mat<f64>, Vec<f64>),
}

/// Gradients of a layer.
pub struct Slope {
    pub weight: Mat<f64>,
    pub bias: Vec<f64>,
}

impl Layer {
    /// Normal weights of variance `2 / inputs` (He et al. 2015), no bias.
    pub fn new(inputs: usize, outputs: usize, random: &mut Generator) -> Self {
        let spread = (2.0 / inputs.max(1) as f64).sqrt();
        let weight = Mat::from_fn(inputs, outputs, |_, _| spread * random.normal());
        let velocity = (Mat::zeros(inputs, outputs), vec![0.0; outputs]);
        Self { weight, bias: vec![0.0; outputs], velocity }
    }

    /// Nothing but zeros: where the layer is a linear head, its loss has one minimum.
    pub fn zeros(inputs: usize, outputs: usize) -> Self {
        let (weight, bias) = (Mat::zeros(inputs, outputs), vec![0.0; outputs]);
        Self { velocity: (weight.clone(), bias.clone()), weight, bias }
    }

    pub fn forward(&self, rows: MatRef<'_, f64>) -> Mat<f64> {
        let mut out = product(rows, self.weight.as_ref());
        for (column, bias) in self.bias.iter().enumerate() {
            for row in 0..out.nrows() {
                out[(row, column)] += bias;
            }
        }
        out
    }

    /// Gradients of the layer for a gradient of its output.
    pub fn slope(&self, rows: MatRef<'_, f64>, of_output: MatRef<'_, f64>) -> Slope {
        let bias =
            (0..of_output.ncols()).map(|column| (0..of_output.nrows()).map(|row| of_output[(row, column)]).sum());
        Slope { weight: product(rows.transpose(), of_output), bias: bias.collect() }
    }

    /// Gradient of the layer's input.
    pub fn back(&self, of_output: MatRef<'_, f64>) -> Mat<f64> {
        product(of_output, self.weight.transpose())
    }

    pub fn step(&mut self, slope: &Slope, rate: f64) {
        self.step_with(slope, rate, DECAY);
    }

    /// A step with a weight decay of its own.
    pub fn step_with(&mut self, slope: &Slope, rate: f64, decay: f64) {
        let moved = |value: &mut f64, velocity: &mut f64, slope: f64| {
            let slope = slope + decay * *value;
            *velocity = MOMENTUM * *velocity + slope;
            *value -= rate * (slope + MOMENTUM * *velocity);
        };
        for column in 0..self.weight.ncols() {
            for row in 0..self.weight.nrows() {
                let (value, velocity) = (&mut self.weight[(row, column)], &mut self.velocity.0[(row, column)]);
                moved(value, velocity, slope.weight[(row, column)]);
            }
        }
        for ((value, velocity), slope) in self.bias.iter_mut().zip(&mut self.velocity.1).zip(&slope.bias) {
            moved(value, velocity, *slope);
        }
    }
}

/// `max(x, 0)` in place.
pub fn rectify(values: &mut Mat<f64>) {
    each(values, |_, _, value| *value = value.max(0.0));
}

/// A gradient where the rectified value is above 0, else 0.
pub fn rectified_back(gradient: &mut Mat<f64>, rectified: &Mat<f64>) {
    each(gradient, |row, column, value| {
        if rectified[(row, column)] <= 0.0 {
            *value = 0.0;
        }
    });
}

/// Visits every value.
pub fn each(values: &mut Mat<f64>, mut visit: impl FnMut(usize, usize, &mut f64)) {
    for column in 0..values.ncols() {
        for row in 0..values.nrows() {
            visit(row, column, &mut values[(row, column)]);
        }
    }
}

/// `left + factor * right`.
pub fn plus(left: &Mat<f64>, factor: f64, right: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(left.nrows(), left.ncols(), |row, column| left[(row, column)] + factor * right[(row, column)])
}

/// The rows of one matrix above those of another.
pub fn stacked(above: &Mat<f64>, below: &Mat<f64>) -> Mat<f64> {
    let first = above.nrows();
    Mat::from_fn(first + below.nrows(), above.ncols(), |row, column| {
        if row < first { above[(row, column)] } else { below[(row - first, column)] }
    })
}

/// Some rows.
pub fn rows_of(values: &Mat<f64>, rows: std::ops::Range<usize>) -> Mat<f64> {
    Mat::from_fn(rows.len(), values.ncols(), |row, column| values[(rows.start + row, column)])
}

/// Softmax of every row.
pub fn softmax(logits: &Mat<f64>) -> Mat<f64> {
    let mut out = logits.clone();
    for row in 0..out.nrows() {
        let largest = (0..out.ncols()).fold(f64::NEG_INFINITY, |most, column| most.max(out[(row, column)]));
        let mut sum = 0.0;
        for column in 0..out.ncols() {
            out[(row, column)] = (out[(row, column)] - largest).exp();
            sum += out[(row, column)];
        }
        (0..out.ncols()).for_each(|column| out[(row, column)] /= sum);
    }
    out
}

/// A gradient by probabilities as one by logits.
pub fn softmax_back(probabilities: &Mat<f64>, gradient: &Mat<f64>) -> Mat<f64> {
    let mut out = gradient.clone();
    for row in 0..out.nrows() {
        let mean: f64 = (0..out.ncols()).map(|column| probabilities[(row, column)] * gradient[(row, column)]).sum();
        for column in 0..out.ncols() {
            out[(row, column)] = probabilities[(row, column)] * (gradient[(row, column)] - mean);
        }
    }
    out
}

/// Mean cross-entropy over rows with labels smoothed by `smoothing`, and its gradient by the logits.
pub fn cross_entropy(logits: &Mat<f64>, labels: &[usize], smoothing: f64) -> (f64, Mat<f64>) {
    let mut gradient = softmax(logits);
    let (n, classes) = (labels.len() as f64, logits.ncols());
    let mut loss = 0.0;
    for (row, label) in labels.iter().enumerate() {
        for class in 0..classes {
            let own = if class == *label { 1.0 - smoothing } else { 0.0 };
            let wanted = own + smoothing / classes as f64;
            loss -= wanted * gradient[(row, class)].max(f64::MIN_POSITIVE).ln() / n;
            gradient[(row, class)] = (gradient[(row, class)] - wanted) / n;
        }
    }
    (loss, gradient)
}
