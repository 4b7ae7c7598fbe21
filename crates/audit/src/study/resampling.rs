//! Intervals from seeds and images together: the same resample serves every arm, so differences are paired.

use heirloom_data::augment::{Draws, Key};

use super::record::Estimate;

/// Resamples.
pub(super) const REPLICATES: usize = 1000;

/// How often every seed, and every image of each target, is in every resample.
#[derive(Debug)]
pub(super) struct Resampling {
    seeds: Vec<Vec<u16>>,
    images: Vec<Vec<Vec<u16>>>,
}

/// A figure, and the same in every resample.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    value: f64,
    resampled: Vec<f64>,
}

impl Resampling {
    /// Of `seeds` seeds, and of targets with so many images each. One seed alone is not resampled.
    pub fn new(seeds: usize, images: &[usize], seed: u64) -> Self {
        let drawn = |count: usize, target: usize| -> Vec<Vec<u16>> {
            (0..REPLICATES)
                .map(|replicate| {
                    let mut draws = Draws::of_image(Key { seed, epoch: replicate as u64, row: target });
                    let mut times = vec![0_u16; count];
                    (0..count).for_each(|_| times[draws.below(count)] += 1);
                    times
                })
                .collect()
        };
        let images = images.iter().enumerate().map(|(target, count)| drawn(*count, target + 1)).collect();
        Self { seeds: drawn(seeds, 0), images }
    }

    /// The mean over targets of the mean over seeds. `measure` has a target, a seed and how often each image of the target counts;
    /// where it is undefined the seed is left out.
    pub fn series(&self, measure: impl Fn(usize, usize, Option<&[u16]>) -> Option<f64>) -> Option<Series> {
        let seeds = self.seeds.first().map_or(0, Vec::len);
        let whole = |target: usize| {
            let values: Vec<f64> = (0..seeds).filter_map(|seed| measure(target, seed, None)).collect();
            (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
        };
        let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let of_targets: Option<Vec<f64>> = (0..self.images.len()).map(whole).collect();
        let value = mean(of_targets.filter(|values| !values.is_empty())?);
        let one = |replicate: usize| {
            let of_target = |target: usize| {
                let (mut sum, mut count) = (0.0, 0.0);
                for (seed, times) in self.seeds[replicate].iter().enumerate().filter(|(_, times)| **times > 0) {
                    if let Some(value) = measure(target, seed, Some(&self.images[target][replicate])) {
                        sum += f64::from(*times) * value;
                        count += f64::from(*times);
                    }
                }
                if count > 0.0 { sum / count } else { whole(target).unwrap_or(0.0) }
            };
            mean((0..self.images.len()).map(of_target).collect())
        };
        Some(Series { value, resampled: (0..REPLICATES).map(one).collect() })
    }
}

impl Series {
    /// A figure with the same of every resample.
    pub const fn new(value: f64, resampled: Vec<f64>) -> Self {
        Self { value, resampled }
    }

    /// The difference.
    pub fn less(&self, other: &Self) -> Self {
        let pairs = self.resampled.iter().zip(&other.resampled);
        Self { value: self.value - other.value, resampled: pairs.map(|(a, b)| a - b).collect() }
    }

    /// With the middle 95 % of the resamples.
    pub fn estimate(&self) -> Estimate {
        let mut values = self.resampled.clone();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get((share * (values.len().saturating_sub(1)) as f64).round() as usize).copied();
        let (low, high) = (at(0.025).unwrap_or(self.value), at(0.975).unwrap_or(self.value));
        Estimate { value: self.value, low: low.min(self.value), high: high.max(self.value) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of `ones` among the images, counted as often as said.
    fn share(ones: &[bool], times: Option<&[u16]>) -> Option<f64> {
        let weight = |image: usize| times.map_or(1.0, |times| f64::from(times[image]));
        let all: f64 = (0..ones.len()).map(weight).sum();
        (all > 0.0).then(|| (0..ones.len()).filter(|image| ones[*image]).map(weight).sum::<f64>() / all)
    }

    #[test]
    fn one_seed_and_target_have_the_interval_of_the_binomial_distribution() {
        let ones: Vec<bool> = (0..400).map(|image| image < 300).collect();
        let found = Resampling::new(1, &[400], 3).series(|_, _, times| share(&ones, times)).unwrap().estimate();
        // 0.75 -+ 1.96 sqrt(0.75 * 0.25 / 400).
        assert!(
            found.value == 0.75 && (found.low - 0.7076).abs() < 0.007 && (found.high - 0.7924).abs() < 0.007,
            "{found:?}"
        );
    }

    #[test]
    fn seeds_that_differ_widen_the_interval_and_shared_images_cancel() {
        let ones = |seed: usize| -> Vec<bool> { (0..200).map(|image| image < 100 + 20 * seed).collect() };
        let resampling = Resampling::new(5, &[200, 200], 1);
        let series = resampling.series(|_, seed, times| share(&ones(seed), times)).unwrap();
        let found = series.estimate();
        assert!((found.value - 0.7).abs() < 1e-12 && found.high - found.low > 0.1, "{found:?}");
        let nothing = series.less(&series).estimate();
        assert_eq!((nothing.value, nothing.low, nothing.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_seed_without_a_figure_is_left_out_and_a_target_without_any_leaves_none() {
        let resampling = Resampling::new(2, &[10], 1);
        let half = resampling.series(|_, seed, _| (seed == 0).then_some(0.25)).unwrap();
        assert_eq!(half.estimate().value, 0.25);
        assert!(resampling.series(|_, _, _| None).is_none());
    }
}
