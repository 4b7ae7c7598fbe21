//! Answers of a model to images that were changed against it.

use heirloom_transfer::gradient::{Differentiable, GradientError};
use heirloom_transfer::heads::probabilities;

use super::{Attacker, Slope};
use crate::predicted::largest;
use crate::{AuditError, AuditWatch, PreparedImages};

/// Images that are attacked together.
const BATCH: usize = 16;

/// For each of the chosen images whether the model answers it right after the search for changes, and after changes as large by chance.
/// `judged` has the images and the class of each.
///
/// # Errors
/// A model that cannot be differentiated, or the flag to stop.
pub fn under_attack(
    model: &mut Differentiable<'_>,
    (images, labels): (&PreparedImages, &[usize]),
    chosen: &[usize],
    attacker: &Attacker,
    watch: AuditWatch<'_>,
) -> Result<Vec<[bool; 2]>, AuditError> {
    let mut answers = Vec::with_capacity(chosen.len());
    for (number, batch) in chosen.chunks(BATCH).enumerate() {
        watch.check()?;
        let own: Vec<usize> = batch.iter().map(|image| labels[*image]).collect();
        let bytes = batch.iter().flat_map(|image| images.pixels(*image));
        let pixels: Vec<f32> = bytes.map(|value| f32::from(*value) / 255.0).collect();
        let slope = |at: &[f32]| slope(model, at, &own);
        let found = attacker.changed(&pixels, batch.len(), number * BATCH, slope)?;
        let chance = attacker.by_chance(&pixels, batch.len(), number * BATCH);
        let (found, chance) = (answered_right(model, &found, &own)?, answered_right(model, &chance, &own)?);
        answers.extend(found.into_iter().zip(chance).map(|(found, chance)| [found, chance]));
        watch.shown.iter().for_each(|shown| shown(batch.len() * (3 * (attacker.steps + 1) + 2)));
    }
    Ok(answers)
}

/// Cross-entropy of images, and its slope by the pixels.
fn slope(model: &mut Differentiable<'_>, pixels: &[f32], labels: &[usize]) -> Result<Slope, GradientError> {
    let classes = model.classes().max(1);
    let logits = model.logits(pixels, labels.len())?;
    let mut seed = probabilities(&logits, classes, 1.0);
    let losses =
        seed.chunks(classes).zip(labels).map(|(row, label)| -f64::from(row[*label].max(f32::MIN_POSITIVE)).ln());
    let losses = losses.collect();
    seed.chunks_mut(classes).zip(labels).for_each(|(row, label)| row[*label] -= 1.0);
    Ok(Slope { losses, slope: model.backward(&seed)? })
}

/// Whether the largest logit of each image, the first of equals, is the label's.
fn answered_right(
    model: &mut Differentiable<'_>,
    pixels: &[f32],
    labels: &[usize],
) -> Result<Vec<bool>, GradientError> {
    let classes = model.classes().max(1);
    let logits = model.logits(pixels, labels.len())?;
    Ok(logits.chunks(classes).zip(labels).map(|(row, label)| largest(row) == *label).collect())
}
