//! What a model answers on the judged images.

use heirloom_transfer::artifact::Artifact;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::predictor::{PredictOptions, Predictor};

use crate::diff::DiffError;
use crate::predicted::largest;
use crate::{AuditWatch, ChangedImages, PreparedImages};

/// Answers of one point.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// 1 for an image that is answered right, else 0.
    pub right: Vec<f64>,
    /// Cross-entropy of each image, in nats.
    pub losses: Vec<f64>,
}

/// Points of a curve, each a share of the way with its answers; nothing where logits are no numbers.
pub type Curve = Vec<(f64, Option<Answered>)>;

/// What a model answers on the judged images; nothing where its logits are no numbers.
pub fn answer(
    model: Artifact,
    (judged, labels): (&PreparedImages, &[usize]),
    extract: &ExtractOptions,
    watch: AuditWatch<'_>,
) -> Result<Option<Answered>, DiffError> {
    let classes = model.classes.len().max(1);
    let head = model.head.clone();
    let model = Predictor::new(model, PredictOptions { top: 1, extract: extract.clone() })?;
    let shown = |more: usize| watch.shown.iter().for_each(|shown| shown(more));
    let images = ChangedImages { images: judged, change: &|_, _| {}, shown: &shown };
    let rows: Vec<usize> = (0..labels.len()).collect();
    let extracted = model.features(&images, &rows, watch.cancel)?;
    // Images whose values are not finite are skipped by the extraction.
    if extracted.rows.len() < rows.len() {
        return Ok(None);
    }
    let Ok(logits) = head.logits(&extracted.features, &rows) else { return Ok(None) };
    let told: Vec<(f64, f64)> =
        logits.chunks(classes).zip(labels).map(|(logits, label)| judge(logits, *label)).collect();
    if told.iter().any(|(_, loss)| !loss.is_finite()) {
        return Ok(None);
    }
    let (right, losses) = told.into_iter().unzip();
    Ok(Some(Answered { right, losses }))
}

/// Whether the largest logit, the first of equals, is the label's, and the cross-entropy.
fn judge(logits: &[f32], label: usize) -> (f64, f64) {
    let best = largest(logits);
    let top = logits.get(best).map_or(0.0, |&top| f64::from(top));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - top).exp()).sum();
    let own = logits.get(label).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit));
    (f64::from(u8::from(best == label)), sum.ln() + top - own)
}
