//! Batch spectral shrinkage (Chen et al. 2019): the smallest singular values of a batch's features are shrunk, since features
//! along them transfer badly.
//!
//! ```text
//! penalty  = strength * sum of the k smallest s_i^2,      features F = sum_i s_i u_i v_i'   [rows, columns]
//! gradient = strength * 2 sum_i s_i u_i v_i'  =  strength * 2 U_k U_k' F
//! ```
//!
//! The squares are eigenvalues of `F F'` or `F' F`, whichever is smaller, in `f64`.

use heirloom_matrix::{Mat, MatRef, product, symmetric_eigen};
use serde::{Deserialize, Serialize};

use super::error::{same_length, strength};
use super::{Penalty, RegularizerError};

/// Settings of batch spectral shrinkage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BssSettings {
    /// How many of the smallest singular values are shrunk, 1 or more.
    pub singular_values: usize,
    /// Strength of the penalty.
    pub strength: f64,
}

impl Default for BssSettings {
    fn default() -> Self {
        Self { singular_values: 1, strength: 1e-3 }
    }
}

/// The penalty on features `[rows, columns]` of a batch, and its gradient. A batch with fewer singular values than are to be
/// shrunk has all of them shrunk.
///
/// # Errors
/// Settings out of range, no features or another number of them, or a feature that is no finite number.
pub fn penalty(
    features: &[f32],
    rows: usize,
    columns: usize,
    settings: BssSettings,
) -> Result<Penalty, RegularizerError> {
    strength("the strength of batch spectral shrinkage", settings.strength)?;
    if settings.singular_values == 0 || rows * columns == 0 {
        let setting = "the number of singular values to shrink";
        return Err(RegularizerError::Setting { setting, value: 0.0, range: "1 or more" });
    }
    same_length("the features", features.len(), rows * columns)?;
    let matrix = Mat::from_fn(rows, columns, |row, column| f64::from(features[row * columns + column]));
    let no_values = || RegularizerError::NoSingularValues { rows, columns };
    if features.iter().any(|value| !value.is_finite()) {
        return Err(no_values());
    }
    let by_rows = rows <= columns;
    let square = if by_rows {
        product(matrix.as_ref(), matrix.transpose())
    } else {
        product(matrix.transpose(), matrix.as_ref())
    };
    let (values, vectors) = symmetric_eigen(square.as_ref()).map_err(|_| no_values())?;
    let count = settings.singular_values.min(values.len());
    let smallest = vectors.as_ref().subcols(0, count);
    let gradient = if by_rows {
        product(smallest, product(smallest.transpose(), matrix.as_ref()).as_ref())
    } else {
        product(product(matrix.as_ref(), smallest).as_ref(), smallest.transpose())
    };
    // Rounding may leave the square of a singular value of 0 below it.
    let value = settings.strength * values[..count].iter().map(|value| value.max(0.0)).sum::<f64>();
    Ok(Penalty { value, gradient: scaled(gradient.as_ref(), 2.0 * settings.strength) })
}

/// A matrix row by row.
fn scaled(matrix: MatRef<'_, f64>, factor: f64) -> Vec<f32> {
    let row = |row: usize| (0..matrix.ncols()).map(move |column| (factor * matrix[(row, column)]) as f32);
    (0..matrix.nrows()).flat_map(row).collect()
}

#[cfg(test)]
mod tests;
