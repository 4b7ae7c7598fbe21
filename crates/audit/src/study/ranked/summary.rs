//! From cells to the record.

use heirloom_transfer::ranking::parameters;
use heirloom_transfer::study::Verdict;

use super::agreement::{Pairs, mean, null, over_sets};
use super::record::{OfNetwork, RankedSetRecord};
use super::{
    Contrast, Found, NetworkRecord, Predictor, PredictorMean, PredictorRecord, RankedCost, RankedStudy, Study, Truth,
    TruthRecord,
};

/// Mean tau that matters.
const SMALLEST: f64 = 0.17;
/// Sets from which a verdict follows.
const FEWEST_SETS: usize = 4;

pub(super) fn summary(study: &Study<'_>, found: Found) -> RankedStudy {
    let truths = [Truth::Frozen, Truth::FineTuned].map(|truth| of_truth(study, &found, truth));
    RankedStudy {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        networks: networks(study),
        sets: (0..study.sets.len()).map(|set| of_set(study, &found, set)).collect(),
        truths: truths.into_iter().filter(|truth| !truth.sets.is_empty()).collect(),
        cost: cost(&found),
        fine_tuning: [usize::try_from(study.options.epochs).unwrap_or(usize::MAX), study.options.seeds],
        unfinished: found.unfinished,
    }
}

fn networks(study: &Study<'_>) -> Vec<NetworkRecord> {
    let record = |network: &super::RankedNetwork| NetworkRecord {
        name: network.backbone.name.clone(),
        digest: network.backbone.weights_digest.clone(),
        parameters: parameters(&network.backbone),
        imagenet: network.imagenet,
        source_images: network.source_images,
    };
    study.networks.iter().map(record).collect()
}

impl Found {
    /// Accuracies after fine-tuning, by seed, and the seconds of all of them.
    fn tuned(&self, network: usize, set: usize) -> (Vec<f64>, f64) {
        let cells = self.tuned.iter().filter(|cell| (cell.0, cell.1) == (network, set));
        (cells.clone().map(|cell| cell.3.accuracy).collect(), cells.map(|cell| cell.3.seconds).sum())
    }

    /// The truth of a network on a set; after fine-tuning, once all seeds are there.
    fn truth(&self, study: &Study<'_>, truth: Truth, network: usize, set: usize) -> Option<f64> {
        match truth {
            Truth::Frozen => {
                let cell = self.judged.iter().find(|cell| (cell.0, cell.1) == (network, set))?;
                Some(cell.2.truth)
            }
            Truth::FineTuned => {
                let (accuracies, _) = self.tuned(network, set);
                (!accuracies.is_empty() && accuracies.len() == study.options.seeds).then(|| mean(&accuracies))
            }
        }
    }
}

fn of_set(study: &Study<'_>, found: &Found, set: usize) -> RankedSetRecord {
    let data = &study.sets[set];
    let of_network = |(network, _, judged): &(usize, usize, super::Judged)| {
        let (fine_tuned, tuning) = found.tuned(*network, set);
        let scores: f64 = judged.candidate.scores.iter().map(|one| one.seconds).sum();
        let [features, probe] = judged.candidate.seconds;
        OfNetwork {
            network: judged.candidate.name.clone(),
            scores: judged.candidate.scores.clone(),
            probe: judged.probe,
            frozen: judged.truth,
            fine_tuned,
            seconds: [features, probe, scores, tuning],
        }
    };
    RankedSetRecord {
        name: data.name.clone(),
        classes: data.table.classes.len(),
        rows: data.split().map(|rows| rows.len()),
        networks: found.judged.iter().filter(|cell| cell.1 == set).map(of_network).collect(),
    }
}

/// Every predictor against a truth, over the sets of which all networks are known.
fn of_truth(study: &Study<'_>, found: &Found, truth: Truth) -> TruthRecord {
    let networks = 0..study.networks.len();
    let is_whole = |set: &usize| {
        let known = |network: usize| {
            let judged = found.truth(study, Truth::Frozen, network, *set);
            judged.is_some() && found.truth(study, truth, network, *set).is_some()
        };
        networks.clone().all(known)
    };
    let sets: Vec<usize> = (0..study.sets.len()).filter(is_whole).collect();
    let all = Predictor::all();
    let pairs: Vec<Vec<Pairs>> = all.iter().map(|one| ordered(study, found, truth, *one, &sets)).collect();
    let mut predictors: Vec<PredictorRecord> =
        all.iter().zip(&pairs).map(|(predictor, pairs)| record(study, *predictor, pairs)).collect();
    let baselines = [Predictor::Parameters, Predictor::NEIGHBOUR].map(|baseline| {
        let at = all.iter().position(|one| *one == baseline);
        (baseline, at.and_then(|at| pairs.get(at)).map_or(&[][..], Vec::as_slice))
    });
    for (one, own) in predictors.iter_mut().zip(&pairs).filter(|(one, _)| one.predictor.is_claimed()) {
        let against = |(baseline, pairs): &(Predictor, &[Pairs])| {
            better_than(one.predictor, own, *baseline, pairs, study.options.seed)
        };
        one.claims = better_than_chance(one).into_iter().chain(baselines.iter().filter_map(against)).collect();
    }
    let tau = |record: &PredictorRecord| record.mean.as_ref().map_or(f64::NEG_INFINITY, |mean| mean.tau.value);
    predictors.sort_by(|a, b| tau(b).total_cmp(&tau(a)));
    TruthRecord { truth, sets: sets.into_iter().map(|set| study.sets[set].name.clone()).collect(), predictors }
}

/// What is foretold and what is true, set by set; sets that cannot be ordered are left out.
fn ordered(study: &Study<'_>, found: &Found, truth: Truth, predictor: Predictor, sets: &[usize]) -> Vec<Pairs> {
    let of_set = |set: &usize| {
        let cells = || found.judged.iter().filter(|cell| cell.1 == *set);
        let true_of = |network: usize| found.truth(study, truth, network, *set);
        let value = |cell: &(usize, usize, super::Judged)| {
            let foretold = predictor.value(&study.networks[cell.0], &cell.2)?;
            Some((cell.0, foretold, true_of(cell.0)?))
        };
        let best = cells().filter_map(|cell| true_of(cell.0)).fold(0.0, f64::max);
        Pairs { set: *set, values: cells().filter_map(value).collect(), best }
    };
    let can = |pairs: &Pairs| pairs.on_set("", study.networks).is_some();
    sets.iter().map(of_set).filter(can).collect()
}

fn record(study: &Study<'_>, predictor: Predictor, pairs: &[Pairs]) -> PredictorRecord {
    let on_set = |pairs: &Pairs| pairs.on_set(&study.sets[pairs.set].name, study.networks);
    let sets: Vec<super::OnSet> = pairs.iter().filter_map(on_set).collect();
    let of = |value: &dyn Fn(&super::OnSet) -> f64| sets.iter().map(value).collect::<Vec<f64>>();
    let mean = (!sets.is_empty()).then(|| PredictorMean {
        tau: over_sets(&of(&|one| one.tau), study.options.seed),
        null: null(pairs, study.options.seed),
        regret: mean(&of(&|one| one.regret)),
        relative: [0, 1, 2].map(|count| mean(&of(&|one| one.relative[count]))),
    });
    PredictorRecord { predictor, sets, mean, claims: Vec::new() }
}

fn better_than_chance(one: &PredictorRecord) -> Option<Contrast> {
    let mean = one.mean.as_ref()?;
    let of_interval = Verdict::of(mean.tau.value, mean.tau.low, mean.tau.high, SMALLEST);
    // Sets share their networks: beyond the interval over sets the mean has to exceed what random orders reach.
    let by_chance = of_interval == Verdict::Holds && mean.tau.value <= mean.null.threshold;
    let verdict = if by_chance { Verdict::CannotBeTold } else { told(of_interval, one.sets.len()) };
    let claim = format!("{} orders the networks better than chance", one.predictor.name());
    Some(Contrast { claim, estimate: mean.tau, sets: one.sets.len(), verdict })
}

/// The difference on the sets that both order, paired; the baseline orders the same networks.
fn better_than(
    predictor: Predictor,
    own: &[Pairs],
    baseline: Predictor,
    pairs: &[Pairs],
    seed: u64,
) -> Option<Contrast> {
    let difference = |own: &Pairs| {
        let other = pairs.iter().find(|other| other.set == own.set)?.among(own);
        Some(own.own_tau()? - other.own_tau()?)
    };
    let differences: Vec<f64> = own.iter().filter_map(difference).collect();
    let estimate = (!differences.is_empty()).then(|| over_sets(&differences, seed))?;
    let claim = format!("{} orders them better than the {}", predictor.name(), spoken(baseline));
    let verdict = told(Verdict::of(estimate.value, estimate.low, estimate.high, SMALLEST), differences.len());
    Some(Contrast { claim, estimate, sets: differences.len(), verdict })
}

/// A few sets, resampled, look more alike than sets are: nothing is told from them.
const fn told(verdict: Verdict, sets: usize) -> Verdict {
    if sets < FEWEST_SETS { Verdict::CannotBeTold } else { verdict }
}

const fn spoken(baseline: Predictor) -> &'static str {
    match baseline {
        Predictor::Score(_) => "nearest neighbour",
        other => other.name(),
    }
}

fn cost(found: &Found) -> RankedCost {
    let mut cost = RankedCost::default();
    for (network, set, judged) in &found.judged {
        let [features, heads] = judged.candidate.seconds;
        let scores: f64 = judged.candidate.scores.iter().map(|one| one.seconds).sum();
        cost.cells += 1;
        cost.features += features;
        cost.heads += heads;
        cost.scores += scores;
        let (accuracies, tuning) = found.tuned(*network, *set);
        if !accuracies.is_empty() {
            cost.tuned_cells += 1;
            cost.scores_of_tuned += features + scores;
            cost.tuning += tuning / accuracies.len() as f64;
        }
    }
    cost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(set: usize, networks: usize, foretold: impl Fn(usize) -> f64) -> Pairs {
        let values = (0..networks).map(|network| (network, foretold(network), network as f64 / 10.0)).collect();
        Pairs { set, values, best: 0.9 }
    }

    /// The baseline is held against a score on the networks that the score knows, and few sets give no verdict.
    #[test]
    fn a_baseline_orders_the_same_networks_and_few_sets_tell_nothing() {
        let own: Vec<Pairs> = (0..4).map(|set| pairs(set, 4, |network| network as f64)).collect();
        // Right on the four networks that both know, wrong on the others.
        let baseline: Vec<Pairs> =
            (0..4).map(|set| pairs(set, 9, |network| if network < 4 { network as f64 } else { -1.0 })).collect();
        let of = |own: &[Pairs]| better_than(Predictor::Probe, own, Predictor::Parameters, &baseline, 0).unwrap();
        assert_eq!((of(&own).estimate.value, of(&own).verdict), (0.0, Verdict::DoesNotHold));
        assert_eq!(of(&own[..3]).verdict, Verdict::CannotBeTold);
        assert!(better_than(Predictor::Probe, &own, Predictor::ImageNet, &[], 0).is_none());
    }
}
