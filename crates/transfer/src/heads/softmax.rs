//! Softmax probabilities and log loss on row-major logits `[rows, classes]`.

use heirloom_engine::Isa;
use heirloom_engine::kernels::softmax_double;

/// Smallest probability that enters any log loss; a class that a training part never saw is charged `-ln` of it.
pub(crate) const PROBABILITY_FLOOR: f64 = 1e-15;

/// `ln(sum(exp(logits)))`, safe for any finite logits.
pub(crate) fn log_sum_exp(logits: &[f64]) -> f64 {
    softmax_in_place(&mut logits.to_vec())
}

/// Replaces one row of logits by probabilities; returns `ln(sum(exp(logits)))`.
pub(crate) fn softmax_in_place(logits: &mut [f64]) -> f64 {
    let mut normalizer = [0.0];
    softmax_double(Isa::best(), logits, logits.len(), &mut normalizer);
    normalizer[0]
}

/// Replaces rows of logits `[rows, classes]` by probabilities; returns each row's `ln(sum(exp(logits)))`.
pub(crate) fn softmax_rows(logits: &mut [f64], classes: usize) -> Vec<f64> {
    let mut normalizers = vec![0.0; logits.len() / classes.max(1)];
    softmax_double(Isa::best(), logits, classes, &mut normalizers);
    normalizers
}

/// Log loss of one row, at most `-ln(1e-15)`.
pub(crate) fn row_loss(logits: &[f64], label: usize) -> f64 {
    (log_sum_exp(logits) - logits[label]).min(-PROBABILITY_FLOOR.ln())
}

/// Index of the largest value; ties go to the lower index.
pub(crate) fn argmax<T: PartialOrd + Copy>(values: &[T]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        let mut row = [1000.0, 1000.0, -1000.0];
        assert!((log_sum_exp(&row) - (1000.0 + 2.0_f64.ln())).abs() < 1e-12);
        assert!((row_loss(&row, 2) - 34.538_776_394_910_68).abs() < 1e-9);
        softmax_in_place(&mut row);
        assert_eq!(row, [0.5, 0.5, 0.0]);
        assert_eq!(argmax(&row), 0);
    }
}
