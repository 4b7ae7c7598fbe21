//! SHOT: with the source gone and the head frozen, the bottleneck makes the head sure of every target row and of all classes alike, and
//! follows pseudo-labels by the nearest class centre (Liang et al. 2020).
//!
//! ```text
//! mean H(p_i) - H(mean p_i) + 0.3 cross-entropy(p, pseudo-label)
//! ```

use heirloom_matrix::Mat;

use super::AdaptationError;
use super::batches::{batch, picked};
use super::layer::{cross_entropy, plus, softmax, softmax_back};
use super::step::{Trainer, rate};

/// Added inside logarithms, and to sums that are divided by.
const SMALL: f64 = 1e-5;
const LEAST: f64 = 1e-8;
/// Weight of the pseudo-labels, passes over the target, rows of a batch.
const PSEUDO: f64 = 0.3;
const EPOCHS: usize = 15;
const BATCH: usize = 64;

/// Adapts the bottleneck to the target; no more steps than the source got.
pub fn adapt(trainer: &mut Trainer<'_>, stopped: &dyn Fn() -> bool) -> Result<(), AdaptationError> {
    let rows = trainer.target.nrows();
    let size = BATCH.min(rows);
    let in_epoch = (rows / size).max(1);
    let most = (EPOCHS * in_epoch).min(trainer.options.steps);
    let mut pseudo = Vec::new();
    for step in 0..most {
        if stopped() {
            return Err(AdaptationError::Stopped);
        }
        if step % in_epoch == 0 {
            let (features, logits) = trainer.network.logits(trainer.target.as_ref());
            pseudo = pseudo_labels(&features, &softmax(&logits));
        }
        let own = batch(trainer.options.seed, 1, step, rows, size);
        let inputs = picked(&trainer.target, &own);
        let (features, logits) = trainer.network.logits(inputs.as_ref());
        let labels: Vec<usize> = own.iter().map(|row| pseudo[*row]).collect();
        let (_, certain) = loss(&logits);
        let (_, told) = cross_entropy(&logits, &labels, 0.0);
        let by_features = trainer.network.head.back(plus(&certain, PSEUDO, &told).as_ref());
        trainer.network.step_features(inputs.as_ref(), &features, by_features, rate(trainer.method, step));
    }
    Ok(())
}

/// Information of what the head says, negated, and its gradient by the logits.
pub fn loss(logits: &Mat<f64>) -> (f64, Mat<f64>) {
    let shares = softmax(logits);
    let (loss, gradient) = of_shares(&shares);
    (loss, softmax_back(&shares, &gradient))
}

/// The same by probabilities.
pub fn of_shares(shares: &Mat<f64>) -> (f64, Mat<f64>) {
    let n = shares.nrows() as f64;
    let mean: Vec<f64> =
        (0..shares.ncols()).map(|class| (0..shares.nrows()).map(|row| shares[(row, class)]).sum::<f64>() / n).collect();
    let part = |share: f64| share * (share + SMALL).ln();
    let slope = |share: f64| (share + SMALL).ln() + share / (share + SMALL);
    let (mut loss, mut gradient) = (mean.iter().map(|share| part(*share)).sum::<f64>(), shares.clone());
    for class in 0..shares.ncols() {
        for row in 0..shares.nrows() {
            loss -= part(shares[(row, class)]) / n;
            gradient[(row, class)] = (slope(mean[class]) - slope(shares[(row, class)])) / n;
        }
    }
    (loss, gradient)
}

/// Labels by the nearest centre of a class: first centres weighted by what the head says, then those of the labels found so; classes that
/// have lost all their rows take no part.
pub fn pseudo_labels(features: &Mat<f64>, shares: &Mat<f64>) -> Vec<usize> {
    let rows = unit(features);
    let weights = shares.clone();
    let first = nearest(&rows, &centres(&rows, &weights), &vec![true; shares.ncols()]);
    let given = |row: usize, class: usize| f64::from(u8::from(first[row] == class));
    let hard = Mat::from_fn(shares.nrows(), shares.ncols(), given);
    let present: Vec<bool> = (0..shares.ncols()).map(|class| first.contains(&class)).collect();
    nearest(&rows, &centres(&rows, &hard), &present)
}

/// Rows with a column of ones, of length 1.
pub fn unit(features: &Mat<f64>) -> Mat<f64> {
    let width = features.ncols();
    let length = |row: usize| (1.0 + (0..width).map(|column| features[(row, column)].powi(2)).sum::<f64>()).sqrt();
    let lengths: Vec<f64> = (0..features.nrows()).map(length).collect();
    Mat::from_fn(features.nrows(), width + 1, |row, column| {
        (if column < width { features[(row, column)] } else { 1.0 }) / lengths[row]
    })
}

pub fn centres(rows: &Mat<f64>, weights: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(weights.ncols(), rows.ncols(), |class, column| {
        let sum: f64 = (0..rows.nrows()).map(|row| weights[(row, class)]).sum();
        (0..rows.nrows()).map(|row| weights[(row, class)] * rows[(row, column)]).sum::<f64>() / (LEAST + sum)
    })
}

/// Cosine distance of a row to a centre.
pub fn distance(rows: &Mat<f64>, row: usize, centres: &Mat<f64>, class: usize) -> f64 {
    let dot: f64 = (0..rows.ncols()).map(|column| rows[(row, column)] * centres[(class, column)]).sum();
    let length = (0..rows.ncols()).map(|column| centres[(class, column)].powi(2)).sum::<f64>().sqrt();
    1.0 - dot / length.max(f64::MIN_POSITIVE)
}

fn nearest(rows: &Mat<f64>, centres: &Mat<f64>, present: &[bool]) -> Vec<usize> {
    let of_row = |row: usize| {
        let known = (0..centres.nrows()).filter(|class| present[*class]);
        let distances = known.map(|class| (distance(rows, row, centres, class), class));
        distances.min_by(|left, right| left.0.total_cmp(&right.0)).map_or(0, |(_, class)| class)
    };
    (0..rows.nrows()).map(of_row).collect()
}
