//! Heads on all columns of all taps, what Head2Toe is measured against (`spec/head2toe.md` section 6): multinomial logistic
//! regression with one of three penalties,
//!
//! ```text
//! all-l1    lambda sum |W_jc|        by proximal gradient steps, certified by a duality gap
//! all-l2    (lambda/2) ||W||^2       by the logistic solver, from the Gram matrix of the rows where columns outnumber them
//! all-l21   lambda sum_j ||W_j||_2   as the scoring head of head2toe
//! ```
//!
//! The paper and its code write the second as `lambda ||W||^2`, without the half. Pooling target and penalty are chosen together by
//! cross-validation on the training rows.

use rayon::prelude::*;

use super::super::affine::{ABSENT_LOGIT, Affine, compress};
use super::super::choice::{Certificate, Choice, Setting, choose, settings};
use super::super::linear::{assemble, sorted_penalties};
use super::super::normalization::Normalization;
use super::super::training::Checked;
use super::super::{Fitted, Head, HeadError, Method, Rule, Training};
use super::group_lasso::{self, Optimum, Rows};
use super::panel::Panel;
use super::penalty::Penalty;
use super::{Part, final_head, panels};
use crate::ClassTokenMode;

/// Duality gap while candidates are compared, as a share of the loss without weights.
const COMPARE_GAP: f64 = 1e-3;

/// Settings of `all-l1`, `all-l2` and `all-l21`.
#[derive(Debug, Clone, PartialEq)]
pub struct AllSettings {
    /// Pooling targets to choose from; empty stands for all that the features hold.
    pub targets: Vec<usize>,
    /// Penalties of `all-l1` and `all-l21`, as shares of the smallest one at which every weight is zero.
    pub shares: Vec<f64>,
    /// Relative penalties of `all-l2`.
    pub penalties: Vec<f64>,
    /// Largest duality gap of the head that is kept, as a share of the loss without weights.
    pub gap: f64,
    /// Scaling of a tap's columns.
    pub normalization: Normalization,
}

impl Default for AllSettings {
    fn default() -> Self {
        Self {
            targets: vec![],
            shares: vec![0.3, 0.1, 0.03, 0.01],
            penalties: vec![1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
            gap: 1e-4,
            normalization: Normalization::UnitVector,
        }
    }
}

impl AllSettings {
    /// Penalties of a method, the strongest first.
    fn strengths(&self, method: Method) -> Result<Vec<f64>, HeadError> {
        let inside = |value: &f64| *value > 0.0 && *value <= 1.0;
        if !self.shares.iter().all(inside) || !inside(&self.gap) {
            let value = format!("{:?}, to a gap of {}", self.shares, self.gap);
            return Err(HeadError::Setting {
                setting: "shares",
                value,
                range: "shares above 0 and at most 1 are needed",
            });
        }
        sorted_penalties(if method == Method::AllL2 { &self.penalties } else { &self.shares })
    }
}

fn penalty(method: Method) -> Penalty {
    if method == Method::AllL1 { Penalty::Entries } else { Penalty::Rows }
}

/// Fits one of the three; every block of the features takes part, grouped by pooling target.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    method: Method,
    settings_of: &AllSettings,
    class_token: ClassTokenMode,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let strengths = settings_of.strengths(method)?;
    let (targets, panels) = panels(training, checked, &settings_of.targets, settings_of.normalization, class_token)?;
    let parts: Vec<Part> = (0..checked.fold_count).map(|fold| Part::of(checked, fold)).collect();
    let mut candidates = Vec::new();
    for (index, panel) in panels.iter().enumerate().filter(|(_, panel)| panel.varying() > 0) {
        let folds = parts.par_iter().map(|part| {
            let panel = panel.for_rows(&part.positions);
            Ok((part.held.clone(), held_out(&panel, part, checked.classes, method, &strengths)?))
        });
        let folds = folds.collect::<Result<Vec<_>, HeadError>>()?;
        let logits = assemble(checked, strengths.len(), &folds);
        candidates.extend(logits.into_iter().enumerate().map(|(strength, logits)| ((strength, index), logits)));
    }
    // Simplest first: a stronger penalty, then a smaller target.
    candidates.sort_by_key(|(at, _)| *at);
    let places: Vec<(usize, usize)> = candidates.iter().map(|(at, _)| *at).collect();
    let name = if method == Method::AllL2 { "penalty" } else { "penalty_share" };
    let named = candidates.into_iter().map(|((strength, panel), logits)| {
        let target = ("pooling_target", Setting::Number(targets[panel] as f64));
        (settings([target, (name, Setting::Number(strengths[strength]))]), logits)
    });
    let choice = choose(checked, named.collect());
    let (strength, panel) = places[choice.chosen];
    finish(checked, method, settings_of, &panels[panel], &strengths[..=strength], choice)
}

/// Logits of a fold's held-out rows for each penalty.
fn held_out(
    panel: &Panel<'_>,
    part: &Part,
    classes: usize,
    method: Method,
    strengths: &[f64],
) -> Result<Vec<Vec<f32>>, HeadError> {
    let (rows, columns) = (part.rows(), (0..panel.columns()).collect::<Vec<_>>());
    if method == Method::AllL2 {
        return final_head::held_out(panel, &columns, &rows, &part.present, &part.held, classes, strengths);
    }
    let optima = group_lasso::path(panel, &rows, strengths, COMPARE_GAP, penalty(method))?;
    Ok(optima.iter().map(|optimum| logits(optimum, panel, part, classes)).collect())
}

/// Logits of the held-out rows.
fn logits(optimum: &Optimum, panel: &Panel<'_>, part: &Part, classes: usize) -> Vec<f32> {
    let local = part.present.len();
    let columns: Vec<usize> = optimum.active.iter().map(|(column, _)| *column).collect();
    let image = panel.gather(&columns, &part.held).times(&optimum.weights, local);
    let mut out = vec![ABSENT_LOGIT as f32; part.held.len() * classes];
    for (row, image) in image.chunks(local).enumerate() {
        for ((&class, value), bias) in part.present.iter().zip(image).zip(&optimum.bias) {
            out[row * classes + class] = (value + bias) as f32;
        }
    }
    out
}

/// The head on all training rows at the last of `strengths`.
fn finish(
    checked: &Checked,
    method: Method,
    settings_of: &AllSettings,
    panel: &Panel<'_>,
    strengths: &[f64],
    choice: Choice,
) -> Result<Fitted, HeadError> {
    let everything: Vec<usize> = (0..checked.rows.len()).collect();
    let panel = panel.for_rows(&everything);
    let columns: Vec<usize> = (0..panel.columns()).collect();
    let (local, present) = compress(&checked.labels);
    let (rule, certificate) = if method == Method::AllL2 {
        let rule = final_head::fit(&panel, &columns, &checked.labels, checked.classes, strengths, 1e-9)?;
        (rule, None)
    } else {
        let rows = Rows { positions: &everything, labels: &local, classes: present.len() };
        // The way to the penalty that is kept is walked coarsely.
        let optimum = group_lasso::last(&panel, &rows, strengths, (COMPARE_GAP, settings_of.gap), penalty(method))?;
        (spread(&optimum, columns.len(), &present, checked.classes), Some(certificate(&optimum)))
    };
    let (inputs, normalizer) = (panel.whole_inputs(), panel.normalizer(&columns));
    let head = Head::new(method, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, Choice { certificate, ..choice }, &checked.labels))
}

/// What is stated about an optimum.
pub(super) fn certificate(optimum: &Optimum) -> Certificate {
    let Optimum { ratio, lambda, objective, relative_gap, .. } = *optimum;
    Certificate { group_penalty: ratio, lambda, objective, relative_gap }
}

/// The rule over all columns and classes.
fn spread(optimum: &Optimum, columns: usize, present: &[usize], classes: usize) -> Affine {
    let mut rule = Affine { classes, weights: vec![0.0; columns * classes], bias: vec![ABSENT_LOGIT as f32; classes] };
    for (position, &class) in present.iter().enumerate() {
        rule.bias[class] = optimum.bias[position] as f32;
        for ((column, _), weights) in optimum.active.iter().zip(optimum.weights.chunks(present.len())) {
            rule.weights[column * classes + class] = weights[position] as f32;
        }
    }
    rule
}
