//! Head2Toe (Evci, Dumoulin, Larochelle, Mozer, ICML 2022; `spec/head2toe.md`): features of every tap, ranked by a group-lasso
//! head, the best fraction kept, renormalised, and a fresh head on them.
//!
//! Two solvers. [`Solver::Exact`] brings the group lasso to a certified optimum and gives the final head a ridge penalty, since
//! an unpenalised softmax on more columns than rows has no finite optimum; pooling target, group penalty, fraction and ridge
//! penalty are chosen together by cross-validation on the training rows, and the last layer alone is one more candidate
//! ([`LastLayer`]). [`Solver::Adam`] is the paper's recipe.
//!
//! Other scorers than the group lasso may rank the columns ([`Scorer`]), and ranks may be left out at the top.
//!
//! In exact mode most rows of the scoring head are exactly zero. Those rank after all nonzero rows, by the norm of their
//! gradient at the optimum, i.e. by how close they are to entering, then by index. A column that never varies is never taken.

mod adam;
mod all;
mod centred;
mod exact;
mod extra_trees;
mod final_head;
mod group_lasso;
mod last_layer;
mod panel;
mod penalty;
mod ranking;
mod replication;
mod scorer;
mod scoring;
mod settings;
#[cfg(test)]
mod tests;

pub use adam::{AdamRecipe, PenaltyGroups, Ragged, batched_accuracy, cosine_schedule};
pub use all::AllSettings;
pub(crate) use all::fit as fit_all;
pub use ranking::kept_columns;
pub use scorer::Scorer;
pub use settings::{Head2ToeSettings, LastLayer, Solver};

use super::affine::compress;
use super::choice::{Choice, Setting};
use super::normalization::Normalization;
use super::training::Checked;
use super::{Fitted, Head, HeadError, Method, Rule, Training};
use crate::{Block, ClassTokenMode};
use group_lasso::Rows;
use last_layer::LastLayerCandidates;
use panel::Panel;

/// Fits `head2toe`; every block of the features takes part, grouped by pooling target.
pub(crate) fn fit(
    training: &Training<'_>,
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    penultimate: &str,
    class_token: ClassTokenMode,
) -> Result<Fitted, HeadError> {
    checked.needs_folds()?;
    let settings_of = settings_of.check()?;
    let last = LastLayerCandidates::find(training, checked, &settings_of, penultimate)?;
    if let (Some(last), LastLayer::Alone) = (&last, settings_of.last_layer) {
        return last.fit(checked);
    }
    let (targets, panels) = panels(training, checked, &settings_of.targets, settings_of.normalization, class_token)?;
    if panels.iter().all(|panel| panel.varying() <= settings_of.rank_offset) {
        let (value, range) =
            (settings_of.rank_offset.to_string(), "fewer ranks than there are columns can be left out");
        return Err(HeadError::Setting { setting: "rank_offset", value, range });
    }
    match &settings_of.solver {
        Solver::Exact { .. } => exact::fit(checked, &settings_of, &targets, &panels, last.as_ref()),
        Solver::Adam(recipe) => replication::fit(checked, &settings_of, &targets, &panels, recipe),
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
    if settings_of.shrink > 0.0 {
        out.push(("shrink".to_string(), Setting::Number(settings_of.shrink)));
    }
    out
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
