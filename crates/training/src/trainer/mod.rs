//! The training loop: batches in, weights out, the same bits from any checkpoint on.

mod adversary;
mod co_tuned;
mod error;
mod penalty;
mod readout;
mod report;
mod settings;
mod source;
mod state;
mod step;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use heirloom_engine::{Gradients, Graph, Isa, TrainingOptions, TrainingPlan, TrainingState, Weights};

pub use adversary::Adversary;
pub use co_tuned::{CoTuned, SOURCE_CLASSIFIER};
pub use error::TrainingError;
pub use penalty::{Delta, Regularizer};
pub use readout::{Readout, ReadoutGradients};
pub use report::{EpochReport, StepReport};
pub use settings::TrainerSettings;
pub use source::{BatchPixels, BatchTargets, Foreign, HeldOut, Source, TrainingBatch, Unwatched, Watcher};

use crate::early_stopping::{EarlyStopping, Verdict};
use crate::ema::Average;
use crate::optimizer::{Optimizer, ParameterGroups};
use report::Sums;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs were run.
    Complete,
    /// Nothing improved any more.
    Early,
    /// The watcher broke it off; the checkpoint that was saved goes on from there.
    Interrupted,
}

/// A network in training.
#[derive(Debug)]
pub struct Trainer {
    settings: TrainerSettings,
    plan: TrainingPlan,
    /// How the network scales pixels.
    scale: adversary::Scale,
    classes: usize,
    state: TrainingState,
    gradients: Gradients,
    weights: Weights,
    optimizer: Optimizer,
    regularizer: Option<Regularizer>,
    readout: Option<Arc<dyn Readout>>,
    /// Outputs of the plan that the head reads; those behind them are the regulariser's.
    read: usize,
    average: Option<Average>,
    stopping: Option<EarlyStopping>,
    best: Option<Weights>,
    /// Complete epochs, steps made in the next one, and all steps.
    epoch: u64,
    step_in_epoch: u64,
    steps: u64,
    sums: Sums,
}

impl Trainer {
    /// A trainer of `graph` at the node `logits`, from `weights` on.
    ///
    /// # Errors
    /// Settings that make no sense, or that do not fit the network.
    pub fn new(
        graph: &Graph,
        weights: Weights,
        logits: &str,
        groups: ParameterGroups,
        regularizer: Option<Regularizer>,
        settings: TrainerSettings,
    ) -> Result<Self, TrainingError> {
        Self::at(graph, weights, vec![logits.to_owned()], groups, regularizer, settings)
    }

    /// A trainer of `graph` with a head that reads several nodes; `weights` holds the parameters of both.
    ///
    /// # Errors
    /// As [`Trainer::new`].
    pub fn with_readout(
        graph: &Graph,
        weights: Weights,
        readout: Arc<dyn Readout>,
        groups: ParameterGroups,
        settings: TrainerSettings,
    ) -> Result<Self, TrainingError> {
        let mut trainer = Self::at(graph, weights, readout.nodes().to_vec(), groups, None, settings)?;
        (trainer.classes, trainer.readout) = (readout.classes(), Some(readout));
        Ok(trainer)
    }

    fn at(
        graph: &Graph,
        weights: Weights,
        mut outputs: Vec<String>,
        groups: ParameterGroups,
        regularizer: Option<Regularizer>,
        settings: TrainerSettings,
    ) -> Result<Self, TrainingError> {
        check(&settings)?;
        let read = outputs.len();
        outputs.extend(regularizer.iter().flat_map(Regularizer::nodes));
        let options = TrainingOptions {
            input_size: settings.input_size,
            outputs,
            trainable: settings.trainable.clone(),
            batch_statistics: settings.batch_statistics.clone(),
            input_gradient: settings.adversary.is_some(),
            recompute: settings.recompute,
            precision: settings.precision,
            isa: Isa::detect_for(settings.precision),
        };
        let plan = TrainingPlan::compile(graph, &options)?;
        let classes = plan.outputs().next().map_or(0, heirloom_engine::Shape::len);
        Ok(Self {
            classes,
            scale: adversary::Scale::of(graph),
            plan,
            state: TrainingState::default(),
            gradients: Gradients::default(),
            optimizer: Optimizer::new(settings.optimizer, groups)?,
            average: settings.average.map(|average| Average::new(average, &weights)).transpose()?,
            stopping: settings.stopping.map(EarlyStopping::new).transpose()?,
            weights,
            regularizer,
            readout: None,
            read,
            best: None,
            epoch: 0,
            step_in_epoch: 0,
            steps: 0,
            sums: Sums::default(),
            settings,
        })
    }

    /// The settings.
    #[must_use]
    pub const fn settings(&self) -> &TrainerSettings {
        &self.settings
    }

    /// The weights that count: those of the best epoch where epochs are judged, else the average where one is kept, else the last.
    #[must_use]
    pub fn result(&self) -> &Weights {
        self.best.as_ref().unwrap_or_else(|| self.current())
    }

    /// The average where one is kept, else the weights.
    fn current(&self) -> &Weights {
        self.average.as_ref().map_or(&self.weights, Average::weights)
    }

    /// The epoch of the best validation value, with the value.
    #[must_use]
    pub fn best(&self) -> Option<(u64, f64)> {
        let best = self.stopping.as_ref()?.best()?;
        Some((best.epoch, best.value()))
    }

    /// Complete epochs, and steps made in the next.
    #[must_use]
    pub const fn position(&self) -> (u64, u64) {
        (self.epoch, self.step_in_epoch)
    }

    /// Bytes of activations and gradients held at most so far.
    #[must_use]
    pub fn activation_bytes(&self) -> usize {
        self.state.bytes()
    }

    /// Trains from where it stands to the end.
    ///
    /// # Errors
    /// Divergence, data that does not come, a state that cannot be saved.
    pub fn train(&mut self, source: &mut dyn Source, watcher: &mut dyn Watcher) -> Result<Ended, TrainingError> {
        let length = self.settings.length(source.rows());
        self.settings.schedule.check(length)?;
        while self.epoch < self.settings.epochs {
            if let ControlFlow::Break(ended) = self.run_epoch(source, watcher)? {
                return Ok(ended);
            }
        }
        Ok(Ended::Complete)
    }

    fn run_epoch(
        &mut self,
        source: &mut dyn Source,
        watcher: &mut dyn Watcher,
    ) -> Result<ControlFlow<Ended>, TrainingError> {
        let (started, before) = (Instant::now(), self.sums.images);
        let length = self.settings.length(source.rows());
        let first = usize::try_from(self.step_in_epoch).unwrap_or(usize::MAX);
        source.start(self.epoch, first, self.settings.batch_size).map_err(TrainingError::Foreign)?;
        while self.step_in_epoch < length.steps_per_epoch {
            let Some(batch) = source.next_batch().map_err(TrainingError::Foreign)? else { break };
            let report = self.step(&batch, length)?;
            source.give_back(batch);
            if watcher.step(&report).is_break() && !self.is_last_step(length.steps_per_epoch) {
                watcher.save(&mut || self.checkpoint()).map_err(TrainingError::Foreign)?;
                return Ok(ControlFlow::Break(Ended::Interrupted));
            }
        }
        let mut report = self.sums.report(self.epoch);
        report.images = (self.sums.images - before) as usize;
        report.seconds = started.elapsed().as_secs_f64();
        report.busy = 1.0 - (source.waited().as_secs_f64() / report.seconds.max(1e-9)).min(1.0);
        self.end_epoch(report, watcher)
    }

    fn is_last_step(&self, steps_per_epoch: u64) -> bool {
        self.step_in_epoch >= steps_per_epoch
    }

    fn end_epoch(
        &mut self,
        mut report: EpochReport,
        watcher: &mut dyn Watcher,
    ) -> Result<ControlFlow<Ended>, TrainingError> {
        let held_out = watcher.validate(self.epoch, self.current()).map_err(TrainingError::Foreign)?;
        report.validation = held_out.map(|found| found.loss);
        report.validation_accuracy = held_out.map(|found| found.accuracy);
        let mut stop = false;
        if let (Some(stopping), Some(value)) = (&mut self.stopping, report.validation) {
            let verdict = stopping.record(self.epoch, value);
            report.best = matches!(verdict, Verdict::Best);
            stop = matches!(verdict, Verdict::Stop { .. });
            if report.best {
                self.best = Some(self.current().clone());
            }
        }
        self.epoch += 1;
        self.step_in_epoch = 0;
        self.sums = Sums::default();
        watcher.epoch(&report);
        watcher.save(&mut || self.checkpoint()).map_err(TrainingError::Foreign)?;
        Ok(if stop { ControlFlow::Break(Ended::Early) } else { ControlFlow::Continue(()) })
    }
}

/// Refuses settings that make no sense.
fn check(settings: &TrainerSettings) -> Result<(), TrainingError> {
    let refuse =
        |setting, value: String, range: &str| Err(TrainingError::Setting { setting, value, range: range.to_owned() });
    let (rate, momentum) = (settings.learning_rate, settings.statistics_momentum);
    match settings {
        _ if settings.epochs == 0 => refuse("the number of epochs", "0".into(), "1 or more"),
        _ if settings.batch_size == 0 => refuse("the batch size", "0".into(), "1 or more"),
        _ if settings.batch_size == 1 && !settings.batch_statistics.is_empty() => {
            refuse("the batch size", "1".into(), "2 or more where batch norms use the statistics of the batch")
        }
        _ if !(rate.is_finite() && rate > 0.0) => refuse("the learning rate", rate.to_string(), "a number above 0"),
        _ if !(0.0..=1.0).contains(&momentum) => {
            refuse("the momentum of running statistics", momentum.to_string(), "from 0 to 1")
        }
        _ if settings.adversary.is_some_and(|adversary| !adversary.is_possible()) => {
            let epsilon = settings.adversary.map_or(0.0, |adversary| adversary.epsilon);
            refuse("the size of adversarial changes", epsilon.to_string(), "above 0 and below 1, in one step or more")
        }
        _ if settings.trainable.is_empty() => refuse("what is trained", "nothing".into(), "at least one parameter"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
