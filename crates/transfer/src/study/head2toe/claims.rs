//! What all targets together say of the claims, which were written before the first run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::correlation::{Correlation, correlation};
use super::oracle::{Beside, Oracle};
use super::record::{Claim, TargetResult, Trend};
use super::relation::Pairs;
use crate::compare::bootstrap::middle;
use crate::study::Verdict;

/// Correlation of affinity and gain that is worth speaking of.
const SMALLEST_CORRELATION: f64 = 0.5;
/// Points that head2toe may lose on a near target.
const MARGIN: f64 = 2.0;
/// Group of targets on which head2toe must lose nothing.
const NEAR: &str = "near";
/// Mean gain of the oracle over a control that is worth speaking of, in points.
const SMALLEST_ORACLE: f64 = 1.0;
/// Mean loss from the first window of ranks to the last that is worth speaking of, in points.
const SMALLEST_LOSS: f64 = 2.0;
/// Resamples of targets.
const REPLICATES: usize = 2000;

/// How affinity and gain hang together on each network.
pub(super) fn trends(networks: &[String], pairs: &[&Pairs], seed: u64) -> Vec<Trend> {
    let trend = |network: &String| {
        let of =
            || pairs.iter().flat_map(|pairs| pairs.iter()).filter(|(name, _)| name == network).map(|(_, pair)| pair);
        let whole: Vec<_> = of().filter_map(|pair| Some((pair.affinity.clone()?.1, pair.gain.1.clone()))).collect();
        let halves: Vec<_> = of().filter_map(|pair| pair.halves.clone()).collect();
        Trend { network: network.clone(), all_rows: correlation(&whole, seed), halves: correlation(&halves, seed) }
    };
    networks.iter().map(trend).collect()
}

/// Every claim that there are figures for.
pub(super) fn claims(results: &[&TargetResult], trends: &[Trend], seed: u64) -> Vec<Claim> {
    let mut claims: Vec<Claim> = trends.iter().filter_map(affinity).collect();
    claims.extend(trends.iter().filter_map(|trend| near(results, &trend.network)));
    claims.extend(ranking(results, seed));
    claims.extend(oracle(results, seed, "another network's layers", |oracle| Some(&oracle.other)));
    claims.extend(oracle(results, seed, "random features of the last layer", |oracle| Some(&oracle.random)));
    claims
}

/// The gain grows as affinity falls.
fn affinity(trend: &Trend) -> Option<Claim> {
    let (whole, halves) = (trend.all_rows?, trend.halves?);
    let words = |found: Correlation| format!("{:+.2} ({:+.2} to {:+.2})", found.value, found.low, found.high);
    Some(Claim {
        claim: format!("{}: head2toe gains the more over linear the lower the affinity of the target", trend.network),
        found: format!(
            "rank correlation over {} targets, affinity from one half of the test images and gain from the other: {}; both from all: {}",
            halves.n,
            words(halves),
            words(whole)
        ),
        verdict: Verdict::of(-halves.value, -halves.high, -halves.low, SMALLEST_CORRELATION),
    })
}

/// Nothing is lost on near targets.
fn near(results: &[&TargetResult], network: &str) -> Option<Claim> {
    let near = results.iter().filter(|result| result.group == NEAR);
    let gains: Vec<(&str, crate::compare::Gap)> = near
        .filter_map(|result| {
            let relation = result.relations.iter().find(|relation| relation.network == network)?;
            Some((result.name.as_str(), relation.gain))
        })
        .collect();
    let verdicts = gains.iter().map(|(_, gain)| Verdict::not_below(100.0 * gain.low, 100.0 * gain.high, MARGIN));
    let verdicts: Vec<Verdict> = verdicts.collect();
    let worst =
        [Verdict::DoesNotHold, Verdict::CannotBeTold, Verdict::Holds].into_iter().find(|one| verdicts.contains(one))?;
    let words = |(name, gain): &(&str, crate::compare::Gap)| {
        format!("{name} {:+.1} ({:+.1} to {:+.1})", 100.0 * gain.value, 100.0 * gain.low, 100.0 * gain.high)
    };
    Some(Claim {
        claim: format!("{network}: head2toe loses less than {MARGIN} points against linear on every near target"),
        found: gains.iter().map(words).collect::<Vec<_>>().join(", "),
        verdict: worst,
    })
}

/// Columns of better ranks do better.
fn ranking(results: &[&TargetResult], seed: u64) -> Option<Claim> {
    let with: Vec<&&TargetResult> = results.iter().filter(|result| result.windows.len() > 1).collect();
    let windows = with.iter().map(|result| result.windows.len()).min()?;
    let at = |window: usize| with.iter().map(|result| 100.0 * result.windows[window].accuracy).collect::<Vec<f64>>();
    let loss: Vec<f64> = at(0).iter().zip(at(windows - 1)).map(|(first, last)| first - last).collect();
    let (mean, low, high) = mean_of_targets(&loss, seed);
    let series: Vec<String> = (0..windows).map(|window| format!("{:.1}", average(&at(window)))).collect();
    Some(Claim {
        claim: "accuracy falls from the best run of 2048 ranks to later ones".to_owned(),
        found: format!(
            "mean over {} targets by run: {}; first less last {mean:+.1} points ({low:+.1} to {high:+.1})",
            with.len(),
            series.join(", ")
        ),
        verdict: Verdict::of(mean, low, high, SMALLEST_LOSS),
    })
}

/// The best layer of the network itself brings more than a control of the same width.
fn oracle(
    results: &[&TargetResult],
    seed: u64,
    control_name: &str,
    control: impl Fn(&Oracle) -> Option<&Vec<Beside>>,
) -> Option<Claim> {
    let of: Vec<(f64, f64, f64)> = results
        .iter()
        .filter_map(|result| {
            let oracle = result.oracle.as_ref()?;
            let other = control(oracle).filter(|list| !list.is_empty())?;
            let chosen = Oracle::chosen(&oracle.taps).map_or(0.0, |beside| beside.gain);
            Some((Oracle::best(&oracle.taps), chosen, Oracle::best(other)))
        })
        .collect();
    let gap: Vec<f64> = of.iter().map(|(own, _, other)| own - other).collect();
    if gap.len() < 2 {
        return None;
    }
    let (mean, low, high) = mean_of_targets(&gap, seed);
    let column = |pick: &dyn Fn(&(f64, f64, f64)) -> f64| average(&of.iter().map(pick).collect::<Vec<f64>>());
    Some(Claim {
        claim: format!("the best layer beside the last brings more than {control_name}"),
        found: format!(
            "mean over {} targets, each best taken by test accuracy: {:+.1} points against {:+.1}, difference {mean:+.1} ({low:+.1} to {high:+.1}); \
             the layer that cross-validation takes: {:+.1}",
            of.len(),
            column(&|one| one.0),
            column(&|one| one.2),
            column(&|one| one.1),
        ),
        verdict: Verdict::of(mean, low, high, SMALLEST_ORACLE),
    })
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Mean over targets with the 95 % interval of resampled targets.
fn mean_of_targets(values: &[f64], seed: u64) -> (f64, f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = || {
        let pick = |_| values[(random.next_u64() % values.len() as u64) as usize];
        average(&(0..values.len()).map(pick).collect::<Vec<f64>>())
    };
    let (low, high) = middle((0..REPLICATES).map(|_| drawn()).collect());
    (average(values), low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_lies_in_its_interval_which_is_that_of_the_normal_distribution() {
        let values: Vec<f64> = (0..40).map(|at| f64::from(at % 8)).collect();
        let (mean, low, high) = mean_of_targets(&values, 0);
        // Standard deviation 2.29 over the root of 40 is 0.362; 1.96 of it 0.71.
        assert!((mean - 3.5).abs() < 1e-12 && (mean - low - 0.71).abs() < 0.08 && (high - mean - 0.71).abs() < 0.08);
    }
}
