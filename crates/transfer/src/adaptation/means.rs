//! Class means of the source.

use super::{AdaptationError, Samples};

/// Mean row of each class, `[classes, columns]`.
///
/// # Errors
/// Labels that are not one per row or past the number of classes, a class without a row.
pub fn class_means(samples: &Samples, labels: &[usize], classes: usize) -> Result<Samples, AdaptationError> {
    check(samples, labels, classes)?;
    let mut means = Samples::zeros(classes, samples.columns());
    let mut counts = vec![0_usize; classes];
    for (row, &label) in labels.iter().enumerate() {
        counts[label] += 1;
        means.row_mut(label).iter_mut().zip(samples.row(row)).for_each(|(sum, value)| *sum += value);
    }
    for (class, count) in counts.into_iter().enumerate() {
        if count == 0 {
            return Err(AdaptationError::EmptyClass { class });
        }
        means.row_mut(class).iter_mut().for_each(|sum| *sum /= count as f64);
    }
    Ok(means)
}

/// Refuses labels that do not fit the samples.
pub(super) fn check(samples: &Samples, labels: &[usize], classes: usize) -> Result<(), AdaptationError> {
    let (expected, found) = (samples.rows(), labels.len());
    if expected != found {
        return Err(AdaptationError::Length { what: "the list of source labels", expected, found });
    }
    match labels.iter().position(|&label| label >= classes) {
        Some(row) => Err(AdaptationError::LabelOutside { row, label: labels[row], classes }),
        None => Ok(()),
    }
}
