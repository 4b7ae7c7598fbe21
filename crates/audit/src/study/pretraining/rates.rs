//! Learning rates, chosen for each start, target and number of images on a held-out fifth of the training images; test images take no part.

use super::{Origin, Run, Start, Study, StudyError, Task};

/// Runs that try a rate where there are few images, and how many of a class are few.
const REPEATS: usize = 3;
const FEW: usize = 20;

impl Study<'_> {
    /// Runs that try the rates for a run. Seeds, sources, strengths of noise and lengths of training share what is chosen; the second and
    /// further pairs of fine and coarse targets share that of the first.
    pub fn trials(&self, run: &Run) -> Vec<Run> {
        let start = match run.start {
            Start::Frozen(_) => return Vec::new(),
            Start::Tuned(_) => Start::Tuned(Origin::Given),
            Start::Scratch => Start::Scratch,
        };
        let task = run.task.tried();
        let repeats = if matches!(task, Task::Rows { each: Some(each), .. } if each <= FEW) { REPEATS } else { 1 };
        let of_rate = |rate: &u32| {
            let trial = Run { target: self.first_of_kind(run.target), start, task, trial: Some(*rate), seed: 0 };
            (0..repeats).map(move |seed| Run { seed, ..trial })
        };
        self.options.rates.iter().flat_map(of_rate).collect()
    }

    fn first_of_kind(&self, target: usize) -> usize {
        let side = |pair: &[usize; 2]| pair.iter().position(|member| *member == target);
        let Some(side) = self.data.pairs.iter().find_map(side) else { return target };
        self.data.pairs.first().map_or(target, |pair| pair[side])
    }

    /// The rate of a run: the one it tries, or the best one tried, the first of equals.
    pub fn rate(&self, run: &Run) -> Result<f64, StudyError> {
        if let Some(rate) = run.trial {
            return Ok(f64::from(rate) / 1e5);
        }
        let trials = self.trials(run);
        let (mut best, mut highest) = (0.0, f64::NEG_INFINITY);
        for rate in &self.options.rates {
            let mut accuracy = 0.0;
            for trial in trials.iter().filter(|trial| trial.trial == Some(*rate)) {
                accuracy += self.trained(trial)?.accuracy();
            }
            if accuracy > highest {
                (best, highest) = (f64::from(*rate) / 1e5, accuracy);
            }
        }
        Ok(if trials.is_empty() { 0.0 } else { best })
    }

    /// The trial whose rate a run has.
    pub fn chosen_trial(&self, run: &Run) -> Result<Option<Run>, StudyError> {
        let rate = self.rate(run)?;
        Ok(self.trials(run).into_iter().find(|trial| trial.trial.is_some_and(|tried| f64::from(tried) / 1e5 == rate)))
    }
}
