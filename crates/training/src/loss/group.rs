//! Group-DRO (Sagawa, Koh, Hashimoto, Liang 2020, arXiv 1911.08731, algorithm 1 and section 3.3): groups with a large loss count more
//! from step to step (`spec/regularisers-and-adaptation.md` section F1).
//!
//! ```text
//! q_g <- q_g exp(rate (L_g + C / sqrt(n_g))),   divided by their sum;      loss = sum over g of q_g L_g
//! ```
//!
//! `C / sqrt(n_g)` is the adjustment: small groups are fitted more closely than they are known. The authors' release leaves it out as soon
//! as one group's is 0; since there is one `C` here, that is where `C` is 0.

use super::LossError;

/// Weights of groups, moved by their losses.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupWeights {
    /// `q`, on the simplex.
    weights: Vec<f64>,
    /// `C / sqrt(n_g)`.
    adjustment: Vec<f64>,
    rate: f64,
}

impl GroupWeights {
    /// All groups alike, of `counts` training rows; `rate` is the step of the weights, 0.01 in the paper, `adjustment` is `C`.
    ///
    /// # Errors
    /// No groups, a group without rows, a rate or an adjustment that is negative or no number.
    pub fn new(counts: &[usize], rate: f64, adjustment: f64) -> Result<Self, LossError> {
        if counts.contains(&0) {
            return Err(LossError::Setting { setting: "rows of a group", value: 0.0, range: "at least 1" });
        }
        if counts.is_empty() {
            return Err(LossError::Length { what: "counts of groups", found: 0, expected: 1 });
        }
        for (setting, value) in [("rate of group weights", rate), ("adjustment of group weights", adjustment)] {
            if !(value >= 0.0 && value.is_finite()) {
                return Err(LossError::Setting { setting, value, range: "0 or a positive number" });
            }
        }
        let weights = vec![1.0 / counts.len() as f64; counts.len()];
        Ok(Self { weights, adjustment: counts.iter().map(|count| adjustment / (*count as f64).sqrt()).collect(), rate })
    }

    /// The weights, of sum 1.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Moves the weights by the mean loss of every group, and returns the robust loss `sum q_g L_g` under the new ones.
    ///
    /// ```
    /// use heirloom_training::loss::GroupWeights;
    /// let mut groups = GroupWeights::new(&[30, 10], 0.1, 0.0)?;
    /// groups.step(&[0.2, 1.5])?;
    /// assert!(groups.weights()[1] > 0.5, "the group with the larger loss counts more");
    /// # Ok::<(), heirloom_training::loss::LossError>(())
    /// ```
    ///
    /// # Errors
    /// Losses that are not one a group, or that are no numbers.
    pub fn step(&mut self, losses: &[f64]) -> Result<f64, LossError> {
        if losses.len() != self.weights.len() {
            return Err(LossError::Length { what: "group losses", found: losses.len(), expected: self.weights.len() });
        }
        if let Some(value) = losses.iter().find(|loss| !loss.is_finite()) {
            return Err(LossError::Setting { setting: "loss of a group", value: *value, range: "a number" });
        }
        let exponents: Vec<f64> =
            losses.iter().zip(&self.adjustment).map(|(loss, more)| self.rate * (loss + more)).collect();
        // The largest is taken from all: nothing overflows, and it falls out of the division.
        let largest = exponents.iter().fold(f64::NEG_INFINITY, |most, value| most.max(*value));
        self.weights.iter_mut().zip(&exponents).for_each(|(weight, value)| *weight *= (value - largest).exp());
        let sum: f64 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|weight| *weight /= sum);
        Ok(self.weights.iter().zip(losses).map(|(weight, loss)| weight * loss).sum())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        found
            .iter()
            .zip(expected)
            .for_each(|(found, expected)| assert!((found - expected).abs() < 1e-11, "{found} {expected}"));
    }

    #[test]
    fn vector_tv15() {
        let losses = [0.2, 1.0, 0.5, 2.0];
        let mut groups = GroupWeights::new(&[3498, 184, 56, 1057], 0.01, 1.0).unwrap();
        close(&groups.adjustment, &[0.016907916618, 0.073720978077, 0.133630620956, 0.030758312596]);
        let loss = groups.step(&losses).unwrap();
        close(groups.weights(), &[0.248072177163, 0.250206823886, 0.249108107228, 0.252612891723]);
        close(&[loss], &[0.929601096379]);
        groups.step(&losses).unwrap();
        close(groups.weights(), &[0.246148013750, 0.250402418602, 0.248208095975, 0.255241471673]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(matches!(
            GroupWeights::new(&[3, 0], 0.01, 0.0),
            Err(LossError::Setting { setting: "rows of a group", .. })
        ));
        assert!(matches!(GroupWeights::new(&[], 0.01, 0.0), Err(LossError::Length { .. })));
        assert!(matches!(GroupWeights::new(&[3], -0.01, 0.0), Err(LossError::Setting { .. })));
        assert!(matches!(GroupWeights::new(&[3], 0.01, f64::NAN), Err(LossError::Setting { .. })));
        let mut groups = GroupWeights::new(&[3, 4], 0.01, 0.0).unwrap();
        assert!(matches!(groups.step(&[1.0]), Err(LossError::Length { .. })));
        assert!(matches!(groups.step(&[1.0, f64::INFINITY]), Err(LossError::Setting { .. })));
    }

    proptest! {
        /// Property 14: on the simplex, increasing in the loss, unchanged by equal losses of equal groups.
        #[test]
        fn weights_follow_losses(losses in prop::collection::vec(0.0..9.0_f64, 4), more in 0.1..5.0_f64, adjustment in 0.0..5.0_f64) {
            let of = |losses: &[f64]| {
                let mut groups = GroupWeights::new(&[7; 4], 0.3, adjustment).unwrap();
                let loss = groups.step(losses).unwrap();
                (groups.weights().to_vec(), loss)
            };
            let (weights, loss) = of(&losses);
            prop_assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12 && weights.iter().all(|weight| *weight > 0.0));
            let worst = losses.iter().fold(0.0_f64, |most, loss| most.max(*loss));
            prop_assert!(loss <= worst + 1e-12, "the worst group is no better than any mean");
            let mut raised = losses.clone();
            raised[2] += more;
            prop_assert!(of(&raised).0[2] > weights[2]);
            prop_assert!(of(&[losses[0]; 4]).0.iter().all(|weight| (weight - 0.25).abs() < 1e-12));
        }
    }
}
