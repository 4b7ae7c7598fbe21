//! What several scores of one sample have in common: the centred features, their Gram matrix and its decomposition. None of it depends on labels,
//! and each is computed once, by the first score that asks for it.

use std::cell::OnceCell;

use heirloom_matrix::{Mat, lower_factor};

use super::decomposition::{Decomposition, decompose_with, gram};
use super::h_score::Shrinkage;
use super::{RankingError, centred};

pub(super) struct Shared<'a> {
    features: &'a Mat<f64>,
    finite: OnceCell<Result<(), RankingError>>,
    centred: OnceCell<Mat<f64>>,
    gram: OnceCell<Mat<f64>>,
    parts: OnceCell<Result<Decomposition, RankingError>>,
    shrinkage: OnceCell<Shrinkage>,
}

impl<'a> Shared<'a> {
    pub fn new(features: &'a Mat<f64>) -> Self {
        let (finite, centred, gram) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        Self { features, finite, centred, gram, parts: OnceCell::new(), shrinkage: OnceCell::new() }
    }

    /// Refuses a feature that is not finite.
    pub fn check(&self) -> Result<(), RankingError> {
        let refused = RankingError::Undefined("a feature that is not finite");
        self.finite.get_or_init(|| all_finite(self.features).then_some(()).ok_or(refused)).clone()
    }

    /// The rows less their mean, `[rows, columns]`.
    pub fn centred(&self) -> &Mat<f64> {
        self.centred.get_or_init(|| centred(self.features))
    }

    /// The smaller Gram matrix of the centred rows; its lower triangle alone.
    pub fn gram(&self) -> &Mat<f64> {
        self.gram.get_or_init(|| gram(self.centred()))
    }

    /// The centred rows decomposed.
    pub fn parts(&self) -> Result<&Decomposition, RankingError> {
        self.parts.get_or_init(|| decompose_with(self.centred(), self.gram())).as_ref().map_err(Clone::clone)
    }

    /// Coordinates of the centred rows in an orthonormal basis of some space that holds them, of as few columns as come without a decomposition:
    /// distances and products are those of the rows.
    ///
    /// Where there are more columns than rows, `L L^T = G + t 1 1^T` with `G` the Gram matrix: the rows of `L` are the centred rows beside one more
    /// column of the same value, turned, and their mean is that column alone.
    pub fn coordinates(&self) -> Result<Mat<f64>, RankingError> {
        let (rows, gram) = (self.features.nrows(), self.gram());
        let spread = (0..gram.nrows()).map(|at| gram[(at, at)]).sum::<f64>() / rows.max(1) as f64;
        if spread.is_nan() || spread <= 0.0 {
            return Err(RankingError::Undefined("all features are equal, or one is not finite"));
        }
        if rows > self.features.ncols() {
            return Ok(self.centred().clone());
        }
        // Rows that depend on each other have no factor.
        match lower_factor(Mat::from_fn(rows, rows, |row, column| gram[(row, column)] + spread)) {
            Ok(factor) => Ok(centred(&factor)),
            Err(_) => Ok(self.parts()?.coordinates()),
        }
    }

    /// How far their covariance is to be shrunk.
    pub fn shrinkage(&self) -> Result<Shrinkage, RankingError> {
        let parts = self.parts()?;
        Ok(*self.shrinkage.get_or_init(|| Shrinkage::of(self.centred(), parts)))
    }
}

/// Whether every value is finite; each is looked at, so that a column is one run of instructions without branches.
fn all_finite(x: &Mat<f64>) -> bool {
    let of_column = |column: usize| x.col_as_slice(column).iter().fold(true, |all, value| all & value.is_finite());
    (0..x.ncols()).all(of_column)
}

#[cfg(test)]
mod tests {
    use heirloom_matrix::product;

    use super::*;
    use crate::ranking::tests::sample;

    /// Products of the coordinates are those of the centred rows, for few and many columns and where two rows are equal.
    #[test]
    fn coordinates_keep_products() {
        let toy = sample();
        let wide = Mat::from_fn(8, 20, |row, column| (toy.features[(row, column % 3)] * (1.0 + column as f64)).sin());
        let twice = Mat::from_fn(8, 20, |row, column| wide[(row.min(6), column)]);
        for features in [&toy.features, &wide, &twice] {
            let shared = Shared::new(features);
            let found = shared.coordinates().unwrap();
            let [found, expected] = [&found, shared.centred()].map(|x| product(x.as_ref(), x.transpose()));
            let apart = (&found - &expected).norm_max();
            assert!(apart < 1e-10, "{apart}");
        }
        let equal = Mat::from_fn(8, 20, |_, _| 1.0);
        assert!(matches!(Shared::new(&equal).coordinates(), Err(RankingError::Undefined(_))));
    }
}
