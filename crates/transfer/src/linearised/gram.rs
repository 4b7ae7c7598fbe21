//! Products of rows in double precision. A kernel has more rows than some networks have directions, and penalties far below its mean
//! square: rounded to single precision it would have negative eigenvalues of their size, and the problem no minimum.

use heirloom_matrix::{MatRef, product};
use rayon::prelude::*;

use crate::heads::dense::Matrix;

/// Columns that are widened at a time.
const COLUMNS: usize = 2048;
/// Rows in one piece of a product.
const ROWS: usize = 128;

/// A symmetric matrix, row-major.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gram {
    pub size: usize,
    pub values: Vec<f64>,
}

impl Gram {
    /// Zeros.
    pub fn zeros(size: usize) -> Self {
        Self { size, values: vec![0.0; size * size] }
    }

    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.size..(row + 1) * self.size]
    }

    /// Adds `rows * rows^T` to the lower triangle, and to parts of the upper one.
    pub fn add(&mut self, rows: &Matrix) {
        let size = self.size;
        for start in (0..rows.columns).step_by(COLUMNS) {
            let width = COLUMNS.min(rows.columns - start);
            let wide: Vec<f64> = (0..size)
                .into_par_iter()
                .flat_map_iter(|row| rows.row(row)[start..start + width].iter().map(|&value| f64::from(value)))
                .collect();
            let all = MatRef::from_row_major_slice(&wide, size, width);
            self.values.par_chunks_mut((ROWS * size).max(1)).enumerate().for_each(|(piece, out)| {
                let (first, count) = (piece * ROWS, out.len() / size);
                let products = product(all.subrows(first, count), all.subrows(0, first + count).transpose());
                for (row, out) in out.chunks_mut(size).enumerate() {
                    (0..first + count).for_each(|column| out[column] += products[(row, column)]);
                }
            });
        }
    }

    /// Copies the lower triangle over the upper one.
    pub fn mirror(&mut self) {
        for row in 0..self.size {
            for column in 0..row {
                self.values[column * self.size + row] = self.values[row * self.size + column];
            }
        }
    }
}

/// `rows * vector` for row-major `rows` as long as the vector; each sum is one chain on one thread.
pub(crate) fn times(rows: &[f64], vector: &[f64]) -> Vec<f64> {
    let row = |row: &[f64]| row.iter().zip(vector).map(|(value, other)| value * other).sum();
    rows.par_chunks(vector.len().max(1)).with_min_len(16).map(row).collect()
}
