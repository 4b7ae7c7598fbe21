//! Why a model cannot be differentiated.

use heirloom_engine::EngineError;

use crate::PoolingError;
use crate::artifact::ArtifactError;

/// What stops a gradient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GradientError {
    /// No network, or one without its values.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// A head that is no linear map of its columns.
    #[error("{method} votes by its nearest training rows, which has no gradient")]
    Head {
        /// The method that fitted the head.
        method: &'static str,
    },
    /// A head that was adapted to a target domain.
    #[error("the model standardises features by its target domain, and only models without that are differentiated")]
    Adapted,
    /// A network that does not fit together.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A layer that cannot be pooled.
    #[error(transparent)]
    Pooling(#[from] PoolingError),
    /// Pixels, or a gradient of logits, of another length.
    #[error("{found} values for {images} images, expected {expected}")]
    Length {
        /// Values given.
        found: usize,
        /// Images.
        images: usize,
        /// Values expected.
        expected: usize,
    },
}
