//! Kernel mean matching as a way to label a target: source rows weigh as much as they look like the target, and a least-squares
//! classifier is fitted on them (Huang et al. 2007; `spec/regularisers-and-adaptation.md` section C2).
//!
//! ```text
//! b            weights of the source rows, under the Gaussian kernel whatever the classifier has: matched means under x . y would say little
//! A            (R K R + l I)^-1 R Y,  R = diag(sqrt b),  Y one column a class, K the classifier's kernel plus 1 (its intercept)
//! target       the largest of  k(target, source) R A
//! ```
//!
//! It can only choose among source rows: where no source row looks like the target, nothing is gained.

use heirloom_matrix::{Mat, MatRef, solve_positive_definite};

use super::{AdaptationError, Domains, Kernel, Samples, ShallowOptions, ShallowResult};
use crate::adaptation::MeanMatching;

/// Labels by the classifier of the weighted source; rows stay where they were.
pub(super) fn label(domains: &Domains<'_>, options: &ShallowOptions) -> Result<ShallowResult, AdaptationError> {
    let (own, other) = (domains.source.rows(), domains.target.rows());
    let between = Kernel::Gaussian.rows(domains);
    let all = between.view();
    let share = own as f64 / other as f64;
    let towards: Vec<f64> =
        (0..own).map(|row| share * (own..own + other).map(|column| all[(row, column)]).sum::<f64>()).collect();
    let matched = MeanMatching::default().weights(all.submatrix(0, 0, own, own), &towards)?;
    let read = match options.kernel {
        Kernel::Primal | Kernel::Linear => Kernel::Linear.rows(domains),
        Kernel::Gaussian => between,
    };
    let labels = classified(domains, read.view(), &matched.weights, options.lambda)?;
    let changed = vec![labels.len()];
    let [source, target] = [domains.source, domains.target].map(Samples::clone);
    let weights = matched.weights;
    Ok(ShallowResult { labels, source, target, changed, weights, balance: Vec::new(), angles: Vec::new() })
}

/// The class of every target row by weighted least squares on the kernel `[all rows, all rows]`.
fn classified(
    domains: &Domains<'_>,
    kernel: MatRef<'_, f64>,
    weights: &[f64],
    lambda: f64,
) -> Result<Vec<usize>, AdaptationError> {
    let (own, other) = (domains.source.rows(), domains.target.rows());
    let root: Vec<f64> = weights.iter().map(|weight| weight.max(0.0).sqrt()).collect();
    let entry = |row: usize, column: usize| root[row] * (kernel[(row, column)] + 1.0) * root[column];
    let mut system =
        Mat::from_fn(own, own, |row, column| entry(row, column) + if row == column { lambda } else { 0.0 });
    let wanted = |row: usize, class: usize| f64::from(u8::from(domains.labels[row] == class));
    let mut right = Mat::from_fn(own, domains.classes, |row, class| root[row] * wanted(row, class));
    let numerical = |_| AdaptationError::Numerical { routine: "weighted least squares", rows: own, columns: own };
    solve_positive_definite(&mut system, &mut right).map_err(numerical)?;
    let scores = |target: usize| -> Vec<f64> {
        let near = (0..own).map(|row| (kernel[(own + target, row)] + 1.0) * root[row]);
        let near: Vec<f64> = near.collect();
        (0..domains.classes).map(|class| (0..own).map(|row| near[row] * right[(row, class)]).sum()).collect()
    };
    Ok((0..other).map(|target| largest(&scores(target))).collect())
}

/// The place of the largest value, the first of equals.
fn largest(values: &[f64]) -> usize {
    (1..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}
