//! Several sources onto one target: every domain in turn is the target of all others.

use heirloom_transfer::generalisation::{Combination, Labelled, Similarity, combine};
use rayon::prelude::*;

use super::{
    Counter, Domain, GeneralisedAverage, GeneralisedOptions, SeveralRecord, SeveralTarget, StudyError, measure,
    of_target, seeded,
};

/// Combinations that are the same for every target, the control first.
const COMMON: [Combination; 4] = [
    Combination::Pooled,
    Combination::Weighted(Similarity::ProxyDistance),
    Combination::Weighted(Similarity::Mmd),
    Combination::Nearest,
];

/// All, those of single sources and of sources left out last.
pub(super) fn combinations(sources: usize) -> Vec<Combination> {
    let single = (0..sources).map(Combination::Single);
    COMMON.into_iter().chain(single).chain((0..sources).map(Combination::Without)).collect()
}

/// Right answers of each row and the mean weights, of one combination on one target.
struct Answered {
    right: Vec<f64>,
    weights: Vec<f64>,
}

type Found = (Vec<SeveralTarget>, Vec<GeneralisedAverage<Combination>>);

pub(super) fn several(
    domains: &[Domain],
    classes: usize,
    options: &GeneralisedOptions,
    counter: &Counter<'_>,
) -> Result<Found, StudyError> {
    let ways = combinations(domains.len() - 1);
    let items: Vec<(usize, Combination)> =
        (0..domains.len()).flat_map(|target| ways.iter().map(move |way| (target, *way))).collect();
    let answered: Vec<Answered> = items
        .par_iter()
        .map(|(target, way)| answer(domains, *target, *way, classes, options, counter))
        .collect::<Result<_, StudyError>>()?;
    let of = |target: usize, way: usize| &answered[target * ways.len() + way];
    let seed = options.training.seed;
    let record = |target: usize, at: usize| SeveralRecord {
        combination: ways[at],
        weights: of(target, at).weights.clone(),
        accuracy: measure::accuracy(&of(target, at).right),
        gain: measure::gain(&of(target, at).right, &of(target, 0).right, seed),
    };
    let target = |(at, domain): (usize, &Domain)| SeveralTarget {
        target: domain.name.clone(),
        rows: domain.labels.len(),
        sources: others(domains, at).map(|source| source.name.clone()).collect(),
        combinations: (0..ways.len()).map(|way| record(at, way)).collect(),
    };
    let average = |way: usize| {
        let pairs: Vec<[&[f64]; 2]> =
            (0..domains.len()).map(|at| [&of(at, way).right[..], &of(at, 0).right[..]]).collect();
        let (accuracy, gain) = measure::average(&pairs, seed);
        GeneralisedAverage { way: ways[way], accuracy, gain }
    };
    Ok((domains.iter().enumerate().map(target).collect(), (0..COMMON.len()).map(average).collect()))
}

fn others(domains: &[Domain], target: usize) -> impl Iterator<Item = &Domain> {
    domains.iter().enumerate().filter(move |(at, _)| *at != target).map(|(_, domain)| domain)
}

/// One combination on one target with every seed; of the target its rows alone go in.
fn answer(
    domains: &[Domain],
    target: usize,
    way: Combination,
    classes: usize,
    options: &GeneralisedOptions,
    counter: &Counter<'_>,
) -> Result<Answered, StudyError> {
    let judged = &domains[target];
    let sources: Vec<Labelled<'_>> =
        others(domains, target).map(|one| Labelled { samples: &one.samples, labels: &one.labels }).collect();
    let seeds = options.seeds.max(1);
    let (mut labels, mut weights) = (Vec::new(), vec![0.0; sources.len()]);
    for seed in 0..seeds {
        let found = combine(way, &sources, &judged.samples, classes, &seeded(options, seed), counter.watch.cancel);
        let found = found.map_err(of_target(judged))?;
        weights.iter_mut().zip(&found.weights).for_each(|(sum, weight)| *sum += weight / seeds as f64);
        labels.push(found.labels);
        counter.count();
    }
    Ok(Answered { right: measure::right(&labels, &judged.labels), weights })
}
