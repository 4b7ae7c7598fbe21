//! CORAL between training domains (Sun, Saenko 2016, in the form of DomainBed): means and covariances drawn together, here of the logits,
//! since the features below them are frozen.
//!
//! ```text
//! L = ERM + strength * mean over pairs of domains of [ mean (m_i - m_j)^2 + mean (C_i - C_j)^2 ]
//! ```
//!
//! The second mean is 4 times the loss of Deep CORAL.

use heirloom_matrix::Mat;

use super::pooled;
use super::trial::{Batch, Pulls};
use crate::adaptation::deep::coral;
use crate::adaptation::deep::layer::{Layer, each};

pub(super) fn pulls(head: &Layer, batches: Vec<Batch>, weights: &[f64], strength: f64) -> Pulls {
    let logits: Vec<Mat<f64>> = batches.iter().map(|batch| head.forward(batch.rows.as_ref())).collect();
    let mut pulls = pooled::pulls(head, batches, weights);
    let pairs = logits.len() * logits.len().saturating_sub(1) / 2;
    let factor = strength / pairs.max(1) as f64;
    for first in 0..logits.len() {
        for second in first + 1..logits.len() {
            let [by_first, by_second] = apart(&logits[first], &logits[second]);
            each(&mut pulls[first].1, |row, column, value| *value += factor * by_first[(row, column)]);
            each(&mut pulls[second].1, |row, column, value| *value += factor * by_second[(row, column)]);
        }
    }
    pulls
}

/// Gradients of the penalty of one pair by both domains' logits.
fn apart(first: &Mat<f64>, second: &Mat<f64>) -> [Mat<f64>; 2] {
    let (_, mut gradients) = coral::loss(first, second);
    let mean = |logits: &Mat<f64>, column: usize| logits.col(column).iter().sum::<f64>() / logits.nrows() as f64;
    for (gradient, (own, other)) in gradients.iter_mut().zip([(first, second), (second, first)]) {
        let scale = 2.0 / (own.ncols() * own.nrows()) as f64;
        let pull: Vec<f64> = (0..own.ncols()).map(|column| scale * (mean(own, column) - mean(other, column))).collect();
        each(gradient, |_, column, value| *value = 4.0 * *value + pull[column]);
    }
    gradients
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The penalty is what `DomainDistance::CoralTll` measures, and its slope that of central differences.
    #[test]
    fn slopes_are_those_of_the_distance() {
        use crate::adaptation::{DomainDistance, Samples};
        let first = Mat::from_fn(5, 3, |row, column| ((row * 7 + column * 3) % 5) as f64 - 1.5);
        let second = Mat::from_fn(4, 3, |row, column| ((row * 3 + column * 5) % 7) as f64 * 0.4);
        let distance = |first: &Mat<f64>| {
            let [own, other] = [first, &second].map(Samples::of_matrix);
            DomainDistance::CoralTll.between(&own, &other).unwrap()
        };
        let [by_first, _] = apart(&first, &second);
        for row in 0..5 {
            for column in 0..3 {
                let moved = |by: f64| {
                    let mut moved = first.clone();
                    moved[(row, column)] += by;
                    distance(&moved)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((by_first[(row, column)] - slope).abs() < 1e-6, "{row} {column} {slope}");
            }
        }
    }
}
