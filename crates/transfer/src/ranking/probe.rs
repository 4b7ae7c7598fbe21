//! The referee: logistic regression on the features, cross-validated. Its answers to rows it was not fitted on are what fine-tuning builds on, and
//! the only figures here that are accuracies.

use crate::Features;
use crate::heads::{Head, HeadError, Method, Settings, Training, fit};

/// Answers to every row by a head that did not see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Whether each row was answered right.
    pub right: Vec<bool>,
    /// Mean of `-ln` of the probability of the right class.
    pub log_loss: f64,
    /// The head that was then fitted on all rows.
    pub head: Head,
}

impl Probe {
    /// Share of right answers.
    #[must_use]
    pub fn accuracy(&self) -> f64 {
        self.right.iter().filter(|right| **right).count() as f64 / self.right.len().max(1) as f64
    }
}

/// Cross-validates `linear` on the first block of `features`; its penalty is chosen by the same folds.
///
/// # Errors
/// Rows that nothing can be fitted on.
pub fn probe(features: &Features, labels: &[usize], folds: &[usize], classes: usize) -> Result<Probe, HeadError> {
    let rows: Vec<usize> = (0..features.rows).collect();
    let training = Training { features, labels, rows: &rows, folds, classes };
    let penultimate = features.blocks.first().map(|block| block.tap.clone()).unwrap_or_default();
    let fitted = fit(Method::Linear, &training, &Settings { penultimate, ..Settings::default() })?;
    let probabilities = fitted.out_of_fold_probabilities();
    let mut right = vec![false; labels.len()];
    let mut log_loss = 0.0;
    for (row, shares) in fitted.choice.rows.iter().zip(probabilities.chunks(classes.max(1))) {
        let most = (0..shares.len()).fold(0, |best, class| if shares[class] > shares[best] { class } else { best });
        right[*row] = most == labels[*row];
        log_loss -= f64::from(shares[labels[*row]].max(1e-12)).ln() / labels.len().max(1) as f64;
    }
    Ok(Probe { right, log_loss, head: fitted.head })
}
