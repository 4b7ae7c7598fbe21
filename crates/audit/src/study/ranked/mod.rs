//! Which score orders backbones as their test accuracy does (`spec/model-selection.md` section 3)?
//!
//! ```text
//! network x set: training rows -> features -> probe and scores; the probe's head -> test rows -> accuracy (the frozen truth)
//! network x fine-tuned set x seed: training through the whole network -> accuracy (the fine-tuned truth)
//! score against truth over networks -> weighted Kendall tau, regret, relative accuracy -> mean over sets, interval, null -> claims
//! ```
//!
//! Scores see training rows alone; test rows are read for the truth and for nothing else. Every cell is kept in the cache under everything that
//! decides it, so a run that was broken off goes on where it was.

mod agreement;
mod judged;
mod plan;
mod predictor;
mod record;
mod summary;
#[cfg(test)]
mod tests;
mod tuned;

use std::time::{Duration, Instant};

use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::{ExtractOptions, Shard};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_transfer::store::Store;
use heirloom_zoo::Backbone;

pub use plan::{RankedPlan, ranked_plan};
pub use predictor::Predictor;
pub use record::{
    Contrast, NetworkRecord, Null, OfNetwork, OnSet, PredictorMean, PredictorRecord, RankedCost, RankedSetRecord,
    RankedStudy, Truth, TruthRecord,
};

use super::{Set, StudyError, course};
use judged::Judged;
use tuned::Tuned;

/// A network that is ranked, with what is said of it and not measured here.
#[derive(Debug)]
pub struct RankedNetwork {
    /// The network.
    pub backbone: Backbone,
    /// Accuracy on ImageNet in per cent, where its description states it.
    pub imagenet: Option<f64>,
    /// Images it was trained on, where its description states it.
    pub source_images: Option<f64>,
}

/// How much is done.
#[derive(Debug, Clone)]
pub struct RankedOptions {
    /// Places of the sets on which networks are fine-tuned as well.
    pub fine_tuned: Vec<usize>,
    /// Epochs of fine-tuning.
    pub epochs: u64,
    /// Seeds of fine-tuning.
    pub seeds: usize,
    /// No new cell is begun after this time.
    pub budget: Option<Duration>,
    /// Compute this part of the cells; the others come from the cache alone.
    pub shard: Option<Shard>,
    /// Seed of everything.
    pub seed: u64,
    /// Threads, memory and precision of frozen passes.
    pub extract: ExtractOptions,
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Item {
    /// A network's scores and frozen head on a set.
    Judged { network: usize, set: usize },
    /// A network fine-tuned on a set.
    Tuned { network: usize, set: usize, seed: usize },
}

/// What is shared by all cells.
struct Study<'a> {
    networks: &'a [RankedNetwork],
    sets: &'a [Set],
    options: &'a RankedOptions,
    cells: &'a Cells,
    store: &'a Store,
    watch: Watch<'a>,
    training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    started: Instant,
}

/// What there is of the cells.
#[derive(Debug, Default)]
struct Found {
    judged: Vec<(usize, usize, Judged)>,
    tuned: Vec<(usize, usize, usize, Tuned)>,
    /// Cells that neither were in the cache nor could be begun.
    unfinished: Vec<String>,
}

/// Runs the study on `sets`, which need test rows; what was computed before comes from `cells`, features from `store`.
///
/// # Errors
/// Fewer than three networks, a set without test rows or one that nothing can be fitted on, the flag to stop; what was computed stays in the
/// cache.
pub fn ranking(
    networks: &[RankedNetwork],
    sets: &[Set],
    options: &RankedOptions,
    cells: &Cells,
    store: &Store,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<RankedStudy, StudyError> {
    check(networks, sets)?;
    let study = Study { networks, sets, options, cells, store, watch, training, started: Instant::now() };
    let mut found = Found::default();
    for (place, item) in items(networks.len(), sets.len(), options).into_iter().enumerate() {
        study.item(place, item, &mut found)?;
    }
    Ok(summary::summary(&study, found))
}

/// Networks from which an order can be told.
const FEWEST: usize = 3;

fn check(networks: &[RankedNetwork], sets: &[Set]) -> Result<(), StudyError> {
    let refuse = |set: &str, reason: String| Err(StudyError::Data { set: set.to_owned(), reason });
    if networks.len() < FEWEST {
        return refuse("the networks", format!("there are {}, and an order takes {FEWEST}", networks.len()));
    }
    match sets.iter().find(|set| set.split().iter().any(Vec::is_empty)) {
        Some(set) => refuse(&set.name, "it needs training rows and test rows of its own".to_owned()),
        None if sets.is_empty() => refuse("the data", "no set was given".to_owned()),
        None => Ok(()),
    }
}

/// Set by set, since a set counts once all networks are there; then fine-tuning, seed by seed.
fn items(networks: usize, sets: usize, options: &RankedOptions) -> Vec<Item> {
    let judged = (0..sets).flat_map(|set| (0..networks).map(move |network| Item::Judged { network, set }));
    let of_seed = |seed: usize| {
        let of_set = move |set: &usize| {
            let set = *set;
            (0..networks).map(move |network| Item::Tuned { network, set, seed })
        };
        options.fine_tuned.iter().flat_map(of_set)
    };
    judged.chain((0..options.seeds).flat_map(of_seed)).collect()
}

impl Study<'_> {
    /// Reads or computes a cell.
    fn item(&self, place: usize, item: Item, found: &mut Found) -> Result<(), StudyError> {
        let may_begin = self.go_on()? && self.options.shard.is_none_or(|shard| place % shard.count == shard.index - 1);
        let there = match item {
            Item::Judged { network, set } => {
                let cell = self.judged(network, set, may_begin)?;
                cell.map(|cell| found.judged.push((network, set, cell))).is_some()
            }
            Item::Tuned { network, set, seed } => {
                let cell = self.tuned(network, set, seed, may_begin)?;
                cell.map(|cell| found.tuned.push((network, set, seed, cell))).is_some()
            }
        };
        if !there {
            found.unfinished.push(self.words(item));
        }
        Ok(())
    }

    /// A cell for a reader.
    fn words(&self, item: Item) -> String {
        let name =
            |network: usize, set: usize| format!("{} on {}", self.networks[network].backbone.name, self.sets[set].name);
        match item {
            Item::Judged { network, set } => format!("scores of {}", name(network, set)),
            Item::Tuned { network, set, seed } => format!("fine-tuning {}, seed {}", name(network, set), seed + 1),
        }
    }

    fn say(&self, item: Item) {
        self.watch.stage.iter().for_each(|stage| stage(&self.words(item)));
    }

    /// Whether there is time to begin something new; an interrupt ends all.
    fn go_on(&self) -> Result<bool, StudyError> {
        course::go_on(self.watch, self.started, self.options.budget)
    }
}
