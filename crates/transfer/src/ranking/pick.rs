//! Which candidates may be the best: ranks by the probe with intervals, from images resampled for all candidates alike.

use heirloom_data::augment::{Draws, Key};
use serde::{Deserialize, Serialize};

use crate::fit::Share;

/// Resamples of the images.
const REPLICATES: usize = 2000;

/// A candidate's rank by the probe.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Picked {
    /// Accuracy of the probe, with the interval of resampled images.
    pub accuracy: Share,
    /// Rank, 1 the best; equals share the better rank.
    pub rank: usize,
    /// Between these lies the rank in 95 of 100 resamples.
    pub ranks: [usize; 2],
    /// Share of the resamples in which it is first.
    pub first: f64,
    /// Accuracy that taking it gives up against the best in each resample, mean.
    pub regret: f64,
    /// Whether its accuracy cannot be told from that of the first: 0 lies in the interval of the difference.
    pub in_set: bool,
}

/// Ranks of candidates from whether each image was answered right, `[candidate][image]`; all lists have one length.
#[must_use]
pub fn pick(right: &[&[bool]], seed: u64) -> Vec<Picked> {
    let images = right.first().map_or(0, |list| list.len());
    let accuracies = |times: &[u16]| -> Vec<f64> {
        let of = |list: &&[bool]| {
            list.iter().zip(times).filter(|(right, _)| **right).map(|(_, times)| f64::from(*times)).sum::<f64>()
        };
        right.iter().map(|list| of(list) / images.max(1) as f64).collect()
    };
    let whole = accuracies(&vec![1; images]);
    let resampled: Vec<Vec<f64>> =
        (0..REPLICATES).map(|replicate| accuracies(&drawn(images, replicate, seed))).collect();
    let leader = (0..whole.len()).fold(0, |best, at| if whole[at] > whole[best] { at } else { best });
    (0..right.len()).map(|candidate| picked(candidate, leader, &whole, &resampled, images)).collect()
}

/// How often each image is in a resample.
fn drawn(images: usize, replicate: usize, seed: u64) -> Vec<u16> {
    let mut draws = Draws::of_image(Key { seed, epoch: replicate as u64, row: images });
    let mut times = vec![0_u16; images];
    (0..images).for_each(|_| times[draws.below(images)] += 1);
    times
}

fn picked(candidate: usize, leader: usize, whole: &[f64], resampled: &[Vec<f64>], images: usize) -> Picked {
    let rank = |values: &[f64]| 1 + values.iter().filter(|value| **value > values[candidate]).count();
    let mut ranks: Vec<usize> = resampled.iter().map(|values| rank(values)).collect();
    ranks.sort_unstable();
    let best = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let count = resampled.len().max(1) as f64;
    let (low, high) = middle(resampled.iter().map(|values| values[candidate]).collect());
    let (behind, _) = middle(resampled.iter().map(|values| values[leader] - values[candidate]).collect());
    Picked {
        accuracy: Share { value: whole[candidate], low, high, n: images },
        rank: rank(whole),
        ranks: [at(&ranks, 0.025), at(&ranks, 0.975)],
        first: resampled.iter().filter(|values| rank(values) == 1).count() as f64 / count,
        regret: resampled.iter().map(|values| best(values) - values[candidate]).sum::<f64>() / count,
        in_set: behind <= 0.0,
    }
}

fn middle(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (at(&values, 0.025), at(&values, 0.975))
}

fn at<T: Copy + Default>(sorted: &[T], share: f64) -> T {
    sorted.get((share * sorted.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_that_cannot_be_told_apart_are_in_the_set_and_a_worse_one_is_not() {
        let list = |wrong: usize, from: usize| -> Vec<bool> {
            (0..300).map(|image| !(from..from + wrong).contains(&image)).collect()
        };
        // Two make the same number of mistakes on other images, the third many more.
        let lists = [list(60, 0), list(61, 100), list(150, 50)];
        let picked = pick(&lists.iter().map(Vec::as_slice).collect::<Vec<_>>(), 0);
        assert_eq!(picked.iter().map(|one| one.rank).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(picked.iter().map(|one| one.in_set).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!((picked[0].ranks, picked[2].ranks), ([1, 2], [3, 3]));
        assert!((picked[0].accuracy.value - 0.8).abs() < 1e-12 && picked[2].regret > 0.25 && picked[0].regret < 0.03);
        assert!(picked[0].first + picked[1].first > 0.99);
    }
}
