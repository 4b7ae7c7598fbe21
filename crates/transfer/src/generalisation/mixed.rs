//! Mixup between training domains (Zhang, Cisse, Dauphin, Lopez-Paz 2018, as DomainBed pairs domains): each domain with the next one in an
//! order that every step draws anew.
//!
//! ```text
//! x = s x_i + (1 - s) x_j,   loss = s CE(x, y_i) + (1 - s) CE(x, y_j),   s from Beta(alpha, alpha), one a pair
//! ```

use heirloom_matrix::Mat;
use heirloom_training::random::generator;

use super::trial::{Batch, Pulls};
use crate::adaptation::deep::layer::{Layer, cross_entropy, plus};

pub(super) fn pulls(head: &Layer, batches: &[Batch], alpha: f64, (seed, step): (u64, usize)) -> Pulls {
    let mut random = generator(seed, "mixup of domains", &[step as u64]);
    let mut order: Vec<usize> = (0..batches.len()).collect();
    random.shuffle(&mut order);
    let pairs = (0..order.len()).map(|at| (order[at], order[(at + 1) % order.len()]));
    let pull = |(one, other): (usize, usize)| {
        mix(head, &batches[one], &batches[other], random.mixup_share(alpha), batches.len())
    };
    pairs.map(pull).collect()
}

/// The mixed rows of one pair of `pairs`, as many as the smaller batch has.
fn mix(head: &Layer, one: &Batch, other: &Batch, share: f64, pairs: usize) -> (Mat<f64>, Mat<f64>) {
    let count = one.labels.len().min(other.labels.len());
    let rows = Mat::from_fn(count, one.rows.ncols(), |row, column| {
        share * one.rows[(row, column)] + (1.0 - share) * other.rows[(row, column)]
    });
    let logits = head.forward(rows.as_ref());
    let [own, next] = [one, other].map(|batch| cross_entropy(&logits, &batch.labels[..count], 0.0).1);
    let none = Mat::zeros(own.nrows(), own.ncols());
    let (share, rest) = (share / pairs as f64, (1.0 - share) / pairs as f64);
    let gradient = plus(&plus(&none, share, &own), rest, &next);
    (rows, gradient)
}
