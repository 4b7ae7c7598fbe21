//! Fine-tuning from checkpoints of the source: which one suffices, by a rule that sees held-out training images alone.

use heirloom_transfer::ranking::spearman;

use super::draws::Draw;
use super::measures::earliest;
use super::record::CheckpointRecord;
use super::view::{Runs, View};
use super::{Family, Start, Training};

/// Runs from every checkpoint on the first target.
pub(super) struct Checkpoints<'a> {
    view: &'a View<'a>,
    /// Epochs of the source, and the runs that began there.
    all: Vec<(u64, Runs<'a>)>,
}

impl<'a> Checkpoints<'a> {
    pub fn of(view: &'a View<'a>) -> Self {
        let part = |training| training == Training::Part { rate: None };
        let runs = |epochs: &u64| {
            let start = Start::Source { epochs: Some(*epochs) };
            (*epochs, view.runs(Family::Fixup, start, 0, part))
        };
        let all: Vec<(u64, Runs<'a>)> = view.study.options.checkpoints.iter().map(runs).collect();
        // Only replicas that every checkpoint has are compared.
        let fewest = all.iter().map(|(_, runs)| runs.len()).min().unwrap_or(0);
        let all = if fewest == 0 { Vec::new() } else { all };
        let few = |(epochs, runs): (u64, Runs<'a>)| {
            (epochs, runs.into_iter().filter(|(run, _)| run.replica < fewest).collect())
        };
        Self { view, all: all.into_iter().map(few).collect() }
    }

    fn runs(&self, epochs: u64) -> Option<&Runs<'a>> {
        self.all.iter().find(|(at, _)| *at == epochs).map(|(_, runs)| runs)
    }

    /// Accuracy on held-out training images, after the last epoch.
    fn held_out(&self, draw: Draw<'_>, epochs: u64) -> Option<f64> {
        self.view.over_runs(draw, self.runs(epochs)?, |_, trained| trained.judged.last().copied())
    }

    fn frozen(&self, draw: Draw<'_>, epochs: u64) -> Option<f64> {
        self.view.over_runs(draw, self.runs(epochs)?, |run, _| self.view.found.frozen.get(run).copied())
    }

    /// Score on test images.
    pub fn test(&self, draw: Draw<'_>, epochs: u64) -> Option<f64> {
        self.view.score(draw, self.runs(epochs)?)
    }

    /// The earliest checkpoint within a standard error of the best on held-out images.
    pub fn chosen(&self) -> Option<u64> {
        let whole = self.view.resampling.whole();
        let held: Vec<(u64, f64)> =
            self.all.iter().filter_map(|(epochs, _)| Some((*epochs, self.held_out(whole, *epochs)?))).collect();
        let best = held.iter().map(|(_, accuracy)| *accuracy).fold(0.0, f64::max);
        let target = self.view.study.data.targets.first()?;
        let [train, _] = target.split();
        let replicas = self.all.first()?.1.len();
        let images = train.len() / 5 * replicas;
        earliest(&held, (best * (1.0 - best) / images.max(1) as f64).sqrt())
    }

    /// The complete source, or the last checkpoint there is.
    pub fn last(&self) -> Option<u64> {
        self.all.iter().map(|(epochs, _)| *epochs).max()
    }

    /// Rank correlation of what frozen features are worth with what fine-tuning is.
    pub fn agreement(&self, draw: Draw<'_>) -> Option<f64> {
        let pair = |(epochs, _): &(u64, Runs<'a>)| Some((self.frozen(draw, *epochs)?, self.test(draw, *epochs)?));
        let (frozen, tested): (Vec<f64>, Vec<f64>) =
            self.all.iter().map(pair).collect::<Option<Vec<(f64, f64)>>>()?.into_iter().unzip();
        spearman(&frozen, &tested)
    }

    pub fn records(&self, source: Option<&[f64]>) -> Vec<CheckpointRecord> {
        let (whole, chosen) = (self.view.resampling.whole(), self.chosen());
        let record = |(epochs, runs): &(u64, Runs<'a>)| {
            let after = usize::try_from(*epochs).ok().and_then(|epochs| epochs.checked_sub(1));
            Some(CheckpointRecord {
                epochs: *epochs,
                source: after.and_then(|after| source?.get(after).copied()),
                replicas: runs.len(),
                held_out: self.held_out(whole, *epochs)?,
                frozen: self.frozen(whole, *epochs),
                test: self.view.resampling.series(|draw| self.test(draw, *epochs))?.estimate(),
                speed: self.view.speed(whole, runs)?,
                chosen: chosen == Some(*epochs),
            })
        };
        self.all.iter().filter_map(record).collect()
    }
}
