//! What the study computes, in an order that gives every claim something first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::pair::Partner;
use super::{Blocks, Family, Run, Start, Training, TransferredOptions};

/// Replicas that come first, and all that targets beyond the main ones get.
const FEW: usize = 2;

/// Seeds of orders that are looked through: those that leave many blocks in their places are passed over.
const SEEDS: u32 = 1000;

/// One thing to compute, from the cache where it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// A training run.
    Run(Run),
    /// A run beside a partner.
    Pair(Run, Partner),
    /// A run's modules put back.
    Rewound(Run),
    /// The same with criticality.
    Critical(Run),
    /// Frozen features of what a run begins with.
    Frozen(Run),
    /// How clear the test images of a target are.
    Clear(usize),
}

/// Items under the name of their phase.
pub(super) type Phase = (&'static str, Vec<Item>);

impl Item {
    /// The run it belongs to.
    pub const fn run(&self) -> Option<&Run> {
        match self {
            Self::Run(run) | Self::Pair(run, _) | Self::Rewound(run) | Self::Critical(run) | Self::Frozen(run) => {
                Some(run)
            }
            Self::Clear(_) => None,
        }
    }

    /// Which of `count` shards computes it: items that share training runs stay together.
    pub fn shard(&self, count: usize) -> usize {
        let group = match self {
            Self::Clear(target) => 2 * target,
            other => other.run().map_or(0, |run| 2 * run.target + usize::from(run.family == Family::Fixup)),
        };
        group % count.max(1)
    }
}

/// Every item once, by phase.
pub(super) fn phases(targets: usize, size: [usize; 2], options: &TransferredOptions) -> Vec<Phase> {
    let main = options.main.min(targets);
    let all = |targets: std::ops::Range<usize>, replicas: usize| -> Vec<Item> {
        let of = |family| targets.clone().flat_map(move |target| replicated(options, family, target, replicas));
        Family::ALL.into_iter().flat_map(of).collect()
    };
    let few = FEW.min(options.replicas);
    let shuffled = 0..options.shuffled.min(main);
    let orders = orders(size, options);
    let without = if options.both_shuffled { options.seeds } else { 0 };
    let shuffles = |family, targets, seeds| shuffles(&orders, family, targets, seeds);
    let mut phases: Vec<Phase> = vec![
        ("first target, few replicas", all(0..main.min(1), few)),
        ("shuffled blocks, one order", shuffles(Family::BatchNorm, 0..shuffled.end.min(1), 0..1)),
        ("checkpoints of the source, one replica", checkpoints(options, 0..1)),
        ("how clear images are", (0..main).map(Item::Clear).collect()),
        ("other targets, few replicas", all(1..main.max(1), few)),
        ("all replicas", all(0..main, options.replicas)),
        ("shuffled blocks, all orders", shuffles(Family::BatchNorm, 0..shuffled.end.min(1), 0..options.seeds)),
        ("checkpoints of the source", checkpoints(options, 0..options.seeds)),
        ("criticality", Family::ALL.into_iter().flat_map(critical).collect()),
        ("shuffled blocks, other targets", shuffles(Family::BatchNorm, shuffled.clone(), 0..options.seeds)),
        ("targets that are easy from random weights", all(main..targets, few)),
        ("shuffled blocks without normalisation", shuffles(Family::Fixup, shuffled, 0..without)),
    ];
    let mut seen = BTreeSet::new();
    phases.iter_mut().for_each(|(_, items)| items.retain(|item| seen.insert(*item)));
    phases.retain(|(_, items)| !items.is_empty());
    phases
}

/// Replicas of both starts on a target, and everything that is compared of them.
fn replicated(options: &TransferredOptions, family: Family, target: usize, replicas: usize) -> Vec<Item> {
    let runs = |start, count: std::ops::Range<usize>| -> Vec<Run> {
        count.map(|replica| Run::new(family, start, target, replica)).collect()
    };
    let (source, random) = (runs(Start::SOURCE, 0..replicas), runs(Start::RANDOM, 0..replicas));
    let same = runs(Start::SAME, 1..1 + options.same.min(replicas));
    let all: Vec<Run> = [&source[..], &random, &same].concat();
    let of_source = source.iter().chain(&random).map(|run| Item::Pair(*run, Partner::Source));
    let shared: Vec<Run> = random.first().copied().into_iter().chain(same).collect();
    let across = source.iter().zip(&random).map(|(one, other)| Item::Pair(*one, Partner::Run(*other)));
    let rewound = source.iter().chain(&random).map(|run| Item::Rewound(*run));
    let mut items: Vec<Item> = all.iter().map(|run| Item::Run(*run)).collect();
    items.extend(pairs(&source).chain(pairs(&random)).chain(across).chain(pairs(&shared)));
    items.extend(of_source.chain(rewound));
    items
}

/// Every two of some runs.
fn pairs(runs: &[Run]) -> impl Iterator<Item = Item> + '_ {
    let later = |at: usize| runs[at + 1..].iter();
    let of = move |(at, first): (usize, &Run)| {
        let first = *first;
        later(at).map(move |second| Item::Pair(first, Partner::Run(*second))).collect::<Vec<Item>>()
    };
    runs.iter().enumerate().flat_map(of)
}

/// For each seed the orders of every side: the first ones that move the blocks of images of this size.
fn orders(size: [usize; 2], options: &TransferredOptions) -> Vec<Vec<Blocks>> {
    let moves = |blocks: &Blocks| blocks.intervention().prepare(size).is_ok();
    let of_side = |side: usize| -> Vec<Blocks> {
        (0..SEEDS).map(|seed| Blocks { side, seed }).filter(moves).take(options.seeds).collect()
    };
    let sides: Vec<Vec<Blocks>> = options.sides.iter().map(|side| of_side(*side)).collect();
    (0..options.seeds).map(|seed| sides.iter().filter_map(|orders| orders.get(seed).copied()).collect()).collect()
}

/// Both starts on images as they are and with blocks in other orders.
fn shuffles(
    orders: &[Vec<Blocks>],
    family: Family,
    targets: std::ops::Range<usize>,
    seeds: std::ops::Range<usize>,
) -> Vec<Item> {
    let mut items = Vec::new();
    for (replica, orders) in orders.iter().enumerate().filter(|(replica, _)| seeds.contains(replica)) {
        for target in targets.clone() {
            for blocks in std::iter::once(None).chain(orders.iter().copied().map(Some)) {
                let plain = |start| Run::new(family, start, target, replica).on(Training::Plain { blocks });
                items.extend([Start::SOURCE, Start::RANDOM].map(plain).map(Item::Run));
            }
        }
    }
    items
}

/// Fine-tuning from every checkpoint on the first target, a fifth of its training images held out, and frozen features of each.
fn checkpoints(options: &TransferredOptions, replicas: std::ops::Range<usize>) -> Vec<Item> {
    let mut items = Vec::new();
    for replica in replicas {
        for epochs in &options.checkpoints {
            let start = Start::Source { epochs: Some(*epochs) };
            let run = Run::new(Family::Fixup, start, 0, replica).on(Training::Part { rate: None });
            items.extend([Item::Run(run), Item::Frozen(run)]);
        }
    }
    items
}

fn critical(family: Family) -> [Item; 2] {
    [Start::SOURCE, Start::RANDOM].map(|start| Item::Critical(Run::new(family, start, 0, 0)))
}
