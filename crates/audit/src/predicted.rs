//! A model's answers for rows of images.

use std::sync::atomic::AtomicBool;

use heirloom_transfer::Pooling;
use heirloom_transfer::extract::{ExtractError, ExtractOptions, Extraction, Images, Network};
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

/// The same for a network's own classifier, whose output is the tap `logits`; the lower class of equals.
///
/// # Errors
/// A tap that the network does not have, or the flag to stop.
pub fn network_classes(
    network: Network<'_>,
    logits: &str,
    images: &dyn Images,
    rows: &[usize],
    options: &ExtractOptions,
    cancel: Option<&AtomicBool>,
) -> Result<Vec<(usize, usize)>, ExtractError> {
    let requests = [(logits.to_owned(), Pooling::MEAN)];
    let mut extraction = Extraction::new(network, images, rows, &requests);
    (extraction.options, extraction.cancel) = (options.clone(), cancel);
    let extracted = extraction.run()?;
    let logits = extracted.features.blocks.iter().flat_map(|block| block.values.chunks(block.width.max(1)));
    Ok(extracted.rows.into_iter().zip(logits.map(largest)).collect())
}

/// Place of the largest value, the first of equals.
pub(crate) fn largest(values: &[f32]) -> usize {
    (0..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}
