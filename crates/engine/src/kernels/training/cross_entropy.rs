//! Softmax cross-entropy: loss and gradient of each row in one pass.
//!
//! With `z = logits + shift`, target probabilities `q` and `p = softmax(z)`, the loss of a row is
//! `-sum(q * log(p)) = sum(q) * log(sum(exp(z))) - sum(q * z)` and its gradient `sum(q) * p - q`.

use rayon::prelude::*;

use super::super::Isa;
use super::super::norm::{load_or, total};
use super::super::simd::{Kernel, Simd, dispatch};
use super::super::softmax::exponentials;
use super::softmax::product;
use super::tasks::TASK;

/// What the rows should be.
#[derive(Debug, Clone, Copy)]
pub enum Targets<'a> {
    /// One class per row, `[rows]`, each below the number of classes.
    Labels(&'a [usize]),
    /// Probabilities of the classes, `[rows, classes]`.
    Soft(&'a [f32]),
}

/// Softmax cross-entropy of rows of logits.
#[derive(Debug, Clone, Copy)]
pub struct CrossEntropy<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// Number of classes.
    pub classes: usize,
    /// Factor of the loss and gradient of each row, `[rows]`.
    pub row_weights: Option<&'a [f32]>,
    /// Added to the logits of every row, `[classes]`: the logarithms of class frequencies for a balanced softmax.
    pub shift: Option<&'a [f32]>,
    /// Part `e` of the probability that is spread evenly over the classes: `q = (1 - e) * target + e / classes`.
    pub label_smoothing: f32,
}

impl CrossEntropy<'_> {
    /// Writes the loss of each row to `losses` `[rows]` and its gradient to `gradient` `[rows, classes]`, neither divided by the
    /// number of rows. `logits` are `[rows, classes]`. Panics where a label is no class.
    ///
    /// ```
    /// use heirloom_engine::kernels::{Isa, training::{CrossEntropy, Targets}};
    /// let loss = CrossEntropy { isa: Isa::detect(), classes: 2, row_weights: None, shift: None, label_smoothing: 0.0 };
    /// let (mut losses, mut gradient) = ([0.0], [0.0; 2]);
    /// loss.run(&[1.0, 1.0], Targets::Labels(&[1]), &mut losses, &mut gradient);
    /// assert!((losses[0] - 2f32.ln()).abs() < 1e-6);
    /// assert_eq!(gradient, [0.5, -0.5]);
    /// ```
    pub fn run(&self, logits: &[f32], targets: Targets<'_>, losses: &mut [f32], gradient: &mut [f32]) {
        let (classes, rows) = (self.classes, losses.len());
        assert!(
            logits.len() == rows * classes && gradient.len() == logits.len() && rows == targets.rows(classes),
            "{} logits, {} values of their gradient, {rows} losses and {} targets of {classes} classes",
            logits.len(),
            gradient.len(),
            targets.rows(classes)
        );
        assert!(self.row_weights.is_none_or(|weights| weights.len() == rows), "a weight for each of {rows} rows");
        assert!(self.shift.is_none_or(|shift| shift.len() == classes), "a shift for each of {classes} classes");
        let per_task = (TASK / classes.max(1)).max(1);
        let tasks = losses.par_chunks_mut(per_task).zip(gradient.par_chunks_mut((per_task * classes).max(1)));
        tasks.enumerate().for_each(|(task, (losses, gradient))| {
            let (loss, first) = (self, task * per_task);
            dispatch(self.isa, Run { loss, first, logits, targets, losses, gradient });
        });
    }
}

impl Targets<'_> {
    fn rows(&self, classes: usize) -> usize {
        match self {
            Targets::Labels(labels) => labels.len(),
            Targets::Soft(probabilities) => probabilities.len() / classes.max(1),
        }
    }
}

/// Rows from `first` on, of the whole batch's logits and targets.
struct Run<'a> {
    loss: &'a CrossEntropy<'a>,
    first: usize,
    logits: &'a [f32],
    targets: Targets<'a>,
    losses: &'a mut [f32],
    gradient: &'a mut [f32],
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let classes = self.loss.classes;
        for (index, (loss, gradient)) in self.losses.iter_mut().zip(self.gradient.chunks_exact_mut(classes)).enumerate()
        {
            let row = self.first + index;
            let target = match self.targets {
                Targets::Labels(labels) => Target::Label(labels[row]),
                Targets::Soft(probabilities) => Target::Soft(&probabilities[row * classes..][..classes]),
            };
            gradient.copy_from_slice(&self.logits[row * classes..][..classes]);
            let weight = self.loss.row_weights.map_or(1.0, |weights| weights[row]);
            *loss = cross_entropy(simd, self.loss, target, weight, gradient);
        }
    }
}

enum Target<'a> {
    Label(usize),
    Soft(&'a [f32]),
}

/// Replaces a row of logits by the gradient and returns the loss.
#[inline(always)]
fn cross_entropy<S: Simd>(
    simd: S,
    loss: &CrossEntropy<'_>,
    target: Target<'_>,
    weight: f32,
    values: &mut [f32],
) -> f32 {
    let smoothing = loss.label_smoothing;
    let spread = smoothing / values.len() as f32;
    if let Some(shift) = loss.shift {
        for (values, shift) in values.chunks_mut(S::LANES).zip(shift.chunks(S::LANES)) {
            let sum = simd.add(simd.load(values), simd.load(shift));
            simd.store(values, sum);
        }
    }
    // Everything is measured from the largest logit.
    let largest = maximum(simd, values);
    subtract(simd, values, largest);
    let mean = if smoothing > 0.0 { f64::from(spread) * f64::from(total(simd, values)) } else { 0.0 };
    let (mass, expected) = match target {
        Target::Label(label) => (1.0, f64::from(values[label])),
        Target::Soft(probabilities) => {
            (f64::from(total(simd, probabilities)), f64::from(product(simd, probabilities, values)))
        }
    };
    let kept = f64::from(1.0 - smoothing);
    let mass = kept * mass + f64::from(smoothing);
    let sum = exponentials(simd, values, 1.0);
    let result = mass * f64::from(sum).ln() - kept * expected - mean;
    let factor = simd.splat((mass / f64::from(sum)) as f32 * weight);
    let even = simd.splat(-spread * weight);
    for chunk in values.chunks_mut(S::LANES) {
        let gradient = simd.multiply_add(simd.load(chunk), factor, even);
        simd.store(chunk, gradient);
    }
    let kept = (1.0 - smoothing) * weight;
    match target {
        Target::Label(label) => values[label] -= kept,
        Target::Soft(probabilities) => {
            for (values, probabilities) in values.chunks_mut(S::LANES).zip(probabilities.chunks(S::LANES)) {
                let sum = simd.multiply_add(simd.load(probabilities), simd.splat(-kept), simd.load(values));
                simd.store(values, sum);
            }
        }
    }
    (result * f64::from(weight)) as f32
}

#[inline(always)]
fn maximum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let mut largest = simd.splat(f32::NEG_INFINITY);
    for chunk in values.chunks(S::LANES) {
        largest = simd.largest(largest, load_or(simd, chunk, f32::NEG_INFINITY));
    }
    simd.maximum(largest)
}

#[inline(always)]
fn subtract<S: Simd>(simd: S, values: &mut [f32], amount: f32) {
    for chunk in values.chunks_mut(S::LANES) {
        let difference = simd.subtract(simd.load(chunk), simd.splat(amount));
        simd.store(chunk, difference);
    }
}
