//! The projection that TCA, JDA and BDA share: leading eigenvectors of `(X^T M X + l I)^-1 X^T H X`, for rows `X` of both domains,
//! `M` what lies between the domains, `H` the centring.
//!
//! ```text
//! X^T M X + l I = l I + U U^T,   U = X^T [e_k sqrt(w_k / |M|)]       of rank classes + 1 at most
//! R = (l I + U U^T)^(-1/2) = l^(-1/2) (I + V ((1 + S/l)^(-1/2) - 1) V^T)    with U U^T = V S V^T
//! Y = H X R,  Y^T Y = Q T Q^T                                        by the smaller of Y^T Y and Y Y^T
//! W = R Q_d, columns of length 1;   Z = X W, rows of length 1
//! ```
//!
//! `W` solves the problem since `R X^T H X R q = t q` gives `X^T H X (R q) = t (l I + U U^T) (R q)`.

use heirloom_matrix::{Mat, product, symmetric_eigen};

use super::discrepancy::Discrepancy;
use super::{AdaptationError, RowScaling, Samples};

/// Eigenvalues below this share of the largest are rounding.
const RANK_TOLERANCE: f64 = 1e-13;

/// Projects `rows` (both domains, source first) on `dimension` columns; what comes out has rows of length 1.
pub(super) fn project(
    rows: &Samples,
    discrepancy: &Discrepancy,
    lambda: f64,
    dimension: usize,
) -> Result<Samples, AdaptationError> {
    let weights = directions(rows, discrepancy, lambda, dimension)?;
    let mut embedded = Samples::of_matrix(&product(rows.view(), weights.as_ref()));
    (0..embedded.rows()).for_each(|row| RowScaling::L2.apply(embedded.row_mut(row)));
    Ok(embedded)
}

/// `W`, `[columns, at most dimension]`, its columns of length 1, the leading direction first.
pub(super) fn directions(
    rows: &Samples,
    discrepancy: &Discrepancy,
    lambda: f64,
    dimension: usize,
) -> Result<Mat<f64>, AdaptationError> {
    let between = Between::new(rows, discrepancy, lambda)?;
    let whitened = between.whiten(rows.centred().view().to_owned());
    let mut weights = between.whiten(leading(&whitened, dimension)?.transpose().to_owned()).transpose().to_owned();
    for column in 0..weights.ncols() {
        let length = weights.col(column).iter().map(|entry| entry * entry).sum::<f64>().sqrt();
        weights.col_mut(column).iter_mut().for_each(|entry| *entry /= length.max(f64::MIN_POSITIVE));
    }
    Ok(weights)
}

/// The inverse root `R` of `l I + U U^T`, up to the factor `l^(-1/2)`, which no direction depends on.
struct Between {
    /// `V`, `[columns, rank]`.
    directions: Mat<f64>,
    /// `(1 + S/l)^(-1/2) - 1`.
    change: Vec<f64>,
}

impl Between {
    fn new(rows: &Samples, discrepancy: &Discrepancy, lambda: f64) -> Result<Self, AdaptationError> {
        let factors = discrepancy.factors();
        let sums = Mat::from_fn(rows.rows(), factors.len(), |row, term| factors[term][row]);
        let sums = product(rows.view().transpose(), sums.as_ref());
        let (values, vectors) = eigen(&product(sums.transpose(), sums.as_ref()))?;
        let mut directions = product(sums.as_ref(), vectors.as_ref());
        for (column, value) in values.iter().enumerate() {
            directions.col_mut(column).iter_mut().for_each(|entry| *entry /= value.sqrt());
        }
        Ok(Self { directions, change: values.iter().map(|value| (1.0 + value / lambda).powf(-0.5) - 1.0).collect() })
    }

    /// `rows R`.
    fn whiten(&self, rows: Mat<f64>) -> Mat<f64> {
        let mut along = product(rows.as_ref(), self.directions.as_ref());
        for (column, change) in self.change.iter().enumerate() {
            along.col_mut(column).iter_mut().for_each(|entry| *entry *= change);
        }
        let change = product(along.as_ref(), self.directions.transpose());
        rows + change
    }
}

/// The eigenvectors of `rows^T rows` with the largest eigenvalues, `[columns, at most count]`, the largest first.
fn leading(rows: &Mat<f64>, count: usize) -> Result<Mat<f64>, AdaptationError> {
    let few = rows.nrows() <= rows.ncols();
    let square = if few { product(rows.as_ref(), rows.transpose()) } else { product(rows.transpose(), rows.as_ref()) };
    let (values, vectors) = eigen(&square)?;
    let kept = count.min(values.len());
    let last = values.len();
    let vectors = Mat::from_fn(vectors.nrows(), kept, |row, column| vectors[(row, last - 1 - column)]);
    // Y Y^T = P T P^T: the directions are Y^T P, up to their lengths.
    let mut found = if few { product(rows.transpose(), vectors.as_ref()) } else { vectors };
    for column in 0..found.ncols() * usize::from(few) {
        let length = values[last - 1 - column].sqrt();
        found.col_mut(column).iter_mut().for_each(|entry| *entry /= length);
    }
    Ok(found)
}

/// Eigenvalues above rounding, ascending, and their vectors.
fn eigen(square: &Mat<f64>) -> Result<(Vec<f64>, Mat<f64>), AdaptationError> {
    let (values, vectors) = symmetric_eigen(square.as_ref()).map_err(|_| AdaptationError::Numerical {
        routine: "the eigendecomposition",
        rows: square.nrows(),
        columns: square.ncols(),
    })?;
    let top = values.last().copied().unwrap_or(0.0);
    let kept: Vec<usize> = (0..values.len()).filter(|&at| values[at] > RANK_TOLERANCE * top).collect();
    let vectors = Mat::from_fn(vectors.nrows(), kept.len(), |row, column| vectors[(row, kept[column])]);
    Ok((kept.iter().map(|&at| values[at]).collect(), vectors))
}
