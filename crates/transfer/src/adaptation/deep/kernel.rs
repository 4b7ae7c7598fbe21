//! Maximum mean discrepancy under five Gaussian kernels (Long et al. 2015, in the form of the DeepDA library).
//!
//! ```text
//! k(x, y) = sum over q = 0..4 of exp(-||x - y||^2 / h_q),  h_q = 2^q mean ||x - y||^2 / 4 over pairs of both domains
//! loss = mean k(s, s) + mean k(t, t) - 2 mean k(s, t),  means over all pairs, widths held fixed in the gradient
//! ```

use heirloom_matrix::{Mat, product};

use super::layer::stacked;

const KERNELS: i32 = 5;

/// The loss and its gradient by the rows of the source above those of the target.
pub fn loss(source: &Mat<f64>, target: &Mat<f64>) -> (f64, Mat<f64>) {
    let (rows, first) = (stacked(source, target), source.nrows());
    let m = rows.nrows();
    let gram = product(rows.as_ref(), rows.transpose());
    let square =
        |one: usize, other: usize| (gram[(one, one)] + gram[(other, other)] - 2.0 * gram[(one, other)]).max(0.0);
    let mut total = 0.0;
    for one in 0..m {
        total += (0..m).map(|other| square(one, other)).sum::<f64>();
    }
    let base = (total / (m * m - m) as f64 / 4.0).max(f64::MIN_POSITIVE);
    let part = |row: usize| if row < first { 1.0 / first as f64 } else { -1.0 / (m - first) as f64 };
    let (mut loss, mut pull) = (0.0, Mat::<f64>::zeros(m, m));
    for one in 0..m {
        for other in 0..m {
            let (weight, apart) = (part(one) * part(other), square(one, other));
            for width in (0..KERNELS).map(|q| base * 2.0_f64.powi(q)) {
                let kernel = (-apart / width).exp();
                loss += weight * kernel;
                // Each pair stands there twice, hence 2 * 2.
                pull[(one, other)] -= 4.0 * weight * kernel / width;
            }
        }
    }
    // Row i: sum over j of pull_ij (x_i - x_j).
    let towards = product(pull.as_ref(), rows.as_ref());
    let own: Vec<f64> = (0..m).map(|one| (0..m).map(|other| pull[(one, other)]).sum()).collect();
    let gradient = Mat::from_fn(m, rows.ncols(), |row, column| own[row] * rows[(row, column)] - towards[(row, column)]);
    (loss, gradient)
}
