//! Whether an image is unlike those a head was fitted on: its distance to the nearest of them in feature space.
//!
//! The score is the cosine distance `1 - cos` to the `k`-th nearest reference image (deep nearest neighbours, Sun et al. 2022,
//! arXiv 2204.06507). The threshold is chosen so that 5 % of the own images, each compared with the others, lie beyond it.

use serde::{Deserialize, Serialize};

use crate::extract::Request;
use crate::features::dot;
use crate::{Features, Pooling};

/// Share of the own images that lie beyond the threshold.
pub const BEYOND: f64 = 0.05;
/// Most reference images kept: evenly spaced ones of the rows fitted on.
pub const MOST_REFERENCES: usize = 2000;
/// Which neighbour is looked at; a lower one where there are few references.
const NEIGHBOUR: usize = 5;
/// Fewest images that a threshold can be taken from: below, 5 % of them is no image at all.
const FEWEST: usize = 20;

/// The images a head was fitted on, as far as they are needed to tell a stranger.
#[derive(Debug, Clone, PartialEq)]
pub struct Unfamiliar {
    /// The tap compared.
    pub tap: String,
    /// How it is pooled.
    pub pooling: Pooling,
    /// Columns.
    pub width: usize,
    /// Which neighbour is looked at, from 1.
    pub neighbour: usize,
    /// Scores above this are unfamiliar.
    pub threshold: f32,
    /// Features of the reference images, each of length 1: `[references, width]`.
    pub references: Vec<f32>,
}

/// The part of it that is written as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UnfamiliarRecord {
    pub tap: String,
    pub pooling: Pooling,
    pub width: usize,
    pub references: usize,
    pub neighbour: usize,
    pub threshold: f32,
    /// Share of the own images beyond the threshold; for the reader of the file.
    pub beyond: f64,
}

impl Unfamiliar {
    /// Takes the references and the threshold from `rows` of the block `request` of `features`. `None` when there is no such
    /// block or there are fewer than 20 rows.
    #[must_use]
    pub fn fit(features: &Features, request: &Request, rows: &[usize]) -> Option<Self> {
        let (tap, pooling) = request;
        let block = features.blocks.iter().find(|block| block.tap == *tap && block.pooling == *pooling)?;
        let count = rows.len().min(MOST_REFERENCES);
        if count < FEWEST || block.width == 0 {
            return None;
        }
        let mut references = Vec::with_capacity(count * block.width);
        for index in 0..count {
            let row = rows[index * rows.len() / count];
            references.extend_from_slice(block.values.get(row * block.width..(row + 1) * block.width)?);
        }
        references.chunks_exact_mut(block.width).for_each(to_unit_length);
        let mut unfamiliar = Self {
            tap: tap.clone(),
            pooling: *pooling,
            width: block.width,
            neighbour: NEIGHBOUR,
            threshold: f32::INFINITY,
            references,
        };
        unfamiliar.set_threshold();
        Some(unfamiliar)
    }

    /// Chooses the threshold by the references as they are.
    pub(crate) fn set_threshold(&mut self) {
        self.threshold = self.own_threshold(self.references.len() / self.width.max(1));
    }

    /// The score that 5 % of the references exceed, each compared with the others.
    fn own_threshold(&self, count: usize) -> f32 {
        let row = |index: usize| &self.references[index * self.width..(index + 1) * self.width];
        let mut scores: Vec<f32> = (0..count).map(|index| self.distance(row(index), Some(index))).collect();
        scores.sort_unstable_by(f32::total_cmp);
        let beyond = (count as f64 * BEYOND).floor() as usize;
        scores[count - 1 - beyond]
    }

    /// What has to be read from the network.
    #[must_use]
    pub fn request(&self) -> Request {
        (self.tap.clone(), self.pooling)
    }

    /// Score of one image from its features `[width]`: 0 for the same direction as its neighbours, 2 for the opposite one.
    #[must_use]
    pub fn score(&self, features: &[f32]) -> f32 {
        let mut features = features.to_vec();
        to_unit_length(&mut features);
        self.distance(&features, None)
    }

    /// Whether a score is beyond the threshold.
    #[must_use]
    pub fn is_unfamiliar(&self, score: f32) -> bool {
        score > self.threshold
    }

    fn distance(&self, features: &[f32], without: Option<usize>) -> f32 {
        let references = self.references.chunks_exact(self.width.max(1)).enumerate();
        let others = references.filter(|(index, _)| Some(*index) != without);
        let mut nearest: Vec<f32> = others.map(|(_, reference)| dot(reference, features)).collect();
        let last = self.neighbour.clamp(1, nearest.len().max(1)) - 1;
        if nearest.is_empty() {
            return f32::INFINITY;
        }
        let (_, cosine, _) = nearest.select_nth_unstable_by(last, |a, b| b.total_cmp(a));
        1.0 - *cosine
    }

    pub(super) fn record(&self) -> UnfamiliarRecord {
        UnfamiliarRecord {
            tap: self.tap.clone(),
            pooling: self.pooling,
            width: self.width,
            references: self.references.len() / self.width.max(1),
            neighbour: self.neighbour,
            threshold: self.threshold,
            beyond: BEYOND,
        }
    }
}

/// Divides by the Euclidean length; a zero vector stays.
fn to_unit_length(values: &mut [f32]) {
    let length = values.iter().map(|value| f64::from(*value) * f64::from(*value)).sum::<f64>().sqrt();
    if length > 0.0 {
        values.iter_mut().for_each(|value| *value = (f64::from(*value) / length) as f32);
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;

    use super::*;
    use crate::Block;

    /// `count` images around a direction each of `[1, 0, 0]` and `[0, 1, 0]`.
    fn features(count: usize) -> Features {
        let row = |index: usize| {
            let spread = ((index * 37) % 101) as f32 / 500.0;
            if index.is_multiple_of(2) { [1.0, spread, 0.0] } else { [spread, 1.0, 0.0] }
        };
        let values = (0..count).flat_map(row).collect();
        let shape = Shape::Vector { channels: 3 };
        let block = Block { tap: "pre_logits".into(), shape, pooling: Pooling::MEAN, width: 3, values };
        Features { rows: count, blocks: vec![block] }
    }

    #[test]
    fn one_in_twenty_of_the_own_images_is_beyond() {
        let (features, rows) = (features(400), (0..400).collect::<Vec<_>>());
        let unfamiliar = Unfamiliar::fit(&features, &("pre_logits".into(), Pooling::MEAN), &rows).unwrap();
        let row = |index: usize| &unfamiliar.references[index * 3..index * 3 + 3];
        let beyond = (0..400).filter(|i| unfamiliar.is_unfamiliar(unfamiliar.distance(row(*i), Some(*i)))).count();
        assert!(beyond <= 20, "{beyond}");
        assert!(unfamiliar.is_unfamiliar(unfamiliar.score(&[0.0, 0.0, 1.0])));
        assert!(!unfamiliar.is_unfamiliar(unfamiliar.score(&[7.0, 0.5, 0.0])));
    }

    #[test]
    fn few_images_tell_nothing_and_many_are_thinned() {
        let request = ("pre_logits".to_string(), Pooling::MEAN);
        assert_eq!(Unfamiliar::fit(&features(19), &request, &(0..19).collect::<Vec<_>>()), None);
        assert_eq!(Unfamiliar::fit(&features(30), &("x".into(), Pooling::MEAN), &[0; 30]), None);
        let many = Unfamiliar::fit(&features(5000), &request, &(0..5000).collect::<Vec<_>>()).unwrap();
        assert_eq!(many.references.len(), MOST_REFERENCES * 3);
    }
}
