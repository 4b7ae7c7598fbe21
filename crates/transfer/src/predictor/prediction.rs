//! From features to answers: classes with calibrated probabilities, and whether the image is unfamiliar.

use super::PredictError;
use crate::Features;
use crate::artifact::Artifact;
use crate::extract::SkippedImage;

/// The answer for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Row of the image.
    pub row: usize,
    /// Its path, or file and row.
    pub locator: String,
    /// The most probable class; the lower label of equals.
    pub class: usize,
    /// Its calibrated probability.
    pub probability: f32,
    /// The most probable classes with their probabilities, falling.
    pub top: Vec<(usize, f32)>,
    /// Calibrated probability of every class.
    pub probabilities: Vec<f32>,
    /// Distance to the images the head was fitted on; `None` where the artifact cannot tell.
    pub unfamiliarity: Option<f32>,
    /// Whether that distance is beyond the threshold.
    pub unfamiliar: Option<bool>,
}

/// What became of one image.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It got an answer.
    Predicted(Prediction),
    /// It has none, and why.
    Skipped(SkippedImage),
}

impl Outcome {
    /// Row of the image.
    #[must_use]
    pub fn row(&self) -> usize {
        match self {
            Self::Predicted(prediction) => prediction.row,
            Self::Skipped(skipped) => skipped.row,
        }
    }
}

/// Outcomes for all `features`, which belong to `rows`, and for what was skipped, by rising row.
pub(super) fn outcomes(
    artifact: &Artifact,
    features: &Features,
    rows: &[usize],
    skipped: &[SkippedImage],
    locator: &dyn Fn(usize) -> String,
    top: usize,
) -> Result<Vec<Outcome>, PredictError> {
    let prepared = artifact.preparation.as_ref().map(|preparation| preparation.apply(features)).transpose()?;
    let features = prepared.as_ref().unwrap_or(features);
    let all: Vec<usize> = (0..features.rows).collect();
    let probabilities = artifact.head.probabilities(features, &all)?;
    let strangeness = artifact.unfamiliar.as_ref().and_then(|unfamiliar| {
        let block = features.blocks.iter().find(|b| b.tap == unfamiliar.tap && b.pooling == unfamiliar.pooling)?;
        Some((unfamiliar, block))
    });
    let predictions = rows.iter().zip(probabilities.chunks_exact(artifact.classes.len().max(1))).enumerate();
    let predict = |(index, (row, probabilities)): (usize, (&usize, &[f32]))| {
        let score = strangeness
            .map(|(unfamiliar, block)| unfamiliar.score(&block.values[index * block.width..(index + 1) * block.width]));
        let ranked = ranked(probabilities);
        let (class, probability) = ranked.first().copied().unwrap_or_default();
        Outcome::Predicted(Prediction {
            row: *row,
            locator: locator(*row),
            class,
            probability,
            top: ranked.into_iter().take(top).collect(),
            probabilities: probabilities.to_vec(),
            unfamiliarity: score,
            unfamiliar: score.zip(strangeness).map(|(score, (unfamiliar, _))| unfamiliar.is_unfamiliar(score)),
        })
    };
    let mut outcomes: Vec<Outcome> = predictions.map(predict).collect();
    outcomes.extend(skipped.iter().cloned().map(Outcome::Skipped));
    outcomes.sort_by_key(Outcome::row);
    Ok(outcomes)
}

/// Classes by falling probability, equals by rising label.
fn ranked(probabilities: &[f32]) -> Vec<(usize, f32)> {
    let mut ranked: Vec<(usize, f32)> = probabilities.iter().copied().enumerate().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked
}
