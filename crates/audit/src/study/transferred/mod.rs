//! What is transferred (Neyshabur, Sedghi, Zhang, NeurIPS 2020, arXiv 2008.11687; `spec/what-is-transferred.md`): networks that begin with a
//! source (P-T) beside networks that begin with random weights (RI-T), several of each on every target.
//!
//! ```text
//! rates, chosen on held-out training images -> runs: P-T and RI-T, replicas, targets, shuffled blocks, checkpoints of the source
//! pairs of runs -> mistakes, similarity of layers, distance, the line between them
//! a run and where it began -> modules put back, criticality
//! all of it -> claims, each with its interval from replicas and test images
//! ```
//!
//! Every run and every comparison is kept in the cache under everything that decides it: a study that was broken off goes on where it was,
//! and shards with one cache make up the whole.

mod checkpoints;
mod claims;
mod clear;
mod draws;
mod found;
mod frozen;
mod items;
mod line;
mod measures;
mod networks;
mod pair;
mod plan;
mod rates;
mod record;
mod rewound;
mod run;
mod summary;
mod trained;
mod view;

use std::time::{Duration, Instant};

use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::{ExtractOptions, Shard};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_zoo::Backbone;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use items::Item;
pub(super) use measures::accuracy;
pub use pair::Partner;
pub use plan::{TransferredPlan, transferred_plan};
pub(super) use rates::held_out;
pub use record::{
    BlockRecord, CheckpointRecord, CriticalRecord, ModuleRecord, ModulesRecord, PairRecord, StartRecord, TargetNote,
    Topic, TransferredClaim, TransferredStudy,
};
pub use run::{Blocks, Family, Run, Start, Training, rate_of};
pub use view::Kind;

use super::{Set, StudyError, course};
use found::Found;

/// What the study is run on.
#[derive(Debug)]
pub struct TransferredData {
    /// Images that the source without normalisation is trained on.
    pub source: Set,
    /// Targets, the most similar to the source first.
    pub targets: Vec<Set>,
}

/// The networks of the study.
#[derive(Debug)]
pub struct TransferredNetworks {
    /// The source with batch norms.
    pub batch_norm: Backbone,
    /// The architecture without normalisation, at the same input size.
    pub fixup: Backbone,
    /// A network whose frozen features say how clear an image is.
    pub referee: Option<Backbone>,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct TransferredOptions {
    /// Epochs of the source that is trained here.
    pub source_epochs: u64,
    /// Epochs from the source, and from random weights.
    pub epochs: [u64; 2],
    /// Images of a batch.
    pub batch_size: usize,
    /// Replicas of P-T and RI-T on every target.
    pub replicas: usize,
    /// Replicas that begin with the same random weights.
    pub same: usize,
    /// Sides of the blocks that are shuffled.
    pub sides: Vec<usize>,
    /// Permutations of blocks, and replicas that begin at each checkpoint.
    pub seeds: usize,
    /// Targets, the first ones, that get all replicas; the others get two.
    pub main: usize,
    /// Targets, the first ones, whose blocks are shuffled.
    pub shuffled: usize,
    /// Whether they are for networks without normalisation, too.
    pub both_shuffled: bool,
    /// Checkpoints of the source, in epochs.
    pub checkpoints: Vec<u64>,
    /// Rates that are tried, in hundred-thousandths.
    pub rates: Vec<u32>,
    /// Draws of the noise at every point of criticality, and images it is measured on.
    pub criticality: [usize; 2],
    /// No new cell is begun after this time.
    pub budget: Option<Duration>,
    /// The part of the items that this run computes.
    pub shard: Option<Shard>,
    /// Seed of everything.
    pub seed: u64,
    /// Threads and memory.
    pub extract: ExtractOptions,
}

/// What is shared by all items.
struct Study<'a> {
    data: &'a TransferredData,
    networks: &'a TransferredNetworks,
    options: &'a TransferredOptions,
    cells: &'a Cells,
    watch: Watch<'a>,
    training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    started: Instant,
}

/// Computes the items of the study, as far as the budget and the shard say, and tells what all of them together show.
///
/// # Errors
/// Data that cannot be read or trained on, or an interrupt; what was computed stays in the cache.
pub fn what_transfers(
    data: &TransferredData,
    networks: &TransferredNetworks,
    options: &TransferredOptions,
    cells: &Cells,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<TransferredStudy, StudyError> {
    let study = Study { data, networks, options, cells, watch, training, started: Instant::now() };
    let (mut found, mut unfinished) = (Found::default(), Vec::new());
    let size = networks.batch_norm.preprocess.input_size;
    for (phase, items) in items::phases(data.targets.len(), size, options) {
        study.say(phase);
        let mut whole = true;
        for item in items {
            whole &= study.item(&item, &mut found)?;
        }
        if !whole {
            unfinished.push(phase.to_owned());
        }
    }
    summary::summary(&study, &found, unfinished)
}

impl Study<'_> {
    /// One item; `false` where it is not there and is another shard's or too late to begin.
    fn item(&self, item: &Item, found: &mut Found) -> Result<bool, StudyError> {
        let mine = self.options.shard.is_none_or(|shard| item.shard(shard.count) + 1 == shard.index);
        if !(self.go_on()? && mine || self.is_there(item)?) {
            return Ok(false);
        }
        match item {
            Item::Run(run) => found.runs.insert(*run, self.trained(run)?).is_some(),
            Item::Pair(run, partner) => found.pairs.insert((*run, *partner), self.pair(run, partner)?).is_some(),
            Item::Rewound(run) => found.rewound.insert(*run, self.rewound(run, false)?).is_some(),
            Item::Critical(run) => found.critical.insert(*run, self.rewound(run, true)?).is_some(),
            Item::Frozen(run) => found.frozen.insert(*run, self.frozen(run)?).is_some(),
            Item::Clear(target) => match self.clear(*target)? {
                Some(clear) => found.clear.insert(*target, clear).is_some(),
                None => false,
            },
        };
        Ok(true)
    }

    fn say(&self, text: &str) {
        course::say(self.watch, text);
    }

    /// Whether there is time to begin something new; an interrupt ends all.
    fn go_on(&self) -> Result<bool, StudyError> {
        course::go_on(self.watch, self.started, self.options.budget)
    }

    /// A result from the cache, or made and kept there.
    fn kept<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, StudyError>,
    ) -> Result<T, StudyError> {
        course::kept(self.cells, name, make)
    }

    /// The seed of a replica's draws.
    fn seed(&self, replica: usize) -> u64 {
        self.options.seed.wrapping_add(replica as u64)
    }

    fn target(&self, target: usize) -> Result<&Set, StudyError> {
        let missing = || StudyError::Data { set: format!("target {target}"), reason: "there is none".to_owned() };
        self.data.targets.get(target).ok_or_else(missing)
    }
}
