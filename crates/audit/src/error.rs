//! Why an audit cannot be made.

use heirloom_data::SplitError;
use heirloom_data::intervention::InterventionError;
use heirloom_data::labels::CorruptionError;
use heirloom_transfer::extract::ExtractError;
use heirloom_transfer::gradient::GradientError;
use heirloom_transfer::heads::HeadError;
use heirloom_transfer::predictor::PredictError;

use crate::{AttackError, PrepareError};

/// What ends an audit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// Images that cannot be held in memory.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// A model that cannot answer, or the flag to stop.
    #[error(transparent)]
    Predict(#[from] PredictError),
    /// Features that cannot be had, or the flag to stop.
    #[error(transparent)]
    Extract(#[from] ExtractError),
    /// A patch that cannot be made.
    #[error(transparent)]
    Intervention(#[from] InterventionError),
    /// Lists that do not belong together.
    #[error(transparent)]
    Attack(#[from] AttackError),
    /// A model that has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// A head that cannot answer.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// Labels that cannot be made wrong.
    #[error(transparent)]
    Corruption(#[from] CorruptionError),
    /// Rows that cannot be split into folds.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// Too few rows to make a training set worse.
    #[error(
        "a class with {rows} training images, or as few to judge on, is too few: a worse training set is made of {needed} of each"
    )]
    SmallClasses {
        /// Rows of the smallest class, or judged rows.
        rows: usize,
        /// Rows it takes.
        needed: usize,
    },
    /// Too few images to look on some and to judge on others.
    #[error(
        "{images} images with a label are too few: an audit looks for findings on some and judges them on others, and needs {needed}"
    )]
    TooFew {
        /// Images there are.
        images: usize,
        /// Images it takes.
        needed: usize,
    },
    /// A model without a right answer.
    #[error("the model answers none of {images} images right: there is nothing that a change of the image could break")]
    NothingRight {
        /// Images judged.
        images: usize,
    },
}
