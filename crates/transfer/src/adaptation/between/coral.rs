//! CORAL in the form of the Transfer-Learning-Library.
//!
//! ```text
//! mean over columns of (m_s - m_t)^2  +  mean over pairs of columns of (C_s - C_t)^2,   divisor n - 1 in C
//! ```
//!
//! The second term is 4 times that of the paper, the first is not there at all: shifts matter.

use heirloom_matrix::product;

use super::Samples;
use super::linear;

pub(super) fn distance(source: &Samples, target: &Samples) -> f64 {
    let columns = source.columns().max(1) as f64;
    linear::distance(source, target) / columns + covariances(source, target) / (columns * columns)
}

/// `|C_s - C_t|^2`.
fn covariances(source: &Samples, target: &Samples) -> f64 {
    let square = |samples: &Samples| {
        let centred = samples.centred();
        product(centred.view().transpose(), centred.view())
    };
    let (own, other) = (square(source), square(target));
    let [first, second] = [source, target].map(|samples| samples.rows() as f64 - 1.0);
    let entry = |row: usize, column: usize| own[(row, column)] / first - other[(row, column)] / second;
    let column = |column: usize| (0..own.nrows()).map(|row| entry(row, column).powi(2)).sum::<f64>();
    (0..own.ncols()).map(column).sum()
}
