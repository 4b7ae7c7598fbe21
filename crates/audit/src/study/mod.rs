//! What comes along with a source model (Salman et al. 2022, arXiv 2207.02842; `spec/bias-transfer.md`): planted triggers, a lopsided
//! sample, objects that the source knows; each adapted in several ways to targets without the bias, and measured beside a twin whose
//! source never met it.
//!
//! ```text
//! arm (source, way to adapt, target) x seed x target -> cell: answers to test images as they are, and with each probe
//! cells -> measure of a probe, less that of the twin -> mean over targets, interval from seeds and images -> claims
//! ```
//!
//! Sources and cells are kept in the cache under everything that decides them: a run that was broken off goes on where it was.

mod adapt;
mod adapted;
mod arm;
mod cell;
mod chosen;
mod claims;
mod course;
mod cue;
mod error;
mod generalised;
mod measure;
mod natural;
mod own;
pub mod pretraining;
mod probe;
mod ranked;
mod record;
mod resampling;
mod rule;
mod set;
mod source;
mod stage;
mod summary;
mod transferred;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::ExtractOptions;
use heirloom_transfer::fit::Watch;
use heirloom_transfer::fit::trained::TrainingEvent;
use heirloom_zoo::Backbone;

pub use adapted::{AdaptedOptions, AdaptedPair, AdaptedStudy, Domain, Way, WayAverage, WayRecord, adaptation};
pub use arm::{Arm, Form, Origin, Regime};
pub use cue::Cue;
pub use error::StudyError;
pub use generalised::{
    GeneralisedAverage, GeneralisedOptions, GeneralisedStudy, SeveralRecord, SeveralTarget, UnseenRecord, UnseenTarget,
    generalisation,
};
pub use ranked::{
    Contrast, NetworkRecord, Null, OfNetwork, OnSet, Predictor, PredictorMean, PredictorRecord, RankedCost,
    RankedNetwork, RankedOptions, RankedPlan, RankedSetRecord, RankedStudy, Truth, TruthRecord, ranked_plan, ranking,
};
pub use record::{ArmRecord, BiasStudy, Claim, Estimate, Known, Measured, SourceRecord, TargetRecord};
pub use set::Set;
pub use stage::Part;
pub use transferred::{
    BlockRecord, Blocks, CheckpointRecord, CriticalRecord, Family, Item, Kind, ModuleRecord, ModulesRecord, PairRecord,
    Partner, Run, Start, StartRecord, TargetNote, Topic, Training, TransferredClaim, TransferredData,
    TransferredNetworks, TransferredOptions, TransferredPlan, TransferredStudy, rate_of, transferred_plan,
    what_transfers,
};

use cell::Found;
use own::OwnRecord;
use stage::Stage;

/// What the study is run on.
#[derive(Debug)]
pub struct BiasData {
    /// Images of the planted and the lopsided sources, with test rows.
    pub source: Set,
    /// Class of the source whose images carry the trigger, and that the lopsided source shows beside people.
    pub class: String,
    /// The other class of the lopsided source's target.
    pub against: String,
    /// Targets of the planted sources; the first are the ones that are trained on through the network.
    pub targets: Vec<Set>,
    /// Target of the stock network, of a part of whose training rows every seed takes another draw.
    pub natural: Option<Set>,
    /// Pictures of people, as PNG with transparency at the source's size: to train with, and to judge with.
    pub people: [Vec<PathBuf>; 2],
    /// Images of several kinds, one of which gives some classes of a source away.
    pub cue: Option<Cue>,
    /// Objects that the stock network knows.
    pub objects: Vec<Object>,
}

/// An object drawn over images, with its controls.
#[derive(Debug, Clone)]
pub struct Object {
    /// What it is.
    pub name: String,
    /// Its class in the stock network's own classifier.
    pub class: usize,
    /// The picture, as PNG with transparency.
    pub picture: PathBuf,
    /// Name and picture of each control that hides as much.
    pub controls: Vec<(String, PathBuf)>,
}

/// The networks of the study.
#[derive(Debug)]
pub struct BiasNetworks {
    /// The network that sources are made from.
    pub small: Backbone,
    /// A stock network, for images of the size that it shall be adapted at.
    pub stock: Option<Backbone>,
    /// Networks with a classifier of 1000 ImageNet classes, that must see the objects.
    pub judges: Vec<Backbone>,
}

/// How much of it.
#[derive(Debug, Clone)]
pub struct BiasOptions {
    /// The parts.
    pub parts: Vec<Part>,
    /// Seeds of sources.
    pub seeds: usize,
    /// Epochs of a source that begins with pretrained weights, and of one that begins with random ones.
    pub source_epochs: [u64; 2],
    /// Epochs of the lopsided source.
    pub chosen_epochs: u64,
    /// Epochs of the source in which the kind of a picture gives classes away.
    pub cue_epochs: u64,
    /// Epochs of training through the network, and from scratch.
    pub target_epochs: [u64; 2],
    /// Targets, the first ones, that are trained on through the network.
    pub full_targets: usize,
    /// Epochs of the stock network's adaptation, and from scratch at its size.
    pub natural_epochs: [u64; 2],
    /// Seeds of what is made from the stock network.
    pub natural_seeds: usize,
    /// No new cell is begun after this time.
    pub budget: Option<Duration>,
    /// Seed of everything.
    pub seed: u64,
    /// Threads and memory.
    pub extract: ExtractOptions,
}

/// What is shared by all cells.
struct Study<'a> {
    data: &'a BiasData,
    networks: &'a BiasNetworks,
    options: &'a BiasOptions,
    cells: &'a Cells,
    watch: Watch<'a>,
    training: Option<&'a (dyn Fn(&TrainingEvent) + Sync)>,
    started: Instant,
}

/// Runs the study.
///
/// # Errors
/// Data that cannot be read or trained on, or an interrupt; what was computed stays in the cache.
pub fn bias_transfer(
    data: &BiasData,
    networks: &BiasNetworks,
    options: &BiasOptions,
    cells: &Cells,
    watch: Watch<'_>,
    training: Option<&(dyn Fn(&TrainingEvent) + Sync)>,
) -> Result<BiasStudy, StudyError> {
    let study = Study { data, networks, options, cells, watch, training, started: Instant::now() };
    let stages = stage::stages(data, networks, options);
    let mut found = Found::default();
    let (mut unfinished, mut sources) = (Vec::new(), Vec::<OwnRecord>::new());
    let known =
        if stages.iter().any(|stage| stage.part == Part::Natural) { natural::known(&study)? } else { Vec::new() };
    for stage in &stages {
        if !study.stage(stage, &mut found, &mut sources)? {
            unfinished.push(stage.name.clone());
        }
    }
    Ok(summary::summary(&study, &stages, &found, sources, known, unfinished))
}

/// What a stage would compute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The stage.
    pub stage: String,
    /// Sources it trains that no stage before it did.
    pub sources: usize,
    /// Cells that no stage before it has.
    pub cells: usize,
    /// Images that go through the small network for them, a training step counted three times.
    pub images: usize,
    /// The same of the stock network.
    pub stock_images: usize,
}

/// What each stage would compute.
#[must_use]
pub fn plan(data: &BiasData, networks: &BiasNetworks, options: &BiasOptions) -> Vec<Planned> {
    let (mut cells, mut sources) = (BTreeSet::new(), BTreeSet::new());
    let mut planned = |stage: &Stage| {
        let mut all = Planned { stage: stage.name.clone(), sources: 0, cells: 0, images: 0, stock_images: 0 };
        for (arm, seed, target) in stage.cells() {
            let mut images = 0;
            let source = source::images(data, options, arm);
            if source > 0 && sources.insert(format!("{:?} {seed}", arm.origin)) {
                all.sources += 1;
                images += source;
            }
            if cells.insert(format!("{arm:?} {seed} {target}")) {
                all.cells += 1;
                images += adapt::images(data, options, arm, target);
            }
            *(if arm.origin.is_of_stock() { &mut all.stock_images } else { &mut all.images }) += images;
        }
        all
    };
    stage::stages(data, networks, options).iter().map(&mut planned).collect()
}

impl Study<'_> {
    fn say(&self, text: &str) {
        course::say(self.watch, text);
    }

    /// Whether there is time to begin something new; an interrupt ends all.
    fn go_on(&self) -> Result<bool, StudyError> {
        course::go_on(self.watch, self.started, self.options.budget)
    }

    /// Every cell of a stage, seed by seed; `false` where the budget ended before.
    fn stage(&self, stage: &Stage, found: &mut Found, sources: &mut Vec<OwnRecord>) -> Result<bool, StudyError> {
        self.say(&stage.name);
        let mut whole = true;
        for (arm, seed, target) in stage.cells() {
            let may_begin = self.go_on()?;
            match self.cell(arm, seed, target, may_begin)? {
                Some(cell) => found.insert(arm, seed, target, cell),
                None => whole = false,
            }
            let own = self.own(arm, seed, may_begin)?;
            sources.extend(own.filter(|own| !sources.contains(own)));
        }
        Ok(whole)
    }
}
