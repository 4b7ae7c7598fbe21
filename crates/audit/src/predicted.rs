//! A model's answers for rows of images.

use std::sync::atomic::AtomicBool;

use heirloom_transfer::extract::Images;
use heirloom_transfer::predictor::{Outcome, PredictError, Predictor};

/// Row and class for each of `rows`, rising; a row whose image cannot be used has none.
///
/// # Errors
/// What ends a prediction, see [`Predictor::predict_each`].
pub fn predicted_classes(
    model: &Predictor,
    images: &dyn Images,
    rows: &[usize],
    cancel: Option<&AtomicBool>,
) -> Result<Vec<(usize, usize)>, PredictError> {
    let mut classes = Vec::with_capacity(rows.len());
    model.predict_each(images, rows, cancel, |outcome| {
        if let Outcome::Predicted(prediction) = outcome {
            classes.push((prediction.row, prediction.class));
        }
    })?;
    Ok(classes)
}
