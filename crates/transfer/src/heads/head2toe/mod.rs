//! Head2Toe (Evci, Dumoulin, Larochelle, Mozer, ICML 2022; `spec/head2toe.md`): features of every tap, ranked by a group-lasso
//! head, the best fraction kept, renormalised, and a fresh head on them.
//!
//! Two solvers. [`Solver::Exact`] brings the group lasso to a certified optimum and gives the final head a ridge penalty, since
//! an unpenalised softmax on more columns than rows has no finite optimum; pooling target, group penalty, fraction and ridge
//! penalty are chosen together by cross-validation on the training rows. [`Solver::Adam`] is the paper's recipe.
//!
//! Other scorers than the group lasso may rank the columns ([`Scorer`]), and ranks may be left out at the top.
//!
//! In exact mode most rows of the scoring head are exactly zero. Those rank after all nonzero rows, by the norm of their
//! gradient at the optimum, i.e. by how close they are to entering, then by index. A column that never varies is never taken.

mod adam;
mod all;
mod final_head;
mod group_lasso;
mod panel;
mod penalty;
mod ranking;
mod scorer;
mod scoring;
mod settings;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub use adam::{AdamRecipe, Ragged, batched_accuracy, cosine_schedule};
pub use all::AllSettings;
pub(crate) use all::fit as fit_all;
pub use ranking::kept_columns;
pub use scorer::Scorer;
pub use settings::{Head2ToeSettings, Solver};

use super::affine::compress;
use super::choice::{Choice, Setting, choose, settings};
use super::linear::assemble;
use super::normalization::Normalization;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};
use crate::{Block, ClassTokenMode};
use group_lasso::Rows;
use panel::Panel;

/// One combination of settings; indices into the lists they come from.
#[derive(Debug, Clone, Copy)]
struct Combination {
    panel: usize,
    /// Index among the penalties of the scoring head; 0 where it has none.
    scoring: usize,
    fraction: usize,
    penalty: usize,
    columns: usize,
}

/// Fits `head2toe`; every block of the features takes part, grouped by pooling target.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    class_token: ClassTokenMode,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let settings_of = settings_of.check()?;
    let (targets, panels) = panels(training, checked, &settings_of.targets, settings_of.normalization, class_token)?;
    if panels.iter().all(|panel| panel.varying() <= settings_of.rank_offset) {
        let (value, range) =
            (settings_of.rank_offset.to_string(), "fewer ranks than there are columns can be left out");
        return Err(HeadError::Setting { setting: "rank_offset", value, range });
    }
    match &settings_of.solver {
        Solver::Exact { .. } => fit_exact(checked, &settings_of, &targets, &panels),
        Solver::Adam(recipe) => fit_adam(checked, &settings_of, &targets, &panels, recipe),
    }
}

/// The pooling targets in use and a panel for each. Blocks of another class-token mode are left out.
fn panels<'a>(
    training: &Training<'a>,
    checked: &Checked,
    wanted: &[usize],
    normalization: Normalization,
    class_token: ClassTokenMode,
) -> Result<(Vec<usize>, Vec<Panel<'a>>), HeadError> {
    let mut targets: Vec<usize> = blocks(training, class_token).map(|block| block.pooling.target).collect();
    targets.sort_unstable();
    targets.dedup();
    if let Some(missing) = wanted.iter().find(|target| !targets.contains(target)) {
        let (value, range) = (missing.to_string(), "the features must hold blocks at every pooling target asked for");
        return Err(HeadError::Setting { setting: "targets", value, range });
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(target));
    let panels = targets.iter().map(|target| {
        let blocks: Vec<&Block> =
            blocks(training, class_token).filter(|block| block.pooling.target == *target).collect();
        Panel::new(training.features, &blocks, &checked.rows, normalization)
    });
    let panels = panels.collect::<Result<Vec<_>, _>>()?;
    if panels.iter().all(|panel| panel.varying() == 0) {
        return Err(HeadError::NothingVaries { columns: panels.iter().map(Panel::columns).sum() });
    }
    Ok((targets, panels))
}

fn blocks<'a>(training: &Training<'a>, class_token: ClassTokenMode) -> impl Iterator<Item = &'a Block> {
    training.features.blocks.iter().filter(move |block| block.pooling.class_token == class_token)
}

/// What each fraction keeps of a ranking, the ranks left out at the top aside; each is sorted by column.
fn kept(panel: &Panel<'_>, ranking: &[usize], settings_of: &Head2ToeSettings, fractions: &[f64]) -> Vec<Vec<usize>> {
    let ranking = ranking.get(settings_of.rank_offset..).unwrap_or_default();
    let sorted = |&fraction: &f64| {
        let mut columns = ranking[..kept_columns(fraction, panel.columns()).min(ranking.len())].to_vec();
        columns.sort_unstable();
        columns
    };
    fractions.iter().map(sorted).collect()
}

/// Number of ranks that the settings reach.
fn most(panel: &Panel<'_>, settings_of: &Head2ToeSettings) -> usize {
    let largest = settings_of.fractions.last().copied().unwrap_or(1.0);
    settings_of.rank_offset + kept_columns(largest, panel.columns())
}

/// Number of columns that a fraction keeps where there are enough.
fn column_count(panel: &Panel<'_>, settings_of: &Head2ToeSettings, fraction: f64) -> usize {
    kept_columns(fraction, panel.columns()).min(panel.varying().saturating_sub(settings_of.rank_offset))
}

/// The parts of a fold's training rows that the solvers need.
struct Part {
    positions: Vec<usize>,
    held: Vec<usize>,
    local: Vec<usize>,
    present: Vec<usize>,
}

impl Part {
    fn of(checked: &Checked, fold: usize) -> Self {
        let (positions, held) = checked.split(fold);
        let labels: Vec<usize> = positions.iter().map(|&position| checked.labels[position]).collect();
        let (local, present) = compress(&labels);
        Self { positions, held, local, present }
    }

    fn rows(&self) -> Rows<'_> {
        Rows { positions: &self.positions, labels: &self.local, classes: self.present.len() }
    }
}

fn fit_exact(
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    targets: &[usize],
    panels: &[Panel<'_>],
) -> Result<Fitted, HeadError> {
    let Solver::Exact { penalties, .. } = &settings_of.solver else {
        return Err(HeadError::NoRows);
    };
    let fractions = &settings_of.fractions;
    let (scoring_name, scoring_values) = scoring::penalties(settings_of);
    let parts: Vec<Part> = (0..checked.fold_count).map(|fold| Part::of(checked, fold)).collect();
    let mut candidates = Vec::new();
    for (index, panel) in usable(panels, settings_of) {
        let folds = parts.par_iter().map(|part| search_fold(checked, panel, part, settings_of, penalties));
        let folds = folds.collect::<Result<Vec<_>, HeadError>>()?;
        let count = scoring_values.len() * fractions.len() * penalties.len();
        for (at, logits) in assemble(checked, count, &folds).into_iter().enumerate() {
            let (rest, penalty) = (at / penalties.len(), at % penalties.len());
            let (scoring, fraction) = (rest / fractions.len(), rest % fractions.len());
            let columns = column_count(panel, settings_of, fractions[fraction]);
            candidates.push((Combination { panel: index, scoring, fraction, penalty, columns }, logits));
        }
    }
    // Simplest first: fewer columns, then a stronger ridge penalty, then a stronger scoring penalty, then a smaller target.
    candidates.sort_by_key(|(at, _)| (at.columns, at.penalty, at.scoring, at.panel));
    let combinations: Vec<Combination> = candidates.iter().map(|(at, _)| *at).collect();
    let named = candidates.into_iter().map(|(at, logits)| {
        let number = |value: f64| Setting::Number(value);
        let mut named = settings([
            ("pooling_target", number(targets[at.panel] as f64)),
            ("fraction", number(fractions[at.fraction])),
            ("columns", number(at.columns as f64)),
            ("penalty", number(penalties[at.penalty])),
        ]);
        named.extend(scoring_name.map(|name| (name.to_string(), number(scoring_values[at.scoring]))));
        named.extend(described(settings_of));
        (named, logits)
    });
    let choice = choose(checked, named.collect());
    let at = combinations[choice.chosen];
    let everything: Vec<usize> = (0..checked.rows.len()).collect();
    let panel = panels[at.panel].for_rows(&everything);
    let (local, present) = compress(&checked.labels);
    let rows = Rows { positions: &everything, labels: &local, classes: present.len() };
    let mut scored = scoring::rankings(&panel, &rows, settings_of, at.scoring + 1, most(&panel, settings_of))?;
    let scoring::Scored { ranking, certificate } = scored.pop().ok_or(HeadError::NoRows)?;
    let selected = kept(&panel, &ranking, settings_of, &fractions[at.fraction..=at.fraction]).swap_remove(0);
    let path = &penalties[..=at.penalty];
    let rule = final_head::fit(&panel, &selected, &checked.labels, checked.classes, path, 1e-9)?;
    finish(checked, settings_of, &panel, &selected, rule, Choice { certificate, ..choice })
}

/// Panels of which columns are left after the ranks that are left out, with their indices.
fn usable<'a, 'b>(
    panels: &'b [Panel<'a>],
    settings_of: &Head2ToeSettings,
) -> impl Iterator<Item = (usize, &'b Panel<'a>)> {
    let offset = settings_of.rank_offset;
    panels.iter().enumerate().filter(move |(_, panel)| panel.varying() > offset)
}

/// Settings that are no default, as they stand in the table of candidates.
fn described(settings_of: &Head2ToeSettings) -> Vec<(String, Setting)> {
    let mut out = Vec::new();
    if settings_of.scorer != Scorer::Group {
        out.push(("scorer".to_string(), Setting::Text(settings_of.scorer.name().to_string())));
    }
    if settings_of.rank_offset > 0 {
        out.push(("rank_offset".to_string(), Setting::Number(settings_of.rank_offset as f64)));
    }
    out
}

/// Logits of one fold's held-out rows, in the order scoring penalty, fraction, ridge penalty.
fn search_fold(
    checked: &Checked,
    panel: &Panel<'_>,
    part: &Part,
    settings_of: &Head2ToeSettings,
    penalties: &[f64],
) -> Result<(Vec<usize>, Vec<Vec<f32>>), HeadError> {
    let (panel, rows) = (panel.for_rows(&part.positions), part.rows());
    let scored = scoring::rankings(&panel, &rows, settings_of, usize::MAX, most(&panel, settings_of))?;
    let selections: Vec<Vec<usize>> =
        scored.iter().flat_map(|scored| kept(&panel, &scored.ranking, settings_of, &settings_of.fractions)).collect();
    let heads = selections.par_iter().map(|selected| {
        final_head::held_out(&panel, selected, &rows, &part.present, &part.held, checked.classes, penalties)
    });
    let heads = heads.collect::<Result<Vec<_>, _>>()?;
    Ok((part.held.clone(), heads.into_iter().flatten().collect()))
}

fn fit_adam(
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
            candidates.push((Combination { panel: index, scoring: 0, fraction, penalty: 0, columns }, logits));
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
fn adam_heads(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    present: &[usize],
    classes: usize,
    settings_of: &Head2ToeSettings,
    fractions: &[f64],
    recipe: &AdamRecipe,
) -> Vec<(Vec<usize>, super::affine::Affine)> {
    let ranking = scoring::adam_ranking(panel, rows, settings_of, recipe, most(panel, settings_of));
    let heads = kept(panel, &ranking, settings_of, fractions).into_iter().map(|selected| {
        let matrix = panel.selected(&selected).select_rows(rows.positions);
        let rule = adam::train(&matrix, rows.labels, rows.classes, recipe, 0.0);
        (selected, adam::spread(&rule, present, classes))
    });
    heads.collect()
}

fn finish(
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    panel: &Panel<'_>,
    selected: &[usize],
    rule: super::affine::Affine,
    mut choice: Choice,
) -> Result<Fitted, HeadError> {
    let reached = most(panel, settings_of);
    if reached > panel.varying() {
        choice.warnings.push(format!(
            "columns up to rank {reached} were asked for; only {} of {} vary over the training rows",
            panel.varying(),
            panel.columns()
        ));
    }
    let (inputs, normalizer) = (panel.inputs(selected), panel.normalizer(selected));
    let head = Head::new(Method::Head2Toe, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}
