//! Why two models cannot be compared.

use heirloom_engine::EngineError;
use heirloom_transfer::artifact::ArtifactError;
use heirloom_transfer::predictor::PredictError;

use crate::{AuditError, PrepareError};

/// What ends a comparison of two models.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// Images that differ between the two sides.
    #[error("the two networks were given other images, or the same in another order")]
    OtherImages,
    /// Too few images.
    #[error("{images} images are too few: it takes {needed}")]
    TooFew {
        /// Images there are.
        images: usize,
        /// Images it takes.
        needed: usize,
    },
    /// Gram matrices beyond the memory.
    #[error(
        "{first} layers of the first network and {second} of the second take {needed} bytes in batches of {batch} images, more than \
         the {limit} bytes they may"
    )]
    Memory {
        /// Taps of the first network.
        first: usize,
        /// Taps of the second.
        second: usize,
        /// Images of a batch.
        batch: usize,
        /// Bytes they take.
        needed: u64,
        /// Bytes they may take.
        limit: u64,
    },
    /// Lists of different length.
    #[error("{labels} labels, {first} answers of the first model and {second} of the second do not belong together")]
    Lengths {
        /// Labels.
        labels: usize,
        /// Answers of the first model.
        first: usize,
        /// Answers of the second.
        second: usize,
    },
    /// A network that cannot be run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A model that cannot be put together.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A model that cannot answer.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// What ends any audit, the flag to stop included.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl From<PrepareError> for DiffError {
    fn from(error: PrepareError) -> Self {
        Self::Audit(error.into())
    }
}
