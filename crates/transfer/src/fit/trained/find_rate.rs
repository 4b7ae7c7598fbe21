//! The learning rate by a sweep over training batches (Smith 2017): see [`heirloom_training::finder`].

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_training::finder::{Finder, FinderSettings};
use heirloom_training::schedule::Schedule;
use heirloom_training::trainer::{Source, StepReport, Trainer, TrainerSettings, TrainingError, Watcher};

use super::super::FitError;

/// Follows the sweep and ends it.
struct Sweep<'a> {
    finder: Finder,
    cancel: Option<&'a AtomicBool>,
    cancelled: bool,
}

impl Watcher for Sweep<'_> {
    fn step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.finder.record(report.loss);
        self.cancelled = self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed));
        if self.cancelled || self.finder.next_rate().is_none() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// The rate that a sweep suggests for a run with these settings: where the loss falls fastest, and at most a tenth of the rate of the
/// lowest loss. Two digits, so that the value shown is the value used.
pub(super) fn sweep(
    settings: &TrainerSettings,
    adaptive: bool,
    trainer: &dyn Fn(TrainerSettings) -> Result<Trainer, FitError>,
    source: &mut dyn Source,
    cancel: Option<&AtomicBool>,
) -> Result<f64, FitError> {
    let usual = FinderSettings::default();
    let limits = FinderSettings { lowest: usual.lowest, highest: if adaptive { 0.1 } else { usual.highest }, ..usual };
    let mut sweep = Sweep { finder: Finder::new(limits).map_err(refused)?, cancel, cancelled: false };
    let steps_per_epoch = settings.length(source.rows()).steps_per_epoch.max(1);
    let mut trainer = trainer(TrainerSettings {
        learning_rate: limits.highest,
        schedule: Schedule::Exponential { first: limits.lowest, steps: limits.steps },
        epochs: limits.steps.div_ceil(steps_per_epoch),
        stopping: None,
        average: None,
        ..settings.clone()
    })?;
    match trainer.train(source, &mut sweep) {
        // Divergence is where a sweep ends.
        Ok(_) | Err(TrainingError::Divergence(_)) => {}
        Err(error) => return Err(error.into()),
    }
    if sweep.cancelled {
        return Err(FitError::Interrupted { epoch: 0, step: 0, checkpoint: None });
    }
    let found = sweep.finder.suggest().map_err(refused)?;
    let rate = found.rate.min(found.cautious);
    Ok(format!("{rate:.1e}").parse().unwrap_or(rate))
}

fn refused(error: heirloom_training::finder::FinderError) -> FitError {
    FitError::Recipe { setting: "--learning-rate", value: "find".into(), reason: error.to_string() }
}
