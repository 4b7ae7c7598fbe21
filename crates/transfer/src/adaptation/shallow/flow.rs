//! The geodesic flow kernel (Gong, Shi, Sha, Grauman 2012, Geodesic flow kernel for unsupervised domain adaptation, section 3): inner
//! products summed over all subspaces on the shortest path from the source's principal subspace to the target's.
//!
//! ```text
//! P_s^T P_t = U diag(cos t_i) V^T         principal angles t_i
//! a = P_s U,   q_i sin t_i = P_t v_i - a_i cos t_i         the path: cos(s t_i) a_i + sin(s t_i) q_i,  s = 0..1
//! G = sum over i of [a_i q_i] [[b1, b2], [b2, b3]] [a_i q_i]^T
//! b1 = (1 + sinc 2t)/2,   b2 = sin^2 t / 2t,   b3 = (1 - sinc 2t)/2,   sinc x = sin x / x
//! ```
//!
//! `G` is never made: a root of each 2 x 2 block gives coordinates whose plain distances are those of `G`.

use heirloom_matrix::{Mat, product, singular_values};

use super::{AdaptationError, Domains, Samples, ShallowOptions, ShallowResult};
use crate::adaptation::Covariance;

/// Sine of an angle below which a direction lies in both subspaces, up to rounding.
const SAME: f64 = 1e-12;
/// Below this `2t` the series of `1 - sinc 2t` is exact to rounding where the difference is not.
const SMALL: f64 = 0.05;

/// The kernel between two subspaces of the same columns.
#[derive(Debug, Clone)]
pub struct FlowKernel {
    /// The `a_i`, then the `q_i`: `[columns, 2 dimension]`.
    directions: Mat<f64>,
    /// The `t_i` in radians, ascending.
    angles: Vec<f64>,
}

impl FlowKernel {
    /// The kernel from one subspace to another, each given as row-major `[columns, dimension]` with orthonormal columns.
    ///
    /// # Errors
    /// Subspaces of different shapes, or a singular value decomposition that fails.
    pub fn between(from: &Samples, to: &Samples) -> Result<Self, AdaptationError> {
        Self::of(&from.view().to_owned(), &to.view().to_owned())
    }

    fn of(from: &Mat<f64>, to: &Mat<f64>) -> Result<Self, AdaptationError> {
        if (from.nrows(), from.ncols()) != (to.nrows(), to.ncols()) {
            return Err(AdaptationError::Columns { source_columns: from.ncols(), target_columns: to.ncols() });
        }
        let inner = product(from.transpose(), to.as_ref());
        let (left, cosines, right) = singular_values(inner.as_ref()).map_err(|_| AdaptationError::Numerical {
            routine: "the singular value decomposition",
            rows: inner.nrows(),
            columns: inner.ncols(),
        })?;
        let (start, end) = (product(from.as_ref(), left.as_ref()), product(to.as_ref(), right.as_ref()));
        let (columns, dimension) = (start.nrows(), start.ncols());
        let mut directions = Mat::zeros(columns, 2 * dimension);
        let mut angles = Vec::with_capacity(dimension);
        for (at, cosine) in cosines.iter().enumerate() {
            let away: Vec<f64> = (0..columns).map(|row| end[(row, at)] - cosine * start[(row, at)]).collect();
            let sine = away.iter().map(|entry| entry * entry).sum::<f64>().sqrt();
            angles.push(sine.atan2(*cosine));
            for row in 0..columns {
                directions[(row, at)] = start[(row, at)];
                directions[(row, dimension + at)] = if sine > SAME { away[row] / sine } else { 0.0 };
            }
        }
        Ok(Self { directions, angles })
    }

    /// Principal angles between the subspaces in radians, ascending.
    #[must_use]
    pub fn angles(&self) -> &[f64] {
        &self.angles
    }

    /// Rows as coordinates `[rows, 2 dimension]` whose inner products are `x^T G y`.
    ///
    /// # Errors
    /// Rows with other columns than the subspaces.
    pub fn embed(&self, rows: &Samples) -> Result<Samples, AdaptationError> {
        let (source_columns, target_columns) = (self.directions.nrows(), rows.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        let mut along = Samples::of_matrix(&product(rows.view(), self.directions.as_ref()));
        let dimension = self.angles.len();
        for row in 0..along.rows() {
            let row = along.row_mut(row);
            for (at, angle) in self.angles.iter().enumerate() {
                // The block is L L^T; coordinates are those of the row times L.
                let [b1, b2, b3] = block(*angle);
                let (first, below) = (b1.sqrt(), b2 / b1.sqrt());
                let (start, away) = (row[at], row[dimension + at]);
                row[at] = start * first + away * below;
                row[dimension + at] = away * (b3 - below * below).max(0.0).sqrt();
            }
        }
        Ok(along)
    }
}

/// `b1`, `b2`, `b3` of a principal angle of 0 to a right angle.
pub(super) fn block(angle: f64) -> [f64; 3] {
    let twice = 2.0 * angle;
    if twice == 0.0 {
        return [1.0, 0.0, 0.0];
    }
    let sinc = twice.sin() / twice;
    // 1 - sinc x = x^2/6 - x^4/120 + x^6/5040 - ...
    let square = twice * twice;
    let series = square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0));
    let less = if twice < SMALL { series } else { 1.0 - sinc };
    [(1.0 + sinc) / 2.0, angle.sin().powi(2) / twice, less / 2.0]
}

/// Labels by the nearest source row under the kernel.
pub(super) fn label(domains: &Domains<'_>, options: &ShallowOptions) -> Result<ShallowResult, AdaptationError> {
    let (own, other) = (Covariance::of(domains.source, "source")?, Covariance::of(domains.target, "target")?);
    let dimension = options.dimension.min(own.rank()).min(other.rank());
    let kernel = FlowKernel::of(&own.leading(dimension), &other.leading(dimension))?;
    let (source, target) = (kernel.embed(domains.source)?, kernel.embed(domains.target)?);
    Ok(ShallowResult { angles: kernel.angles, ..ShallowResult::nearest(domains, source, target)? })
}
