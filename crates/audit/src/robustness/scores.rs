//! How unlike what a model was fitted on an image is, by four scores; a larger one is more unlike (`spec/robustness.md` section 4).
//!
//! ```text
//! maximum probability   -max_k p_k                                               Hendrycks and Gimpel 2017
//! energy                -log sum_k exp(z_k)                                       Liu et al. 2020, temperature 1
//! Mahalanobis           min_k (x - mu_k)^T S^-1 (x - mu_k)                        Lee et al. 2018, one covariance for all classes
//! nearest neighbour     1 - cosine of x and its fifth nearest training image      Sun et al. 2022
//! ```
//!
//! `x` are the features of the last layer that the head reads. A thousandth of the mean variance is added to the covariance's diagonal.

use heirloom_matrix::{Mat, MatRef, add_gram, solve_positive_definite};
use heirloom_transfer::artifact::Unfamiliar;
use heirloom_transfer::heads::{Head, HeadError};
use heirloom_transfer::{Block, Features};
use serde::{Deserialize, Serialize};

/// Share of the mean variance that is added to the diagonal of the covariance.
const RIDGE: f64 = 1e-3;
/// Columns up to which a covariance is inverted.
const MOST_COLUMNS: usize = 1536;

/// A score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Score {
    /// Probability of the answer.
    MaximumProbability,
    /// Logarithm of the sum of all exponentiated logits.
    Energy,
    /// Distance from the nearest class.
    Mahalanobis,
    /// Angle to training images.
    NearestNeighbour,
}

impl Score {
    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaximumProbability => "maximum probability",
            Self::Energy => "energy",
            Self::Mahalanobis => "Mahalanobis distance",
            Self::NearestNeighbour => "nearest neighbour",
        }
    }
}

/// What the distances are measured from: training images.
#[derive(Debug)]
pub(super) struct Familiar {
    neighbours: Option<Unfamiliar>,
    classes: Option<Classes>,
}

/// Class means and the inverse of the covariance around them.
#[derive(Debug)]
struct Classes {
    width: usize,
    /// `[classes, width]` each: the means, and the inverse covariance times them.
    means: Vec<f64>,
    solved: Vec<f64>,
    inverse: Mat<f64>,
}

impl Familiar {
    /// From features of training images and the class of each.
    pub fn of(features: &Features, labels: &[usize], classes: usize) -> Self {
        let rows: Vec<usize> = (0..labels.len()).collect();
        let Some(block) = features.blocks.last() else { return Self { neighbours: None, classes: None } };
        let request = (block.tap.clone(), block.pooling);
        Self { neighbours: Unfamiliar::fit(features, &request, &rows), classes: Classes::of(block, labels, classes) }
    }

    fn distances(&self, block: &Block) -> Vec<(Score, Vec<f64>)> {
        let rows = || block.values.chunks(block.width.max(1));
        let neighbours = self
            .neighbours
            .as_ref()
            .map(|neighbours| (Score::NearestNeighbour, rows().map(|row| f64::from(neighbours.score(row))).collect()));
        let classes = self.classes.as_ref().map(|classes| (Score::Mahalanobis, classes.distances(block)));
        classes.into_iter().chain(neighbours).collect()
    }
}

impl Classes {
    /// `None` where a class has no image, there are too many columns, or the covariance is singular all the same.
    fn of(block: &Block, labels: &[usize], classes: usize) -> Option<Self> {
        let width = block.width;
        let mut counts = vec![0.0; classes];
        let mut means = vec![0.0; classes * width];
        for (row, label) in block.values.chunks(width.max(1)).zip(labels) {
            *counts.get_mut(*label)? += 1.0;
            means[label * width..(label + 1) * width].iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        if !(1..=MOST_COLUMNS).contains(&width) || counts.contains(&0.0) {
            return None;
        }
        means.chunks_mut(width).zip(&counts).for_each(|(mean, count)| mean.iter_mut().for_each(|sum| *sum /= count));
        let centred = |(row, label): (&[f32], &usize)| {
            let mean = &means[label * width..(label + 1) * width];
            row.iter().zip(mean).map(|(x, mean)| f64::from(*x) - mean).collect::<Vec<f64>>()
        };
        let rows: Vec<f64> = block.values.chunks(width).zip(labels).flat_map(centred).collect();
        let mut covariance = Mat::<f64>::zeros(width, width);
        // The Gram matrix of columns: rows and columns change places.
        add_gram(&mut covariance, MatRef::from_column_major_slice(&rows, width, labels.len()));
        let trace: f64 = (0..width).map(|at| covariance[(at, at)]).sum();
        for column in 0..width {
            for row in 0..column {
                covariance[(row, column)] = covariance[(column, row)];
            }
            covariance[(column, column)] += (RIDGE * trace / width as f64).max(f64::MIN_POSITIVE);
        }
        let scale = labels.len() as f64;
        let mut inverse = Mat::from_fn(width, width, |row, column| if row == column { scale } else { 0.0 });
        solve_positive_definite(&mut covariance, &mut inverse).ok()?;
        let solved = means.chunks(width).flat_map(|mean| times(&inverse, mean)).collect();
        Some(Self { width, means, solved, inverse })
    }

    /// `x S x - 2 x S mu + mu S mu`, the least over classes.
    fn distances(&self, block: &Block) -> Vec<f64> {
        let dot = |left: &[f64], right: &[f64]| left.iter().zip(right).map(|(a, b)| a * b).sum::<f64>();
        let constants: Vec<f64> = self
            .means
            .chunks(self.width)
            .zip(self.solved.chunks(self.width))
            .map(|(mean, solved)| dot(mean, solved))
            .collect();
        let of = |row: &[f32]| {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            let own = dot(&row, &times(&self.inverse, &row));
            let classes = self.solved.chunks(self.width).zip(&constants);
            classes.map(|(solved, constant)| own - 2.0 * dot(&row, solved) + constant).fold(f64::INFINITY, f64::min)
        };
        block.values.chunks(self.width).map(of).collect()
    }
}

/// A symmetric matrix times a vector.
fn times(matrix: &Mat<f64>, vector: &[f64]) -> Vec<f64> {
    let column = |column: usize| (0..vector.len()).map(|row| matrix[(row, column)] * vector[row]).sum();
    (0..vector.len()).map(column).collect()
}

/// What a head says of images, and how unlike training images they are.
#[derive(Debug)]
pub(super) struct Said {
    /// `[images, classes]`, before the temperature.
    pub logits: Vec<f32>,
    /// The same after it.
    pub probabilities: Vec<f32>,
    /// Every score that can be had.
    pub scores: Vec<(Score, Vec<f64>)>,
}

impl Said {
    pub fn of(head: &Head, features: &Features, images: usize, familiar: Option<&Familiar>) -> Result<Self, HeadError> {
        let rows: Vec<usize> = (0..images).collect();
        let (logits, probabilities) = (head.logits(features, &rows)?, head.probabilities(features, &rows)?);
        let classes = head.classes().max(1);
        let largest = |row: &[f32]| row.iter().fold(f32::NEG_INFINITY, |most, value| most.max(*value));
        let energy = |row: &[f32]| {
            let most = f64::from(largest(row));
            -(most + row.iter().map(|z| (f64::from(*z) - most).exp()).sum::<f64>().ln())
        };
        let unsure = probabilities.chunks(classes).map(|row| -f64::from(largest(row))).collect();
        let mut scores =
            vec![(Score::MaximumProbability, unsure), (Score::Energy, logits.chunks(classes).map(energy).collect())];
        if let (Some(familiar), Some(block)) = (familiar, features.blocks.last()) {
            scores.extend(familiar.distances(block));
        }
        Ok(Self { logits, probabilities, scores })
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;
    use heirloom_transfer::Pooling;

    use super::*;

    fn block(values: Vec<f32>, width: usize) -> Block {
        Block { tap: "x".into(), shape: Shape::Vector { channels: width }, pooling: Pooling::MEAN, width, values }
    }

    #[test]
    fn distances_are_those_of_the_whitened_features() {
        // Two classes around (0, 0) and (10, 0); variances 2 across and 1/2 upwards, no correlation.
        let points = [[-1.0, -0.5], [1.0, 0.5], [-1.0, 0.5], [1.0, -0.5]];
        let around = |x: f32| points.map(|point: [f32; 2]| [x + 2.0_f32.sqrt() * point[0], 2.0_f32.sqrt() * point[1]]);
        let values: Vec<f32> = around(0.0).into_iter().chain(around(10.0)).flatten().collect();
        let labels = [0, 0, 0, 0, 1, 1, 1, 1];
        let found = Classes::of(&block(values, 2), &labels, 2).unwrap();
        let ridge = RIDGE * 1.25;
        let expected = |x: f64, y: f64| x * x / (2.0 + ridge) + y * y / (0.5 + ridge);
        let queries = block(vec![3.0, 1.0, 9.0, 2.0, 0.0, 0.0], 2);
        for (found, expected) in
            found.distances(&queries).iter().zip([expected(3.0, 1.0), expected(-1.0, 2.0), expected(0.0, 0.0)])
        {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn a_class_without_an_image_has_no_distance() {
        assert!(Classes::of(&block(vec![0.0, 1.0], 1), &[0, 0], 2).is_none());
        assert!(Classes::of(&block(vec![0.0; 2 * (MOST_COLUMNS + 1)], MOST_COLUMNS + 1), &[0, 1], 2).is_none());
    }
}
