//! What several scores of one sample have in common: the centred features, their Gram matrix and its decomposition. None of it depends on labels,
//! and each is computed once, by the first score that asks for it.

use std::cell::OnceCell;

use heirloom_matrix::Mat;

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
