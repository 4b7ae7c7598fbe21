//! How far two heads disagree: the mean absolute difference of their probabilities (Saito et al. 2018).

use heirloom_matrix::Mat;

use super::layer::{softmax, softmax_back};

/// The disagreement and its gradients by the logits of both heads.
pub fn loss(first: &Mat<f64>, second: &Mat<f64>) -> (f64, [Mat<f64>; 2]) {
    let probabilities = [softmax(first), softmax(second)];
    let count = (first.nrows() * first.ncols()) as f64;
    let mut sum = 0.0;
    let mut sign = Mat::<f64>::zeros(first.nrows(), first.ncols());
    for column in 0..first.ncols() {
        for row in 0..first.nrows() {
            let apart = probabilities[0][(row, column)] - probabilities[1][(row, column)];
            sum += apart.abs();
            sign[(row, column)] = if apart == 0.0 { 0.0 } else { apart.signum() / count };
        }
    }
    let turned = Mat::from_fn(sign.nrows(), sign.ncols(), |row, column| -sign[(row, column)]);
    let slopes = [softmax_back(&probabilities[0], &sign), softmax_back(&probabilities[1], &turned)];
    (sum / count, slopes)
}
