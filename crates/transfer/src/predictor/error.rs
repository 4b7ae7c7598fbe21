//! What can go wrong while predicting.

use heirloom_zoo::ZooError;

use crate::artifact::ArtifactError;
use crate::extract::ExtractError;
use crate::heads::HeadError;

/// An error that ends a prediction run. A broken image is none.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The artifact cannot be used.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The backbone of a slim artifact cannot be opened.
    #[error("the artifact is slim and its backbone cannot be opened: {0}")]
    Backbone(#[from] ZooError),
    /// The network cannot be run.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// The features cannot be prepared as the head was adapted.
    #[error(transparent)]
    Adaptation(#[from] crate::adaptation::AdaptationError),
    /// The head does not fit the features.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Tasks that do not share one network.
    #[error("a model on '{other}' cannot be read in one pass with a model on '{first}': their {what} differ")]
    OtherNetwork {
        /// Backbone of the first task.
        first: String,
        /// Backbone of the other one.
        other: String,
        /// What differs.
        what: &'static str,
    },
}
