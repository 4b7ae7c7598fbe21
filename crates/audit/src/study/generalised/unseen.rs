//! Leave-one-domain-out: every method learns from the others and labels the one left out, row by row.

use heirloom_transfer::generalisation::{GeneralisationMethod, Labelled, generalise};
use rayon::prelude::*;

use super::{
    Counter, Domain, GeneralisedAverage, GeneralisedOptions, StudyError, UnseenRecord, UnseenTarget, measure,
    of_target, seeded,
};

/// Right answers of each row and the mean validation accuracy, of one method on one target.
pub(super) struct Answered {
    pub right: Vec<f64>,
    pub validation: f64,
}

type Found = (Vec<UnseenTarget>, Vec<GeneralisedAverage<GeneralisationMethod>>);

pub(super) fn unseen(
    domains: &[Domain],
    classes: usize,
    options: &GeneralisedOptions,
    counter: &Counter<'_>,
) -> Result<Found, StudyError> {
    let methods = GeneralisationMethod::ALL;
    let items: Vec<(usize, GeneralisationMethod)> =
        (0..domains.len()).flat_map(|target| methods.map(|method| (target, method))).collect();
    let answered: Vec<Answered> = items
        .par_iter()
        .map(|(target, method)| answer(domains, *target, *method, classes, options, counter))
        .collect::<Result<_, StudyError>>()?;
    let of = |target: usize, method: usize| &answered[target * methods.len() + method];
    let seed = options.training.seed;
    let record = |target: usize, at: usize| UnseenRecord {
        method: methods[at],
        accuracy: measure::accuracy(&of(target, at).right),
        validation: of(target, at).validation,
        gain: measure::gain(&of(target, at).right, &of(target, 0).right, seed),
    };
    let target = |(at, domain): (usize, &Domain)| UnseenTarget {
        target: domain.name.clone(),
        rows: domain.labels.len(),
        methods: (0..methods.len()).map(|method| record(at, method)).collect(),
    };
    let average = |method: usize| {
        let pairs: Vec<[&[f64]; 2]> =
            (0..domains.len()).map(|at| [&of(at, method).right[..], &of(at, 0).right[..]]).collect();
        let (accuracy, gain) = measure::average(&pairs, seed);
        GeneralisedAverage { way: methods[method], accuracy, gain }
    };
    Ok((domains.iter().enumerate().map(target).collect(), (0..methods.len()).map(average).collect()))
}

/// One method on one target with every seed. The target's rows are shown to what was learned, after it was learned.
pub(super) fn answer(
    domains: &[Domain],
    target: usize,
    method: GeneralisationMethod,
    classes: usize,
    options: &GeneralisedOptions,
    counter: &Counter<'_>,
) -> Result<Answered, StudyError> {
    let judged = &domains[target];
    let others: Vec<Labelled<'_>> = (0..domains.len())
        .filter(|at| *at != target)
        .map(|at| Labelled { samples: &domains[at].samples, labels: &domains[at].labels })
        .collect();
    let (mut labels, mut validation) = (Vec::new(), 0.0);
    let seeds = options.seeds.max(1);
    for seed in 0..seeds {
        let learned = generalise(method, &others, classes, &seeded(options, seed), counter.watch.cancel);
        let learned = learned.map_err(of_target(judged))?;
        validation += learned.choice().validation / seeds as f64;
        labels.push(learned.label(&judged.samples).map_err(of_target(judged))?);
        counter.count();
    }
    Ok(Answered { right: measure::right(&labels, &judged.labels), validation })
}
