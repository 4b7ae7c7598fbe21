//! The line between two runs, kept so that its barrier can be measured on any resample of the test images.

use serde::{Deserialize, Serialize};

use crate::diff::{Curve, Walk, rise};

/// Answers along a line. Points run from beyond the first end to beyond the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// Place of each point, 0 at the first end and 1 at the second.
    pub shares: Vec<f64>,
    /// With the statistics that lie between.
    pub as_is: Vec<Option<Point>>,
    /// With statistics measured anew; empty for a network without batch norms.
    pub anew: Vec<Option<Point>>,
}

/// One point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Point {
    /// A letter for each test image: `+` where it is answered right, `-` else.
    pub right: String,
    /// Mean cross-entropy, in nats.
    pub loss: f64,
}

impl Line {
    pub fn of(walk: &Walk) -> Self {
        let points = |curve: &Curve| curve.iter().map(|(_, answered)| answered.as_ref().map(point)).collect();
        let shares = walk.as_is.iter().map(|(share, _)| *share).collect();
        Self { shares, as_is: points(&walk.as_is), anew: points(&walk.anew) }
    }

    /// The points that count: with statistics measured anew where there are any.
    pub fn points(&self) -> &[Option<Point>] {
        if self.anew.is_empty() { &self.as_is } else { &self.anew }
    }

    /// Accuracy at every point where each image counts as often as said.
    pub fn accuracies(&self, times: Option<&[u16]>) -> Vec<(f64, Option<f64>)> {
        let of = |point: &Option<Point>| point.as_ref().and_then(|point| share(&point.right, times, |_| true));
        self.shares.iter().copied().zip(self.points().iter().map(of)).collect()
    }

    /// How far accuracy falls below the straight line between the ends: where it falls most is found on the even images, how far on the
    /// odd ones. A point without numbers is as far as can be.
    pub fn barrier(&self, times: Option<&[u16]>) -> Option<f64> {
        self.barrier_of(self.points(), times)
    }

    /// The same with the statistics that lie between.
    pub fn barrier_as_is(&self, times: Option<&[u16]>) -> Option<f64> {
        self.barrier_of(&self.as_is, times)
    }

    fn barrier_of(&self, points: &[Option<Point>], times: Option<&[u16]>) -> Option<f64> {
        let wrong = |half: usize| -> Vec<(f64, Option<f64>)> {
            let of = |point: &Option<Point>| {
                let point = point.as_ref()?;
                share(&point.right, times, |image| image % 2 == half).map(|right| 1.0 - right)
            };
            self.shares.iter().copied().zip(points.iter().map(of)).collect()
        };
        let found = rise(&wrong(0))?;
        let judged = wrong(1);
        let end = |at: f64| judged.iter().find(|(share, _)| *share == at).and_then(|(_, wrong)| *wrong);
        let (share, at) = judged.get(found.point)?;
        let line = (1.0 - share) * end(0.0)? + share * end(1.0)?;
        Some(at.unwrap_or(1.0) - line)
    }

    /// Accuracy halfway less the mean of both ends.
    pub fn average(&self, times: Option<&[u16]>) -> Option<f64> {
        let accuracies = self.accuracies(times);
        let at = |place: f64| accuracies.iter().find(|(share, _)| *share == place).and_then(|(_, value)| *value);
        Some(at(0.5)? - f64::midpoint(at(0.0)?, at(1.0)?))
    }
}

fn point(answered: &crate::diff::Answered) -> Point {
    Point {
        right: letters(&answered.right),
        loss: answered.losses.iter().sum::<f64>() / answered.losses.len().max(1) as f64,
    }
}

/// A letter for each image, from 1 and 0.
pub(super) fn letters(right: &[f64]) -> String {
    right.iter().map(|right| if *right > 0.0 { '+' } else { '-' }).collect()
}

/// Share of some images that are right, each counted as often as said; `None` where none is counted.
pub(super) fn share(right: &str, times: Option<&[u16]>, among: impl Fn(usize) -> bool) -> Option<f64> {
    let (mut part, mut all) = (0.0, 0.0);
    for (image, letter) in right.bytes().enumerate().filter(|(image, _)| among(*image)) {
        let weight = times.map_or(1.0, |times| f64::from(times.get(image).copied().unwrap_or(0)));
        all += weight;
        part += if letter == b'+' { weight } else { 0.0 };
    }
    (all > 0.0).then(|| part / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(right: [&str; 3]) -> Line {
        let point = |right: &str| Some(Point { right: right.to_owned(), loss: 0.0 });
        Line { shares: vec![0.0, 0.5, 1.0], as_is: right.map(point).to_vec(), anew: Vec::new() }
    }

    #[test]
    fn a_barrier_is_found_on_even_images_and_measured_on_odd_ones() {
        // Even images say that the middle is the worst place; of the odd ones, half are wrong there.
        let found = line(["++++", "--- +".replace(' ', "").as_str(), "++++"]);
        assert_eq!(found.barrier(None), Some(0.5));
        assert_eq!(found.barrier(Some(&[1, 0, 1, 1])), Some(0.0));
        assert_eq!(found.average(None), Some(-0.75));
        // The best a curve can do on the even images is no barrier.
        assert_eq!(line(["++++", "++++", "++++"]).barrier(None), Some(0.0));
    }

    #[test]
    fn a_point_without_numbers_is_as_far_as_can_be() {
        let mut broken = line(["++++", "++++", "++++"]);
        broken.as_is[1] = None;
        assert_eq!(broken.barrier(None), Some(1.0));
        assert_eq!(broken.average(None), None);
    }
}
