//! What ends a study.

use heirloom_data::PreprocessError;
use heirloom_data::intervention::InterventionError;
use heirloom_transfer::adaptation::AdaptationError;
use heirloom_transfer::artifact::ArtifactError;
use heirloom_transfer::compare::CompareError;
use heirloom_transfer::extract::ExtractError;
use heirloom_transfer::fit::FitError;
use heirloom_transfer::predictor::PredictError;
use heirloom_zoo::ZooError;

use crate::PrepareError;
use crate::diff::DiffError;

/// An error of a study.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// A source or a target that cannot be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// A result that cannot be read or kept.
    #[error(transparent)]
    Kept(#[from] CompareError),
    /// A network that cannot be made, read or written.
    #[error(transparent)]
    Network(#[from] ZooError),
    /// An intervention that cannot be made.
    #[error(transparent)]
    Intervention(#[from] InterventionError),
    /// Images that cannot be held in memory.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A picture that cannot be resized.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// A model that cannot be put together.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A model that cannot answer.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// A network that cannot answer.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// Networks that cannot be compared.
    #[error(transparent)]
    Compared(#[from] DiffError),
    /// Data that the study cannot use.
    #[error("{set}: {reason}")]
    Data {
        /// Which.
        set: String,
        /// Why not.
        reason: String,
    },
    /// Domains that cannot be adapted to one another.
    #[error(transparent)]
    Adaptation(#[from] AdaptationError),
    /// Stopped by the watch.
    #[error("interrupted")]
    Interrupted,
}
