//! The columns of a working set with their means taken away, in the precision that the gap asked for needs: products in single
//! precision are off by about 1e-6 of the penalty, so a certificate below that must not rest on them.

use heirloom_matrix::{MatRef, product};
use rayon::prelude::*;

use super::super::dense::Matrix;
use super::group_lasso::row_norm;

/// Relative gap below which everything is computed in double precision.
pub(super) const DOUBLE_BELOW: f64 = 1e-4;
/// Rows or columns in one piece of a product in double precision.
const PIECE: usize = 256;

/// Values `[rows, columns]`, row-major.
pub(super) enum Centred {
    Single(Matrix),
    Double { rows: usize, columns: usize, values: Vec<f64> },
}

impl Centred {
    /// Takes the means of the columns away and returns them beside what is left.
    pub fn of(mut matrix: Matrix, double: bool) -> (Self, Vec<f64>) {
        let means = means(&matrix);
        let less = |(&value, mean): (&f32, &f64)| f64::from(value) - mean;
        if double {
            let (rows, columns) = (matrix.rows, matrix.columns);
            let values =
                matrix.values.chunks(columns.max(1)).flat_map(|row| row.iter().zip(&means).map(less)).collect();
            return (Self::Double { rows, columns, values }, means);
        }
        for row in matrix.values.chunks_mut(matrix.columns.max(1)) {
            row.iter_mut().zip(&means).for_each(|(value, mean)| *value = (f64::from(*value) - mean) as f32);
        }
        (Self::Single(matrix), means)
    }

    /// `self * weights`, `[rows, classes]`.
    pub fn times(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        match self {
            Self::Single(matrix) => matrix.times(weights, classes),
            Self::Double { rows, columns, values } => {
                let (left, right) = (view(values, *rows, *columns), view(weights, *columns, classes));
                pieces(*rows, classes, |first, count| product(left.subrows(first, count), right))
            }
        }
    }

    /// `self^T * residuals`, `[columns, classes]`.
    pub fn transposed_times(&self, residuals: &[f64], classes: usize) -> Vec<f64> {
        match self {
            Self::Single(matrix) => matrix.transposed_times(residuals, classes),
            Self::Double { rows, columns, values } => {
                let (left, right) = (view(values, *rows, *columns).transpose(), view(residuals, *rows, classes));
                pieces(*columns, classes, |first, count| product(left.subrows(first, count), right))
            }
        }
    }

    /// Largest eigenvalue of `self^T self`, from above by a hundredth, by the power method.
    pub fn largest_eigenvalue(&self) -> f64 {
        let columns = match self {
            Self::Single(matrix) => matrix.columns,
            Self::Double { columns, .. } => *columns,
        };
        let mut vector: Vec<f64> = (0..columns).map(|column| 1.0 + (column % 7) as f64 / 7.0).collect();
        let mut value = 0.0;
        for _ in 0..30 {
            let norm = row_norm(&vector).max(f64::MIN_POSITIVE);
            vector.iter_mut().for_each(|entry| *entry /= norm);
            vector = self.transposed_times(&self.times(&vector, 1), 1);
            value = row_norm(&vector);
        }
        1.01 * value
    }
}

fn means(matrix: &Matrix) -> Vec<f64> {
    let mut means = vec![0.0_f64; matrix.columns];
    for row in 0..matrix.rows {
        means.iter_mut().zip(matrix.row(row)).for_each(|(mean, &value)| *mean += f64::from(value));
    }
    means.iter_mut().for_each(|mean| *mean /= matrix.rows as f64);
    means
}

fn view(values: &[f64], rows: usize, columns: usize) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(values, rows, columns)
}

/// Rows of a product, piece by piece of a size that depends on nothing; `part` gives `count` rows from `first` on.
fn pieces(rows: usize, classes: usize, part: impl Fn(usize, usize) -> heirloom_matrix::Mat<f64> + Sync) -> Vec<f64> {
    let mut out = vec![0.0; rows * classes];
    out.par_chunks_mut(PIECE * classes.max(1)).enumerate().for_each(|(piece, out)| {
        let values = part(piece * PIECE, out.len() / classes);
        out.iter_mut().enumerate().for_each(|(at, out)| *out = values[(at / classes, at % classes)]);
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both precisions are the same matrix, across the borders of pieces.
    #[test]
    fn the_two_precisions_agree() {
        let (rows, columns) = (PIECE + 3, PIECE + 5);
        let values: Vec<f32> = (0..rows * columns).map(|at| ((at * 37 % 101) as f32 - 20.0) / 17.0).collect();
        let matrix = Matrix { rows, columns, values };
        let (single, means) = Centred::of(matrix.clone(), false);
        let (double, same) = Centred::of(matrix, true);
        assert_eq!(means, same);
        let weights: Vec<f64> = (0..columns * 2).map(|at| (at as f64 * 0.7).sin()).collect();
        let images = [single.times(&weights, 2), double.times(&weights, 2)];
        let back = [single.transposed_times(&images[1], 2), double.transposed_times(&images[1], 2)];
        for [one, other] in [images, back] {
            let largest = other.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            assert_eq!(one.len(), other.len());
            assert!(one.iter().zip(&other).all(|(a, b)| (a - b).abs() < 1e-5 * largest), "beyond rounding");
        }
        let (a, b) = (single.largest_eigenvalue(), double.largest_eigenvalue());
        assert!((a - b).abs() < 1e-4 * b, "{a} {b}");
    }

    #[test]
    fn no_columns_give_nothing() {
        for double in [false, true] {
            let (centred, means) = Centred::of(Matrix::zeros(3, 0), double);
            assert_eq!((centred.times(&[], 2), means), (vec![0.0; 6], vec![]));
            assert_eq!(centred.transposed_times(&[1.0; 6], 2), Vec::<f64>::new());
        }
    }
}
