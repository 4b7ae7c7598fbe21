//! What can end a training run.

use heirloom_engine::EngineError;

use super::source::Foreign;
use crate::checkpoint::CheckpointError;
use crate::divergence::Divergence;
use crate::early_stopping::StoppingError;
use crate::ema::AverageError;
use crate::loss::LossError;
use crate::optimizer::OptimizerError;
use crate::regularizer::RegularizerError;
use crate::schedule::ScheduleError;

/// An error of training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainingError {
    /// The loss, a gradient or a weight is no finite number any more.
    #[error(transparent)]
    Divergence(#[from] Divergence),
    /// A setting that makes no sense.
    #[error("{setting} is {value}, it must be {range}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What it may be.
        range: String,
    },
    /// The network.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The optimiser.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// The schedule.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// The loss.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// A regulariser.
    #[error(transparent)]
    Regularizer(#[from] RegularizerError),
    /// The average of the weights.
    #[error(transparent)]
    Average(#[from] AverageError),
    /// Early stopping.
    #[error(transparent)]
    Stopping(#[from] StoppingError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Data, validation or saving.
    #[error(transparent)]
    Foreign(Foreign),
}
