//! Class means refined by unlabelled rows (Ren et al. 2018, arXiv 1803.00676, section 3.1.1: soft k-means, one step).
//!
//! ```text
//! z[u, c] = softmax over c of 10 cos(x[u], p[c])         p'[c] = (sum of labelled x of c + sum over u of z[u, c] x[u]) / (n[c] + sum over u of z[u, c])
//! ```

use crate::heads::{Matrix, Metric, Sums, probabilities};

/// What cosines are multiplied by (`spec/regularisers-and-adaptation.md` section E2).
const SCALE: f64 = 10.0;

/// Sums and counts of every class with the unlabelled rows, each as far as it belongs to the class.
pub(super) fn refined(support: &Matrix, labels: &[usize], unlabelled: &Matrix, ways: usize) -> Sums {
    let mut sums = Sums::of(support, labels, ways);
    let rule = sums.rule(Metric::Cosine, 1.0 / SCALE);
    let shares = probabilities(&rule.logits(unlabelled), ways, 1.0);
    for (row, shares) in shares.chunks(ways.max(1)).enumerate() {
        for (class, share) in shares.iter().enumerate() {
            sums.add(class, unlabelled.row(row), f64::from(*share));
        }
    }
    sums
}
