//! The way of each module from where training began to where it ended: criticality along it, and the valley around it
//! (`spec/what-is-transferred.md` sections 9.2 and 9.3).
//!
//! ```text
//! straight line: (1 - a) start + a end        path of optimisation: start, checkpoint, checkpoint, ..., end
//! valley: accuracy with the module at a place of the way, and normal noise on it
//! ```

use heirloom_training::random::generator;
use heirloom_transfer::artifact::{Artifact, Part};
use serde::{Deserialize, Serialize};

use super::path::share_right;
use super::rewind::{CriticalityOptions, Judge, Rewind, RewindInput, distance};
use super::{BORDER, CriticalityGrid, DiffError, criticality};

/// Error above that of the trained model that a critical point may have.
const ROOM: f64 = 0.01;
/// Least standard deviation of the noise, as a share of the module's root mean square, steps of a decade, and how many there are: to 1.
const LEAST_SIGMA: f64 = 1e-4;
const STEPS_OF_DECADE: f64 = 3.0;
const SIGMAS: usize = 13;
/// Noise of a valley as a share of the module's root mean square, and most places and draws.
const VALLEY: [f64; 6] = [0.0, 0.01, 0.0316, 0.1, 0.316, 1.0];
const PLACES: usize = 6;
const DRAWS: usize = 3;

/// A point of the valley that a module lies in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ValleyPoint {
    /// Share of the way.
    pub share: f64,
    /// Distance from the start.
    pub length: f64,
    /// Standard deviation of the noise.
    pub sigma: f64,
    /// Accuracy on training images, mean over draws.
    pub accuracy: f64,
    /// The same on the even and on the odd images: what is chosen on the one half can be judged on the other.
    pub halves: [f64; 2],
}

/// Images that criticality of a module shows for each draw and image asked for, about as many as can be.
#[must_use]
pub fn most_looks(steps: usize) -> usize {
    // Halving the places of the noise, then the two at the border, once for every share of the way.
    (steps + 1) * (SIGMAS.ilog2() as usize + 2 + 2 * BORDER)
}

/// Points of a valley, each once for every draw, at most.
#[must_use]
pub const fn most_of_valley() -> usize {
    PLACES * VALLEY.len() * DRAWS
}

/// The places of a module's way.
struct Way<'a> {
    input: &'a RewindInput<'a>,
    part: &'a Part,
    shares: Vec<f64>,
    lengths: Vec<f64>,
    /// Root mean square of the trained module's parameters.
    rms: f64,
}

impl<'a> Way<'a> {
    fn new(input: &'a RewindInput<'a>, part: &'a Part, steps: usize) -> Result<Self, DiffError> {
        let (start, end) = (input.start.values_of(part)?, input.trained.values_of(part)?);
        let square: f64 = end.iter().map(|value| f64::from(*value).powi(2)).sum();
        let rms = (square / end.len().max(1) as f64).sqrt();
        let steps = if input.along.is_empty() { steps.max(1) } else { input.along.len() + 1 };
        let shares: Vec<f64> = (0..=steps).map(|step| step as f64 / steps as f64).collect();
        let whole = distance(&[start.clone(), end]);
        let mut lengths: Vec<f64> = shares.iter().map(|share| share * whole).collect();
        for (checkpoint, length) in input.along.iter().zip(lengths.iter_mut().skip(1)) {
            *length = distance(&[start.clone(), checkpoint.values_of(part)?]);
        }
        Ok(Self { input, part, shares, lengths, rms })
    }

    /// The trained model with the module at a place.
    fn at(&self, place: usize) -> Result<Artifact, DiffError> {
        let RewindInput { start, trained, along, .. } = self.input;
        let checkpoint = place.checked_sub(1).and_then(|place| along.get(place));
        Ok(match checkpoint {
            Some(checkpoint) => trained.moved(checkpoint, self.part, 1.0)?,
            None => trained.moved(start, self.part, 1.0 - self.shares[place])?,
        })
    }

    /// What is right with the module at a place and noise on it; one noise for every place, scaled.
    fn right(
        &self,
        judge: &mut Judge<'_>,
        place: usize,
        sigma: f64,
        (seed, module, draw): (u64, usize, usize),
    ) -> Result<Option<Vec<f64>>, DiffError> {
        let mut random = generator(seed, "criticality", &[module as u64, draw as u64]);
        judge.right(self.at(place)?.disturbed(self.part, sigma, &mut random)?)
    }

    fn valley(
        &self,
        judge: &mut Judge<'_>,
        seed: u64,
        module: usize,
        draws: usize,
    ) -> Result<Vec<ValleyPoint>, DiffError> {
        let step = (self.shares.len() - 1).div_ceil(PLACES - 1).max(1);
        let mut points = Vec::new();
        for place in (0..self.shares.len()).rev().step_by(step).collect::<Vec<usize>>().into_iter().rev() {
            for sigma in VALLEY.map(|share| share * self.rms) {
                // Without noise every draw is the same.
                let draws = if sigma == 0.0 { 1 } else { draws.clamp(1, DRAWS) };
                let drawn = (0..draws).map(|draw| self.right(judge, place, sigma, (seed, module, draw)));
                let drawn = drawn.collect::<Result<Vec<Option<Vec<f64>>>, DiffError>>()?;
                let mean = |wanted: &dyn Fn(usize) -> bool| {
                    let of = |right: &Option<Vec<f64>>| right.as_deref().map_or(0.0, |right| share_of(right, wanted));
                    drawn.iter().map(of).sum::<f64>() / drawn.len() as f64
                };
                points.push(ValleyPoint {
                    share: self.shares[place],
                    length: self.lengths[place],
                    sigma,
                    accuracy: mean(&|_| true),
                    halves: [mean(&|image| image % 2 == 0), mean(&|image| image % 2 == 1)],
                });
            }
        }
        Ok(points)
    }
}

fn share_of(right: &[f64], wanted: &dyn Fn(usize) -> bool) -> f64 {
    let some: Vec<f64> =
        right.iter().enumerate().filter(|(image, _)| wanted(*image)).map(|(_, right)| *right).collect();
    some.iter().sum::<f64>() / some.len().max(1) as f64
}

/// Criticality of the chosen modules, and their valleys where that is asked for. Noise hangs on a module's place among all.
pub(super) fn measure(
    input: &RewindInput<'_>,
    parts: &[(String, Part)],
    chosen: &[usize],
    found: &mut Rewind,
    settings: CriticalityOptions,
    seed: u64,
    judge: &mut Judge<'_>,
) -> Result<(), DiffError> {
    let wrong = |right: Option<Vec<f64>>| right.map_or(1.0, |right| 1.0 - share_right(&right).value);
    let limit = wrong(judge.right(input.trained.clone())?) + ROOM;
    let some = chosen.iter().filter_map(|at| Some((*at, &parts.get(*at)?.1)));
    for ((at, part), module) in some.zip(&mut found.modules) {
        let way = Way::new(input, part, settings.steps)?;
        let sigma = |step: usize| way.rms * LEAST_SIGMA * 10.0_f64.powf(step as f64 / STEPS_OF_DECADE);
        let sigmas: Vec<f64> = (0..SIGMAS).map(sigma).collect();
        let (shares, lengths) = (way.shares.clone(), way.lengths.clone());
        let grid = CriticalityGrid { shares, lengths, sigmas, draws: settings.draws };
        let error = |place: usize, sigma: usize, draw: usize| -> Result<f64, DiffError> {
            Ok(wrong(way.right(judge, place, grid.sigmas[sigma], (seed, at, draw))?))
        };
        module.criticality = Some(criticality(limit, &grid, error)?);
        if settings.valley {
            module.valley = way.valley(judge, seed, at, settings.draws)?;
        }
    }
    found.limit = Some(limit);
    let values = found.modules.iter().map(|module| module.criticality.as_ref().and_then(|one| one.value));
    found.criticality = values.sum();
    Ok(())
}
