//! Left singular vectors and squared singular values, from the smaller of the two symmetric matrices.

use heirloom_matrix::{Mat, add_gram, product, symmetric_eigen};

use super::RankingError;

/// `X = U S V^T` without `V`.
pub(super) struct Decomposition {
    /// `[rows, rank]`, orthonormal columns.
    pub left: Mat<f64>,
    /// Squared singular values.
    pub squared: Vec<f64>,
}

/// `X X^T` or `X^T X`, the smaller of the two; its lower triangle alone.
pub(super) fn gram(x: &Mat<f64>) -> Mat<f64> {
    let size = x.nrows().min(x.ncols());
    let mut gram = Mat::zeros(size, size);
    add_gram(&mut gram, if x.nrows() <= x.ncols() { x.as_ref() } else { x.transpose() });
    gram
}

/// Singular values below rounding are left out: the cut is relative to the largest.
#[cfg(test)]
pub(super) fn decompose(x: &Mat<f64>) -> Result<Decomposition, RankingError> {
    decompose_with(x, &gram(x))
}

/// The same with [`gram`] at hand.
pub(super) fn decompose_with(x: &Mat<f64>, gram: &Mat<f64>) -> Result<Decomposition, RankingError> {
    let (rows, columns) = (x.nrows(), x.ncols());
    let (values, vectors) =
        symmetric_eigen(gram.as_ref()).map_err(|_| RankingError::Numerical("the eigendecomposition"))?;
    let largest = values.iter().copied().fold(0.0, f64::max);
    if !largest.is_finite() || largest <= 0.0 {
        return Err(RankingError::Undefined("all features are equal, or one is not finite"));
    }
    let cut = largest * rows.max(columns) as f64 * f64::EPSILON;
    let kept: Vec<usize> = (0..values.len()).filter(|at| values[*at] > cut).collect();
    let squared: Vec<f64> = kept.iter().map(|at| values[*at]).collect();
    let vectors = Mat::from_fn(vectors.nrows(), kept.len(), |row, column| vectors[(row, kept[column])]);
    if rows <= columns {
        return Ok(Decomposition { left: vectors, squared });
    }
    let mut left = product(x.as_ref(), vectors.as_ref());
    for (column, value) in squared.iter().enumerate() {
        left.col_mut(column).iter_mut().for_each(|entry| *entry /= value.sqrt());
    }
    Ok(Decomposition { left, squared })
}

impl Decomposition {
    /// The rows in the basis of the right singular vectors, `U S`.
    pub fn coordinates(&self) -> Mat<f64> {
        Mat::from_fn(self.left.nrows(), self.left.ncols(), |row, column| {
            self.left[(row, column)] * self.squared[column].sqrt()
        })
    }

    /// `U^T Y` with `Y` the one-hot labels: for each direction the sum over the rows of each class.
    pub fn class_sums(&self, labels: &[usize], classes: usize) -> Vec<Vec<f64>> {
        let of_column = |column: usize| {
            let mut sums = vec![0.0; classes];
            labels.iter().zip(self.left.col(column).iter()).for_each(|(label, value)| sums[*label] += value);
            sums
        };
        (0..self.left.ncols()).map(of_column).collect()
    }

    /// The first coordinates that hold `share` of the variance, at most `most`; singular values rise in a decomposition.
    pub fn principal(&self, share: f64, most: usize) -> Mat<f64> {
        let mut order: Vec<usize> = (0..self.squared.len()).collect();
        order.sort_by(|a, b| self.squared[*b].total_cmp(&self.squared[*a]));
        let total: f64 = self.squared.iter().sum();
        let (mut sum, mut count) = (0.0, 0);
        while count < order.len().min(most) && (count == 0 || sum < share * total) {
            sum += self.squared[order[count]];
            count += 1;
        }
        Mat::from_fn(self.left.nrows(), count, |row, column| {
            self.left[(row, order[column])] * self.squared[order[column]].sqrt()
        })
    }
}
