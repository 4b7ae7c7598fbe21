//! Head2Toe (Evci, Dumoulin, Larochelle, Mozer, ICML 2022; `spec/head2toe.md`): features of every tap, ranked by a group-lasso
//! head, the best fraction kept, renormalised, and a fresh head on them.
//!
//! Two solvers. [`Solver::Exact`] brings the group lasso to a certified optimum and gives the final head a ridge penalty, since
//! an unpenalised softmax on more columns than rows has no finite optimum; pooling target, group penalty, fraction and ridge
//! penalty are chosen together by cross-validation on the training rows. [`Solver::Adam`] is the paper's recipe.
//!
//! In exact mode most rows of the scoring head are exactly zero. Those rank after all nonzero rows, by the norm of their
//! gradient at the optimum, i.e. by how close they are to entering, then by index. A column that never varies is never taken.

mod adam;
mod final_head;
mod group_lasso;
mod panel;
mod ranking;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

pub use adam::{AdamRecipe, Ragged, batched_accuracy, cosine_schedule};
pub use ranking::kept_columns;

use super::affine::compress;
use super::choice::{Certificate, Choice, Setting, choose, settings};
use super::linear::{assemble, sorted_penalties};
use super::normalization::{Normalization, Normalizer};
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};
use crate::Block;
use group_lasso::Rows;
use panel::Panel;
use ranking::{rank_by_optimum, rank_by_score};

/// How the scoring head and the final head are fitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Solver {
    /// To the optimum.
    Exact {
        /// Group penalties as shares of the smallest one at which every weight is zero.
        group_penalties: Vec<f64>,
        /// Relative ridge penalties of the final head.
        penalties: Vec<f64>,
        /// Largest duality gap of the scoring head, as a share of the loss without weights.
        gap: f64,
    },
    /// By the paper's recipe.
    Adam(AdamRecipe),
}

/// Settings of `head2toe`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head2ToeSettings {
    /// Pooling targets to choose from; empty stands for all that the features hold.
    pub targets: Vec<usize>,
    /// Fractions of the columns to choose from.
    pub fractions: Vec<f64>,
    /// Scaling of a tap's columns, [`Normalization::UnitVector`] or [`Normalization::None`].
    pub normalization: Normalization,
    /// The solver.
    pub solver: Solver,
}

impl Default for Head2ToeSettings {
    fn default() -> Self {
        Self {
            targets: vec![],
            fractions: vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2],
            normalization: Normalization::UnitVector,
            solver: Solver::Exact {
                group_penalties: vec![0.3, 0.1, 0.03],
                penalties: vec![1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
                gap: 1e-3,
            },
        }
    }
}

impl Head2ToeSettings {
    /// The paper's recipe at its default settings: a tenth of the columns, no search.
    #[must_use]
    pub fn replication() -> Self {
        Self {
            targets: vec![],
            fractions: vec![0.1],
            normalization: Normalization::UnitVector,
            solver: Solver::Adam(AdamRecipe::default()),
        }
    }

    fn check(&self) -> Result<Self, HeadError> {
        let refuse = |setting, value: String, range| Err(HeadError::Setting { setting, value, range });
        let mut checked = self.clone();
        let inside = |value: &f64| *value > 0.0 && *value <= 1.0;
        if self.fractions.is_empty() || !self.fractions.iter().all(inside) {
            return refuse("fractions", format!("{:?}", self.fractions), "numbers above 0 and at most 1 are needed");
        }
        checked.fractions.sort_by(f64::total_cmp);
        checked.fractions.dedup();
        if self.normalization == Normalization::PerFeature {
            return refuse("normalization", "per_feature".to_string(), "unit_vector and none are there for head2toe");
        }
        match &mut checked.solver {
            Solver::Exact { group_penalties, penalties, gap } => {
                if !group_penalties.iter().all(inside) {
                    let range = "shares above 0 and at most 1 are needed";
                    return refuse("group_penalties", format!("{group_penalties:?}"), range);
                }
                *group_penalties = sorted_penalties(group_penalties)?;
                *penalties = sorted_penalties(penalties)?;
                if !inside(gap) {
                    return refuse("gap", gap.to_string(), "a share above 0 and at most 1 is needed");
                }
            }
            Solver::Adam(recipe) => {
                if !recipe.is_usable() {
                    return refuse("adam", format!("{recipe:?}"), "steps, batch and learning rate must be positive");
                }
            }
        }
        Ok(checked)
    }
}

/// One combination of settings; indices into the lists they come from.
#[derive(Debug, Clone, Copy)]
struct Combination {
    panel: usize,
    group_penalty: usize,
    fraction: usize,
    penalty: usize,
    columns: usize,
}

/// Fits `head2toe`; every block of the features takes part, grouped by pooling target.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    settings_of: &Head2ToeSettings,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let settings_of = settings_of.check()?;
    let targets = targets(training, &settings_of.targets)?;
    let panels = targets.iter().map(|target| {
        let blocks: Vec<&Block> = training.features.blocks.iter().filter(|b| b.pooling.target == *target).collect();
        Panel::new(training.features, &blocks, &checked.rows, settings_of.normalization)
    });
    let panels = panels.collect::<Result<Vec<_>, _>>()?;
    if panels.iter().all(|panel| panel.varying() == 0) {
        return Err(HeadError::NothingVaries { columns: panels.iter().map(Panel::columns).sum() });
    }
    match &settings_of.solver {
        Solver::Exact { .. } => fit_exact(checked, &settings_of, &targets, &panels),
        Solver::Adam(recipe) => fit_adam(checked, &settings_of, &targets, &panels, recipe),
    }
}

fn targets(training: &Training<'_>, wanted: &[usize]) -> Result<Vec<usize>, HeadError> {
    let mut targets: Vec<usize> = training.features.blocks.iter().map(|block| block.pooling.target).collect();
    targets.sort_unstable();
    targets.dedup();
    if let Some(missing) = wanted.iter().find(|target| !targets.contains(target)) {
        let (value, range) = (missing.to_string(), "the features must hold blocks at every pooling target asked for");
        return Err(HeadError::Setting { setting: "targets", value, range });
    }
    targets.retain(|target| wanted.is_empty() || wanted.contains(target));
    Ok(targets)
}

/// Prefixes of a ranking, one per fraction; each is sorted by column.
fn prefixes(panel: &Panel<'_>, ranking: &[usize], fractions: &[f64]) -> Vec<Vec<usize>> {
    let sizes = fractions.iter().map(|&fraction| kept_columns(fraction, panel.columns()).min(ranking.len()));
    let sorted = |size: usize| {
        let mut columns = ranking[..size].to_vec();
        columns.sort_unstable();
        columns
    };
    sizes.map(sorted).collect()
}

fn most(panel: &Panel<'_>, fractions: &[f64]) -> usize {
    kept_columns(fractions.last().copied().unwrap_or(1.0), panel.columns())
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
    let Solver::Exact { group_penalties, penalties, gap } = &settings_of.solver else {
        return Err(HeadError::NoRows);
    };
    let fractions = &settings_of.fractions;
    let parts: Vec<Part> = (0..checked.fold_count).map(|fold| Part::of(checked, fold)).collect();
    let mut candidates = Vec::new();
    for (index, panel) in panels.iter().enumerate().filter(|(_, panel)| panel.varying() > 0) {
        let folds = parts.par_iter().map(|part| search_fold(checked, panel, part, settings_of));
        let folds = folds.collect::<Result<Vec<_>, HeadError>>()?;
        let count = group_penalties.len() * fractions.len() * penalties.len();
        for (at, logits) in assemble(checked, count, &folds).into_iter().enumerate() {
            let (rest, penalty) = (at / penalties.len(), at % penalties.len());
            let (group_penalty, fraction) = (rest / fractions.len(), rest % fractions.len());
            let columns = kept_columns(fractions[fraction], panel.columns()).min(panel.varying());
            candidates.push((Combination { panel: index, group_penalty, fraction, penalty, columns }, logits));
        }
    }
    // Simplest first: fewer columns, then a stronger ridge penalty, then a stronger group penalty, then a smaller target.
    candidates.sort_by_key(|(at, _)| (at.columns, at.penalty, at.group_penalty, at.panel));
    let combinations: Vec<Combination> = candidates.iter().map(|(at, _)| *at).collect();
    let named = candidates.into_iter().map(|(at, logits)| {
        let number = |value: f64| Setting::Number(value);
        let named = settings([
            ("pooling_target", number(targets[at.panel] as f64)),
            ("group_penalty", number(group_penalties[at.group_penalty])),
            ("fraction", number(fractions[at.fraction])),
            ("columns", number(at.columns as f64)),
            ("penalty", number(penalties[at.penalty])),
        ]);
        (named, logits)
    });
    let choice = choose(checked, named.collect());
    let at = combinations[choice.chosen];
    let panel = &panels[at.panel];
    let everything: Vec<usize> = (0..checked.rows.len()).collect();
    let (local, present) = compress(&checked.labels);
    let rows = Rows { positions: &everything, labels: &local, classes: present.len() };
    let optima = group_lasso::path(panel, &rows, &group_penalties[..=at.group_penalty], *gap)?;
    let optimum = optima.last().ok_or(HeadError::NoRows)?;
    let ranking = rank_by_optimum(optimum, panel, most(panel, fractions));
    let selected = prefixes(panel, &ranking, &fractions[at.fraction..=at.fraction]).swap_remove(0);
    let path = &penalties[..=at.penalty];
    let rule = final_head::fit(panel, &selected, &checked.labels, checked.classes, path, 1e-9)?;
    let certificate = Certificate {
        group_penalty: optimum.ratio,
        lambda: optimum.lambda,
        objective: optimum.objective,
        relative_gap: optimum.relative_gap,
    };
    let choice = Choice { certificate: Some(certificate), ..choice };
    finish(checked, settings_of, panel, &selected, rule, choice)
}

/// Logits of one fold's held-out rows, in the order group penalty, fraction, ridge penalty.
fn search_fold(
    checked: &Checked,
    panel: &Panel<'_>,
    part: &Part,
    settings_of: &Head2ToeSettings,
) -> Result<(Vec<usize>, Vec<Vec<f32>>), HeadError> {
    let Solver::Exact { group_penalties, penalties, gap } = &settings_of.solver else {
        return Err(HeadError::NoRows);
    };
    let rows = part.rows();
    let optima = group_lasso::path(panel, &rows, group_penalties, *gap)?;
    let fractions = &settings_of.fractions;
    let selections: Vec<Vec<usize>> = optima
        .iter()
        .flat_map(|optimum| prefixes(panel, &rank_by_optimum(optimum, panel, most(panel, fractions)), fractions))
        .collect();
    let heads = selections.par_iter().map(|selected| {
        final_head::held_out(panel, selected, &rows, &part.present, &part.held, checked.classes, penalties)
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
    for (index, panel) in panels.iter().enumerate().filter(|(_, panel)| panel.varying() > 0) {
        let folds = (0..checked.fold_count).into_par_iter().map(|fold| {
            let part = Part::of(checked, fold);
            let heads = adam_heads(panel, &part.rows(), &part.present, checked.classes, fractions, recipe);
            let logits =
                heads.iter().map(|(selected, rule)| rule.logits(&panel.selected(selected).select_rows(&part.held)));
            let logits: Vec<Vec<f32>> = logits.collect();
            (part.held, logits)
        });
        let folds: Vec<_> = folds.collect();
        for (fraction, logits) in assemble(checked, fractions.len(), &folds).into_iter().enumerate() {
            let columns = kept_columns(fractions[fraction], panel.columns()).min(panel.varying());
            candidates.push((Combination { panel: index, group_penalty: 0, fraction, penalty: 0, columns }, logits));
        }
    }
    candidates.sort_by_key(|(at, _)| (at.columns, at.panel));
    let combinations: Vec<Combination> = candidates.iter().map(|(at, _)| *at).collect();
    let named = candidates.into_iter().map(|(at, logits)| {
        let named = settings([
            ("pooling_target", Setting::Number(targets[at.panel] as f64)),
            ("lambda", Setting::Number(recipe.lambda)),
            ("fraction", Setting::Number(fractions[at.fraction])),
            ("columns", Setting::Number(at.columns as f64)),
            ("learning_rate", Setting::Number(recipe.learning_rate)),
            ("steps", Setting::Number(recipe.steps as f64)),
        ]);
        (named, logits)
    });
    let choice = choose(checked, named.collect());
    let at = combinations[choice.chosen];
    let everything: Vec<usize> = (0..checked.rows.len()).collect();
    let (local, present) = compress(&checked.labels);
    let rows = Rows { positions: &everything, labels: &local, classes: present.len() };
    let panel = &panels[at.panel];
    let wanted = &fractions[at.fraction..=at.fraction];
    let mut heads = adam_heads(panel, &rows, &present, checked.classes, wanted, recipe);
    let (selected, rule) = heads.pop().ok_or(HeadError::NoRows)?;
    finish(checked, settings_of, panel, &selected, rule, choice)
}

/// The scoring fit, then for each fraction the selected columns and the final head on them.
fn adam_heads(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    present: &[usize],
    classes: usize,
    fractions: &[f64],
    recipe: &AdamRecipe,
) -> Vec<(Vec<usize>, super::affine::Affine)> {
    let all: Vec<usize> = (0..panel.columns()).collect();
    let scoring = adam::train(&panel.gather(&all, rows.positions), rows.labels, rows.classes, recipe, recipe.lambda);
    let ranking = rank_by_score(&adam::scores(&scoring), |column| panel.varies(column), most(panel, fractions));
    let heads = prefixes(panel, &ranking, fractions).into_iter().map(|selected| {
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
    let largest = most(panel, &settings_of.fractions);
    if largest > panel.varying() {
        choice.warnings.push(format!(
            "{largest} columns were asked for; only {} of {} vary over the training rows",
            panel.varying(),
            panel.columns()
        ));
    }
    let normalizer = match settings_of.normalization {
        Normalization::UnitVector => Normalizer::UnitVector,
        Normalization::None | Normalization::PerFeature => Normalizer::None,
    };
    let inputs = panel.inputs(selected);
    let head = Head::new(Method::Head2Toe, checked.classes, inputs, normalizer, Rule::Affine(rule));
    Ok(Fitted::calibrated(head, choice, &checked.labels))
}
