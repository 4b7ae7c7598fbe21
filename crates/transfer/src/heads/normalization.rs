//! How the selected columns of a tap are scaled before a head reads them (`spec/head2toe.md` section 2.3): selection first,
//! normalisation second.

use serde::{Deserialize, Serialize};

/// Added to a column's variance under [`Normalization::PerFeature`].
pub(crate) const VARIANCE_FLOOR: f64 = 1e-5;

/// Scaling of features, tap by tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalization {
    /// Each row of each tap is divided by its own Euclidean norm; a zero row stays zero.
    #[default]
    UnitVector,
    /// Each column loses its mean and is divided by `sqrt(variance + 1e-5)`. Mean and variance come from the training rows
    /// and are stored with the head; the released Head2Toe code uses those of whatever rows are at hand, so that a
    /// prediction there depends on its neighbours in the batch.
    PerFeature,
    /// Values as they are.
    None,
}

/// A normalisation with what it learnt from the training rows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Normalizer {
    UnitVector,
    /// Per column: mean, and the factor `1 / sqrt(variance + 1e-5)`.
    PerFeature {
        mean: Vec<f32>,
        factor: Vec<f32>,
    },
    None,
}

impl Normalizer {
    /// Learns from raw training values, row-major with `width` columns.
    pub fn learn(kind: Normalization, values: &[f32], width: usize) -> Self {
        match kind {
            Normalization::UnitVector => Self::UnitVector,
            Normalization::None => Self::None,
            Normalization::PerFeature => per_feature(values, width),
        }
    }

    pub const fn kind(&self) -> Normalization {
        match self {
            Self::UnitVector => Normalization::UnitVector,
            Self::PerFeature { .. } => Normalization::PerFeature,
            Self::None => Normalization::None,
        }
    }

    /// The same for some of the columns.
    pub fn of_columns(&self, columns: &[usize]) -> Self {
        match self {
            Self::PerFeature { mean, factor } => {
                let pick = |values: &[f32]| columns.iter().map(|column| values[*column]).collect();
                Self::PerFeature { mean: pick(mean), factor: pick(factor) }
            }
            Self::UnitVector | Self::None => self.clone(),
        }
    }

    /// Scales one row of one tap whose columns begin at `offset` of the head's columns.
    pub fn apply(&self, values: &mut [f32], offset: usize) {
        match self {
            Self::UnitVector => unit_vector(values),
            Self::None => {}
            Self::PerFeature { mean, factor } => {
                let scale = mean[offset..].iter().zip(&factor[offset..]);
                for (value, (mean, factor)) in values.iter_mut().zip(scale) {
                    *value = (*value - mean) * factor;
                }
            }
        }
    }
}

/// Divides a vector by its Euclidean norm; a zero vector stays zero.
pub(crate) fn unit_vector(values: &mut [f32]) {
    let square: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    if square > 0.0 {
        let factor = 1.0 / square.sqrt();
        values.iter_mut().for_each(|value| *value = (f64::from(*value) * factor) as f32);
    }
}

fn per_feature(values: &[f32], width: usize) -> Normalizer {
    let rows = (values.len() / width.max(1)).max(1) as f64;
    let mut mean = vec![0.0_f64; width];
    for row in values.chunks(width.max(1)) {
        mean.iter_mut().zip(row).for_each(|(mean, &value)| *mean += f64::from(value) / rows);
    }
    let mut variance = vec![0.0_f64; width];
    for row in values.chunks(width.max(1)) {
        for ((variance, mean), &value) in variance.iter_mut().zip(&mean).zip(row) {
            *variance += (f64::from(value) - mean).powi(2) / rows;
        }
    }
    Normalizer::PerFeature {
        mean: mean.iter().map(|&mean| mean as f32).collect(),
        factor: variance.iter().map(|variance| (variance + VARIANCE_FLOOR).sqrt().recip() as f32).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T4 of `spec/head2toe.md`: the sub-vector is renormalised, a zero vector stays zero.
    #[test]
    fn selected_columns_are_renormalised() {
        let mut kept = [3.0_f32, 4.0];
        unit_vector(&mut kept);
        assert_eq!(kept, [0.6, 0.8]);
        let mut zero = [0.0_f32, 0.0];
        unit_vector(&mut zero);
        assert_eq!(zero, [0.0, 0.0]);
        let mut huge = [3e30_f32, 4e30];
        unit_vector(&mut huge);
        assert!((huge[0] - 0.6).abs() < 1e-6 && (huge[1] - 0.8).abs() < 1e-6);
    }

    #[test]
    fn per_feature_uses_the_statistics_it_learnt() {
        let normalizer = Normalizer::learn(Normalization::PerFeature, &[1.0, 7.0, 3.0, 7.0], 2);
        let mut row = [3.0_f32, 8.0];
        normalizer.apply(&mut row, 0);
        assert!((f64::from(row[0]) - 1.0 / (1.0 + 1e-5_f64).sqrt()).abs() < 1e-6);
        assert!((f64::from(row[1]) - 1.0 / 1e-5_f64.sqrt()).abs() < 1e-2);
    }
}
