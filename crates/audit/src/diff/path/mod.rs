//! What lies between two models of one shape, and beyond them: accuracy and loss along the straight line between their weights
//! (`spec/what-is-transferred.md` section 8; Neyshabur, Sedghi, Zhang 2020, section 3.3).
//!
//! ```text
//! weights (1 - share) A + share B --as they are--> test images -> accuracy, loss
//!                                --batch-norm statistics measured anew on training images--> test images -> the same
//! ```
//!
//! Two models in one basin of the loss have no barrier between them, and their average is as good as they are.

mod answered;
mod barrier;
mod basin;
mod statistics;
mod told;

use heirloom_engine::Isa;
use heirloom_training::random::generator;
use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::Share;
use serde::{Deserialize, Serialize};

use super::DiffError;
use super::rewind::{distance, parts, whole};
use crate::{AuditWatch, Difference, PreparedImages};

pub(super) use answered::answer;
pub use answered::{Answered, Curve};
pub use barrier::{Rise, rise};
pub use basin::{Basin, Edge, Place, basin};
pub(crate) use statistics::Statistics;
pub(super) use told::share_right;

/// Points of accuracy below which a dent is none (`spec/what-is-transferred.md` section 8).
pub const DENT: f64 = 0.01;

/// What a line is judged on.
#[derive(Clone, Copy)]
pub struct PathInput<'a> {
    /// The model at 0.
    pub first: &'a Artifact,
    /// The model at 1.
    pub second: &'a Artifact,
    /// Images to judge on, at the input size of both.
    pub judged: &'a PreparedImages,
    /// Class of each.
    pub labels: &'a [usize],
    /// Images to measure batch-norm statistics on; none of them is judged.
    pub train: &'a PreparedImages,
}

/// Where to look.
#[derive(Debug, Clone)]
pub struct PathOptions {
    /// Points from 0 to 1, both ends included: 2 or more.
    pub points: usize,
    /// How far beyond either end, as a share of the line.
    pub beyond: f64,
    /// Fixes intervals.
    pub seed: u64,
    /// How networks are run.
    pub extract: ExtractOptions,
}

/// A model on the line, on all judged images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// Share answered right.
    pub accuracy: Share,
    /// Mean cross-entropy in nats, before the temperature.
    pub loss: f64,
}

/// A point of the line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PathPoint {
    /// 0 at the first model, 1 at the second.
    pub share: f64,
    /// With the statistics that lie between; none where they make no sense, such as a variance below zero beyond an end.
    pub as_is: Option<Judged>,
    /// With statistics measured anew; none where the network has no batch norms.
    pub anew: Option<Judged>,
}

/// What stands between the two ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Barrier {
    /// Most that the loss rises above the straight line between the ends; none where a point has no loss.
    pub loss: Option<f64>,
    /// Where accuracy falls most below the straight line between the ends, on one half of the images.
    pub at: f64,
    /// How far it falls there, on the other half, with its interval; 0 to 1.
    pub fall: Option<Difference>,
    /// Whether that is a barrier.
    pub verdict: BarrierVerdict,
}

/// Whether there is a barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BarrierVerdict {
    /// The whole interval of the fall lies above [`DENT`], or the line leaves what the network can compute.
    Barrier,
    /// The fall is at most [`DENT`].
    None,
    /// Neither can be told on so few images.
    Unclear,
}

/// What the mean of both models' weights is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Average {
    /// Its accuracy.
    pub accuracy: Share,
    /// Less that of the first model.
    pub over_first: Option<Difference>,
    /// Less that of the second.
    pub over_second: Option<Difference>,
}

/// The line between two models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathRecord {
    /// Images judged.
    pub images: usize,
    /// Images that batch-norm statistics were measured on; none where the network has no batch norms or there are no such images.
    pub statistics_images: Option<usize>,
    /// From below 0 to beyond 1.
    pub points: Vec<PathPoint>,
    /// With the statistics that lie between.
    pub as_is: Option<Barrier>,
    /// With statistics measured anew.
    pub anew: Option<Barrier>,
    /// The mean of both, with statistics measured anew where there are any.
    pub average: Option<Average>,
}

/// Answers along a line.
#[derive(Debug, Clone)]
pub struct Walk {
    /// With the statistics that lie between.
    pub as_is: Curve,
    /// With statistics measured anew; empty where the network has no batch norms or there are no images to measure them on.
    pub anew: Curve,
    /// Images they were measured on.
    pub statistics_images: Option<usize>,
}

/// Walks the line.
///
/// # Errors
/// Models between which there is no line, a network that cannot be run, or the flag to stop.
pub fn path(input: &PathInput<'_>, options: &PathOptions, watch: AuditWatch<'_>) -> Result<PathRecord, DiffError> {
    Ok(told::record(&walk(input, options, watch)?, options.seed))
}

/// Walks the line, for the answers to every image at every point.
///
/// # Errors
/// As [`path`].
pub fn walk(input: &PathInput<'_>, options: &PathOptions, watch: AuditWatch<'_>) -> Result<Walk, DiffError> {
    let mut statistics = statistics(input.first, input.train, options.extract.isa)?;
    let judged = (input.judged, input.labels);
    let (mut as_is, mut anew) = (Curve::new(), Curve::new());
    for share in shares(options.points, options.beyond) {
        let mut model = input.first.between(input.second, share)?;
        if let Some(statistics) = &mut statistics {
            let mut again = model.clone();
            if let Some(weights) = again.network.as_mut().and_then(|network| network.weights.as_mut()) {
                statistics.measure(weights)?;
            }
            anew.push((share, answer(again, judged, &options.extract, watch)?));
        }
        model.unfamiliar = None;
        as_is.push((share, answer(model, judged, &options.extract, watch)?));
    }
    Ok(Walk { as_is, anew, statistics_images: statistics.map(|statistics| statistics.images()) })
}

/// The basin of the two models' loss; `None` where a point between them computes no numbers. Batch-norm statistics are measured anew.
///
/// # Errors
/// As [`path`].
pub fn basin_between(
    input: &PathInput<'_>,
    options: &PathOptions,
    draws: usize,
    watch: AuditWatch<'_>,
) -> Result<Option<Basin>, DiffError> {
    let mut statistics = statistics(input.first, input.train, options.extract.isa)?;
    let all = whole(&parts(input.first, input.second)?);
    let [first, second] = [input.first.values_of(&all)?, input.second.values_of(&all)?];
    let weights = first.len();
    let apart = distance(&[first, second]);
    basin(apart, draws, options.seed, |place| {
        let mut model = match place {
            Place::Line(share) => input.first.between(input.second, share)?,
            Place::Noise { second, delta, draw } => {
                let end = if second { input.second } else { input.first };
                let mut random = generator(options.seed, "basin noise", &[draw as u64]);
                end.disturbed(&all, delta / (weights.max(1) as f64).sqrt(), &mut random)?
            }
        };
        if let Some(statistics) = &mut statistics
            && let Some(weights) = model.network.as_mut().and_then(|network| network.weights.as_mut())
        {
            statistics.measure(weights)?;
        }
        let answered = answer(model, (input.judged, input.labels), &options.extract, watch)?;
        Ok(answered.map(|answered| answered.losses.iter().sum::<f64>() / answered.losses.len().max(1) as f64))
    })
}

/// Images that [`basin_between`] shows to models, at most.
#[must_use]
pub fn most_of_basin(judged: usize, draws: usize) -> usize {
    basin::most_places(draws) * judged
}

/// Images that [`path`] shows to the two models and those between them.
#[must_use]
pub fn walked(judged: usize, options: &PathOptions, twice: bool) -> usize {
    shares(options.points, options.beyond).len() * judged * if twice { 2 } else { 1 }
}

/// Points at equal distances; 0, 0.5 and 1 are always among them.
fn shares(points: usize, beyond: f64) -> Vec<f64> {
    let steps = points.max(2) - 1;
    let outside = (beyond.max(0.0) * steps as f64).round() as i64;
    let mut shares: Vec<f64> =
        (-outside..=steps as i64 + outside).map(|step| step as f64 / steps as f64).chain([0.5]).collect();
    shares.sort_by(f64::total_cmp);
    shares.dedup();
    shares
}

/// What measures the batch norms of a model anew, up to the layers that its head reads.
pub(super) fn statistics<'a>(
    model: &Artifact,
    train: &'a PreparedImages,
    isa: Isa,
) -> Result<Option<Statistics<'a>>, DiffError> {
    let mut taps: Vec<String> = model.head.columns().iter().map(|input| input.tap.clone()).collect();
    taps.dedup();
    Ok(Statistics::new(model.network()?.graph, taps, train, isa)?)
}

#[cfg(test)]
pub(crate) mod tests;
