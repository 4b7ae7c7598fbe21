//! The rotation behind ridge regression: rows in the basis of their principal directions, from the smaller of the two
//! symmetric matrices, computed on one thread so that the bits do not depend on the number of threads.

use heirloom_matrix::{Mat, product, symmetric_eigen};

use super::HeadError;
use super::dense::{Matrix, smaller_gram};

/// Eigenvalues below this share of the largest are rounding.
const RANK_TOLERANCE: f64 = 1e-13;

/// `X = Z V^T` with orthogonal columns in `Z` and orthonormal ones in `V`.
pub(crate) struct Rotation {
    /// Rows in the principal basis, `[rows, rank]`.
    pub rows: Mat<f64>,
    /// Squared length of each column of `rows`, i.e. the eigenvalues of `X^T X` kept.
    pub values: Vec<f64>,
    /// Principal directions `[columns, rank]`.
    pub basis: Mat<f64>,
}

/// Rotates the rows of `matrix` (already centred).
pub(crate) fn rotate(matrix: &Matrix) -> Result<Rotation, HeadError> {
    let x = Mat::from_fn(matrix.rows, matrix.columns, |row, column| {
        f64::from(matrix.values[row * matrix.columns + column])
    });
    let dual = matrix.rows <= matrix.columns;
    let square = smaller_gram(&x);
    let (values, vectors) = symmetric_eigen(square.as_ref()).map_err(|_| HeadError::Numerical {
        routine: "the eigendecomposition",
        rows: square.nrows(),
        columns: square.ncols(),
    })?;
    let top = values.last().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i] > RANK_TOLERANCE * top && values[i] > 0.0).collect();
    let vectors = Mat::from_fn(vectors.nrows(), kept.len(), |row, column| vectors[(row, kept[column])]);
    let values: Vec<f64> = kept.iter().map(|&i| values[i]).collect();
    if dual {
        // K = U S U^T: Z = U sqrt(S), V = X^T U / sqrt(S).
        let mut basis = product(x.transpose(), vectors.as_ref());
        let mut rows = vectors;
        for (column, value) in values.iter().enumerate() {
            rows.col_mut(column).iter_mut().for_each(|entry| *entry *= value.sqrt());
            basis.col_mut(column).iter_mut().for_each(|entry| *entry /= value.sqrt());
        }
        return Ok(Rotation { rows, values, basis });
    }
    let rows = product(x.as_ref(), vectors.as_ref());
    Ok(Rotation { rows, values, basis: vectors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation_rebuilds_the_rows_from_either_side() {
        for (rows, columns) in [(5, 9), (9, 5), (4, 4)] {
            let values = (0..rows * columns).map(|i| ((i * 29 % 23) as f32 - 11.0) / 7.0).collect();
            let matrix = Matrix { rows, columns, values };
            let rotation = rotate(&matrix).unwrap();
            let rebuilt = product(rotation.rows.as_ref(), rotation.basis.transpose());
            for row in 0..rows {
                for column in 0..columns {
                    assert!((rebuilt[(row, column)] - f64::from(matrix.row(row)[column])).abs() < 1e-5);
                }
            }
            let squares = product(rotation.rows.transpose(), rotation.rows.as_ref());
            for (i, value) in rotation.values.iter().enumerate() {
                assert!((squares[(i, i)] - value).abs() < 1e-9 * value.max(1.0));
            }
        }
    }
}
