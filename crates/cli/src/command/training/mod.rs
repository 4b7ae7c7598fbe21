//! What the commands that train have in common: settings from what was typed, progress, logs.

mod log;
mod tensorboard;

use std::path::{Path, PathBuf};

use heirloom_data::augment::Preset;
use heirloom_transfer::extract;
use heirloom_transfer::fit::trained::{
    Adversary, Balance, NormStatistics, OptimizerKind, RecipeOptions, ScheduleKind, TrainingEvent, candidate_checkpoint,
};

use crate::arguments::{
    AugmentName, BalanceName, LearningRate, NormStatisticsName, OptimizerName, PrecisionArguments, RecipeArguments,
    ScheduleName,
};
use crate::console::Console;
use crate::failure::Failure;
use crate::progress::{Progress, TrainingProgress};
use log::Log;

/// The recipe from what was typed.
pub fn recipe(typed: &RecipeArguments, precision: PrecisionArguments) -> RecipeOptions {
    RecipeOptions {
        image_size: typed.image_size.map(|size| size as usize),
        epochs: typed.epochs,
        batch_size: typed.batch_size.map(|size| size as usize),
        learning_rate: match typed.learning_rate {
            Some(LearningRate::Value(rate)) => Some(rate),
            _ => None,
        },
        find_rate: typed.learning_rate == Some(LearningRate::Find),
        weight_decay: typed.weight_decay,
        augment: Some(match typed.augment {
            AugmentName::None => Preset::None,
            AugmentName::Flip => Preset::Flip,
            AugmentName::Crop => Preset::Crop,
            AugmentName::Strong => Preset::Strong,
        }),
        mixup: typed.mixup,
        label_smoothing: typed.label_smoothing,
        balance: match typed.balance {
            BalanceName::None => Balance::None,
            BalanceName::Weights => Balance::Weights,
            BalanceName::Softmax => Balance::Softmax,
        },
        adversary: typed
            .adversarial
            .map(|levels| Adversary { epsilon: levels / 255.0, steps: typed.adversarial_steps.unwrap_or(1) }),
        schedule: typed.schedule.map(|name| match name {
            ScheduleName::Cosine => ScheduleKind::Cosine,
            ScheduleName::OneCycle => ScheduleKind::OneCycle,
            ScheduleName::Triangular => ScheduleKind::Triangular,
            ScheduleName::Step => ScheduleKind::Step,
            ScheduleName::Constant => ScheduleKind::Constant,
        }),
        warm_up: typed.warm_up,
        optimizer: typed.optimizer.map(|name| match name {
            OptimizerName::Sgd => OptimizerKind::Sgd,
            OptimizerName::Adam => OptimizerKind::Adam,
            OptimizerName::AdamW => OptimizerKind::AdamW,
        }),
        average: typed.average,
        layer_decay: typed.layer_decay,
        clip_norm: typed.clip_norm,
        norm_statistics: typed.norm_statistics.map(|how| match how {
            NormStatisticsName::Frozen => NormStatistics::Frozen,
            NormStatisticsName::Trained => NormStatistics::Trained,
            NormStatisticsName::Adapt => NormStatistics::Adapt,
        }),
        delta_attention: false,
        relationship: None,
        precision: precision.of_training(),
        rate_multipliers: None,
    }
}

/// Where the state of a run that is not complete is kept: `photos.heirloom` -> `photos.training`. Under `force` an earlier one goes.
pub fn checkpoint(output: &Path, force: bool) -> Result<PathBuf, Failure> {
    let path = output.with_extension("training");
    if force {
        // Candidates of one run keep theirs until the model is there, the first of them first.
        let of_candidates = (1..).map(|number| candidate_checkpoint(&path, number)).take_while(|path| path.exists());
        for old in std::iter::once(path.clone()).filter(|path| path.exists()).chain(of_candidates) {
            std::fs::remove_file(&old).map_err(|error| Failure::input(format!("{}: {error}", old.display())))?;
        }
    }
    Ok(path)
}

/// Shows how training goes, and writes it down.
pub struct Follower {
    console: Console,
    images: Progress,
    steps: TrainingProgress,
    log: Option<Log>,
}

impl Follower {
    /// A follower that writes to `log`, if one is wanted.
    pub fn new(console: Console, log: Option<&Path>) -> Result<Self, Failure> {
        let log = log.map(Log::create).transpose()?;
        Ok(Self { console, images: Progress::new("images"), steps: TrainingProgress::new(), log })
    }

    /// Images are read or run through a network.
    pub fn progress(&self, state: &extract::Progress) {
        self.images.report(state.done, state.total);
    }

    /// Another part of the work begins.
    pub fn stage(&self, text: &str) {
        self.images.restart();
        self.steps.finish();
        self.console.stage(text);
    }

    /// Something happened in training.
    pub fn event(&self, event: &TrainingEvent) {
        self.images.finish();
        match event {
            TrainingEvent::Step(step) => self.steps.step(step),
            TrainingEvent::Epoch(epoch) => {
                self.console.say(self.steps.epoch(epoch));
                self.log.iter().for_each(|log| log.write(epoch));
            }
            TrainingEvent::Resumed { epoch, step_in_epoch } => {
                let done = format!("{epoch} epochs and {step_in_epoch} steps are done");
                self.console.say(format!("going on from the kept state: {done}"));
            }
        }
    }

    /// Removes what is on the terminal.
    pub fn finish(&self) {
        self.images.finish();
        self.steps.finish();
    }
}
