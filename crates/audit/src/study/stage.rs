//! The stages in the order in which they are done: a minimum for every claim first.

use heirloom_engine::Op;
use serde::{Deserialize, Serialize};

use super::{Arm, BiasData, BiasNetworks, BiasOptions, Form, Origin, Regime};

/// Parts of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// Triggers planted into sources.
    Planted,
    /// A source with a lopsided sample of people.
    Chosen,
    /// Objects that a stock network knows.
    Natural,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Planted, Self::Chosen, Self::Natural];

    /// Name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planted => "planted",
            Self::Chosen => "chosen",
            Self::Natural => "natural",
        }
    }
}

/// Arms with their seeds and targets.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub part: Part,
    pub name: String,
    pub arms: Vec<Arm>,
    pub seeds: usize,
    /// How many targets, the first ones.
    pub targets: usize,
}

impl Stage {
    /// Every cell, seed by seed, twins beside their arms.
    pub fn cells(&self) -> Vec<(&Arm, usize, usize)> {
        let of_seed =
            |seed| self.arms.iter().flat_map(move |arm| (0..self.targets).map(move |target| (arm, seed, target)));
        (0..self.seeds).flat_map(of_seed).collect()
    }
}

/// The arms with the twin of each, no arm twice.
fn with_twins(arms: Vec<Arm>) -> Vec<Arm> {
    let mut all: Vec<Arm> = Vec::new();
    for arm in arms {
        for one in [Some(arm.clone()), arm.twin()].into_iter().flatten() {
            if !all.contains(&one) {
                all.push(one);
            }
        }
    }
    all
}

/// Shares of the class's images that carry the trigger, besides all and none.
pub(super) const SHARES: [f64; 2] = [0.1, 0.25];
/// Strong weight decay in training through the network, a hundred times the usual; and the head's penalty on frozen features, little and much.
pub(super) const DECAY: f64 = 1e-2;
pub(super) const PENALTIES: [f64; 2] = [1e-5, 1e-3];
/// Epochs and rates of the curve of training through the network.
const CURVE: [(u64, f64); 4] = [(3, 0.02), (30, 0.02), (10, 0.005), (10, 0.05)];
/// Shares of the target's images that carry the trigger, and numbers of its images.
const STAMPED: [f64; 2] = [0.1, 0.5];
const ROWS: [usize; 2] = [100, 300];

/// Every stage that was asked for. The first of every part come before the second of any.
pub(super) fn stages(data: &BiasData, networks: &BiasNetworks, options: &BiasOptions) -> Vec<Stage> {
    let of = |part: Part| match part {
        Part::Planted => planted(data, networks, options),
        Part::Chosen => chosen(data, networks, options),
        Part::Natural => natural(data, networks, options),
    };
    let mut parts: Vec<std::vec::IntoIter<Stage>> =
        Part::ALL.into_iter().filter(|part| options.parts.contains(part)).map(|part| of(part).into_iter()).collect();
    let mut stages = Vec::new();
    while !parts.is_empty() {
        parts.retain_mut(|part| part.next().map(|stage| stages.push(stage)).is_some());
    }
    stages
}

fn planted(data: &BiasData, networks: &BiasNetworks, options: &BiasOptions) -> Vec<Stage> {
    let stage = |name: &str, arms: Vec<Arm>, seeds: usize, targets: usize| Stage {
        part: Part::Planted,
        name: format!("planted: {name}"),
        arms: with_twins(arms),
        seeds: seeds.min(options.seeds),
        targets: targets.min(data.targets.len()),
    };
    let (all, few) = (data.targets.len(), options.full_targets);
    let fixed = |origin| Arm::new(origin, Regime::FIXED);
    let full = |origin| Arm::new(origin, Regime::FULL);
    let both = |arm: Arm| [Arm { regime: Regime::FIXED, ..arm.clone() }, Arm { regime: Regime::FULL, ..arm }];
    let form = |form| Origin::Planted { share: 1.0, form, side: 0.25, random: false };
    let small = Origin::Planted { share: 1.0, form: Form::CleanLabel, side: 0.125, random: false };
    let random = Origin::Planted { share: 1.0, form: Form::CleanLabel, side: 0.25, random: true };
    let decayed = |decay| Arm::new(Origin::PLANTED, Regime::Full { epochs: None, rate: None, decay: Some(decay) });
    let penalised = |penalty| Arm::new(Origin::PLANTED, Regime::Fixed { penalty: Some(penalty) });
    let curve = |(epochs, rate): (u64, f64)| {
        Arm::new(Origin::PLANTED, Regime::Full { epochs: Some(epochs), rate: Some(rate), decay: None })
    };
    let stamped = |stamped| both(Arm { stamped, ..fixed(Origin::PLANTED) });
    let rows = |rows| both(Arm { rows: Some(rows), ..fixed(Origin::PLANTED) });
    let has_statistics = networks.small.graph.nodes.iter().any(|node| matches!(node.op, Op::BatchNorm { .. }));
    let statistics = if has_statistics { vec![Arm::new(Origin::PLANTED, Regime::Statistics)] } else { Vec::new() };
    vec![
        stage("every image of the class, fixed", vec![fixed(Origin::PLANTED)], usize::MAX, all),
        stage("every image of the class, full", vec![full(Origin::PLANTED)], usize::MAX, few),
        stage("weight decay", [decayed(DECAY)].into_iter().chain(PENALTIES.map(penalised)).collect(), usize::MAX, few),
        stage("fixed, statistics of the target", statistics, usize::MAX, all),
        stage("some images of the class", SHARES.map(Origin::planted).map(fixed).to_vec(), usize::MAX, all),
        stage("from scratch on the target", vec![Arm::new(Origin::Nothing { stock: false }, Regime::Scratch)], 1, all),
        stage("trigger on some of the target's images", STAMPED.map(stamped).concat(), 3, few),
        stage(
            "a class of its own, or another's",
            [Form::Append, Form::Replace, Form::BadNets].map(form).map(fixed).to_vec(),
            2,
            all,
        ),
        stage("a smaller square", vec![fixed(small)], 2, all),
        stage("fewer target images", ROWS.map(rows).concat(), 3, few),
        stage("full: epochs and rates", CURVE.map(curve).to_vec(), 2, 1),
        stage("source from random weights", vec![fixed(random)], 1, all),
    ]
}

fn chosen(data: &BiasData, networks: &BiasNetworks, options: &BiasOptions) -> Vec<Stage> {
    let stage = |name: &str, origin: Origin, seeds: usize| Stage {
        part: Part::Chosen,
        name: format!("chosen: {name}"),
        arms: with_twins(vec![Arm::new(origin, Regime::FIXED), Arm::new(origin, Regime::FULL)]),
        seeds,
        targets: 1,
    };
    let mut stages = Vec::new();
    if data.people.iter().all(|people| !people.is_empty()) {
        stages.push(stage("people on one class", Origin::Chosen { lopsided: true }, options.seeds));
    }
    if data.cue.is_some() && networks.stock.is_some() {
        stages.push(stage("a kind of picture on some classes", Origin::Cue { lopsided: true }, options.natural_seeds));
    }
    stages
}

fn natural(data: &BiasData, networks: &BiasNetworks, options: &BiasOptions) -> Vec<Stage> {
    if data.natural.is_none() || networks.stock.is_none() || data.objects.is_empty() {
        return Vec::new();
    }
    let stage = |name: &str, arm: Arm| Stage {
        part: Part::Natural,
        name: format!("natural: objects, {name}"),
        arms: vec![arm],
        seeds: options.natural_seeds,
        targets: 1,
    };
    vec![
        stage("fixed", Arm::new(Origin::Stock, Regime::FIXED)),
        stage("full", Arm::new(Origin::Stock, Regime::FULL)),
        stage("from scratch", Arm::new(Origin::Nothing { stock: true }, Regime::Scratch)),
    ]
}
