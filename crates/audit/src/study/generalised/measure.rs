//! From classes to accuracies and gains with intervals.

use heirloom_data::augment::{Draws, Key};
use heirloom_transfer::fit::Share;

use crate::{Difference, Level, paired_difference};

/// Resamples behind an interval of a mean over targets.
const REPLICATES: usize = 1000;

/// How often each row of a target was answered right, 0 to 1, over seeds.
pub(super) fn right(found: &[Vec<usize>], truth: &[usize]) -> Vec<f64> {
    let of = |row: usize| found.iter().filter(|labels| labels[row] == truth[row]).count() as f64 / found.len() as f64;
    (0..truth.len()).map(of).collect()
}

/// Accuracy on all rows.
pub(super) fn accuracy(right: &[f64]) -> Share {
    Share::rate(mean(right), right.len())
}

/// What one way has beyond another on the same rows.
pub(super) fn gain(own: &[f64], control: &[f64], seed: u64) -> Difference {
    let none = Difference { value: 0.0, low: 0.0, high: 0.0 };
    if own == control {
        return none;
    }
    let differences: Vec<f64> = own.iter().zip(control).map(|(own, control)| own - control).collect();
    paired_difference(&differences, Level::of(1), seed).unwrap_or(none)
}

/// The same on the mean over targets, each as `[own, control]`; rows are resampled within each target.
pub(super) fn average(targets: &[[&[f64]; 2]], seed: u64) -> (f64, Difference) {
    let count = targets.len().max(1) as f64;
    let accuracy = targets.iter().map(|[own, _]| mean(own)).sum::<f64>() / count;
    let differences: Vec<Vec<f64>> = targets
        .iter()
        .map(|[own, control]| own.iter().zip(*control).map(|(own, other)| own - other).collect())
        .collect();
    let value = differences.iter().map(|rows| mean(rows)).sum::<f64>() / count;
    let mut draws = Draws::of_image(Key { seed, epoch: REPLICATES as u64, row: targets.len() });
    let mut resampled: Vec<f64> = (0..REPLICATES)
        .map(|_| differences.iter().map(|rows| drawn_mean(rows, &mut draws)).sum::<f64>() / count)
        .collect();
    resampled.sort_by(f64::total_cmp);
    let [low, high] = [0.025, 0.975].map(|end: f64| resampled[(end * (REPLICATES - 1) as f64).round() as usize]);
    (accuracy, Difference { value, low: low.min(value), high: high.max(value) })
}

fn drawn_mean(rows: &[f64], draws: &mut Draws) -> f64 {
    (0..rows.len()).map(|_| rows[draws.below(rows.len())]).sum::<f64>() / rows.len().max(1) as f64
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
