//! The claims, written before the first run.

mod robustness;
mod value;

use heirloom_transfer::study::Verdict;

use super::record::{PretrainingClaim, Topic};
use super::view::{Times, View};
use super::{Part, Start, Task};
use crate::study::Estimate;
use crate::study::resampling::Series;
use crate::study::rule::Rule;

/// Smallest difference of accuracies, in points, that 1920 test images and a few seeds can tell.
const POINTS: f64 = 2.5;

/// Every claim that there are figures for.
pub(super) fn claims(view: &View<'_>) -> Vec<PretrainingClaim> {
    let judge = Judge { view };
    match view.study.options.part {
        Part::Value => judge.value(),
        Part::Robustness => judge.robustness(),
    }
}

struct Judge<'a> {
    view: &'a View<'a>,
}

/// What is claimed, and how it is judged.
struct Claimed {
    topic: Topic,
    claim: String,
    unit: &'static str,
    rule: Rule,
}

impl Claimed {
    fn points(topic: Topic, claim: impl Into<String>) -> Self {
        Self { topic, claim: claim.into(), unit: "points", rule: Rule::AtLeast(POINTS) }
    }
}

impl Judge<'_> {
    /// Accuracy on a target in points.
    fn accuracy(&self, target: usize, start: Start, task: Task, seed: usize, times: Times<'_>) -> Option<f64> {
        Some(100.0 * self.view.accuracy(target, start, task, seed, times)?)
    }

    /// Fine-tuning less from scratch, in points.
    fn gap(&self, target: usize, task: Task, seed: usize, times: Times<'_>) -> Option<f64> {
        let of = |start| self.accuracy(target, start, task, seed, times);
        Some(of(Start::TUNED)? - of(Start::Scratch)?)
    }

    /// A claim about a figure of one target.
    fn on(
        &self,
        claimed: Claimed,
        target: usize,
        measure: impl Fn(usize, Times<'_>) -> Option<f64> + Sync,
    ) -> Option<PretrainingClaim> {
        let (series, seeds) = self.view.series(target, measure)?;
        let name = self.view.study.data.targets.get(target).map_or("", |set| set.name.as_str());
        let seeds_in_words = if seeds == 1 { "one seed".to_owned() } else { format!("{seeds} seeds") };
        Some(claimed.judged(&series, &format!("on {name}, {seeds_in_words}"), seeds > 1))
    }
}

impl Claimed {
    /// `told`: whether there is a spread from which a verdict may follow.
    fn judged(self, series: &Series, on: &str, told: bool) -> PretrainingClaim {
        let contrast = series.estimate();
        let Self { topic, claim, unit, rule } = self;
        let Estimate { value, low, high } = contrast;
        let digits = if unit == "points" { 1 } else { 3 };
        let found = format!("{value:+.digits$} {unit} ({low:+.digits$} to {high:+.digits$}) {on}");
        let verdict = if told { rule.verdict(contrast) } else { Verdict::CannotBeTold };
        PretrainingClaim { topic, claim, found, contrast, unit: unit.to_owned(), smallest: rule.size(), verdict }
    }
}
