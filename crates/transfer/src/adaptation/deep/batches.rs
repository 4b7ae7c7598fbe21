//! Which rows a step sees: each domain in an order of its own, begun anew when it is through.

use heirloom_matrix::Mat;
use heirloom_training::random::permutation;

/// Rows of step `step`; `domain` keeps the orders of domains apart.
pub fn batch(seed: u64, domain: u64, step: usize, rows: usize, size: usize) -> Vec<usize> {
    let size = size.min(rows).max(1);
    let in_epoch = (rows / size).max(1);
    let (epoch, at) = (step / in_epoch, step % in_epoch);
    let order = permutation(seed.wrapping_mul(2).wrapping_add(domain), epoch as u64, rows);
    order.into_iter().skip(at * size).take(size).collect()
}

/// These rows of a matrix.
pub fn picked(values: &Mat<f64>, rows: &[usize]) -> Mat<f64> {
    Mat::from_fn(rows.len(), values.ncols(), |row, column| values[(rows[row], column)])
}
