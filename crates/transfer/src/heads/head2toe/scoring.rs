//! Rankings of all columns by the scorer that the settings name, one for each penalty of its head.

use super::super::HeadError;
use super::super::choice::Certificate;
use super::super::dense::centred_gram;
use super::super::logistic::{self, Design};
use super::adam::{self, AdamRecipe};
use super::all::certificate;
use super::final_head::{COMPARE_TOLERANCE, gram};
use super::group_lasso::{self, Rows};
use super::panel::Panel;
use super::penalty::Penalty;
use super::ranking::{rank, rank_by_optimum, rank_by_sizes};
use super::scorer::{self, Scorer};
use super::{Head2ToeSettings, Solver};

/// Name and values of the penalty that the scorer's head has, the strongest first; one value without a name where it has no head.
pub(super) fn penalties(settings_of: &Head2ToeSettings) -> (Option<&'static str>, &[f64]) {
    match (&settings_of.solver, settings_of.scorer) {
        (Solver::Exact { group_penalties, .. }, scorer) if scorer.reads_group_lasso() => {
            (Some("group_penalty"), group_penalties)
        }
        (_, Scorer::L2) => (Some("score_penalty"), &settings_of.score_penalties),
        _ => (None, &[0.0]),
    }
}

/// A ranking of columns, and the certificate of the group lasso behind it.
pub(super) struct Scored {
    pub ranking: Vec<usize>,
    pub certificate: Option<Certificate>,
}

/// The first `count` rankings, each of at most `most` columns.
pub(super) fn rankings(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    settings_of: &Head2ToeSettings,
    count: usize,
    most: usize,
) -> Result<Vec<Scored>, HeadError> {
    let scorer = settings_of.scorer;
    let (_, values) = penalties(settings_of);
    let values = &values[..count.min(values.len())];
    let ranked = |scores: Vec<f64>| {
        let ranking = rank(&[panel.shrunk(scores, settings_of.shrink)], |column| panel.varies(column), most);
        Scored { ranking, certificate: None }
    };
    match &settings_of.solver {
        Solver::Exact { gap, .. } if scorer.reads_group_lasso() => {
            let optima = group_lasso::path(panel, rows, values, *gap, Penalty::Rows)?;
            let ranked = |optimum| Scored {
                ranking: rank_by_optimum(optimum, (scorer, settings_of.shrink), panel, most),
                certificate: Some(certificate(optimum)),
            };
            Ok(optima.iter().map(ranked).collect())
        }
        _ if scorer == Scorer::L2 => Ok(ridge_scores(panel, rows, values)?.into_iter().map(ranked).collect()),
        _ => Ok(vec![ranked(scorer::scores(scorer, panel, rows, settings_of.seed))]),
    }
}

/// Norms of the weights of each column in a ridge-penalised head on all columns, for each penalty.
pub(super) fn ridge_scores(panel: &Panel<'_>, rows: &Rows<'_>, penalties: &[f64]) -> Result<Vec<Vec<f64>>, HeadError> {
    let columns: Vec<usize> = (0..panel.columns()).collect();
    let (own, _) = centred_gram(&gram(panel, &columns), rows.positions, &[]);
    let path = logistic::path(Design::Dual(&own), rows.labels, rows.classes, penalties, COMPARE_TOLERANCE, None)?;
    let scores = path.into_iter().map(|solution| {
        let spread = spread(panel, rows, &solution.weights);
        let norms = panel.gradient_norms(&spread, rows.classes, Penalty::Rows);
        norms.into_iter().map(f64::from).collect()
    });
    Ok(scores.collect())
}

/// Dual weights of centred rows as those of the rows as they are, 0 for rows that were not fitted.
fn spread(panel: &Panel<'_>, rows: &Rows<'_>, weights: &[f64]) -> Vec<f64> {
    let classes = rows.classes;
    let mut means = vec![0.0; classes];
    for row in weights.chunks(classes) {
        means.iter_mut().zip(row).for_each(|(mean, weight)| *mean += weight / rows.positions.len() as f64);
    }
    let mut out = vec![0.0; panel.rows() * classes];
    for (&position, row) in rows.positions.iter().zip(weights.chunks(classes)) {
        let target = &mut out[position * classes..(position + 1) * classes];
        target.iter_mut().zip(row.iter().zip(&means)).for_each(|(out, (weight, mean))| *out = weight - mean);
    }
    out
}

/// The ranking by the paper's recipe, or by a scorer that needs no head.
pub(super) fn adam_ranking(
    panel: &Panel<'_>,
    rows: &Rows<'_>,
    settings_of: &Head2ToeSettings,
    recipe: &AdamRecipe,
    most: usize,
) -> Vec<usize> {
    let scorer = settings_of.scorer;
    if !scorer.reads_group_lasso() {
        let scores = scorer::scores(scorer, panel, rows, settings_of.seed);
        return rank(&[panel.shrunk(scores, settings_of.shrink)], |column| panel.varies(column), most);
    }
    let all: Vec<usize> = (0..panel.columns()).collect();
    let sizes = adam::scores(&panel.gather(&all, rows.positions), &panel.widths(), rows, recipe, scorer);
    rank_by_sizes(sizes, vec![], (scorer, settings_of.shrink), panel, most)
}
