//! What was found, looked at through a resample: means over replicas, over pairs of them, over targets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::draws::{Draw, Resampling};
use super::found::Found;
use super::line::share;
use super::measures::{Apart, accuracy, apart, score};
use super::pair::{Pair, Partner};
use super::rewound::{Module, Rewound};
use super::trained::Trained;
use super::{Family, Run, Start, Study, Training};

/// What two networks of a pair are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Two that began with the source.
    SourceSource,
    /// One that began with the source and one that began with random weights.
    SourceRandom,
    /// Two that began with other random weights.
    RandomRandom,
    /// Two that began with the same random weights.
    SameRandom,
    /// One that began with the source, and the source.
    SourceOrigin,
    /// One that began with random weights, and the source.
    RandomOrigin,
}

impl Kind {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 6] = [
        Self::SourceSource,
        Self::SourceRandom,
        Self::RandomRandom,
        Self::SameRandom,
        Self::SourceOrigin,
        Self::RandomOrigin,
    ];

    fn of(run: &Run, partner: &Partner) -> Self {
        match (run.start, partner) {
            (Start::Source { .. }, Partner::Source) => Self::SourceOrigin,
            (Start::Random { .. }, Partner::Source) => Self::RandomOrigin,
            (_, Partner::Run(other)) if other.start == Start::SAME => Self::SameRandom,
            (Start::Random { .. }, Partner::Run(_)) => Self::RandomRandom,
            (Start::Source { .. }, Partner::Run(other)) if other.start.is_source() => Self::SourceSource,
            (Start::Source { .. }, Partner::Run(_)) => Self::SourceRandom,
        }
    }

    /// The paper's names.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::SourceSource => "P-T & P-T",
            Self::SourceRandom => "P-T & RI-T",
            Self::RandomRandom => "RI-T & RI-T",
            Self::SameRandom => "RI-T & RI-T, same start",
            Self::SourceOrigin => "P-T & P",
            Self::RandomOrigin => "RI-T & P",
        }
    }
}

/// What was found, ready to be resampled.
pub(super) struct View<'a> {
    pub study: &'a Study<'a>,
    pub found: &'a Found,
    pub resampling: Resampling,
    wrong: BTreeMap<Run, Vec<bool>>,
}

/// Runs of one kind with what was found of them.
pub(super) type Runs<'a> = Vec<(&'a Run, &'a Trained)>;

impl<'a> View<'a> {
    pub fn new(study: &'a Study<'a>, found: &'a Found) -> Self {
        let wrong = |(run, trained): (&Run, &Trained)| {
            let answers = trained.answers();
            (*run, answers.iter().zip(&trained.labels).map(|(answer, label)| answer != label).collect())
        };
        let images = (0..study.data.targets.len()).map(|target| {
            let of_target = |(run, _): &(&Run, &Trained)| run.target == target;
            found.runs.iter().find(of_target).map_or(0, |(_, trained)| trained.labels.len())
        });
        let resampling = Resampling::new(&images.collect::<Vec<usize>>(), study.options.seed);
        Self { study, found, resampling, wrong: found.runs.iter().map(wrong).collect() }
    }

    /// Runs of an architecture, a start and a target whose training is as wanted.
    pub fn runs(&self, family: Family, start: Start, target: usize, training: impl Fn(Training) -> bool) -> Runs<'a> {
        let wanted =
            |run: &Run| run.family == family && run.start == start && run.target == target && training(run.training);
        self.found.runs.iter().filter(|(run, _)| wanted(run)).collect()
    }

    /// Mean over runs of something of each.
    pub fn over_runs(
        &self,
        draw: Draw<'_>,
        runs: &Runs<'_>,
        measure: impl Fn(&Run, &Trained) -> Option<f64>,
    ) -> Option<f64> {
        let weights = weights(draw, runs.iter().map(|(run, _)| *run));
        mean(runs.iter().zip(weights).map(|((run, trained), weight)| (measure(run, trained), weight)))
    }

    /// How good runs are: area under the curve for two classes, else accuracy.
    pub fn score(&self, draw: Draw<'_>, runs: &Runs<'_>) -> Option<f64> {
        self.over_runs(draw, runs, |run, trained| score(trained, self.wrong(run), draw.images(run.target)))
    }

    /// Accuracy of runs.
    pub fn accuracy(&self, draw: Draw<'_>, runs: &Runs<'_>) -> Option<f64> {
        self.over_runs(draw, runs, |run, _| accuracy(self.wrong(run), draw.images(run.target)))
    }

    /// Runs on images as they are, or with blocks of a side in other orders.
    pub fn plain(&self, family: Family, start: Start, target: usize, side: Option<usize>) -> Runs<'a> {
        let wanted = |training| match (training, side) {
            (Training::Plain { blocks: None }, None) => true,
            (Training::Plain { blocks: Some(blocks) }, Some(side)) => blocks.side == side,
            _ => false,
        };
        self.runs(family, start, target, wanted)
    }

    /// How fast runs learn: mean over the epochs that both starts have of the share of training images answered right after each.
    pub fn speed(&self, draw: Draw<'_>, runs: &Runs<'_>) -> Option<f64> {
        let [source, random] = self.study.options.epochs;
        let epochs = usize::try_from(source.min(random)).unwrap_or(usize::MAX);
        self.over_runs(draw, runs, |_, trained| {
            let first = trained.learned.get(..epochs.min(trained.learned.len()))?;
            (!first.is_empty()).then(|| first.iter().sum::<f64>() / first.len() as f64)
        })
    }

    /// Which test images a run has wrong.
    pub fn wrong(&self, run: &Run) -> &[bool] {
        self.wrong.get(run).map_or(&[], Vec::as_slice)
    }

    /// Mean over the pairs of a kind of something of each.
    pub fn over_pairs(
        &self,
        draw: Draw<'_>,
        (family, target, kind): (Family, usize, Kind),
        measure: impl Fn(&Run, &Partner, &Pair) -> Option<f64>,
    ) -> Option<f64> {
        let pairs = self.pairs(family, target, kind);
        let nodes = |side: fn(&Run, &Partner) -> Option<Run>| {
            pairs.iter().map(|((run, partner), _)| side(run, partner)).collect::<Vec<Option<Run>>>()
        };
        let (first, second) = (nodes(|run, _| Some(*run)), nodes(|_, partner| partner.run()));
        let weights = |side: &[Option<Run>]| -> Vec<f64> {
            let of = |run: &Option<Run>| run.map_or(1.0, |run| node_weight(draw, &run, kind, self));
            side.iter().map(of).collect()
        };
        let weights: Vec<f64> =
            weights(&first).iter().zip(weights(&second)).map(|(first, second)| first * second).collect();
        mean(pairs.iter().zip(weights).map(|(((run, partner), pair), weight)| (measure(run, partner, pair), weight)))
    }

    /// The pairs of a kind.
    pub fn pairs(&self, family: Family, target: usize, kind: Kind) -> Vec<(&'a (Run, Partner), &'a Pair)> {
        let wanted = |(run, partner): &(Run, Partner)| {
            run.family == family && run.target == target && Kind::of(run, partner) == kind
        };
        self.found.pairs.iter().filter(|(pair, _)| wanted(pair)).collect()
    }

    /// Mistakes of the two runs of a pair.
    pub fn apart(&self, draw: Draw<'_>, run: &Run, partner: &Partner) -> Option<Apart> {
        apart(self.wrong(run), self.wrong(&partner.run()?), draw.images(run.target))
    }

    /// Mean over runs of what putting modules back costs, over the modules that are wanted.
    pub fn drop(
        &self,
        draw: Draw<'_>,
        (family, target, start): (Family, usize, Start),
        wanted: impl Fn(&Module) -> bool,
    ) -> Option<f64> {
        let of = |run: &Run| run.family == family && run.target == target && run.start == start;
        let runs: Vec<(&Run, &Rewound)> = self.found.rewound.iter().filter(|(run, _)| of(run)).collect();
        let weights = weights(draw, runs.iter().map(|(run, _)| *run));
        let cost = |(run, rewound): &(&Run, &Rewound)| {
            let times = draw.images(run.target);
            let whole = share(&rewound.right, times, |_| true)?;
            let drops = rewound.modules.iter().filter(|module| wanted(module)).map(|module| {
                // A network that computes no numbers is right on nothing.
                let left = module.rewound.as_ref().and_then(|right| share(right, times, |_| true)).unwrap_or(0.0);
                (Some(whole - left), 1.0)
            });
            mean(drops)
        };
        mean(runs.iter().map(cost).zip(weights))
    }
}

/// How often a run of a pair counts. Runs from one random start are one group, of which the usual replica is the first.
fn node_weight(draw: Draw<'_>, run: &Run, kind: Kind, view: &View<'_>) -> f64 {
    let run = if kind == Kind::SameRandom { Run { start: Start::SAME, ..*run } } else { *run };
    let alike = |other: &&Run| Run { replica: run.replica, ..**other } == run;
    let last = view.found.runs.keys().filter(alike).map(|other| other.replica).max().unwrap_or(0);
    draw.replicas(group(&run), 1 + last.max(run.replica)).get(run.replica).copied().unwrap_or(0.0)
}

/// How often each run counts.
fn weights<'r>(draw: Draw<'_>, runs: impl Iterator<Item = &'r Run> + Clone) -> Vec<f64> {
    let count = runs.clone().map(|run| run.replica + 1).max().unwrap_or(0);
    let Some(first) = runs.clone().next() else { return Vec::new() };
    let times = draw.replicas(group(first), count);
    runs.map(|run| times.get(run.replica).copied().unwrap_or(0.0)).collect()
}

/// Runs whose replicas are resampled together: those that share a start, and those whose blocks are in the same orders.
fn group(run: &Run) -> usize {
    let start = match (run.training, run.start) {
        (Training::Plain { .. }, _) => 0,
        (_, Start::Source { epochs: None }) => 1,
        (_, Start::Source { epochs: Some(_) }) => 2,
        (_, Start::Random { same: false }) => 3,
        (_, Start::Random { same: true }) => 4,
    };
    (run.target * 2 + usize::from(run.family == Family::Fixup)) * 8 + start
}

/// Weighted mean of what is defined; where nothing of it has a weight, every one counts once.
pub(super) fn mean(values: impl Iterator<Item = (Option<f64>, f64)>) -> Option<f64> {
    let defined: Vec<(f64, f64)> = values.filter_map(|(value, weight)| Some((value?, weight))).collect();
    let all: f64 = defined.iter().map(|(_, weight)| weight).sum();
    if defined.is_empty() {
        return None;
    }
    if all > 0.0 {
        return Some(defined.iter().map(|(value, weight)| value * weight).sum::<f64>() / all);
    }
    Some(defined.iter().map(|(value, _)| value).sum::<f64>() / defined.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_told_apart_by_where_their_runs_began() {
        let run = |start, replica| Run::new(Family::Fixup, start, 0, replica);
        let (source, random, same) = (run(Start::SOURCE, 0), run(Start::RANDOM, 1), run(Start::SAME, 2));
        let of = |first: Run, second: Option<Run>| Kind::of(&first, &second.map_or(Partner::Source, Partner::Run));
        assert_eq!(of(source, Some(source)), Kind::SourceSource);
        assert_eq!(of(source, Some(random)), Kind::SourceRandom);
        assert_eq!(of(random, Some(random)), Kind::RandomRandom);
        assert_eq!(of(random, Some(same)), Kind::SameRandom);
        assert_eq!(of(same, Some(same)), Kind::SameRandom);
        assert_eq!((of(source, None), of(random, None)), (Kind::SourceOrigin, Kind::RandomOrigin));
    }

    #[test]
    fn a_mean_counts_what_is_defined_as_often_as_said() {
        assert_eq!(mean([(Some(1.0), 1.0), (None, 5.0), (Some(4.0), 2.0)].into_iter()), Some(3.0));
        assert_eq!(mean([(Some(1.0), 0.0), (Some(4.0), 0.0)].into_iter()), Some(2.5));
        assert_eq!(mean([(None, 1.0)].into_iter()), None);
    }
}
