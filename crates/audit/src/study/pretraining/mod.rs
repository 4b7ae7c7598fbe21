//! What is pretraining worth? Networks that begin with a source beside networks that begin with random weights, and heads on the source's
//! frozen features (He, Girshick and Dollar 2019; Kornblith, Shlens and Le 2019; Hendrycks, Lee and Mazeika 2019; `spec/robustness.md`
//! sections 1 to 7).
//!
//! ```text
//! value        how fast, how much data, fine or coarse classes, better sources       -> accuracy on test images
//! robustness   wrong labels, uneven classes, changes against the network, images of no class, calibration
//! ```
//!
//! Every run is kept in the cache under everything that decides it: a study that was broken off goes on where it was, shards with one cache
//! make up the whole, and both studies share their runs.

mod claims;
mod frozen;
mod items;
mod logits;
mod looked;
mod plan;
mod rates;
mod record;
mod rows;
mod run;
mod sources;
mod summary;
#[cfg(test)]
mod tests;
mod trained;
mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use heirloom_engine::Precision;
use heirloom_transfer::Features;
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::{ExtractOptions, Shard};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_zoo::Backbone;
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use items::Item;
pub use logits::{Fitted, adjusted_means, line, log_odds};
pub use plan::{PhasePlan, plan};
pub use record::{
    AttackedRecord, CertaintyRecord, OwnSourceRecord, PretrainingClaim, PretrainingStudy, RunRecord, StrangeRecord,
    Topic,
};
pub use run::{Correction, Noise, Origin, Run, Start, Task};

use super::{Set, StudyError, course};
use trained::Judged;
use view::Found;

/// Which of the two studies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// How fast, with how much data, for which classes, from which source.
    Value,
    /// With worse labels, uneven classes, attacks, images of no class; calibration.
    Robustness,
}

/// What the studies are run on.
#[derive(Debug)]
pub struct PretrainingData {
    /// Images that sources of our own are trained on.
    pub source: Set,
    /// The first is the main one; frozen features of sources of our own are judged on all but the pairs.
    pub targets: Vec<Set>,
    /// Targets, the first ones, whose size is varied.
    pub varied: usize,
    /// Numbers of targets of fine classes, each with one of coarse classes of the same size.
    pub pairs: Vec<[usize; 2]>,
    /// Images of no class of the main target, their test rows.
    pub outliers: Vec<Set>,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct PretrainingOptions {
    /// Which study.
    pub part: Part,
    /// Seeds on the main target, and on all others and for robustness.
    pub seeds: [usize; 2],
    /// Epochs from the source, and from random weights, on `reference` images; more on fewer, by the root of how many times fewer.
    pub epochs: [u64; 2],
    /// The number of images that epochs are meant for.
    pub reference: usize,
    /// Other numbers of epochs, from the source and from random weights, on all images of the main target.
    pub lengths: [Vec<u64>; 2],
    /// Images of each class, besides all.
    pub each: Vec<usize>,
    /// Images of a batch.
    pub batch_size: usize,
    /// Rates that are tried, in hundred-thousandths.
    pub rates: Vec<u32>,
    /// Images that sources of our own are trained on.
    pub parts: Vec<usize>,
    /// Epochs of a source on `reference` images, and images of each class that it is fine-tuned on.
    pub source_epochs: u64,
    /// Images of each class that sources of our own are fine-tuned on.
    pub source_each: usize,
    /// Strengths of noise, in tenths.
    pub strengths: Vec<u8>,
    /// Strengths at which the gold loss correction is tried.
    pub gold: Vec<u8>,
    /// Strength of flipped labels.
    pub flipped: u8,
    /// Exponents of uneven classes, in tenths.
    pub exponents: Vec<u8>,
    /// Most that a pixel is changed against the network, as a share of the range from black to white.
    pub epsilon: f64,
    /// Images that are attacked.
    pub attacked: usize,
    /// What training rounds to.
    pub precision: Precision,
    /// No new run is begun after this time.
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
    data: &'a PretrainingData,
    source: &'a Backbone,
    options: &'a PretrainingOptions,
    cells: &'a Cells,
    watch: Watch<'a>,
    training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    started: Instant,
    prepared: Mutex<BTreeMap<usize, Judged>>,
    extracted: Mutex<BTreeMap<(Origin, usize), Arc<Features>>>,
}

/// Computes the items of a study, as far as the budget and the shard say, and tells what all of them together show.
///
/// # Errors
/// Data that cannot be read or trained on, or an interrupt; what was computed stays in the cache.
pub fn pretraining(
    data: &PretrainingData,
    source: &Backbone,
    options: &PretrainingOptions,
    cells: &Cells,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<PretrainingStudy, StudyError> {
    let study = Study::new(data, source, options, cells, watch, training);
    let (mut found, mut unfinished, mut number) = (Found::default(), Vec::new(), 0);
    for (phase, items) in items::phases(data, options) {
        study.say(&phase);
        let mut whole = true;
        for item in items {
            number += 1;
            let mine = options.shard.is_none_or(|shard| number % shard.count.max(1) + 1 == shard.index);
            whole &= study.item(&item, mine, &mut found)?;
        }
        if !whole {
            unfinished.push(phase);
        }
    }
    summary::summary(&study, &found, unfinished)
}

impl<'a> Study<'a> {
    fn new(
        data: &'a PretrainingData,
        source: &'a Backbone,
        options: &'a PretrainingOptions,
        cells: &'a Cells,
        watch: Watch<'a>,
        training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    ) -> Self {
        let (prepared, extracted) = (Mutex::default(), Mutex::default());
        Study { data, source, options, cells, watch, training, started: Instant::now(), prepared, extracted }
    }

    /// One item; `false` where it is not there and is another shard's or too late to begin.
    fn item(&self, item: &Item, mine: bool, found: &mut Found) -> Result<bool, StudyError> {
        if !(self.go_on()? && mine || self.is_there(item)?) {
            return Ok(false);
        }
        match item {
            Item::Run(run) => drop(found.runs.insert(*run, self.trained(run)?)),
            Item::Strange(run) => drop(found.strange.insert(*run, self.strange(run)?)),
            Item::Attacked(run) => drop(found.attacked.insert(*run, self.attacked(run)?)),
            Item::Source { part, checkpoint } => {
                found.sources.insert((*part, *checkpoint), self.own_accuracy(*part, *checkpoint)?);
            }
            Item::Temperature(run) => {
                if let Some(trial) = self.chosen_trial(run)? {
                    found.trials.insert((run.start, run.target), self.trained(&trial)?);
                }
            }
        }
        Ok(true)
    }

    /// Whether an item can be had without training anything.
    fn is_there(&self, item: &Item) -> Result<bool, StudyError> {
        match item {
            Item::Run(run) => self.has_run(run),
            Item::Strange(run) => Ok(self.has_run(run)? && self.cells.holds(&self.strange_name(run)?)),
            Item::Attacked(run) => Ok(self.has_run(run)? && self.cells.holds(&self.attacked_name(run)?)),
            Item::Source { part, checkpoint } => self.has_own(*part, *checkpoint),
            Item::Temperature(run) => self.has_trials(run),
        }
    }

    /// A run's name hangs on its rate, and that on the runs that tried rates.
    fn has_run(&self, run: &Run) -> Result<bool, StudyError> {
        let own = match run.start.origin() {
            Some(Origin::Own { part, checkpoint }) => self.has_own(part, checkpoint)?,
            _ => true,
        };
        Ok(own && self.has_trials(run)? && self.cells.holds(&self.run_name(run)?))
    }

    fn has_trials(&self, run: &Run) -> Result<bool, StudyError> {
        for trial in self.trials(run) {
            if !self.cells.holds(&self.run_name(&trial)?) {
                return Ok(false);
            }
        }
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

    /// Epochs on fewer images than they are meant for.
    fn lengthened(&self, epochs: u64, images: usize) -> u64 {
        let times = (self.options.reference as f64 / images.max(1) as f64).max(1.0).sqrt();
        (epochs as f64 * times).round() as u64
    }

    /// The seed of a run's draws.
    fn seed(&self, seed: usize) -> u64 {
        self.options.seed.wrapping_add(seed as u64)
    }

    fn target(&self, target: usize) -> Result<&Set, StudyError> {
        let missing = || StudyError::Data { set: format!("target {target}"), reason: "there is none".to_owned() };
        self.data.targets.get(target).ok_or_else(missing)
    }
}
