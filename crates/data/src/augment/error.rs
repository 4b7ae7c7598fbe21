//! Why augmentation cannot be carried out.

use crate::PreprocessError;

/// A setting that makes no sense, or a buffer of the wrong length.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AugmentError {
    /// The preprocessing at the training size cannot be carried out, or the output buffer is wrong.
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
    /// A probability outside 0 to 1.
    #[error("the probability of a {what} is {value}: expected 0 to 1")]
    Probability {
        /// Of what.
        what: &'static str,
        /// The value given.
        value: f64,
    },
    /// A range whose ends are out of order or out of bounds.
    #[error("the range of {what} is {low} to {high}: expected {expected}")]
    Range {
        /// Of what.
        what: &'static str,
        /// Lower end.
        low: f64,
        /// Upper end.
        high: f64,
        /// What would do.
        expected: &'static str,
    },
    /// A shift that would leave nothing of the image, or that cannot be reflected.
    #[error("a shift of up to {pixels} pixels does not fit an image of {height} x {width}")]
    Shift {
        /// Largest shift in pixels.
        pixels: usize,
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
    },
    /// A mixup strength that is not a positive number.
    #[error("mixup with alpha {alpha}: expected a positive number")]
    Alpha {
        /// The value given.
        alpha: f64,
    },
    /// A batch that is not a whole number of images.
    #[error("{got} bytes of pixels for {images} images of {length} bytes")]
    BatchLength {
        /// Images expected.
        images: usize,
        /// Bytes of one image.
        length: usize,
        /// Bytes given.
        got: usize,
    },
}
