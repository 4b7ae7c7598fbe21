//! The last layer alone: the head that `linear` fits, as a candidate of the exact search.

use super::super::choice::{Choice, Named, Setting, choose, settings};
use super::super::dense::Matrix;
use super::super::input::{Input, gather_raw};
use super::super::linear::{candidates, last_of_path};
use super::super::normalization::Normalization;
use super::super::training::Checked;
use super::super::{Fitted, Head, HeadError, Method, Rule, Training};
use super::settings::{Head2ToeSettings, LastLayer, Solver};

/// What the candidates are made from.
pub(super) struct LastLayerCandidates {
    inputs: Vec<Input>,
    raw: Matrix,
    normalization: Normalization,
    /// Relative ridge penalties, strong to weak.
    penalties: Vec<f64>,
}

impl LastLayerCandidates {
    /// The columns of the last layer, where the settings offer it.
    pub fn find(
        training: &Training<'_>,
        checked: &Checked,
        settings_of: &Head2ToeSettings,
        penultimate: &str,
    ) -> Result<Option<Self>, HeadError> {
        let wanted = match settings_of.last_layer {
            LastLayer::Never => false,
            LastLayer::Alone => true,
            LastLayer::Offered => settings_of.rank_offset == 0 && matches!(settings_of.solver, Solver::Exact { .. }),
        };
        if !wanted {
            return Ok(None);
        }
        let inputs = training.penultimate(penultimate)?;
        let raw = gather_raw(training.features, &inputs, &checked.rows)?;
        let penalties = settings_of.last_layer_penalties.clone();
        Ok(Some(Self { inputs, raw, normalization: settings_of.normalization, penalties }))
    }

    /// Settings and out-of-fold logits of each candidate, the strongest penalty first.
    pub fn candidates(&self, checked: &Checked) -> Result<Vec<Named>, HeadError> {
        let logits = candidates(checked, &self.raw, &self.inputs, self.normalization, &self.penalties)?;
        let named = self.penalties.iter().map(|&penalty| {
            settings([
                ("layers", Setting::Text("last".to_string())),
                ("columns", Setting::Number(self.raw.columns as f64)),
                ("penalty", Setting::Number(penalty)),
            ])
        });
        Ok(named.zip(logits).collect())
    }

    /// The head, where nothing else is a candidate.
    pub fn fit(&self, checked: &Checked) -> Result<Fitted, HeadError> {
        let choice = choose(checked, self.candidates(checked)?);
        self.finish(checked, choice)
    }

    /// The head of the candidate that was chosen; these candidates stand first in the choice's table.
    pub fn finish(&self, checked: &Checked, choice: Choice) -> Result<Fitted, HeadError> {
        let path = self.penalties.get(..=choice.chosen).unwrap_or(&self.penalties);
        let (rule, normalizer) = last_of_path(checked, &self.raw, &self.inputs, self.normalization, path)?;
        let head = Head::new(Method::Head2Toe, checked.classes, self.inputs.clone(), normalizer, Rule::Affine(rule));
        Ok(Fitted::calibrated(head, choice, &checked.labels))
    }
}
