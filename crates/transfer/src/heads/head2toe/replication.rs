//! The paper's recipe: every fraction at every pooling target, by cross-validation, each head fitted by Adam.

use rayon::prelude::*;

use super::super::affine::{Affine, compress};
use super::super::choice::{Setting, choose, settings};
use super::super::linear::assemble;
use super::super::training::Checked;
use super::super::{Fitted, HeadError};
use super::adam::{self, AdamRecipe, Added};
use super::group_lasso::Rows;
use super::panel::Panel;
use super::settings::Head2ToeSettings;
use super::{Part, column_count, described, finish, kept, most, scoring, usable};

/// One combination of settings; indices into the lists they come from.
#[derive(Debug, Clone, Copy)]
struct Combination {
    panel: usize,
    fraction: usize,
    columns: usize,
}

/// Fits every candidate on every fold and keeps one.
pub(super) fn fit(
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    targets: &[usize],
    panels: &[Panel<'_>],
    recipe: &AdamRecipe,
) -> Result<Fitted, HeadError> {
    let fractions = &settings_of.fractions;
    let mut candidates = Vec::new();
    for (index, panel) in usable(panels, settings_of) {
        let folds = (0..checked.fold_count).into_par_iter().map(|fold| {
            let part = Part::of(checked, fold);
            let panel = panel.for_rows(&part.positions);
            let heads =
                adam_heads(&panel, &part.rows(), &part.present, checked.classes, settings_of, fractions, recipe);
            let logits =
                heads.iter().map(|(selected, rule)| rule.logits(&panel.selected(selected).select_rows(&part.held)));
            let logits: Vec<Vec<f32>> = logits.collect();
            (part.held, logits)
        });
        let folds: Vec<_> = folds.collect();
        for (fraction, logits) in assemble(checked, fractions.len(), &folds).into_iter().enumerate() {
            let columns = column_count(panel, settings_of, fractions[fraction]);
            candidates.push((Combination { panel: index, fraction, columns }, logits));
        }
    }
    candidates.sort_by_key(|(at, _)| (at.columns, at.panel));
    let combinations: Vec<Combination> = candidates.iter().map(|(at, _)| *at).collect();
    let named = candidates.into_iter().map(|(at, logits)| {
        let mut named = settings([
            ("pooling_target", Setting::Number(targets[at.panel] as f64)),
            ("lambda", Setting::Number(recipe.lambda)),
            ("fraction", Setting::Number(fractions[at.fraction])),
            ("columns", Setting::Number(at.columns as f64)),
            ("learning_rate", Setting::Number(recipe.learning_rate)),
            ("steps", Setting::Number(recipe.steps as f64)),
        ]);
        named.extend(described(settings_of));
        (named, logits)
    });
    let choice = choose(checked, named.collect());
    let at = combinations[choice.chosen];
    let everything: Vec<usize> = (0..checked.rows.len()).collect();
    let (local, present) = compress(&checked.labels);
    let rows = Rows { positions: &everything, labels: &local, classes: present.len() };
    let panel = panels[at.panel].for_rows(&everything);
    let wanted = &fractions[at.fraction..=at.fraction];
    let mut heads = adam_heads(&panel, &rows, &present, checked.classes, settings_of, wanted, recipe);
    let (selected, rule) = heads.pop().ok_or(HeadError::NoRows)?;
    finish(checked, settings_of, &panel, &selected, rule, choice)
}

/// The scoring fit, then for each fraction the selected columns and the final head on them.
pub(super) fn adam_heads(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    present: &[usize],
    classes: usize,
    settings_of: &Head2ToeSettings,
    fractions: &[f64],
    recipe: &AdamRecipe,
) -> Vec<(Vec<usize>, Affine)> {
    let ranking = scoring::adam_ranking(panel, rows, settings_of, recipe, most(panel, settings_of));
    let heads = kept(panel, &ranking, settings_of, fractions).into_iter().map(|selected| {
        let matrix = panel.selected(&selected).select_rows(rows.positions);
        let rule = adam::train(&matrix, rows.labels, rows.classes, recipe, Added::Nothing);
        (selected, adam::spread(&rule, present, classes))
    });
    heads.collect()
}
