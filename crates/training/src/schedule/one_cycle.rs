//! One cycle (Smith and Topin 2018) with the steps of PyTorch's `OneCycleLR`: two half cosines, the first of which ends at step
//! `share * total - 1` and the second at the last step.

use std::f64::consts::PI;

/// The rate of step `step` of `total`.
pub(super) fn rate(peak: f64, step: u64, total: u64, share: f64, start_divisor: f64, end_divisor: f64) -> f64 {
    let start = peak / start_divisor;
    let end = start / end_divisor;
    let last = total.saturating_sub(1) as f64;
    let top = (share * total as f64 - 1.0).max(0.0);
    let step = (step as f64).min(last);
    if step <= top && top > 0.0 { anneal(start, peak, step / top) } else { anneal(peak, end, fall(step, top, last)) }
}

/// Share of the way down.
fn fall(step: f64, top: f64, last: f64) -> f64 {
    if last > top { (step - top) / (last - top) } else { 1.0 }
}

/// Half a cosine from `from` to `to`.
fn anneal(from: f64, to: f64, share: f64) -> f64 {
    to + 0.5 * (from - to) * (1.0 + (PI * share).cos())
}
