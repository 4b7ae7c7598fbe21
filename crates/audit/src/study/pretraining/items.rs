//! What the studies compute, in an order that gives every claim something first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Correction, Noise, Origin, Part, PretrainingData, PretrainingOptions, Run, Start, Task};

/// One thing to compute, from the cache where it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// A run.
    Run(Run),
    /// What a finished run makes of images of no class.
    Strange(Run),
    /// What a finished run makes of images changed against it.
    Attacked(Run),
    /// A source of our own.
    Source {
        /// Number of its part of the images.
        part: usize,
        /// Number of its checkpoint.
        checkpoint: usize,
    },
    /// The trial that the temperature of a run is fitted on.
    Temperature(Run),
}

/// Items under the name of their phase.
pub(super) type Phase = (String, Vec<Item>);

/// All three starts, both that are trained, and the source's alone.
const ALL: [Start; 3] = [Start::FROZEN, Start::TUNED, Start::Scratch];
const BOTH: [Start; 2] = [Start::TUNED, Start::Scratch];

/// Every item once, by phase: everything with the first seed, then with the second, and so on.
pub(super) fn phases(data: &PretrainingData, options: &PretrainingOptions) -> Vec<Phase> {
    let of_seed = |seed: usize| match options.part {
        Part::Value => value(data, options, seed),
        Part::Robustness => robustness(data, options, seed),
    };
    let all = options.seeds.iter().max().copied().unwrap_or(0);
    let named = |seed: usize| {
        let name = move |(name, items): (&'static str, Vec<Item>)| (format!("{name}, seed {}", seed + 1), items);
        of_seed(seed).into_iter().map(name)
    };
    let mut phases: Vec<Phase> = (0..all).flat_map(named).collect();
    let mut seen = BTreeSet::new();
    phases.iter_mut().for_each(|(_, items)| items.retain(|item| seen.insert(*item)));
    phases.retain(|(_, items)| !items.is_empty());
    phases
}

fn runs(target: usize, starts: &[Start], task: Task, seed: usize) -> Vec<Item> {
    starts.iter().map(|start| Item::Run(Run::new(target, *start, task, seed))).collect()
}

fn value(data: &PretrainingData, options: &PretrainingOptions, seed: usize) -> Vec<(&'static str, Vec<Item>)> {
    let on = |target: usize| -> Vec<Item> {
        let sizes = options.each.iter().rev().map(|each| Task::few(*each));
        std::iter::once(Task::ALL).chain(sizes).flat_map(|task| runs(target, &ALL, task, seed)).collect()
    };
    let within = |wanted: usize, items: Vec<Item>| if seed < wanted { items } else { Vec::new() };
    let [main, others] = options.seeds;
    let length =
        |(start, epochs): (Start, &u64)| runs(0, &[start], Task::Rows { each: None, epochs: Some(*epochs) }, seed);
    let [tuned, scratch] = &options.lengths;
    let tuned = tuned.iter().map(|epochs| (Start::TUNED, epochs));
    let lengths = tuned.chain(scratch.iter().map(|epochs| (Start::Scratch, epochs))).flat_map(length).collect();
    let pairs = data.pairs.iter().flatten().flat_map(|target| runs(*target, &BOTH, Task::ALL, seed)).collect();
    vec![
        ("number of images", within(main, on(0))),
        ("fine and coarse classes", within(others, pairs)),
        ("sources of our own", if seed == 0 { sources(data, options) } else { Vec::new() }),
        ("length of training", within(others, lengths)),
        ("number of images, other targets", within(others, (1..data.varied).flat_map(on).collect())),
    ]
}

/// Sources of our own, heads on the frozen features of each on all targets, and each fine-tuned on the main one.
fn sources(data: &PretrainingData, options: &PretrainingOptions) -> Vec<Item> {
    let paired: BTreeSet<usize> = data.pairs.iter().flatten().copied().collect();
    let mut items = Vec::new();
    for origin in Origin::own(options.parts.len()) {
        let Origin::Own { part, checkpoint } = origin else { continue };
        items.push(Item::Source { part, checkpoint });
        let targets = (0..data.targets.len()).filter(|target| !paired.contains(target));
        items.extend(targets.flat_map(|target| runs(target, &[Start::Frozen(origin)], Task::ALL, 0)));
        items.extend(runs(0, &[Start::Tuned(origin)], Task::few(options.source_each), 0));
    }
    items
}

fn robustness(_: &PretrainingData, options: &PretrainingOptions, seed: usize) -> Vec<(&'static str, Vec<Item>)> {
    if seed >= options.seeds[1] {
        return Vec::new();
    }
    let noisy = |noise, tenths: &u8, correction, starts: &[Start]| {
        runs(0, starts, Task::Noise { noise, tenths: *tenths, correction }, seed)
    };
    let uniform = |tenths: &u8| noisy(Noise::Uniform, tenths, Correction::None, &ALL);
    let gold = |tenths: &u8| {
        let mut items = noisy(Noise::Uniform, tenths, Correction::Silver, &BOTH);
        items.extend(noisy(Noise::Uniform, tenths, Correction::Gold, &BOTH));
        items
    };
    let uneven = |tenths: &u8| {
        let task = |balanced| Task::Uneven { tenths: *tenths, balanced };
        let mut items = runs(0, &ALL, task(false), seed);
        items.extend(runs(0, &[Start::Scratch], task(true), seed));
        items
    };
    let looked = |start: &Start| {
        let run = Run::new(0, *start, Task::ALL, seed);
        [Item::Temperature(Run { seed: 0, ..run }), Item::Strange(run), Item::Attacked(run)]
    };
    let attacked = BOTH.map(|start| Item::Attacked(Run::new(0, start, Task::Adversarial, seed)));
    let mut adversarial = runs(0, &BOTH, Task::Adversarial, seed);
    adversarial.extend(attacked);
    vec![
        ("all images as they are", runs(0, &ALL, Task::ALL, seed)),
        ("images of no class, certainty, attacks", BOTH.iter().flat_map(looked).collect()),
        (
            "wrong labels corrected",
            options.gold.iter().flat_map(|tenths| [uniform(tenths), gold(tenths)].concat()).collect(),
        ),
        ("uneven classes", options.exponents.iter().flat_map(uneven).collect()),
        ("trained against attacks", adversarial),
        ("labels flipped", noisy(Noise::Flip, &options.flipped, Correction::None, &ALL)),
        ("wrong labels, all strengths", options.strengths.iter().flat_map(uniform).collect()),
    ]
}
