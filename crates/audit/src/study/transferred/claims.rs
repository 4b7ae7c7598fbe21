//! The claims of the paper, written down before the first run.

mod modules;
mod networks;
mod targets;

use heirloom_transfer::study::Verdict;

use super::Family;
use super::draws::Draw;
use super::record::{Topic, TransferredClaim};
use super::view::View;
use crate::study::Estimate;
use crate::study::rule::Rule;

/// Every claim that there are figures for.
pub(super) fn claims(view: &View<'_>) -> Vec<TransferredClaim> {
    let of_family = |family| {
        let judge = Judge { view, family };
        [judge.accuracy(), judge.blocks(), judge.mistakes(), judge.similarity(), judge.distance()]
            .into_iter()
            .chain([judge.line(), judge.modules(), judge.criticality(), judge.checkpoints()])
            .flatten()
    };
    Family::ALL.into_iter().flat_map(of_family).flatten().collect()
}

/// Claims about one architecture; those without figures are `None`.
type Claims = Vec<Option<TransferredClaim>>;

/// Judges claims about one architecture.
struct Judge<'a> {
    view: &'a View<'a>,
    family: Family,
}

/// What is claimed.
struct Claimed {
    topic: Topic,
    claim: String,
    unit: &'static str,
    rule: Rule,
}

impl Claimed {
    fn new(topic: Topic, claim: impl Into<String>, unit: &'static str, rule: Rule) -> Self {
        Self { topic, claim: claim.into(), unit, rule }
    }
}

impl Judge<'_> {
    /// A claim about the mean over targets of a contrast, over those of the main ones that have it.
    fn over_targets(
        &self,
        claimed: Claimed,
        contrast: impl Fn(Draw<'_>, usize) -> Option<f64> + Sync,
    ) -> Option<TransferredClaim> {
        let main = self.view.study.options.main.min(self.view.study.data.targets.len());
        self.over(claimed, &(0..main).collect::<Vec<usize>>(), contrast)
    }

    /// The same over some targets.
    fn over(
        &self,
        claimed: Claimed,
        targets: &[usize],
        contrast: impl Fn(Draw<'_>, usize) -> Option<f64> + Sync,
    ) -> Option<TransferredClaim> {
        let whole = self.view.resampling.whole();
        let targets: Vec<usize> = targets.iter().copied().filter(|at| contrast(whole, *at).is_some()).collect();
        let names = targets.iter().filter_map(|at| self.view.study.data.targets.get(*at)).map(|set| set.name.as_str());
        let on = format!("on {}", names.collect::<Vec<&str>>().join(", "));
        self.judged(claimed, &on, |draw| {
            let values: Vec<f64> = targets.iter().filter_map(|at| contrast(draw, *at)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        })
    }

    /// A claim about one contrast.
    fn judged(
        &self,
        claimed: Claimed,
        on: &str,
        contrast: impl Fn(Draw<'_>) -> Option<f64> + Sync,
    ) -> Option<TransferredClaim> {
        let estimate = self.view.resampling.series(contrast)?.estimate();
        let Claimed { topic, claim, unit, rule } = claimed;
        let Estimate { value, low, high } = estimate;
        let digits = if unit == "points" || unit == "%" { 1 } else { 3 };
        let interval = format!("{value:+.digits$} {unit} ({low:+.digits$} to {high:+.digits$}) {on}");
        // One network, or one pair, says nothing of what another would have been.
        let alone = low == high;
        let found = if alone { format!("{interval}, without a spread") } else { interval };
        let verdict = if alone { Verdict::CannotBeTold } else { rule.verdict(estimate) };
        let smallest = rule.size();
        let unit = unit.to_owned();
        Some(TransferredClaim { topic, family: self.family, claim, found, contrast: estimate, unit, smallest, verdict })
    }
}
