//! What a network's features make of a worse training set: wrong labels, uneven classes, fewer images (`spec/robustness.md` sections 1.5,
//! 2 and 6.3). A linear head is fitted anew each time and judged on the same images, none of which it is fitted on; beside it stands the
//! same with the features of the same network with random weights.
//!
//! ```text
//! training rows --labels made wrong--> head --> judged rows --> error over strength, area under it
//! training rows --classes thinned out--> head --> error in all, and on the small classes
//! training rows --fewer of each class--> head --> error
//! ```

mod fits;
mod imbalance;
mod noise;
mod random;
mod size;
#[cfg(test)]
mod tests;

use heirloom_transfer::Features;
use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

pub use imbalance::{Balancing, ImbalancePoint, ImbalanceRecord};
pub use noise::{Correction, NoiseCurve, NoiseRecord, area_under};
pub use random::with_random_weights;
pub use size::{SizePoint, SizeRecord};

use crate::{AuditError, AuditWatch};
use fits::Fits;

/// Fewest training rows of a class, and fewest judged rows.
pub const FEWEST: usize = 10;

/// Features with labels, and which rows are what.
#[derive(Debug, Clone, Copy)]
pub struct TrainingSetInput<'a> {
    /// Features of the network, one block.
    pub own: &'a Features,
    /// The same of the network with random weights, where there are any to be drawn.
    pub random: Option<&'a Features>,
    /// Class of each row.
    pub labels: &'a [usize],
    /// Rows to fit on.
    pub train: &'a [usize],
    /// Rows to judge on; none of them is fitted on.
    pub test: &'a [usize],
    /// Classes.
    pub classes: usize,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSetRecord {
    /// Training rows.
    pub train: usize,
    /// Judged rows.
    pub test: usize,
    /// Error of a head on all training rows as they are.
    pub error: Share,
    /// Wrong labels.
    pub noise: NoiseRecord,
    /// Uneven classes; none where classes have too few rows to be thinned out.
    pub imbalance: Option<ImbalanceRecord>,
    /// Fewer rows.
    pub size: SizeRecord,
}

/// Heads that [`training_set`] fits, about.
#[must_use]
pub fn fitted() -> usize {
    noise::FITTED + imbalance::FITTED + size::FITTED
}

/// Fits heads on worse and worse training sets.
///
/// # Errors
/// A class with fewer than [`FEWEST`] training rows, fewer judged rows than that, features that cannot be fitted on, or the flag to stop.
pub fn training_set(
    input: &TrainingSetInput<'_>,
    seed: u64,
    watch: AuditWatch<'_>,
) -> Result<TrainingSetRecord, AuditError> {
    let fits = Fits::new(input, seed, watch)?;
    let noise = noise::measured(&fits)?;
    let imbalance = imbalance::measured(&fits)?;
    let size = size::measured(&fits)?;
    let error = Share::rate(noise.error(), input.test.len());
    Ok(TrainingSetRecord { train: input.train.len(), test: input.test.len(), error, noise, imbalance, size })
}
