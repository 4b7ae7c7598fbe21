//! The exact search: pooling target, group penalty, fraction and ridge penalty chosen together, the last layer alone beside them.

use rayon::prelude::*;

use super::super::affine::compress;
use super::super::choice::{Choice, Setting, choose, settings};
use super::super::linear::assemble;
use super::super::training::Checked;
use super::super::{Fitted, HeadError};
use super::group_lasso::Rows;
use super::last_layer::LastLayerCandidates;
use super::panel::Panel;
use super::settings::{Head2ToeSettings, Solver};
use super::{Part, column_count, described, final_head, finish, kept, most, scoring, usable};

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

/// Fits every candidate on every fold and keeps one.
pub(super) fn fit(
    checked: &Checked,
    settings_of: &Head2ToeSettings,
    targets: &[usize],
    panels: &[Panel<'_>],
    last: Option<&LastLayerCandidates>,
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
    // Simplest first: the last layer, then fewer columns, then a stronger ridge penalty, then a stronger scoring penalty, then a smaller target.
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
    let alone = last.map(|last| last.candidates(checked)).transpose()?.unwrap_or_default();
    let before = alone.len();
    let choice = choose(checked, alone.into_iter().chain(named).collect());
    let at = match (last, choice.chosen.checked_sub(before)) {
        (Some(last), None) => return last.finish(checked, choice),
        (_, at) => combinations[at.unwrap_or_default()],
    };
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
