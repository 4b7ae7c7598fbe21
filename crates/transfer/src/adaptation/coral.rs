//! CORAL (Sun, Feng, Saenko 2016, arXiv 1511.05547): the source's covariance is replaced by the target's.
//!
//! ```text
//! A = (Cs + l I)^(-1/2) (Ct + l I)^(1/2),  Xs <- Xs A        so that A^T (Cs + l I) A = Ct + l I
//! C = V S V^T:  (C + l I)^p = l^p (I + V ((1 + S/l)^p - 1) V^T)     the powers of l cancel in A
//! ```
//!
//! Both covariances (divisor `rows - 1`) are symmetric and semidefinite, so one eigendecomposition of the smaller of `X^T X` and
//! `X X^T` gives either power; with few rows `V` has at most `rows - 1` columns and nothing of size `columns x columns` is made.
//!
//! `l` is on the scale of the variances: after a z-score (variances near 1) `l = 1` shrinks half way, on rows of unit length
//! (variances near `1/columns`) it makes `A` nearly the identity.

use heirloom_matrix::{Mat, product, symmetric_eigen};

use super::{AdaptationError, Samples};

/// Eigenvalues below this share of the largest are rounding.
const RANK_TOLERANCE: f64 = 1e-13;

/// Eigenvalues and eigenvectors of the covariance of some samples.
#[derive(Debug, Clone)]
pub struct Covariance {
    /// Variance along each direction.
    values: Vec<f64>,
    /// Directions `[columns, rank]`, orthonormal.
    directions: Mat<f64>,
}

impl Covariance {
    /// Decomposes the covariance of `samples` (divisor `rows - 1`); `domain` names them in errors.
    ///
    /// # Errors
    /// Fewer than two rows, or an eigendecomposition that fails.
    pub fn of(samples: &Samples, domain: &'static str) -> Result<Self, AdaptationError> {
        let (rows, columns) = (samples.rows(), samples.columns());
        if rows < 2 {
            return Err(AdaptationError::TooFewRows { domain, rows, needed: 2 });
        }
        let centred = samples.centred();
        let (x, divisor) = (centred.view(), (rows - 1) as f64);
        let few = rows <= columns;
        let square = if few { product(x, x.transpose()) } else { product(x.transpose(), x) };
        let (values, vectors) = symmetric_eigen(square.as_ref()).map_err(|_| AdaptationError::Numerical {
            routine: "the eigendecomposition",
            rows: square.nrows(),
            columns: square.ncols(),
        })?;
        let top = values.last().copied().unwrap_or(0.0);
        let kept: Vec<usize> = (0..values.len()).filter(|&at| values[at] > RANK_TOLERANCE * top).collect();
        let vectors = Mat::from_fn(vectors.nrows(), kept.len(), |row, column| vectors[(row, kept[column])]);
        let values: Vec<f64> = kept.iter().map(|&at| values[at]).collect();
        // X X^T = U S U^T: the directions are X^T U / sqrt(S).
        let mut directions = if few { product(x.transpose(), vectors.as_ref()) } else { vectors };
        if few {
            for (column, value) in values.iter().enumerate() {
                directions.col_mut(column).iter_mut().for_each(|entry| *entry /= value.sqrt());
            }
        }
        Ok(Self { values: values.iter().map(|value| value / divisor).collect(), directions })
    }

    /// Number of directions in which the samples vary.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.values.len()
    }

    /// The directions of largest variance, `[columns, at most count]`, the largest first.
    pub(super) fn leading(&self, count: usize) -> Mat<f64> {
        let rank = self.rank();
        let column = |column: usize| rank - 1 - column;
        Mat::from_fn(self.directions.nrows(), count.min(rank), |row, at| self.directions[(row, column(at))])
    }

    /// `x (I + C/l)^power`.
    fn apply_power(&self, x: &Samples, power: f64, lambda: f64) -> Samples {
        let mut along = product(x.view(), self.directions.as_ref());
        for (column, value) in self.values.iter().enumerate() {
            let factor = (power * (value / lambda).ln_1p()).exp_m1();
            along.col_mut(column).iter_mut().for_each(|entry| *entry *= factor);
        }
        let change = Samples::of_matrix(&product(along.as_ref(), self.directions.transpose()));
        let mut out = x.clone();
        for row in 0..out.rows() {
            out.row_mut(row).iter_mut().zip(change.row(row)).for_each(|(value, change)| *value += change);
        }
        out
    }
}

/// The linear map of CORAL, kept as the two covariances it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Coral<'a> {
    source: &'a Covariance,
    target: &'a Covariance,
    lambda: f64,
}

impl<'a> Coral<'a> {
    /// The map that gives samples with covariance `source` that of `target`; `lambda` times the identity is added to both.
    ///
    /// # Errors
    /// A `lambda` that is not a positive number.
    pub fn new(source: &'a Covariance, target: &'a Covariance, lambda: f64) -> Result<Self, AdaptationError> {
        if lambda > 0.0 && lambda.is_finite() {
            return Ok(Self { source, target, lambda });
        }
        let range = "a positive number is needed";
        Err(AdaptationError::Setting { setting: "lambda", value: lambda.to_string(), range })
    }

    /// `samples A`.
    #[must_use]
    pub fn align(&self, samples: &Samples) -> Samples {
        let whitened = self.source.apply_power(samples, -0.5, self.lambda);
        self.target.apply_power(&whitened, 0.5, self.lambda)
    }
}
