//! Resamples of replicas and of test images together. The same resample serves every figure, so differences are paired.

use heirloom_data::augment::{Draws, Key};
use rayon::prelude::*;

use crate::study::resampling::{REPLICATES, Series};

/// Streams below this belong to the images of targets, those above to groups of replicas.
const GROUPS: usize = 1 << 20;

/// How often every test image of each target is in every resample.
#[derive(Debug)]
pub(super) struct Resampling {
    images: Vec<Vec<Vec<u16>>>,
    seed: u64,
}

/// One resample, or everything once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw<'a> {
    of: &'a Resampling,
    replicate: Option<usize>,
}

impl Resampling {
    /// Of targets with so many test images each.
    pub fn new(images: &[usize], seed: u64) -> Self {
        let of_target = |(target, count): (usize, &usize)| {
            (0..REPLICATES).map(|replicate| times(seed, replicate, target, *count)).collect()
        };
        Self { images: images.iter().enumerate().map(of_target).collect(), seed }
    }

    /// A figure and the same of every resample; `None` where it is undefined on everything. A resample on which it is undefined counts as
    /// the figure itself.
    pub fn series(&self, measure: impl Fn(Draw<'_>) -> Option<f64> + Sync) -> Option<Series> {
        let value = measure(Draw { of: self, replicate: None })?;
        let one = |replicate: usize| measure(Draw { of: self, replicate: Some(replicate) }).unwrap_or(value);
        Some(Series::new(value, (0..REPLICATES).into_par_iter().map(one).collect()))
    }

    /// Everything once.
    pub const fn whole(&self) -> Draw<'_> {
        Draw { of: self, replicate: None }
    }
}

impl<'a> Draw<'a> {
    /// How often each test image of a target counts; `None` for once each.
    pub fn images(self, target: usize) -> Option<&'a [u16]> {
        self.of.images.get(target)?.get(self.replicate?).map(Vec::as_slice)
    }

    /// How often each replica of a group counts. One alone is not resampled.
    pub fn replicas(self, group: usize, count: usize) -> Vec<f64> {
        match self.replicate {
            Some(replicate) if count > 1 => {
                times(self.of.seed, replicate, GROUPS + group, count).into_iter().map(f64::from).collect()
            }
            _ => vec![1.0; count],
        }
    }
}

fn times(seed: u64, replicate: usize, stream: usize, count: usize) -> Vec<u16> {
    let mut draws = Draws::of_image(Key { seed, epoch: replicate as u64, row: stream });
    let mut times = vec![0_u16; count];
    (0..count).for_each(|_| times[draws.below(count)] += 1);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_counts_once_or_as_often_as_drawn() {
        let resampling = Resampling::new(&[7, 3], 5);
        assert_eq!((resampling.whole().images(1), resampling.whole().replicas(9, 3)), (None, vec![1.0; 3]));
        let series = resampling.series(|draw| {
            let all: u16 = draw.images(0).map_or(7, |times| times.iter().sum());
            Some(f64::from(all) + draw.replicas(4, 5).iter().sum::<f64>())
        });
        let found = series.unwrap().estimate();
        assert_eq!((found.value, found.low, found.high), (12.0, 12.0, 12.0));
        let first = resampling.series(|draw| Some(draw.replicas(4, 5)[0])).unwrap().estimate();
        assert!(first.low == 0.0 && first.high >= 2.0, "{first:?}");
    }

    #[test]
    fn what_is_undefined_on_everything_has_no_series() {
        let resampling = Resampling::new(&[4], 1);
        assert!(resampling.series(|_| None).is_none());
        let undefined_when_resampled = |draw: Draw<'_>| draw.images(0).is_none().then_some(2.0);
        assert_eq!(resampling.series(undefined_when_resampled).unwrap().estimate().low, 2.0);
    }
}
