//! How well an order agrees with the truth, set by set and on the mean, beside what orders drawn at random give.

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::ranking::weighted_kendall;

use super::record::{Null, OnSet};
use super::{FEWEST, RankedNetwork};
use crate::study::Estimate;

/// Resamples of the sets, and random orders.
const REPLICATES: usize = 2000;
/// The ends of an interval.
const ENDS: [f64; 2] = [0.025, 0.975];

/// What is foretold and what is true of the networks on one set.
#[derive(Debug, Clone)]
pub(super) struct Pairs {
    /// Place of the set.
    pub set: usize,
    /// Network, what is foretold of it, its test accuracy; in order of networks.
    pub values: Vec<(usize, f64, f64)>,
    /// The largest accuracy of all networks, those without a value included.
    pub best: f64,
}

impl Pairs {
    fn tau(&self, value: impl Fn(usize, f64) -> f64) -> Option<f64> {
        let foretold: Vec<f64> = self.values.iter().map(|(network, foretold, _)| value(*network, *foretold)).collect();
        let truth: Vec<f64> = self.values.iter().map(|(_, _, truth)| *truth).collect();
        weighted_kendall(&foretold, &truth)
    }

    /// Tau of what is foretold.
    pub fn own_tau(&self) -> Option<f64> {
        self.tau(|_, foretold| foretold)
    }

    /// The same of the networks that `other` has.
    pub fn among(&self, other: &Self) -> Self {
        let has = |network: usize| other.values.iter().any(|one| one.0 == network);
        Self { values: self.values.iter().copied().filter(|one| has(one.0)).collect(), ..*self }
    }

    /// Agreement on the set; `None` with too few networks, or where all values are equal.
    pub fn on_set(&self, name: &str, networks: &[RankedNetwork]) -> Option<OnSet> {
        let tau = self.own_tau().filter(|_| self.values.len() >= FEWEST)?;
        let mut order: Vec<&(usize, f64, f64)> = self.values.iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let best_of = |count: usize| order.iter().take(count).map(|one| one.2).fold(0.0, f64::max);
        let relative = [1, 2, 3].map(|count| if self.best > 0.0 { best_of(count) / self.best } else { 0.0 });
        Some(OnSet {
            set: name.to_owned(),
            networks: self.values.len(),
            tau,
            first: order.first().and_then(|one| networks.get(one.0)).map(|one| one.backbone.name.clone())?,
            regret: self.best - best_of(1),
            relative,
        })
    }
}

/// The mean with its interval over resampled sets.
pub(super) fn over_sets(values: &[f64], seed: u64) -> Estimate {
    let value = mean(values);
    let mut means: Vec<f64> = (0..REPLICATES)
        .map(|replicate| {
            let mut draws = Draws::of_image(Key { seed, epoch: replicate as u64, row: values.len() });
            let drawn: Vec<f64> = values.iter().map(|_| values[draws.below(values.len())]).collect();
            mean(&drawn)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let [low, high] = ENDS.map(|end| at(&means, end));
    Estimate { value, low: low.min(value), high: high.max(value) }
}

/// What orders drawn at random give against the truth of these sets.
pub(super) fn null(sets: &[Pairs], seed: u64) -> Null {
    let (mut single, mut own, mut one) = (Vec::new(), Vec::new(), Vec::new());
    let networks = sets.iter().flat_map(|pairs| &pairs.values).map(|value| value.0 + 1).max().unwrap_or(0);
    for replicate in 0..REPLICATES {
        let mut draws = Draws::of_image(Key { seed, epoch: replicate as u64, row: networks });
        let mut order = || (0..networks).map(|_| draws.unit()).collect::<Vec<f64>>();
        let same = order();
        let taus = |order: &[f64], pairs: &Pairs| pairs.tau(|network, _| order[network]);
        let of_sets: Vec<f64> = sets.iter().filter_map(|pairs| taus(&order(), pairs)).collect();
        one.push(mean(&sets.iter().filter_map(|pairs| taus(&same, pairs)).collect::<Vec<f64>>()));
        own.push(mean(&of_sets));
        single.extend(of_sets);
    }
    let upper = |values: &mut Vec<f64>| {
        values.sort_by(f64::total_cmp);
        at(values, ENDS[1])
    };
    let spreads = [&single, &own, &one].map(|values| spread(values));
    let threshold = upper(&mut own).max(upper(&mut one));
    Null { one_set: spreads[0], own_orders: spreads[1], one_order: spreads[2], threshold }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn spread(values: &[f64]) -> f64 {
    let middle = mean(values);
    (values.iter().map(|value| (value - middle).powi(2)).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

fn at(sorted: &[f64], share: f64) -> f64 {
    sorted.get((share * sorted.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(set: usize, networks: usize) -> Pairs {
        let truth = |network: usize| 0.5 + 0.01 * ((network * 7 + set * 3) % networks) as f64;
        let values: Vec<(usize, f64, f64)> =
            (0..networks).map(|network| (network, truth(network), truth(network))).collect();
        let best = values.iter().map(|one| one.2).fold(0.0, f64::max);
        Pairs { set, values, best }
    }

    /// The spreads of random orders that `spec/model-selection.md` section 3.1 gives: 0.294 for 10 networks, 0.277 for 11.
    #[test]
    fn random_orders_spread_as_the_specification_says() {
        for (networks, expected) in [(10, 0.294), (11, 0.277)] {
            let found = null(&[pairs(0, networks)], 1);
            assert!((found.one_set - expected).abs() < 0.015, "{networks}: {found:?}");
        }
        // Over independent orders the mean of four sets has half the spread; one order for sets of the same truth has all of it.
        let same: Vec<Pairs> = (0..4).map(|_| pairs(0, 10)).collect();
        let found = null(&same, 1);
        assert!((found.own_orders - 0.147).abs() < 0.01 && (found.one_order - 0.294).abs() < 0.015, "{found:?}");
        assert!((found.threshold - 0.57).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn the_truth_itself_agrees_wholly_and_its_opposite_gives_all_up() {
        let right = pairs(1, 9);
        assert!((right.tau(|_, foretold| foretold).unwrap() - 1.0).abs() < 1e-12);
        assert!(right.tau(|_, foretold| -foretold).unwrap() < -0.99);
        let found = over_sets(&[0.2, 0.4, 0.6], 0);
        assert!((found.value - 0.4).abs() < 1e-12 && found.low >= 0.2 && found.high <= 0.6 && found.low < found.high);
    }
}
