//! How well a few labelled images of each class suffice: the few-shot protocol of Vinyals et al. 2016 (arXiv 1606.04080) on frozen features,
//! with rows without labels beside the labelled ones (`spec/regularisers-and-adaptation.md` sections E1 and E2).
//!
//! ```text
//! draw an episode: some classes; of each a few labelled rows, some rows whose labels are hidden, some rows to judge on
//! every learner: labelled (and unlabelled) rows -> head -> accuracy on the rows to judge on
//! many episodes -> mean accuracy with its interval, gain of unlabelled rows with its interval
//! ```
//!
//! No setting is chosen by the rows to judge on: all settings are fixed beforehand. Features are scaled to length 1.

mod draw;
mod learner;
mod self_training;
mod soft_prototypes;
#[cfg(test)]
mod tests;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use draw::Episode;
pub use learner::Learner;

use crate::Features;
use crate::heads::{HeadError, Input, gather_raw, unit_vector};

/// Half the width of a 95 % interval in standard errors.
const STANDARD_ERRORS: f64 = 1.959_963_984_540_054;

/// What an episode is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpisodeOptions {
    /// Classes.
    pub ways: usize,
    /// Labelled rows of each.
    pub shots: usize,
    /// Rows of each whose labels are hidden from the learner; 0 leaves out the learners that use them.
    pub unlabelled: usize,
    /// Rows of each to judge on.
    pub queries: usize,
    /// Episodes.
    pub episodes: usize,
    /// Fixes what is drawn.
    pub seed: u64,
}

/// Why there are no episodes.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EpisodeError {
    /// Too few classes with enough rows.
    #[error(
        "{found} classes have {rows} rows or more, and an episode takes {ways} classes with as many: ask for fewer classes, or fewer rows of each"
    )]
    Classes {
        /// Classes with enough rows.
        found: usize,
        /// Rows that an episode takes of each.
        rows: usize,
        /// Classes that it takes.
        ways: usize,
    },
    /// Settings that make no episode.
    #[error("{setting} is {value}: {range} is expected")]
    Setting {
        /// Which.
        setting: &'static str,
        /// Its value.
        value: usize,
        /// What would do.
        range: &'static str,
    },
    /// Features that no head can be fitted on.
    #[error(transparent)]
    Head(#[from] HeadError),
}

/// A mean over episodes with its 95 % interval, from the spread of the episodes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpisodeMean {
    /// The mean.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A learner over all episodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearnerRecord {
    /// The learner.
    pub learner: Learner,
    /// Mean accuracy.
    pub accuracy: EpisodeMean,
    /// What unlabelled rows add to the same learner without them, episodes paired; none for those that use none.
    pub gain: Option<EpisodeMean>,
    /// Share of episodes in which they do harm.
    pub harmed: Option<f64>,
}

/// Runs every learner on the same episodes. `labels` has the class of each row, `None` for rows that are left out.
///
/// ```
/// use heirloom_transfer::episodes::{EpisodeOptions, episodes};
/// use heirloom_transfer::{Block, Features, Pooling};
/// use heirloom_engine::Shape;
///
/// // Two classes in two directions.
/// let values: Vec<f32> = (0..40).flat_map(|row| if row % 2 == 0 { [1.0, 0.1 * row as f32] } else { [-1.0, 0.1 * row as f32] }).collect();
/// let shape = Shape::Vector { channels: 2 };
/// let block = Block { tap: "features".into(), shape, pooling: Pooling::MEAN, width: 2, values };
/// let features = Features { rows: 40, blocks: vec![block] };
/// let labels: Vec<Option<usize>> = (0..40).map(|row| Some(row % 2)).collect();
/// let options = EpisodeOptions { ways: 2, shots: 3, unlabelled: 5, queries: 5, episodes: 20, seed: 0 };
/// let found = episodes(&features, &labels, &options)?;
/// assert!(found.iter().all(|one| one.accuracy.value > 0.8));
/// # Ok::<(), heirloom_transfer::episodes::EpisodeError>(())
/// ```
///
/// # Errors
/// Settings that make no episode, too few rows, features that are no numbers.
pub fn episodes(
    features: &Features,
    labels: &[Option<usize>],
    options: &EpisodeOptions,
) -> Result<Vec<LearnerRecord>, EpisodeError> {
    check(options)?;
    let pool = draw::Pool::new(labels, options)?;
    let inputs: Vec<Input> = features.blocks.iter().map(Input::whole).collect();
    let all: Vec<usize> = (0..features.rows).collect();
    let mut rows = gather_raw(features, &inputs, &all)?;
    let width = rows.columns.max(1);
    rows.values.chunks_mut(width).for_each(unit_vector);
    let learners = Learner::of(options);
    let of_episode = |number: usize| -> Result<Vec<f64>, EpisodeError> {
        let episode = pool.draw(number, options);
        learners.iter().map(|learner| learner.accuracy(&rows, &episode, options.ways)).collect()
    };
    let found: Vec<Vec<f64>> = (0..options.episodes).into_par_iter().map(of_episode).collect::<Result<_, _>>()?;
    Ok(learners.iter().enumerate().map(|(at, learner)| record(*learner, at, &learners, &found)).collect())
}

/// Whether episodes can be drawn at all: known before any feature is computed.
///
/// # Errors
/// Settings that make no episode, too few rows.
pub fn possible(labels: &[Option<usize>], options: &EpisodeOptions) -> Result<(), EpisodeError> {
    check(options)?;
    draw::Pool::new(labels, options).map(drop)
}

fn check(options: &EpisodeOptions) -> Result<(), EpisodeError> {
    let refuse = |setting, value, range| Err(EpisodeError::Setting { setting, value, range });
    match *options {
        EpisodeOptions { ways, .. } if ways < 2 => refuse("the number of classes", ways, "2 or more"),
        EpisodeOptions { shots: 0, .. } => refuse("the number of labelled rows of a class", 0, "1 or more"),
        EpisodeOptions { queries: 0, .. } => refuse("the number of judged rows of a class", 0, "1 or more"),
        EpisodeOptions { episodes, .. } if episodes < 2 => refuse("the number of episodes", episodes, "2 or more"),
        _ => Ok(()),
    }
}

/// A learner's figures from the accuracies `[episode][learner]`.
fn record(learner: Learner, at: usize, learners: &[Learner], found: &[Vec<f64>]) -> LearnerRecord {
    let accuracy = mean(&found.iter().map(|episode| episode[at]).collect::<Vec<f64>>());
    let partner = learner.without_unlabelled().and_then(|other| learners.iter().position(|one| *one == other));
    let gains = partner.map(|other| found.iter().map(|episode| episode[at] - episode[other]).collect::<Vec<f64>>());
    let harmed = |gains: &Vec<f64>| gains.iter().filter(|gain| **gain < 0.0).count() as f64 / gains.len() as f64;
    LearnerRecord {
        learner,
        accuracy,
        gain: gains.as_ref().map(|gains| mean(gains)),
        harmed: gains.as_ref().map(harmed),
    }
}

/// Mean with its interval.
fn mean(values: &[f64]) -> EpisodeMean {
    let count = values.len() as f64;
    let value = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|one| (one - value).powi(2)).sum::<f64>() / (count - 1.0);
    let half = STANDARD_ERRORS * (variance / count).sqrt();
    EpisodeMean { value, low: value - half, high: value + half }
}
