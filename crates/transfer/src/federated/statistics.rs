//! Ridge regression from sums: what a shard sends is enough for the head of all rows together, and no more is needed.
//!
//! ```text
//! sent:   n,  s = sum of x,  S = sum of x x^T (its lower triangle),  P = sum of x y^T,  c = rows of each class      y one-hot
//! m = s / n,   X^T X centred = S - n m m^T,   X^T Y centred = P - m c^T
//! W = (S - n m m^T + a I)^-1 (P - m c^T),   b = c / n - m W,   a = penalty * trace of (S - n m m^T)
//! ```
//!
//! Sums of shards are sums of all rows, so the head is that of all rows in one place, up to the rounding of sums in another order.

use heirloom_matrix::{Mat, add_gram, product, solve_positive_definite};

use super::{LinearHead, Sent, Shard, check};
use crate::adaptation::AdaptationError;

/// Sums over the rows of one shard, or of several.
#[derive(Debug, Clone)]
pub struct ShardStatistics {
    /// Rows of each class.
    counts: Vec<usize>,
    /// Sum of each column.
    sums: Vec<f64>,
    /// Sums of products of columns, the lower triangle alone.
    moments: Mat<f64>,
    /// Sums of the columns over rows of each class, `[columns, classes]`.
    by_class: Mat<f64>,
}

impl ShardStatistics {
    /// Takes the sums of one shard.
    ///
    /// # Errors
    /// Labels that are not one per row or past the number of classes, a shard without rows.
    pub fn of(shard: &Shard<'_>, classes: usize) -> Result<Self, AdaptationError> {
        check(shard, classes)?;
        let (rows, columns) = (shard.samples.rows(), shard.samples.columns());
        let mut counts = vec![0; classes];
        shard.labels.iter().for_each(|label| counts[*label] += 1);
        let mut sums = vec![0.0; columns];
        for row in 0..rows {
            sums.iter_mut().zip(shard.samples.row(row)).for_each(|(sum, value)| *sum += value);
        }
        let hot = Mat::from_fn(rows, classes, |row, class| f64::from(u8::from(shard.labels[row] == class)));
        let mut moments = Mat::zeros(columns, columns);
        add_gram(&mut moments, shard.samples.view().transpose());
        Ok(Self { counts, sums, moments, by_class: product(shard.samples.view().transpose(), hot.as_ref()) })
    }

    /// Adds the sums of another shard.
    ///
    /// # Errors
    /// Other columns, or other classes.
    pub fn add(&mut self, other: &Self) -> Result<(), AdaptationError> {
        let (source_columns, target_columns) = (self.sums.len(), other.sums.len());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        let (expected, found) = (self.counts.len(), other.counts.len());
        if expected != found {
            return Err(AdaptationError::Length { what: "the list of classes", expected, found });
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, value)| *sum += value);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, value)| *sum += value);
        self.moments += &other.moments;
        self.by_class += &other.by_class;
        Ok(())
    }

    /// Rows behind the sums.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.counts.iter().sum()
    }

    /// What a shard sends: one message.
    #[must_use]
    pub fn sent(&self) -> Sent {
        let (columns, classes) = (self.sums.len(), self.counts.len());
        Sent { numbers: columns * (columns + 1) / 2 + columns * classes + columns + classes, rounds: 1 }
    }

    /// The ridge head of all rows behind the sums; `penalty` is relative to the mean square length of centred rows, as that of
    /// [`crate::heads::RidgeSettings`].
    ///
    /// ```
    /// use heirloom_transfer::adaptation::Samples;
    /// use heirloom_transfer::federated::{Shard, ShardStatistics};
    /// let (here, there) = (Samples::new(2, 1, vec![0.0, 4.0])?, Samples::new(2, 1, vec![1.0, 5.0])?);
    /// let mut sums = ShardStatistics::of(&Shard { samples: &here, labels: &[0, 1] }, 2)?;
    /// sums.add(&ShardStatistics::of(&Shard { samples: &there, labels: &[0, 1] }, 2)?)?;
    /// let head = sums.solve(1e-3)?;
    /// assert_eq!(head.label(&Samples::new(2, 1, vec![0.5, 4.5])?)?, [0, 1]);
    /// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
    /// ```
    ///
    /// # Errors
    /// A penalty that is not positive, or rows that are all alike.
    pub fn solve(&self, penalty: f64) -> Result<LinearHead, AdaptationError> {
        if !(penalty > 0.0 && penalty.is_finite()) {
            let range = "a positive number is needed";
            return Err(AdaptationError::Setting { setting: "penalty", value: penalty.to_string(), range });
        }
        let (columns, classes, n) = (self.sums.len(), self.counts.len(), self.rows() as f64);
        let mean: Vec<f64> = self.sums.iter().map(|sum| sum / n).collect();
        let mut normal = Mat::from_fn(columns, columns, |row, column| {
            if row >= column { self.moments[(row, column)] - n * mean[row] * mean[column] } else { 0.0 }
        });
        let trace: f64 = (0..columns).map(|at| normal[(at, at)]).sum();
        (0..columns).for_each(|at| normal[(at, at)] += penalty * trace);
        let mut weights = Mat::from_fn(columns, classes, |row, class| {
            self.by_class[(row, class)] - mean[row] * self.counts[class] as f64
        });
        solve_positive_definite(&mut normal, &mut weights).map_err(|_| AdaptationError::Numerical {
            routine: "the solution of the normal equations",
            rows: columns,
            columns,
        })?;
        let at_mean = |class: usize| (0..columns).map(|row| mean[row] * weights[(row, class)]).sum::<f64>();
        let bias = (0..classes).map(|class| self.counts[class] as f64 / n - at_mean(class)).collect();
        let flat = (0..columns * classes).map(|at| weights[(at / classes, at % classes)]).collect();
        Ok(LinearHead { weights: flat, bias })
    }
}
