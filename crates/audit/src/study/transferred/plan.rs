//! What the study would compute.

use std::collections::BTreeSet;
use std::time::Instant;

use heirloom_transfer::compare::Cells;
use heirloom_transfer::fit::Watch;

use super::items::phases;
use super::{Family, Item, Partner, Run, Study, Training, TransferredData, TransferredNetworks, TransferredOptions};

/// What a phase would compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferredPlan {
    /// The phase.
    pub phase: &'static str,
    /// Networks that no phase before it trains, those that try rates and the source included.
    pub networks: usize,
    /// Comparisons and measures.
    pub measures: usize,
    /// Images that go through a network, a training step counted three times.
    pub images: usize,
}

/// Points on a line, as it is and with statistics measured anew, and images that criticality shows for each that it measures on: about as many.
const LINE: usize = 42;
const CRITICAL: usize = 1500;
/// Modules that are put back, and drawn anew.
const MODULES: usize = 26;

/// What each phase would compute, were nothing in the cache.
#[must_use]
pub fn transferred_plan(
    data: &TransferredData,
    networks: &TransferredNetworks,
    options: &TransferredOptions,
    cells: &Cells,
) -> Vec<TransferredPlan> {
    let watch = Watch { progress: None, stage: None, cancel: None };
    let study = Study { data, networks, options, cells, watch, training: None, started: Instant::now() };
    let (mut trained, mut source) = (BTreeSet::new(), false);
    let mut planned = |(phase, items): (&'static str, Vec<Item>)| {
        let mut plan = TransferredPlan { phase, networks: 0, measures: 0, images: 0 };
        for item in items {
            let needed = item.run().map(|run| study.needed(run, matches!(item, Item::Pair(..)))).unwrap_or_default();
            for run in needed.into_iter().filter(|run| trained.insert(*run)) {
                plan.networks += 1;
                plan.images += study.images_of(&run);
            }
            if item.run().is_some_and(|run| run.family == Family::Fixup && run.start.is_source()) && !source {
                source = true;
                plan.networks += 1;
                plan.images += 3 * data.source.split()[0].len() * whole(options.source_epochs);
            }
            if !matches!(item, Item::Run(_)) {
                plan.measures += 1;
                plan.images += study.measured(&item);
            }
        }
        plan
    };
    let size = networks.batch_norm.preprocess.input_size;
    phases(data.targets.len(), size, options).into_iter().map(&mut planned).collect()
}

impl Study<'_> {
    /// A run with those that try its rates.
    fn needed(&self, run: &Run, pair: bool) -> Vec<Run> {
        // The other one of a pair is an item of its own, before it.
        let trials = if pair { Vec::new() } else { self.trials(run) };
        trials.into_iter().chain([*run]).collect()
    }

    fn images_of(&self, run: &Run) -> usize {
        let Some(set) = self.data.targets.get(run.target) else { return 0 };
        let [train, test] = set.split();
        let part = matches!(run.training, Training::Part { .. });
        let (seen, judged) = if part { (train.len() * 4 / 5, train.len() / 5) } else { (train.len(), test.len()) };
        whole(self.epochs(run)) * (3 * seen + judged + train.len().min(256))
    }

    fn measured(&self, item: &Item) -> usize {
        let target = item.run().map_or(0, |run| run.target);
        let test = self.data.targets.get(target).map_or(0, |set| set.split()[1].len());
        match item {
            Item::Pair(_, Partner::Run(_)) => (LINE + 2) * test,
            Item::Rewound(_) => MODULES * test,
            Item::Critical(_) => MODULES * test + CRITICAL * self.options.criticality[1],
            _ => 2 * test,
        }
    }
}

fn whole(epochs: u64) -> usize {
    usize::try_from(epochs).unwrap_or(usize::MAX)
}
