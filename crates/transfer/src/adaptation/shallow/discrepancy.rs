//! How far domains lie apart, as TCA, JDA and BDA measure it: squared distances between means, each the square of one weighted sum of
//! rows.
//!
//! ```text
//! M = sum over k of w_k e_k e_k^T,   e_0 = 1/n_s on source rows, -1/n_t on target rows,   e_c the same on the rows of class c
//! ```
//!
//! `M` has as many rows as both domains together and a rank of `classes + 1` at most, so it is never made: only the `e_k` are kept.

use super::Domains;

/// A matrix `M` of the form above.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Discrepancy {
    /// `w_k` and `e_k`, entries of source rows first.
    terms: Vec<(f64, Vec<f64>)>,
}

impl Discrepancy {
    /// Adds the distance between the means of both domains.
    pub(super) fn with_domains(mut self, weight: f64, domains: &Domains<'_>) -> Self {
        let (source, target) = (domains.source.rows(), domains.target.rows());
        let mut indicator = vec![1.0 / source as f64; source];
        indicator.extend(vec![-1.0 / target as f64; target]);
        self.terms.push((weight, indicator));
        self
    }

    /// Adds the distances between the means of every class, the target's by `pseudo` labels; a class that either domain lacks has no
    /// distance. `scale` gives what the means of a class are multiplied by, source and target, for its shares of both.
    pub(super) fn with_classes(
        mut self,
        weight: f64,
        domains: &Domains<'_>,
        pseudo: &[usize],
        scale: impl Fn([f64; 2]) -> [f64; 2],
    ) -> Self {
        for class in 0..domains.classes {
            let own = domains.labels.iter().filter(|label| **label == class).count() as f64;
            let other = pseudo.iter().filter(|label| **label == class).count() as f64;
            if own == 0.0 || other == 0.0 {
                continue;
            }
            let [first, second] = scale([own / domains.labels.len() as f64, other / pseudo.len() as f64]);
            let of = |label: &usize, value: f64| if *label == class { value } else { 0.0 };
            let source = domains.labels.iter().map(|label| of(label, first / own));
            let target = pseudo.iter().map(|label| of(label, -second / other));
            self.terms.push((weight, source.chain(target).collect()));
        }
        self
    }

    /// Frobenius norm of `M`: the root of the sum over pairs of `w_j w_k (e_j . e_k)^2`.
    fn norm(&self) -> f64 {
        let dot = |left: &[f64], right: &[f64]| -> f64 { left.iter().zip(right).map(|(a, b)| a * b).sum() };
        let pair = |(weight, left): &(f64, Vec<f64>), (other, right): &(f64, Vec<f64>)| {
            weight * other * dot(left, right).powi(2)
        };
        let sum: f64 = self.terms.iter().flat_map(|left| self.terms.iter().map(move |right| pair(left, right))).sum();
        sum.max(0.0).sqrt()
    }

    /// The `e_k sqrt(w_k / |M|)` of every term that counts: the sum of their squares is `M / |M|`.
    pub(super) fn factors(&self) -> Vec<Vec<f64>> {
        let norm = self.norm().max(f64::MIN_POSITIVE);
        let factor = |(weight, indicator): &(f64, Vec<f64>)| {
            let scale = (weight / norm).sqrt();
            indicator.iter().map(|entry| scale * entry).collect()
        };
        self.terms.iter().filter(|(weight, _)| *weight > 0.0).map(factor).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptation::Samples;

    #[test]
    fn factors_square_to_the_matrix_of_norm_one() {
        let (source, target) = (Samples::zeros(3, 1), Samples::zeros(2, 1));
        let domains = Domains { source: &source, labels: &[0, 1, 1], target: &target, classes: 3 };
        let plain = |_: [f64; 2]| [1.0, 1.0];
        let found = Discrepancy::default().with_domains(0.3, &domains).with_classes(0.7, &domains, &[1, 2], plain);
        let factors = found.factors();
        assert_eq!(factors.len(), 2, "class 1 alone is in both domains");
        // M by its definition, entry by entry.
        let entries = [[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0, -0.5, -0.5], [0.0, 0.5, 0.5, -1.0, 0.0]];
        let mut expected = [[0.0; 5]; 5];
        for i in 0..5 {
            for j in 0..5 {
                expected[i][j] = 0.3 * entries[0][i] * entries[0][j] + 0.7 * entries[1][i] * entries[1][j];
            }
        }
        let norm = expected.iter().flatten().map(|entry| entry * entry).sum::<f64>().sqrt();
        for i in 0..5 {
            for j in 0..5 {
                let found: f64 = factors.iter().map(|factor| factor[i] * factor[j]).sum();
                assert!((found - expected[i][j] / norm).abs() < 1e-12, "{i} {j}");
            }
        }
    }
}
