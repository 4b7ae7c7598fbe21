//! Rows of one domain in double precision: the form that all of domain adaptation works on.

use heirloom_matrix::{Mat, MatRef};

use super::AdaptationError;
use crate::Block;

/// Samples `[rows, columns]`, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Samples {
    /// Samples from their values, row by row.
    ///
    /// # Errors
    /// Values that do not fill `rows x columns`, or one that is not finite, named with its row and column.
    pub fn new(rows: usize, columns: usize, values: Vec<f64>) -> Result<Self, AdaptationError> {
        let (expected, found) = (rows * columns, values.len());
        if expected != found {
            return Err(AdaptationError::Length { what: "the list of values", expected, found });
        }
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => {
                let (row, column, value) = (at / columns.max(1), at % columns.max(1), values[at]);
                Err(AdaptationError::NotFinite { what: "samples", row, column, value })
            }
            None => Ok(Self { rows, columns, values }),
        }
    }

    /// Some rows of a block of features, in the order of `picks`.
    ///
    /// # Errors
    /// A row past the end, or a value that is not finite.
    pub fn of_block(block: &Block, picks: &[usize]) -> Result<Self, AdaptationError> {
        let mut values = Vec::with_capacity(picks.len() * block.width);
        for &row in picks {
            let (start, end) = (row * block.width, (row + 1) * block.width);
            let found = block.values.len() / block.width.max(1);
            let row = block.values.get(start..end);
            let length =
                AdaptationError::Length { what: "the block of features", expected: end / block.width.max(1), found };
            values.extend(row.ok_or(length)?.iter().map(|&value| f64::from(value)));
        }
        Self::new(picks.len(), block.width, values)
    }

    /// Number of rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    #[must_use]
    pub const fn columns(&self) -> usize {
        self.columns
    }

    /// All values, row by row.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Values of one row.
    ///
    /// # Panics
    /// When there is no such row.
    #[must_use]
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub(crate) fn view(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.columns)
    }

    pub(crate) fn of_matrix(matrix: &Mat<f64>) -> Self {
        let (rows, columns) = (matrix.nrows(), matrix.ncols());
        let values = (0..rows * columns).map(|at| matrix[(at / columns, at % columns)]).collect();
        Self { rows, columns, values }
    }

    /// Mean of each column; zeros where there is no row.
    pub(super) fn column_means(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.columns];
        for row in self.values.chunks(self.columns.max(1)) {
            means.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        means.iter_mut().for_each(|sum| *sum /= self.rows.max(1) as f64);
        means
    }

    /// The rows less the mean row.
    pub(crate) fn centred(&self) -> Self {
        let means = self.column_means();
        let mut out = self.clone();
        for row in out.values.chunks_mut(self.columns.max(1)) {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value -= mean);
        }
        out
    }
}

/// Squared Euclidean distance, in eight running sums added in one order.
pub(super) fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let mut sums = [0.0_f64; 8];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..8 {
            sums[lane] += (a[lane] - b[lane]) * (a[lane] - b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f64>() + rest
}
