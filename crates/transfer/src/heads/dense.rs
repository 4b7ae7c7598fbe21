//! Dense single-precision matrices and the few products the heads need, one of them in double precision. Every product is cut into pieces of a fixed size
//! that depend on the shape alone, each computed on one thread, so the bits do not depend on the number of threads.

use heirloom_matrix::{Mat, MatMut, MatRef, multiply, multiply_add, product};
use rayon::prelude::*;

/// Rows in one piece of a product `X W`.
const ROW_PIECE: usize = 1024;
/// Columns in one piece of a product `X^T R`.
const COLUMN_PIECE: usize = 512;
/// Rows in one piece of a Gram matrix; what lies above the diagonal inside a piece is computed for nothing.
const GRAM_PIECE: usize = 192;

/// Side of a tile in which a Gram matrix is mirrored.
const MIRROR_TILE: usize = 64;

/// A row-major matrix `[rows, columns]`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Matrix {
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    pub fn view(&self) -> MatRef<'_, f32> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.columns)
    }

    /// The rows named by `picks`, in that order.
    pub fn select_rows(&self, picks: &[usize]) -> Self {
        let values = picks.iter().flat_map(|&row| self.row(row).iter().copied()).collect();
        Self { rows: picks.len(), columns: self.columns, values }
    }

    /// `self * weights`, with `weights` and the result row-major `[columns, classes]` and `[rows, classes]`.
    pub fn times(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        let weights: Vec<f32> = weights.iter().map(|&value| value as f32).collect();
        let weights = MatRef::from_row_major_slice(&weights, self.columns, classes);
        let mut out = vec![0.0_f32; self.rows * classes];
        if self.columns == 0 || classes == 0 {
            return vec![0.0; self.rows * classes];
        }
        out.par_chunks_mut(ROW_PIECE * classes).enumerate().for_each(|(piece, out)| {
            let rows = out.len() / classes;
            let left = self.view().subrows(piece * ROW_PIECE, rows);
            let out = MatMut::from_row_major_slice_mut(out, rows, classes);
            multiply(out, left, weights);
        });
        out.into_iter().map(f64::from).collect()
    }

    /// `self^T * residuals`, with `residuals` and the result row-major `[rows, classes]` and `[columns, classes]`.
    pub fn transposed_times(&self, residuals: &[f64], classes: usize) -> Vec<f64> {
        let residuals: Vec<f32> = residuals.iter().map(|&value| value as f32).collect();
        let mut out = vec![0.0_f64; self.columns * classes];
        if classes == 0 {
            return out;
        }
        out.par_chunks_mut(COLUMN_PIECE * classes).enumerate().for_each(|(piece, out)| {
            let columns = out.len() / classes;
            let product = transposed_product(self.view().subcols(piece * COLUMN_PIECE, columns), &residuals, classes);
            for (class, product) in product.chunks(columns).enumerate() {
                product.iter().enumerate().for_each(|(at, &value)| out[at * classes + class] = f64::from(value));
            }
        });
        out
    }

    /// [`Matrix::times`] for a symmetric matrix, whose columns are its rows: the long side runs along the vector lanes.
    pub fn symmetric_times(&self, weights: &[f64], classes: usize) -> Vec<f64> {
        self.transposed_times(weights, classes)
    }

    /// The Gram matrix of the rows, `self * self^T`, both triangles filled.
    pub fn gram(&self) -> Self {
        let mut gram = Self::zeros(self.rows, self.rows);
        let size = gram.rows;
        let pieces = gram.values.par_chunks_mut((GRAM_PIECE * size).max(1)).enumerate();
        // Written, not added to: reading fresh memory first would have every page of it copied when it is written.
        pieces.for_each(|(piece, out)| gram_piece(self, piece, out, multiply));
        mirror(&mut gram);
        gram
    }
}

/// `matrix^T * residuals`, column-major `[columns, classes]`, on the calling thread; `residuals` is row-major.
pub(crate) fn transposed_product(matrix: MatRef<'_, f32>, residuals: &[f32], classes: usize) -> Vec<f32> {
    let columns = matrix.ncols();
    let mut out = vec![0.0_f32; columns * classes];
    if columns > 0 && classes > 0 {
        let residuals = MatRef::from_row_major_slice(residuals, matrix.nrows(), classes);
        let target = MatMut::from_column_major_slice_mut(&mut out, columns, classes);
        multiply(target, matrix.transpose(), residuals);
    }
    out
}

/// Adds `matrix * matrix^T` to the lower triangle of `gram` (and to parts of the upper one), on the calling thread.
pub(crate) fn add_gram(matrix: &Matrix, gram: &mut Matrix) {
    let size = gram.rows;
    for (piece, out) in gram.values.chunks_mut(GRAM_PIECE * size).enumerate() {
        gram_piece(matrix, piece, out, multiply_add);
    }
}

/// Writes rows of `matrix * matrix^T`, up to the piece's last, into the rows of a Gram matrix in `out`, or adds them.
fn gram_piece(
    matrix: &Matrix,
    piece: usize,
    out: &mut [f32],
    write: fn(MatMut<'_, f32>, MatRef<'_, f32>, MatRef<'_, f32>),
) {
    let size = matrix.rows;
    let (first, rows) = (piece * GRAM_PIECE, out.len() / size);
    let width = first + rows;
    // Not `from_row_major_slice_with_stride_mut`: faer 0.24.4 takes its stride for that of the columns.
    let target = MatMut::from_column_major_slice_with_stride_mut(out, width, rows, size).transpose_mut();
    let (left, right) = (matrix.view().subrows(first, rows), matrix.view().subrows(0, width));
    write(target, left, right.transpose());
}

/// Copies the lower triangle of a square matrix over the upper one.
pub(crate) fn mirror(gram: &mut Matrix) {
    let size = gram.rows;
    // Tile by tile, since one of the two sides is read or written across rows.
    for first_row in (0..size).step_by(MIRROR_TILE) {
        for first_column in (0..=first_row).step_by(MIRROR_TILE) {
            for row in first_row..size.min(first_row + MIRROR_TILE) {
                for column in first_column..row.min(first_column + MIRROR_TILE) {
                    gram.values[column * size + row] = gram.values[row * size + column];
                }
            }
        }
    }
}

/// Rows in one piece of a double-precision Gram matrix.
const DOUBLE_PIECE: usize = 128;

/// The smaller of `x x^T` (rows at most columns) and `x^T x`, in double precision, lower triangle.
pub(crate) fn smaller_gram(x: &Mat<f64>) -> Mat<f64> {
    let sides = if x.nrows() <= x.ncols() { x.as_ref() } else { x.transpose() };
    let size = sides.nrows();
    let pieces = (0..size.div_ceil(DOUBLE_PIECE)).into_par_iter().map(|piece| {
        let first = piece * DOUBLE_PIECE;
        let rows = DOUBLE_PIECE.min(size - first);
        product(sides.subrows(first, rows), sides.subrows(0, first + rows).transpose())
    });
    let mut gram = Mat::zeros(size, size);
    for (piece, values) in pieces.collect::<Vec<_>>().into_iter().enumerate() {
        let mut target = gram.as_mut().submatrix_mut(piece * DOUBLE_PIECE, 0, values.nrows(), values.ncols());
        target.copy_from(&values);
    }
    gram
}

/// Takes each column's mean away and divides by the root mean square row norm; returns the means and that norm.
///
/// The norm is 1 where all rows are equal. An unpenalised bias absorbs the means, so no optimum changes; the division
/// makes a penalty a pure number.
pub(crate) fn standardise_rows(matrix: &mut Matrix) -> (Vec<f64>, f64) {
    let (rows, columns) = (matrix.rows, matrix.columns);
    let mut means = vec![0.0_f64; columns];
    for row in 0..rows {
        for (mean, &value) in means.iter_mut().zip(matrix.row(row)) {
            *mean += f64::from(value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= rows as f64);
    let mut squares = 0.0_f64;
    for row in matrix.values.chunks_mut(columns.max(1)) {
        for (value, mean) in row.iter_mut().zip(&means) {
            let centred = f64::from(*value) - mean;
            squares += centred * centred;
            *value = centred as f32;
        }
    }
    let norm = if squares > 0.0 { (squares / rows as f64).sqrt() } else { 1.0 };
    matrix.values.iter_mut().for_each(|value| *value = (f64::from(*value) / norm) as f32);
    (means, norm)
}

/// The Gram matrix of the fitted rows, centred and scaled to mean square norm 1, and the products of held rows with them. Of `gram`,
/// that of all rows, the lower triangle is read.
pub(crate) fn centred_gram(gram: &Matrix, fitted: &[usize], held: &[usize]) -> (Matrix, Matrix) {
    let size = gram.rows;
    let at = |a: usize, b: usize| f64::from(gram.values[a.max(b) * size + a.min(b)]);
    let count = fitted.len() as f64;
    let means: Vec<f64> =
        (0..size).map(|row| fitted.iter().map(|&other| at(row, other)).sum::<f64>() / count).collect();
    let grand = fitted.iter().map(|&row| means[row]).sum::<f64>() / count;
    let centre = |a: usize, b: usize| at(a, b) - means[a] - means[b] + grand;
    let square = fitted.iter().map(|&row| centre(row, row)).sum::<f64>() / count;
    let scale = if square > 0.0 { 1.0 / square } else { 1.0 };
    let products = |rows: &[usize]| Matrix {
        rows: rows.len(),
        columns: fitted.len(),
        values: rows
            .iter()
            .flat_map(|&row| fitted.iter().map(move |&other| (row, other)))
            .map(|(row, other)| (centre(row, other) * scale) as f32)
            .collect(),
    };
    (products(fitted), products(held))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(rows: usize, columns: usize) -> Matrix {
        let values = (0..rows * columns).map(|i| ((i * 37 % 101) as f32 - 50.0) / 17.0).collect();
        Matrix { rows, columns, values }
    }

    #[test]
    fn products_match_plain_loops() {
        let x = sample(1030, 7);
        let weights: Vec<f64> = (0..7 * 3).map(|i| f64::from(i) / 5.0 - 2.0).collect();
        let images = x.times(&weights, 3);
        let back = x.transposed_times(&images, 3);
        let gram = x.gram();
        for (row, class) in [(0, 0), (1023, 1), (1029, 2)] {
            let expected: f64 = (0..7).map(|j| f64::from(x.row(row)[j]) * weights[j * 3 + class]).sum();
            assert!((images[row * 3 + class] - expected).abs() < 1e-4, "{row} {class}");
        }
        for (column, class) in [(0, 0), (6, 2)] {
            let expected: f64 = (0..1030).map(|n| f64::from(x.row(n)[column]) * images[n * 3 + class]).sum();
            assert!((back[column * 3 + class] - expected).abs() < 1e-5 * expected.abs().max(1e4), "{column} {class}");
        }
        let expected: f64 = (0..7).map(|j| f64::from(x.row(5)[j]) * f64::from(x.row(900)[j])).sum();
        assert!((f64::from(gram.values[5 * 1030 + 900]) - expected).abs() < 1e-4);
    }

    #[test]
    fn standardised_rows_have_zero_mean_and_unit_mean_square_norm() {
        let mut x = sample(40, 5);
        let (means, norm) = standardise_rows(&mut x);
        assert_eq!(means.len(), 5);
        assert!(norm > 0.0);
        let square: f64 = x.values.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>() / 40.0;
        assert!((square - 1.0).abs() < 1e-5);
        let mut equal = Matrix { rows: 3, columns: 2, values: vec![2.0, 5.0, 2.0, 5.0, 2.0, 5.0] };
        assert_eq!(standardise_rows(&mut equal), (vec![2.0, 5.0], 1.0));
    }
}
