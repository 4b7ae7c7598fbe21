//! Everything that was found, and figures of it with each test image counted as often as a resample says.

use std::collections::BTreeMap;

use heirloom_transfer::calibration::{Answer, Calibration};
use heirloom_transfer::heads::{fit_temperature, probabilities};

use super::looked::{Attacked, Strange};
use super::trained::Trained;
use super::{Run, Start, Study, Task};
use crate::robustness::Detected;
use crate::study::Estimate;
use crate::study::resampling::{Resampling, Series};
use crate::study::transferred::accuracy;

/// Everything that was computed.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub runs: BTreeMap<Run, Trained>,
    pub strange: BTreeMap<Run, Strange>,
    pub attacked: BTreeMap<Run, Attacked>,
    /// Accuracy of sources of our own, by part and checkpoint.
    pub sources: BTreeMap<(usize, usize), f64>,
    /// Trials with the rate that was chosen, by start and target.
    pub trials: BTreeMap<(Start, usize), Trained>,
}

/// How often each image counts.
pub(super) type Times<'a> = Option<&'a [u16]>;

/// A score of images of no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Certainty {
    /// Probability of the answer.
    MaximumProbability,
    /// Logarithm of the sum of all exponentiated logits.
    Energy,
}

/// What was found, with the wrong answers of every run.
pub(super) struct View<'a> {
    pub study: &'a Study<'a>,
    pub found: &'a Found,
    wrong: BTreeMap<Run, Vec<bool>>,
}

impl<'a> View<'a> {
    pub fn new(study: &'a Study<'a>, found: &'a Found) -> Self {
        let wrong = found.runs.iter().map(|(run, trained)| (*run, trained.wrong_answers())).collect();
        Self { study, found, wrong }
    }

    /// Accuracy of a run.
    pub fn accuracy(&self, target: usize, start: Start, task: Task, seed: usize, times: Times<'_>) -> Option<f64> {
        accuracy(self.wrong.get(&Run::new(target, start, task, seed))?, times)
    }

    /// Test images of a target.
    pub fn images(&self, target: usize) -> usize {
        self.study.data.targets.get(target).map_or(0, |set| set.split()[1].len())
    }

    /// A figure of one target with the same in every resample of seeds and test images; the number of seeds that have it comes along.
    pub fn series(
        &self,
        target: usize,
        measure: impl Fn(usize, Times<'_>) -> Option<f64> + Sync,
    ) -> Option<(Series, usize)> {
        let seeds: Vec<usize> = self.all_seeds().filter(|seed| measure(*seed, None).is_some()).collect();
        let resampling = Resampling::new(seeds.len(), &[self.images(target)], self.study.options.seed);
        let series = resampling.series(|_, at, times| measure(*seeds.get(at)?, times))?;
        Some((series, seeds.len()))
    }

    /// Every seed of the study.
    pub fn all_seeds(&self) -> std::ops::Range<usize> {
        0..self.study.options.seeds.iter().max().copied().unwrap_or(0)
    }

    /// A figure of the main target with its interval.
    pub fn estimate(
        &self,
        target: usize,
        measure: impl Fn(usize, Times<'_>) -> Option<f64> + Sync,
    ) -> Option<Estimate> {
        self.series(target, measure).map(|(series, _)| series.estimate())
    }

    /// Error on the classes that have fewer training images than the mean.
    pub fn small_classes(&self, run: &Run, times: Times<'_>) -> Option<f64> {
        let Task::Uneven { tenths, .. } = run.task else { return None };
        let sizes = self.study.uneven(run.target, tenths, run.seed).ok()?;
        let small = heirloom_data::labels::minority(&sizes);
        let (labels, wrong) = (&self.found.runs.get(run)?.labels, self.wrong.get(run)?);
        let of_class = |class: &usize| {
            let own = |image: usize| labels[image] == *class;
            let weight = |image: usize| times.map_or(1.0, |times| f64::from(times[image]));
            let all: f64 = (0..labels.len()).filter(|image| own(*image)).map(weight).sum();
            let errors: f64 = (0..labels.len()).filter(|image| own(*image) && wrong[*image]).map(weight).sum();
            (all > 0.0).then(|| errors / all)
        };
        let errors: Vec<f64> = small.iter().filter_map(of_class).collect();
        (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
    }

    /// Share of the attacked images answered right: as they are, after the search, after changes by chance.
    pub fn under_attack(&self, run: &Run, times: Times<'_>) -> Option<[f64; 3]> {
        let (attacked, wrong) = (self.found.attacked.get(run)?, self.wrong.get(run)?);
        let weights: Vec<u16> = attacked.images.iter().map(|image| times.map_or(1, |times| times[*image])).collect();
        let clean: Vec<bool> = attacked.images.iter().map(|image| wrong[*image]).collect();
        let not = |right: &[bool]| right.iter().map(|right| !right).collect::<Vec<bool>>();
        let share = |wrong: &[bool]| accuracy(wrong, Some(&weights));
        Some([share(&clean)?, share(&not(&attacked.right))?, share(&not(&attacked.by_chance))?])
    }

    /// How well a score tells images of no class from the test images.
    pub fn told(&self, run: &Run, set: &str, certainty: Certainty, times: Times<'_>) -> Option<Detected> {
        let (own, strange) = (self.found.runs.get(run)?, self.found.strange.get(run)?);
        let (_, other) = strange.sets.iter().find(|(name, _)| name == set)?;
        let classes = own.logits.len() / own.labels.len().max(1);
        let often = repeated(&certainty.of(&own.logits, classes), times);
        Detected::of(&certainty.of(other, classes), &often)
    }

    /// Names of the images of no class.
    pub fn strange_sets(&self) -> Vec<String> {
        self.found
            .strange
            .values()
            .next()
            .map_or_else(Vec::new, |strange| strange.sets.iter().map(|(name, _)| name.clone()).collect())
    }

    /// The temperature that suits the held-out images of the trial whose rate a start has.
    pub fn temperature(&self, start: Start) -> Option<f64> {
        let trial = self.found.trials.get(&(start, 0))?;
        let classes = trial.logits.len() / trial.labels.len().max(1);
        Some(fit_temperature(&trial.logits, classes, &trial.labels).value)
    }

    /// Calibration of a run with a temperature.
    pub fn calibration(&self, run: &Run, temperature: f64, times: Times<'_>) -> Option<Calibration> {
        let run = self.found.runs.get(run)?;
        let classes = run.logits.len() / run.labels.len().max(1);
        let said = probabilities(&run.logits, classes, temperature);
        let answers: Vec<Answer> =
            said.chunks(classes.max(1)).zip(&run.labels).map(|(row, label)| Answer::of(row, *label)).collect();
        let answers = repeated(&answers, times);
        (!answers.is_empty()).then(|| Calibration::of(&answers))
    }
}

impl Certainty {
    /// How little each image looks like one of a class.
    fn of(self, logits: &[f32], classes: usize) -> Vec<f64> {
        let rows = logits.chunks(classes.max(1));
        let energy = |row: &[f32]| {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = row.iter().map(|logit| f64::from(logit - largest).exp()).sum();
            (f64::from(largest), sum.ln())
        };
        match self {
            // The largest probability is exp(largest - log of the sum).
            Self::MaximumProbability => rows.map(|row| -(-energy(row).1).exp()).collect(),
            Self::Energy => rows.map(|row| -(energy(row).0 + energy(row).1)).collect(),
        }
    }
}

/// Every value as often as said.
fn repeated<T: Clone>(values: &[T], times: Times<'_>) -> Vec<T> {
    match times {
        None => values.to_vec(),
        Some(times) => {
            let of = |(value, times): (&T, &u16)| std::iter::repeat_n(value.clone(), usize::from(*times));
            values.iter().zip(times).flat_map(of).collect()
        }
    }
}
