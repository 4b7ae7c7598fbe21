//! Settings of `head2toe`, checked before work starts.

use super::super::HeadError;
use super::super::linear::{LinearSettings, sorted_penalties};
use super::super::normalization::Normalization;
use super::adam::AdamRecipe;
use super::scorer::Scorer;

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

/// Whether the last layer alone, read as `linear` reads it, stands among the candidates of the exact solver.
///
/// Where a target is near to what the backbone was trained on, the last layer is all that is needed, and a selection from every layer
/// can only lose by what it costs to estimate. As a candidate it takes part in the choice and wins ties.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LastLayer {
    /// Beside the selections. Not where ranks are left out at the top, which asks about the ranking.
    #[default]
    Offered,
    /// Selections only, as in the paper.
    Never,
    /// The last layer only.
    Alone,
}

/// Settings of `head2toe`.
#[derive(Debug, Clone, PartialEq)]
pub struct Head2ToeSettings {
    /// Pooling targets to choose from; empty stands for all that the features hold.
    pub targets: Vec<usize>,
    /// Fractions of the columns to choose from.
    pub fractions: Vec<f64>,
    /// Scaling of a tap's columns. [`Normalization::PerFeature`] is learnt from the rows that a fold is fitted on.
    pub normalization: Normalization,
    /// How columns are ranked.
    pub scorer: Scorer,
    /// Relative ridge penalties of the scoring head of [`Scorer::L2`].
    pub score_penalties: Vec<f64>,
    /// Ranks left out at the top: what is kept are ranks `rank_offset` and on. Above 0 it asks how good the ranking is.
    pub rank_offset: usize,
    /// Share by which a column's score is pulled toward the mean score of its tap before ranking, 0 to 1.
    pub shrink: f64,
    /// Seed of [`Scorer::Random`] and [`Scorer::ExtraTrees`].
    pub seed: u64,
    /// What becomes of the last layer alone.
    pub last_layer: LastLayer,
    /// Relative ridge penalties of the last layer alone.
    pub last_layer_penalties: Vec<f64>,
    /// The solver.
    pub solver: Solver,
}

impl Default for Head2ToeSettings {
    fn default() -> Self {
        Self {
            targets: vec![],
            fractions: vec![0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2],
            normalization: Normalization::UnitVector,
            scorer: Scorer::Group,
            score_penalties: vec![1e-2, 1e-3, 1e-4],
            rank_offset: 0,
            shrink: 0.0,
            seed: 0,
            last_layer: LastLayer::Offered,
            last_layer_penalties: LinearSettings::default().penalties,
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
        Self { fractions: vec![0.1], solver: Solver::Adam(AdamRecipe::default()), ..Self::default() }
    }

    /// The settings in order, or what is wrong with them.
    pub(super) fn check(&self) -> Result<Self, HeadError> {
        let refuse = |setting, value: String, range| Err(HeadError::Setting { setting, value, range });
        let mut checked = self.clone();
        let inside = |value: &f64| *value > 0.0 && *value <= 1.0;
        if self.fractions.is_empty() || !self.fractions.iter().all(inside) {
            return refuse("fractions", format!("{:?}", self.fractions), "numbers above 0 and at most 1 are needed");
        }
        checked.fractions.sort_by(f64::total_cmp);
        checked.fractions.dedup();
        if !(0.0..=1.0).contains(&self.shrink) {
            return refuse("shrink", self.shrink.to_string(), "a share from 0 to 1 is needed");
        }
        checked.score_penalties = sorted_penalties(&self.score_penalties)?;
        checked.last_layer_penalties = sorted_penalties(&self.last_layer_penalties)?;
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
                if self.scorer == Scorer::L2 {
                    return refuse(
                        "scorer",
                        "l2".to_string(),
                        "the recipe has a group penalty; l2 is for the exact solver",
                    );
                }
                if !recipe.is_usable() {
                    let range = "steps, batch, repeats and learning rate must be positive";
                    return refuse("adam", format!("{recipe:?}"), range);
                }
            }
        }
        Ok(checked)
    }
}
