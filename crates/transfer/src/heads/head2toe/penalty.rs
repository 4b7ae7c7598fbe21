//! The two penalties of a sparse head: on the rows of the weights (a column is in or out for all classes), or on single weights.

use super::group_lasso::row_norm;

/// What is penalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Penalty {
    /// `sum_j ||W_j||_2`.
    Rows,
    /// `sum_jc |W_jc|`.
    Entries,
}

impl Penalty {
    /// Value at `weights` `[columns, classes]`.
    pub fn value(self, weights: &[f64], classes: usize) -> f64 {
        match self {
            Self::Rows => weights.chunks(classes).map(row_norm).sum(),
            Self::Entries => weights.iter().map(|weight| weight.abs()).sum(),
        }
    }

    /// The dual norm of one column's gradient: the weights of the column stay zero while it is at most the penalty's factor.
    pub fn dual_norm(self, row: &[f64]) -> f64 {
        match self {
            Self::Rows => row_norm(row),
            Self::Entries => row.iter().fold(0.0, |largest, slope| largest.max(slope.abs())),
        }
    }

    /// The proximal step: `W_j <- max(0, 1 - t/||W_j||) W_j`, or each weight towards zero by `t`.
    pub fn shrink(self, weights: &mut [f64], classes: usize, threshold: f64) {
        match self {
            Self::Rows => shrink_rows(weights, classes, threshold),
            Self::Entries => weights.iter_mut().for_each(|weight| {
                *weight = weight.signum() * (weight.abs() - threshold).max(0.0);
            }),
        }
    }
}

/// `W_j <- max(0, 1 - t/||W_j||) W_j` for each row of `weights` `[columns, classes]`.
pub(super) fn shrink_rows(weights: &mut [f64], classes: usize, threshold: f64) {
    for row in weights.chunks_mut(classes) {
        let norm = row_norm(row);
        let factor = if norm > threshold { 1.0 - threshold / norm } else { 0.0 };
        row.iter_mut().for_each(|value| *value *= factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_weights_move_towards_zero_by_the_threshold() {
        let mut weights = [3.0, -0.5, -2.0, 0.25];
        Penalty::Entries.shrink(&mut weights, 2, 1.0);
        assert_eq!(weights, [2.0, 0.0, -1.0, 0.0]);
        assert_eq!(Penalty::Entries.value(&weights, 2), 3.0);
        assert_eq!(Penalty::Entries.dual_norm(&[1.0, -4.0]), 4.0);
        assert_eq!(Penalty::Rows.dual_norm(&[3.0, -4.0]), 5.0);
        assert_eq!(Penalty::Rows.value(&[3.0, -4.0, 0.0, 1.0], 2), 6.0);
    }
}
