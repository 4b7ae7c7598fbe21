//! From the answers along a line to what is told of it.

use heirloom_training::random::generator;
use heirloom_transfer::fit::Share;

use super::answered::{Answered, Curve};
use super::{Average, Barrier, BarrierVerdict, DENT, Judged, PathPoint, PathRecord, Walk, rise};
use crate::{Difference, Level, paired_difference};

pub fn record(walk: &Walk, seed: u64) -> PathRecord {
    let Walk { as_is, anew, statistics_images } = walk;
    let judged = |answered: &Answered| Judged {
        accuracy: share_right(&answered.right),
        loss: answered.losses.iter().sum::<f64>() / answered.losses.len().max(1) as f64,
    };
    let point = |(place, (share, answered)): (usize, &(f64, Option<Answered>))| PathPoint {
        share: *share,
        as_is: answered.as_ref().map(judged),
        anew: anew.get(place).and_then(|(_, answered)| answered.as_ref()).map(judged),
    };
    let points: Vec<PathPoint> = as_is.iter().enumerate().map(point).collect();
    let images = as_is.iter().find_map(|(_, answered)| answered.as_ref()).map_or(0, |answered| answered.right.len());
    let best = if statistics_images.is_some() { anew } else { as_is };
    PathRecord {
        images,
        statistics_images: *statistics_images,
        points,
        as_is: barrier(as_is, seed),
        anew: barrier(anew, seed),
        average: average(best, as_is, seed),
    }
}

/// The barrier of a curve: its place is chosen on one half of the images, its height measured on the other.
fn barrier(curve: &Curve, seed: u64) -> Option<Barrier> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let loss = |answered: &Option<Answered>| answered.as_ref().map(|answered| mean(&answered.losses));
    let losses: Vec<(f64, Option<f64>)> = curve.iter().map(|(share, answered)| (*share, loss(answered))).collect();
    let images = curve.iter().find_map(|(_, answered)| answered.as_ref()).map_or(0, |answered| answered.right.len());
    // Tables list their images by class more often than not: halves by place would be of other classes.
    let mut order: Vec<usize> = (0..images).collect();
    generator(seed, "halves of images", &[]).shuffle(&mut order);
    let (screening, reported) = order.split_at(images / 2);
    let of = |right: &[f64], images: &[usize]| images.iter().map(|image| right[*image]).collect::<Vec<f64>>();
    let wrong = |answered: &Option<Answered>| answered.as_ref().map(|one| 1.0 - mean(&of(&one.right, screening)));
    let chosen: Vec<(f64, Option<f64>)> = curve.iter().map(|(share, answered)| (*share, wrong(answered))).collect();
    let chosen = rise(&chosen)?;
    let (share, answered) = curve.get(chosen.point)?;
    let end = |at: f64| curve.iter().find(|(share, _)| *share == at).and_then(|(_, answered)| answered.as_ref());
    let (first, second) = (end(0.0)?, end(1.0)?);
    let fall = answered.as_ref().and_then(|answered| {
        let lost = |at: &usize| (1.0 - share) * first.right[*at] + share * second.right[*at] - answered.right[*at];
        paired_difference(&reported.iter().map(lost).collect::<Vec<f64>>(), Level::of(1), seed)
    });
    let height = rise(&losses).map(|rise| rise.height).filter(|height| height.is_finite());
    Some(Barrier { loss: height, at: *share, fall, verdict: verdict(fall) })
}

/// Share of images that are answered right, each 1 or 0.
pub fn share_right(right: &[f64]) -> Share {
    Share::of(right.iter().filter(|right| **right > 0.0).count(), right.len())
}

fn verdict(fall: Option<Difference>) -> BarrierVerdict {
    match fall {
        // Where a point cannot be told, the line leaves what the network can compute.
        None => BarrierVerdict::Barrier,
        Some(fall) if fall.low > DENT => BarrierVerdict::Barrier,
        Some(fall) if fall.value <= DENT => BarrierVerdict::None,
        Some(_) => BarrierVerdict::Unclear,
    }
}

fn average(curve: &Curve, ends: &Curve, seed: u64) -> Option<Average> {
    let at = |curve: &'_ Curve, share: f64| {
        let found = curve.iter().find(|point| point.0 == share).and_then(|point| point.1.as_ref());
        found.map(|answered| answered.right.clone())
    };
    let middle = at(curve, 0.5)?;
    let over = |share: f64| {
        let end = at(ends, share)?;
        let differences: Vec<f64> = middle.iter().zip(&end).map(|(middle, end)| middle - end).collect();
        paired_difference(&differences, Level::of(1), seed)
    };
    Some(Average { accuracy: share_right(&middle), over_first: over(0.0), over_second: over(1.0) })
}
