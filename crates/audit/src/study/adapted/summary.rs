//! From target labels to accuracies and gains with intervals.

use std::collections::BTreeMap;

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::fit::Share;
use rayon::prelude::*;

use super::{AdaptedOptions, AdaptedPair, AdaptedStudy, Domain, Item, Way, WayAverage, WayRecord};
use crate::Difference;

/// Resamples behind each interval.
const REPLICATES: usize = 1000;
/// The ends of the interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// For each way and seed, whether each row of the target was answered right, 1 or 0.
type Right = BTreeMap<Way, Vec<Vec<f64>>>;

/// One source and one target.
struct Answers {
    source: usize,
    target: usize,
    right: Right,
}

/// How often each row of each domain counts, and which seeds do.
struct Replicate {
    rows: Vec<Vec<f64>>,
    seeds: Vec<usize>,
}

pub(super) fn summary(
    domains: &[Domain],
    options: &AdaptedOptions,
    items: &[Item],
    found: &[Vec<usize>],
) -> AdaptedStudy {
    let answers = gathered(domains, items, found);
    let seeds = options.seeds.max(1);
    let drawn = |number: usize| Replicate::draw(domains, seeds, number, options.deep.seed);
    let replicates: Vec<Replicate> = (0..REPLICATES).map(drawn).collect();
    let ways = Way::all();
    // For each way the accuracy of each pair in each resample.
    let resampled: Vec<Vec<Vec<f64>>> = ways
        .par_iter()
        .map(|way| replicates.iter().map(|one| answers.iter().map(|pair| one.accuracy(pair, *way)).collect()).collect())
        .collect();
    let all = Replicate::whole(domains, seeds);
    let accuracies: Vec<Vec<f64>> =
        ways.iter().map(|way| answers.iter().map(|pair| all.accuracy(pair, *way)).collect()).collect();
    let of = |wanted: Way| ways.iter().position(|way| *way == wanted).unwrap_or(0);
    let (control, easytl) = (of(Way::CONTROL), of(Way::EasyTlCoral));
    let beyond = |way: usize, other: usize, pair: Option<usize>| {
        let less = |of: &[Vec<f64>]| mean(&of[0], pair) - mean(&of[1], pair);
        let both = |number: usize| [resampled[way][number].clone(), resampled[other][number].clone()];
        let draws: Vec<f64> = (0..REPLICATES).map(|number| less(&both(number))).collect();
        interval(less(&[accuracies[way].clone(), accuracies[other].clone()]), draws)
    };
    let gains: Vec<Vec<Difference>> = (0..ways.len())
        .into_par_iter()
        .map(|way| (0..answers.len()).map(|pair| beyond(way, control, Some(pair))).collect())
        .collect();
    let pair = |(at, answers): (usize, &Answers)| {
        let [source, target] = [answers.source, answers.target].map(|domain| &domains[domain]);
        let rows = [source.labels.len(), target.labels.len()];
        let record = |way: usize| WayRecord {
            way: ways[way],
            accuracy: Share::rate(accuracies[way][at], rows[1]),
            gain: gains[way][at],
        };
        let (source, target) = (source.name.clone(), target.name.clone());
        AdaptedPair { source, target, rows, ways: (0..ways.len()).map(record).collect() }
    };
    let average = |way: usize| WayAverage {
        way: ways[way],
        accuracy: mean(&accuracies[way], None),
        gain: beyond(way, control, None),
        beyond_easytl: beyond(way, easytl, None),
        harmed: gains[way].iter().filter(|gain| gain.high < 0.0).count(),
        helped: gains[way].iter().filter(|gain| gain.low > 0.0).count(),
    };
    AdaptedStudy {
        seeds,
        pairs: answers.iter().enumerate().map(pair).collect(),
        averages: (0..ways.len()).map(average).collect(),
    }
}

/// Labels held against the truth, pair by pair.
fn gathered(domains: &[Domain], items: &[Item], found: &[Vec<usize>]) -> Vec<Answers> {
    let mut pairs = BTreeMap::<(usize, usize), Right>::new();
    for (item, labels) in items.iter().zip(found) {
        let truth = &domains[item.target].labels;
        let right = labels.iter().zip(truth).map(|(label, truth)| f64::from(u8::from(label == truth))).collect();
        pairs.entry((item.source, item.target)).or_default().entry(item.way).or_default().push(right);
    }
    pairs.into_iter().map(|((source, target), right)| Answers { source, target, right }).collect()
}

impl Replicate {
    fn whole(domains: &[Domain], seeds: usize) -> Self {
        Self {
            rows: domains.iter().map(|domain| vec![1.0; domain.labels.len()]).collect(),
            seeds: (0..seeds).collect(),
        }
    }

    fn draw(domains: &[Domain], seeds: usize, number: usize, seed: u64) -> Self {
        let mut draws = Draws::of_image(Key { seed, epoch: number as u64, row: domains.len() });
        let mut of_domain = |domain: &Domain| {
            let count = domain.labels.len();
            let mut times = vec![0.0; count];
            (0..count).for_each(|_| times[draws.below(count)] += 1.0);
            times
        };
        let rows = domains.iter().map(&mut of_domain).collect();
        Self { rows, seeds: (0..seeds).map(|_| draws.below(seeds)).collect() }
    }

    /// Accuracy of a way on a pair, mean over the seeds drawn; a way without seeds has one.
    fn accuracy(&self, pair: &Answers, way: Way) -> f64 {
        let Some(right) = pair.right.get(&way) else { return 0.0 };
        let times = &self.rows[pair.target];
        let all: f64 = times.iter().sum();
        let of =
            |right: &Vec<f64>| right.iter().zip(times).map(|(right, times)| right * times).sum::<f64>() / all.max(1.0);
        if right.len() == 1 {
            return of(&right[0]);
        }
        self.seeds.iter().map(|seed| of(&right[*seed])).sum::<f64>() / self.seeds.len().max(1) as f64
    }
}

/// Mean over pairs, or of one.
fn mean(values: &[f64], pair: Option<usize>) -> f64 {
    match pair {
        Some(pair) => values[pair],
        None => values.iter().sum::<f64>() / values.len().max(1) as f64,
    }
}

fn interval(value: f64, mut draws: Vec<f64>) -> Difference {
    draws.sort_by(f64::total_cmp);
    let [low, high] = ENDS.map(|end| draws[(end * (draws.len() - 1) as f64).round() as usize]);
    Difference { value, low: low.min(value), high: high.max(value) }
}
