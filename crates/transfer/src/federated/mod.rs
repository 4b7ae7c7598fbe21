//! Linear heads over data that never meet: every shard (a hospital, a shop, a machine) keeps its rows and sends numbers that are summed or
//! averaged (`spec/regularisers-and-adaptation.md` section G).
//!
//! | head | what a shard sends | rounds | beside all rows in one place |
//! |---|---|---|---|
//! | [`ShardStatistics::solve`], ridge | sums of its rows, of their products and of those with labels | 1 | the same to rounding |
//! | [`average`], logistic | weights it moved on its own rows, and how many rows it has | as many as are asked for | near |
//!
//! Rows and labels of single images are never sent. What is sent still tells of them: sums of one row are that row, and weights moved on
//! few rows can be turned back into them. Where that matters, add noise or sum under encryption before anything leaves a shard; neither is
//! done here.

mod averaging;
mod statistics;
#[cfg(test)]
mod tests;

use heirloom_matrix::{Mat, product};
use serde::{Deserialize, Serialize};

use crate::adaptation::{AdaptationError, Samples};

pub use averaging::{AveragedHead, AveragingOptions, average};
pub use statistics::ShardStatistics;

/// Rows of one shard with their classes.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'a> {
    /// Features `[rows, columns]`.
    pub samples: &'a Samples,
    /// Class of each row.
    pub labels: &'a [usize],
}

/// What one shard sends, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Numbers in one message.
    pub numbers: usize,
    /// Messages.
    pub rounds: usize,
}

/// A linear head: logits are `x W + b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinearHead {
    /// `W`, `[columns, classes]`, row-major.
    pub weights: Vec<f64>,
    /// `b`, `[classes]`.
    pub bias: Vec<f64>,
}

impl LinearHead {
    /// Logits `[rows, classes]`, row-major.
    ///
    /// # Errors
    /// Rows with other columns than the head.
    pub fn logits(&self, rows: &Samples) -> Result<Vec<f64>, AdaptationError> {
        let classes = self.bias.len();
        let (source_columns, target_columns) = (self.weights.len() / classes.max(1), rows.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        let weights = Mat::from_fn(source_columns, classes, |row, class| self.weights[row * classes + class]);
        let out = product(rows.view(), weights.as_ref());
        Ok((0..rows.rows() * classes).map(|at| out[(at / classes, at % classes)] + self.bias[at % classes]).collect())
    }

    /// The class of the largest logit of each row, the first of equals.
    ///
    /// # Errors
    /// As [`LinearHead::logits`].
    pub fn label(&self, rows: &Samples) -> Result<Vec<usize>, AdaptationError> {
        let logits = self.logits(rows)?;
        let largest = |row: &[f64]| (0..row.len()).fold(0, |best, at| if row[at] > row[best] { at } else { best });
        Ok(logits.chunks(self.bias.len().max(1)).map(largest).collect())
    }
}

/// Refuses a shard that does not fit.
fn check(shard: &Shard<'_>, classes: usize) -> Result<(), AdaptationError> {
    let (expected, found) = (shard.samples.rows(), shard.labels.len());
    if expected != found {
        return Err(AdaptationError::Length { what: "the list of labels", expected, found });
    }
    if expected == 0 {
        return Err(AdaptationError::TooFewRows { domain: "shard", rows: 0, needed: 1 });
    }
    match shard.labels.iter().position(|label| *label >= classes) {
        Some(row) => Err(AdaptationError::LabelOutside { row, label: shard.labels[row], classes }),
        None => Ok(()),
    }
}
