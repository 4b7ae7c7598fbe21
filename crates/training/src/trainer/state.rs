//! From a trainer to a checkpoint and back.

use serde::{Deserialize, Serialize};

use super::report::Sums;
use super::{Trainer, TrainingError};
use crate::checkpoint::Checkpoint;
use crate::early_stopping::{EarlyStopping, StoppingState};
use crate::ema::Average;

/// Key of the notes that this module owns.
const KEY: &str = "trainer";

/// What a checkpoint holds besides tensors and counters. Sums are kept by their bits.
#[derive(Serialize, Deserialize)]
struct Notes {
    stopping: Option<StoppingState>,
    steps: u64,
    loss: u64,
    right: u64,
    images: u64,
    learning_rate: u64,
}

impl Trainer {
    /// The state between two steps, from which [`restore`](Self::restore) goes on with the same bits.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let notes = Notes {
            stopping: self.stopping.as_ref().map(EarlyStopping::state),
            steps: self.sums.steps,
            loss: self.sums.loss.to_bits(),
            right: self.sums.right,
            images: self.sums.images,
            learning_rate: self.sums.learning_rate.to_bits(),
        };
        Checkpoint {
            weights: self.weights.clone(),
            optimizer: self.optimizer.state(),
            average: self.average.as_ref().map(|average| average.weights().clone()),
            best: self.best.clone(),
            epoch: self.epoch,
            step_in_epoch: self.step_in_epoch,
            steps: self.steps,
            average_steps: self.average.as_ref().map_or(0, Average::steps),
            seed: self.settings.seed,
            notes: [(KEY.to_owned(), serde_json::to_value(notes).unwrap_or_default())].into(),
        }
    }

    /// Goes on from a checkpoint of the same network and settings.
    ///
    /// # Errors
    /// A checkpoint that lacks something or does not fit; the trainer is of no use then.
    pub fn restore(&mut self, mut checkpoint: Checkpoint) -> Result<(), TrainingError> {
        let missing = |what: &str| TrainingError::Setting {
            setting: "the checkpoint",
            value: format!("without {what}"),
            range: "one of this run".to_owned(),
        };
        let notes = checkpoint.notes.remove(KEY).ok_or_else(|| missing("the trainer's notes"))?;
        let notes: Notes = serde_json::from_value(notes).map_err(|_| missing("the trainer's notes"))?;
        self.optimizer.restore(checkpoint.optimizer, &checkpoint.weights)?;
        if let Some(settings) = self.settings.average {
            let weights = checkpoint.average.ok_or_else(|| missing("the average of the weights"))?;
            self.average = Some(Average::restore(settings, checkpoint.average_steps, weights)?);
        }
        if let Some(settings) = self.settings.stopping {
            self.stopping = Some(EarlyStopping::restore(settings, notes.stopping.unwrap_or_default())?);
        }
        self.sums = Sums {
            steps: notes.steps,
            loss: f64::from_bits(notes.loss),
            right: notes.right,
            images: notes.images,
            learning_rate: f64::from_bits(notes.learning_rate),
        };
        (self.weights, self.best) = (checkpoint.weights, checkpoint.best);
        (self.epoch, self.step_in_epoch, self.steps) = (checkpoint.epoch, checkpoint.step_in_epoch, checkpoint.steps);
        Ok(())
    }
}
