//! From the comparison of one target to its result: affinity and gain with their resamples, cost, windows of ranks.

use super::correlation::Measured;
use super::record::{Cell, CostShare, Relation, TargetResult, Window};
use super::{Found, Oracle, Study, StudyTarget};
use crate::compare::bootstrap::{Answers, Resamples, gap};
use crate::compare::{Comparison, Gap, Line};

/// Affinity and gain of one network on one target, over all judged rows and over halves of them.
pub(super) struct Pair {
    pub affinity: Option<(Gap, Measured)>,
    pub gain: (Gap, Measured),
    /// Affinity over one half of the judged images, gain over the other.
    pub halves: Option<(Measured, Measured)>,
}

/// A pair for each network of the frozen methods that has both lines.
pub(super) type Pairs = Vec<(String, Pair)>;

/// The rows of `answers` in groups with an even or odd number.
fn half(answers: &Answers, odd: usize) -> Answers {
    answers.iter().map(|draw| draw.iter().filter(|(group, _)| group % 2 == odd).copied().collect()).collect()
}

fn share(answers: &Answers) -> f64 {
    let rows = answers.iter().map(Vec::len).sum::<usize>();
    answers.iter().flatten().filter(|(_, right)| *right).count() as f64 / rows.max(1) as f64
}

/// `first - second`, both over the draws that both have.
fn difference(first: &Answers, second: &Answers, resamples: &Resamples) -> (Gap, Measured) {
    let draws = first.len().min(second.len());
    let (first, second) = (first[..draws].to_vec(), second[..draws].to_vec());
    let value = share(&first) - share(&second);
    let (a, b) = (resamples.accuracies(&first), resamples.accuracies(&second));
    let resampled = a.iter().zip(&b).map(|(a, b)| a - b).collect();
    (gap(value, &a, &b), Measured { value, resampled })
}

/// Lines of one target.
struct Lines<'a> {
    found: &'a Found,
}

impl<'a> Lines<'a> {
    /// Lines of tables: all but those of windows of ranks.
    fn all(&self) -> impl Iterator<Item = &'a Line> {
        let found = self.found;
        found.comparison.lines.iter().filter(|line| found.offset(line).is_none())
    }

    fn of(&self, network: &str, method: &str) -> Option<&'a Line> {
        self.all().find(|line| line.method == method && name(&self.found.comparison, line) == network)
    }

    fn windows(&self) -> Vec<Window> {
        let window = |line: &Line| Some(Window { offset: self.found.offset(line)?, accuracy: line.accuracy.value });
        let mut windows: Vec<Window> = self.found.comparison.lines.iter().filter_map(window).collect();
        windows.sort_by_key(|window| window.offset);
        windows
    }
}

impl Study<'_> {
    /// What one target shows.
    pub(super) fn result(&self, target: &StudyTarget, found: &Found, oracle: Option<Oracle>) -> (TargetResult, Pairs) {
        let (comparison, lines) = (&found.comparison, Lines { found });
        let pairs = self.pairs(&lines);
        let relation = |(network, pair): &(String, Pair)| Relation {
            network: network.clone(),
            affinity: pair.affinity.as_ref().map(|(gap, _)| *gap),
            gain: pair.gain.0,
        };
        let failed = comparison.failed.iter();
        let result = TargetResult {
            name: target.name.clone(),
            group: target.group.clone(),
            about: target.about.clone(),
            classes: comparison.classes.len(),
            train: comparison.rows.train,
            test: comparison.rows.test,
            majority: comparison.majority,
            cells: lines.all().map(|line| cell(comparison, line)).collect(),
            relations: pairs.iter().map(relation).collect(),
            windows: lines.windows(),
            oracle,
            cost: self.cost(&lines),
            failed: failed.map(|one| format!("{}: {}", one.name(), one.reason)).collect(),
        };
        (result, pairs)
    }

    /// Affinity, gain and their resamples on each network.
    fn pairs(&self, lines: &Lines<'_>) -> Pairs {
        let comparison = &lines.found.comparison;
        let answers = comparison.lines.iter().flat_map(|line| line.answers.iter().flatten());
        let groups = answers.map(|(group, _)| group + 1).max().unwrap_or(0);
        let resamples = Resamples::new(groups, comparison.draws.len(), true, self.options.seed);
        let scratch = self.networks.scratch.as_ref().and_then(|network| lines.of(&network.name, "scratch"));
        let pair = |network: &String| {
            let (linear, head2toe) = (lines.of(network, "linear")?, lines.of(network, "head2toe")?);
            let gain = difference(&head2toe.answers, &linear.answers, &resamples);
            let affinity = scratch.map(|scratch| difference(&linear.answers, &scratch.answers, &resamples));
            let halves = scratch.map(|scratch| {
                let affinity = difference(&half(&linear.answers, 0), &half(&scratch.answers, 0), &resamples).1;
                (affinity, difference(&half(&head2toe.answers, 1), &half(&linear.answers, 1), &resamples).1)
            });
            Some((network.clone(), Pair { affinity, gain, halves }))
        };
        self.networks.frozen.iter().filter_map(|network| pair(&network.name)).collect()
    }

    /// Cost of head2toe as a share of that of fine-tuning.
    fn cost(&self, lines: &Lines<'_>) -> Vec<CostShare> {
        let tuned = self.networks.tuned.as_ref().and_then(|network| lines.of(&network.name, "full"));
        let share = |network: &String| {
            let (head2toe, tuned) = (lines.of(network, "head2toe")?, tuned?);
            let ratio = |of: &dyn Fn(&Line) -> f64| of(head2toe) / of(tuned).max(1.0);
            Some(CostShare {
                network: network.clone(),
                operations: ratio(&|line| line.cost.operations()),
                stored: ratio(&|line| line.cost.stored_bytes),
            })
        };
        self.networks.frozen.iter().filter_map(|network| share(&network.name)).collect()
    }
}

fn name<'a>(comparison: &'a Comparison, line: &Line) -> &'a str {
    comparison.backbones.get(line.backbone).map_or("", |backbone| &backbone.name)
}

fn cell(comparison: &Comparison, line: &Line) -> Cell {
    Cell {
        network: name(comparison, line).to_string(),
        method: line.method.clone(),
        accuracy: line.accuracy,
        by_draw: line.by_draw.clone(),
        choices: line.choices.clone(),
        operations: line.cost.operations(),
        stored_bytes: line.cost.stored_bytes,
    }
}
