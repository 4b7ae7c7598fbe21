//! The maximum mean discrepancy in the form of the Transfer-Learning-Library.
//!
//! ```text
//! k(x, y) = sum over a = 1/2, 1, 2 of exp(-||x - y||^2 / (2 a h)),   h the mean of ||x - y||^2 over all m^2 pairs of both domains
//! mean k(s, s') + mean k(t, t') - 2 mean k(s, t)       within domains over different rows only
//! ```
//!
//! The library adds `2 / (n - 1)` for two domains of `n` rows, which keeps what it prints above 0 and moves no gradient.

use super::Samples;
use crate::adaptation::samples::squared_distance;

const WIDTHS: [f64; 3] = [0.5, 1.0, 2.0];

pub(super) fn distance(source: &Samples, target: &Samples) -> f64 {
    let (own, other) = (source.rows(), target.rows());
    let row = |at: usize| if at < own { source.row(at) } else { target.row(at - own) };
    let count = own + other;
    let squares: Vec<f64> = (0..count * count).map(|at| squared_distance(row(at / count), row(at % count))).collect();
    let mean = (squares.iter().sum::<f64>() / squares.len() as f64).max(f64::MIN_POSITIVE);
    let [first, second] = [own, other].map(|rows| rows as f64);
    let weight = |one: usize, two: usize| match (one < own, two < own) {
        _ if one == two => 0.0,
        (true, true) => 1.0 / (first * (first - 1.0)),
        (false, false) => 1.0 / (second * (second - 1.0)),
        _ => -1.0 / (first * second),
    };
    let kernel = |square: f64| WIDTHS.iter().map(|width| (-square / (2.0 * width * mean)).exp()).sum::<f64>();
    squares.iter().enumerate().map(|(at, square)| weight(at / count, at % count) * kernel(*square)).sum()
}

/// What the library adds.
pub(super) fn constant(source: &Samples, target: &Samples) -> f64 {
    2.0 / ((source.rows() + target.rows()) as f64 / 2.0 - 1.0)
}
