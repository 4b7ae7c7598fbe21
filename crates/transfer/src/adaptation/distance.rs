//! Distances of target rows to source classes (`spec/easytl.md` section 2.3).

use heirloom_matrix::symmetric_eigen;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::means::check;
use super::samples::squared_distance;
use super::{AdaptationError, Samples, class_means};

/// Eigenvalues below this share of the largest make a covariance singular.
const RANK_TOLERANCE: f64 = 1e-12;

/// How far a row is from a class. All but Mahalanobis look at the class mean `h` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// `||x - h||`, not squared.
    Euclidean,
    /// `||x - h||^2`.
    SquaredEuclidean,
    /// `1 - x.h / (||x|| ||h||)`; a length of zero counts as 1.
    Cosine,
    /// `1 - exp(-||x - h||^2)`. The released code takes the exponential itself for a cost, which ranks the nearest class last.
    Rbf,
    /// `(x - h)^T S^-1 (x - h)` with the covariance `S` of the class (divisor `rows - 1`).
    Mahalanobis,
}

impl Distance {
    /// Distances `[target rows, classes]`, row-major.
    ///
    /// # Errors
    /// What [`class_means`] refuses; for Mahalanobis a class whose covariance has no inverse.
    pub fn to_classes(
        self,
        target: &Samples,
        source: &Samples,
        labels: &[usize],
        classes: usize,
    ) -> Result<Vec<f64>, AdaptationError> {
        let means = class_means(source, labels, classes)?;
        if self == Self::Mahalanobis {
            return mahalanobis(target, source, labels, &means);
        }
        Ok(by_row(target, classes, |row, class| self.between(row, means.row(class))))
    }

    fn between(self, x: &[f64], h: &[f64]) -> f64 {
        match self {
            Self::Euclidean => squared_distance(x, h).sqrt(),
            Self::Rbf => -(-squared_distance(x, h)).exp_m1(),
            Self::Cosine => {
                let product: f64 = x.iter().zip(h).map(|(a, b)| a * b).sum();
                1.0 - product / (length(x) * length(h))
            }
            Self::SquaredEuclidean | Self::Mahalanobis => squared_distance(x, h),
        }
    }
}

/// Euclidean length, 1 for a row of zeros.
fn length(row: &[f64]) -> f64 {
    let length = row.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length > 0.0 { length } else { 1.0 }
}

/// A value for every target row and class; each is computed on its own.
fn by_row(target: &Samples, classes: usize, value: impl Fn(&[f64], usize) -> f64 + Sync) -> Vec<f64> {
    let row = |row: usize| (0..classes).map(|class| value(target.row(row), class)).collect::<Vec<_>>();
    (0..target.rows()).into_par_iter().map(row).collect::<Vec<_>>().concat()
}

/// With `S = V L V^T` the distance is the squared length of `(x - h) V L^(-1/2)`.
fn mahalanobis(
    target: &Samples,
    source: &Samples,
    labels: &[usize],
    means: &Samples,
) -> Result<Vec<f64>, AdaptationError> {
    check(source, labels, means.rows())?;
    let columns = source.columns();
    let mut whitening = Vec::with_capacity(means.rows());
    for class in 0..means.rows() {
        let members: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == class).collect();
        let mut centred = Samples::zeros(members.len(), columns);
        for (at, &row) in members.iter().enumerate() {
            let values = source.row(row).iter().zip(means.row(class));
            centred.row_mut(at).iter_mut().zip(values).for_each(|(out, (value, mean))| *out = value - mean);
        }
        let square = heirloom_matrix::product(centred.view().transpose(), centred.view());
        let (values, vectors) = symmetric_eigen(square.as_ref()).map_err(|_| AdaptationError::Numerical {
            routine: "the eigendecomposition",
            rows: columns,
            columns,
        })?;
        let top = values.last().copied().unwrap_or(0.0);
        let rank = values.iter().filter(|value| **value > RANK_TOLERANCE * top).count();
        if rank < columns || members.len() < 2 {
            return Err(AdaptationError::SingularCovariance { class, rows: members.len(), columns, rank });
        }
        whitening.push((values, vectors, (members.len() - 1) as f64));
    }
    Ok(by_row(target, means.rows(), |row, class| {
        let (values, vectors, divisor) = &whitening[class];
        let along = |column: usize| -> f64 {
            let entries = row.iter().zip(means.row(class)).enumerate();
            entries.map(|(at, (value, mean))| (value - mean) * vectors[(at, column)]).sum()
        };
        (0..columns).map(|column| along(column).powi(2) * divisor / values[column]).sum()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// TV4 of `spec/easytl.md`.
    #[test]
    fn every_distance_has_its_known_value() {
        let class = Samples::new(4, 2, vec![0., 0., 2., 0., 0., 2., 2., 4.]).unwrap();
        let queries = Samples::new(2, 2, vec![1., 1., 3., 5.]).unwrap();
        let cases = [
            (Distance::Euclidean, [0.5, 4.031_128_874_149]),
            (Distance::SquaredEuclidean, [0.25, 16.25]),
            (Distance::Mahalanobis, [0.075, 4.875]),
            (Distance::Cosine, [0.019_419_324_309, 0.001_131_862_276]),
            (Distance::Rbf, [1.0 - 0.778_800_783_071, 1.0 - 8.7642e-8]),
        ];
        for (distance, expected) in cases {
            let found = distance.to_classes(&queries, &class, &[0; 4], 1).unwrap();
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{distance:?}: {found:?}");
        }
    }

    #[test]
    fn the_near_class_has_the_smaller_cost_by_every_distance() {
        let class = Samples::new(6, 1, vec![0.9, 1.0, 1.1, 3.0, 3.1, 3.2]).unwrap();
        let query = Samples::new(1, 1, vec![1.2]).unwrap();
        for distance in [Distance::Euclidean, Distance::SquaredEuclidean, Distance::Rbf, Distance::Mahalanobis] {
            let found = distance.to_classes(&query, &class, &[0, 0, 0, 1, 1, 1], 2).unwrap();
            assert!(found[0] < found[1], "{distance:?}: {found:?}");
        }
    }

    #[test]
    fn too_few_rows_have_no_mahalanobis_distance() {
        let class = Samples::new(2, 2, vec![0., 0., 1., 1.]).unwrap();
        let error = Distance::Mahalanobis.to_classes(&class, &class, &[0, 0], 1).unwrap_err();
        assert_eq!(error, AdaptationError::SingularCovariance { class: 0, rows: 2, columns: 2, rank: 1 });
    }

    #[test]
    fn a_zero_row_has_cosine_distance_one() {
        let class = Samples::new(1, 2, vec![1., 1.]).unwrap();
        let query = Samples::new(1, 2, vec![0., 0.]).unwrap();
        assert_eq!(Distance::Cosine.to_classes(&query, &class, &[0], 1).unwrap(), vec![1.0]);
    }
}
