//! What a projection is taken of: the columns of the rows themselves, or the kernel between every two rows of both domains.

use heirloom_matrix::product;
use serde::{Deserialize, Serialize};

use super::{Domains, RowScaling, Samples};
use crate::adaptation::samples::squared_distance;

/// What TCA, JDA and BDA project.
///
/// With a kernel the problem has a column for each row of both domains: `9 n^3` operations a round, and `n^2` numbers in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// No kernel: a linear map of the columns, with its lengths penalised.
    Primal,
    /// `x . y`.
    Linear,
    /// `exp(-||x - y||^2 / h)` with `h` the mean squared distance between different rows of both domains.
    Gaussian,
}

impl Kernel {
    /// Rows of both domains, source first, scaled to length 1, as a projection reads them.
    pub(super) fn rows(self, domains: &Domains<'_>) -> Samples {
        let mut rows = together(domains);
        (0..rows.rows()).for_each(|row| RowScaling::L2.apply(rows.row_mut(row)));
        match self {
            Self::Primal => rows,
            Self::Linear => Samples::of_matrix(&product(rows.view(), rows.view().transpose())),
            Self::Gaussian => gaussian(&rows),
        }
    }
}

/// The rows of the source above those of the target.
fn together(domains: &Domains<'_>) -> Samples {
    let (source, target) = (domains.source, domains.target);
    let mut rows = Samples::zeros(source.rows() + target.rows(), source.columns());
    for row in 0..source.rows() {
        rows.row_mut(row).copy_from_slice(source.row(row));
    }
    for row in 0..target.rows() {
        rows.row_mut(source.rows() + row).copy_from_slice(target.row(row));
    }
    rows
}

fn gaussian(rows: &Samples) -> Samples {
    let count = rows.rows();
    let mut out = Samples::zeros(count, count);
    for row in 0..count {
        let distances = (0..count).map(|other| squared_distance(rows.row(row), rows.row(other)));
        out.row_mut(row).iter_mut().zip(distances).for_each(|(entry, distance)| *entry = distance);
    }
    let pairs = (count * count - count).max(1) as f64;
    let width = (out.values().iter().sum::<f64>() / pairs).max(f64::MIN_POSITIVE);
    (0..count).for_each(|row| out.row_mut(row).iter_mut().for_each(|entry| *entry = (-*entry / width).exp()));
    out
}

/// The first `rows` rows, and the others.
pub(super) fn parted(all: &Samples, rows: usize) -> [Samples; 2] {
    let part = |from: usize, to: usize| {
        let mut out = Samples::zeros(to - from, all.columns());
        (from..to).for_each(|row| out.row_mut(row - from).copy_from_slice(all.row(row)));
        out
    };
    [part(0, rows), part(rows, all.rows())]
}
