//! The one layer that suits the labels best, and multinomial logistic regression on it alone: the choice of layer of DeCAF (Donahue,
//! Jia, Vinyals, Hoffman, Zhang, Tzeng, Darrell, "DeCAF: a deep convolutional activation feature for generic visual recognition",
//! ICML 2014), made on training rows.
//!
//! The objective is that of `linear`. Layer, pooling target and penalty are chosen together by out-of-fold log loss; the simplest
//! candidate has the fewest columns, then the strongest penalty, then the layer that the network reaches first.
//!
//! A layer of more columns than rows is read once: its Gram matrix serves every fold and penalty, and weights are formed for the head that
//! is kept alone.

use rayon::prelude::*;

use super::affine::{Part, compress, logistic_by_gram, logistic_path};
use super::choice::{Setting, choose, settings};
use super::dense::Matrix;
use super::input::{Input, gather_raw};
use super::linear::{FINAL_TOLERANCE, assemble, normalised, out_of_fold, sorted_penalties};
use super::normalization::Normalization;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};
use crate::ClassTokenMode;

/// Objective tolerance while candidates are compared, in nats per row.
const COMPARE_TOLERANCE: f64 = 1e-5;

/// Settings of `best-layer`.
#[derive(Debug, Clone, PartialEq)]
pub struct BestLayerSettings {
    /// Pooling targets to choose from.
    pub targets: Vec<usize>,
    /// Layers to choose from; empty stands for all that the features hold.
    pub layers: Vec<String>,
    /// Relative penalties to choose from.
    pub penalties: Vec<f64>,
    /// Scaling of the features.
    pub normalization: Normalization,
}

impl Default for BestLayerSettings {
    fn default() -> Self {
        Self {
            targets: vec![1],
            layers: vec![],
            penalties: vec![1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
            normalization: Normalization::UnitVector,
        }
    }
}

/// Fits `best-layer` with layer and penalty chosen by cross-validation.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    settings_of: &BestLayerSettings,
    class_token: ClassTokenMode,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let penalties = sorted_penalties(&settings_of.penalties)?;
    let layers = layers(training, settings_of, class_token)?;
    let kind = settings_of.normalization;
    let judged = layers.par_iter().map(|layer| held_out(training, checked, layer, kind, &penalties));
    let judged = judged.collect::<Result<Vec<_>, HeadError>>()?;
    let mut candidates = Vec::new();
    for (layer, by_penalty) in judged.into_iter().enumerate() {
        let columns = layers[layer].count();
        candidates.extend(by_penalty.into_iter().enumerate().map(|(at, logits)| ((columns, at, layer), logits)));
    }
    candidates.sort_by_key(|(place, _)| *place);
    let places: Vec<(usize, usize, usize)> = candidates.iter().map(|(place, _)| *place).collect();
    let named = candidates.into_iter().map(|((columns, penalty, layer), logits)| {
        let Input { tap, pooling, .. } = &layers[layer];
        let number = Setting::Number;
        let named = settings([
            ("layer", Setting::Text(tap.clone())),
            ("pooling_target", number(pooling.target as f64)),
            ("columns", number(columns as f64)),
            ("penalty", number(penalties[penalty])),
        ]);
        (named, logits)
    });
    let choice = choose(checked, named.collect());
    let (_, penalty, layer) = places[choice.chosen];
    let inputs = vec![layers[layer].clone()];
    let raw = gather_raw(training.features, &inputs, &checked.rows)?;
    let (rows, normalizer) = normalised(&raw, &inputs, kind);
    let path = logistic_path(rows, &checked.labels, checked.classes, &penalties[..=penalty], FINAL_TOLERANCE)?;
    let rule = path.into_iter().next_back().ok_or(HeadError::NoRows)?;
    let head = Head::new(Method::BestLayer, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}

/// The layers to choose from, in the order of the features. Blocks of another class-token mode are left out.
fn layers(
    training: &Training<'_>,
    settings_of: &BestLayerSettings,
    class_token: ClassTokenMode,
) -> Result<Vec<Input>, HeadError> {
    let BestLayerSettings { targets, layers, .. } = settings_of;
    let blocks = || training.features.blocks.iter().filter(|block| block.pooling.class_token == class_token);
    if let Some(missing) = targets.iter().find(|target| blocks().all(|block| block.pooling.target != **target)) {
        let (value, range) = (missing.to_string(), "the features must hold blocks at every pooling target asked for");
        return Err(HeadError::Setting { setting: "targets", value, range });
    }
    let wanted = blocks()
        .filter(|block| targets.contains(&block.pooling.target) && (layers.is_empty() || layers.contains(&block.tap)));
    let found: Vec<Input> = wanted.map(Input::whole).collect();
    if found.is_empty() {
        let (value, range) =
            (format!("{targets:?}, {layers:?}"), "one pooling target and one layer of the features are needed");
        return Err(HeadError::Setting { setting: "layers", value, range });
    }
    Ok(found)
}

/// Logits `[rows, classes]` of one layer at each penalty, each row predicted by the rule of the folds it is not in.
fn held_out(
    training: &Training<'_>,
    checked: &Checked,
    layer: &Input,
    kind: Normalization,
    penalties: &[f64],
) -> Result<Vec<Vec<f32>>, HeadError> {
    let inputs = std::slice::from_ref(layer);
    let raw = gather_raw(training.features, inputs, &checked.rows)?;
    // Columns that are scaled by statistics of the rows have another Gram matrix in every fold.
    if kind == Normalization::PerFeature || raw.columns <= raw.rows {
        return out_of_fold(checked, &raw, inputs, kind, |rows, labels| {
            logistic_path(rows, labels, checked.classes, penalties, COMPARE_TOLERANCE)
        });
    }
    let gram = normalised(&raw, inputs, kind).0.gram();
    let folds = (0..checked.fold_count).into_par_iter().map(|fold| by_gram(checked, &gram, fold, penalties));
    Ok(assemble(checked, penalties.len(), &folds.collect::<Result<Vec<_>, HeadError>>()?))
}

/// Rows of a fold and their logits at each penalty.
fn by_gram(
    checked: &Checked,
    gram: &Matrix,
    fold: usize,
    penalties: &[f64],
) -> Result<(Vec<usize>, Vec<Vec<f32>>), HeadError> {
    let (fitted, held) = checked.split(fold);
    let labels: Vec<usize> = fitted.iter().map(|&position| checked.labels[position]).collect();
    let (labels, present) = compress(&labels);
    let part = Part { fitted: &fitted, labels: &labels, present: &present, held: &held, classes: checked.classes };
    let logits = logistic_by_gram(gram, &part, penalties, COMPARE_TOLERANCE)?;
    Ok((held, logits))
}

#[cfg(test)]
mod tests;
