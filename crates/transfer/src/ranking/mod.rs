//! Which backbone to take: scores that judge features of a small labelled set without fine-tuning anything (`spec/model-selection.md`), with a
//! cross-validated linear probe as the referee.
//!
//! ```text
//! features of training images (and source probabilities) -> scores, each the larger the better
//! folds -> probe -> out-of-fold answers -> accuracy, rank with its interval by resampled images -> pick set
//! scores against the probe over backbones -> weighted Kendall tau
//! ```
//!
//! Everything is computed in double precision: each score holds a logarithm of a determinant, an inverse, or logarithms of small numbers.

mod agreement;
mod candidate;
mod conditional;
mod decomposition;
mod gaussian;
mod h_score;
mod log_me;
mod mixture;
mod neighbour;
mod pairwise;
mod pick;
mod probe;
mod score;
mod self_challenging;
mod shared;
mod source;
mod trans_rate;

pub use agreement::{pearson, spearman, weighted_kendall};
pub use candidate::{Candidate, Judge, candidate, folds_of, parameters, requests};
pub use heirloom_matrix::Mat;
pub use pick::{Picked, pick};
pub use probe::{Probe, probe};
pub use score::{Score, Scored, all};
pub use source::Source;

/// Labelled features of one backbone.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Penultimate features, `[rows, columns]`.
    pub features: &'a Mat<f64>,
    /// Class of each row, below `classes`.
    pub labels: &'a [usize],
    /// Classes.
    pub classes: usize,
    /// What the source's classifier says of the rows, or why it says nothing: [`RankingError::NoSource`] where the backbone has none.
    pub source: Result<&'a Source, &'a RankingError>,
    /// Fixes what is drawn.
    pub seed: u64,
}

/// Why a score says nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RankingError {
    /// No classifier of the source.
    #[error("the backbone has no classifier of its source")]
    NoSource,
    /// Too few rows for what it estimates.
    #[error("{rows} rows are too few: {reason}")]
    TooFew {
        /// Rows there are.
        rows: usize,
        /// What would be needed.
        reason: String,
    },
    /// A value that is not finite, or constant features.
    #[error("{0}")]
    Undefined(&'static str),
    /// A decomposition that did not work out.
    #[error("{0} did not work out")]
    Numerical(&'static str),
}

impl Sample<'_> {
    /// Rows of each class.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.labels.iter().for_each(|label| counts[*label] += 1);
        counts
    }

    /// Mean row of each class, `[classes, columns]`; 0 for a class without rows.
    fn class_means(&self) -> Mat<f64> {
        let counts = self.counts();
        let mut means = Mat::zeros(self.classes, self.features.ncols());
        for column in 0..self.features.ncols() {
            let means = means.col_as_slice_mut(column);
            let values = self.labels.iter().zip(self.features.col_as_slice(column));
            values.for_each(|(label, value)| means[*label] += value);
            means.iter_mut().zip(&counts).for_each(|(mean, count)| *mean /= (*count).max(1) as f64);
        }
        means
    }
}

/// The rows less their mean.
fn centred(features: &Mat<f64>) -> Mat<f64> {
    let rows = features.nrows().max(1) as f64;
    let mean: Vec<f64> = (0..features.ncols()).map(|column| features.col(column).iter().sum::<f64>() / rows).collect();
    Mat::from_fn(features.nrows(), features.ncols(), |row, column| features[(row, column)] - mean[column])
}

#[cfg(test)]
mod tests;
