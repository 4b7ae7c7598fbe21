//! Empirical risk minimisation: the mean cross-entropy of every domain, weighed.
//!
//! ```text
//! L = sum over d of w_d L_d,   L_d the mean cross-entropy over rows of domain d
//! ```

use super::trial::{Batch, Pulls};
use crate::adaptation::deep::layer::{Layer, cross_entropy, each};

pub(super) fn pulls(head: &Layer, batches: Vec<Batch>, weights: &[f64]) -> Pulls {
    let pull = |(batch, weight): (Batch, &f64)| {
        let (_, mut gradient) = cross_entropy(&head.forward(batch.rows.as_ref()), &batch.labels, 0.0);
        each(&mut gradient, |_, _, value| *value *= weight);
        (batch.rows, gradient)
    };
    batches.into_iter().zip(weights).map(pull).collect()
}
