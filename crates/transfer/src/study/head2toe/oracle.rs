//! One layer beside the last (`spec/head2toe.md` section 6.1): for every tap, `linear` on the penultimate vector and the pooled tap side
//! by side. The best tap *by test accuracy* is an upper bound, not a method, hence "oracle"; the tap that cross-validation on the training
//! rows would have taken stands beside it, and so do three controls of the same width: the taps of another network that was trained
//! independently, that network's own penultimate vector, and random features of the penultimate vector.

use heirloom_data::Table;
use heirloom_engine::Shape;
use heirloom_zoo::Backbone;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::compare::{CompareError, DrawRows};
use crate::extract::{ExtractOptions, Extraction, Images, Network, Request};
use crate::fit::{FitError, Watch};
use crate::heads::{HeadError, Input, LinearSettings, Training, fit_linear_on};
use crate::store::Store;
use crate::{Block, Features, Pooling};

/// Relative ridge penalties to choose from.
const PENALTIES: [f64; 6] = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6];

/// One block beside the penultimate vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// Where the block comes from: a tap of the network, `other: TAP`, `other: last`, or `random: TAP` for random features as wide as it.
    pub block: String,
    /// Its columns.
    pub width: usize,
    /// Test accuracy with it, less that without, in points.
    pub gain: f64,
    /// Out-of-fold log loss on the training rows, which choosing goes by.
    pub log_loss: f64,
}

/// What one layer beside the last brings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Oracle {
    /// Pooling target of the taps.
    pub pooling_target: usize,
    /// Test accuracy of the penultimate vector alone, in per cent.
    pub linear: f64,
    /// Each tap tried, in order of depth.
    pub taps: Vec<Beside>,
    /// Each tap of the other network.
    pub other: Vec<Beside>,
    /// The other network's penultimate vector.
    pub other_last: Option<Beside>,
    /// Random features as wide as each tap.
    pub random: Vec<Beside>,
}

impl Oracle {
    /// The largest gain of a list, chosen on the test rows: optimistic.
    #[must_use]
    pub fn best(list: &[Beside]) -> f64 {
        list.iter().map(|beside| beside.gain).fold(f64::NEG_INFINITY, f64::max)
    }

    /// The gain of the block that cross-validation on the training rows takes.
    #[must_use]
    pub fn chosen(list: &[Beside]) -> Option<&Beside> {
        list.iter().min_by(|a, b| a.log_loss.total_cmp(&b.log_loss))
    }
}

/// What the experiment is run on.
pub(super) struct Experiment<'a> {
    pub network: &'a Backbone,
    pub other: Option<&'a Backbone>,
    pub table: &'a Table,
    pub images: &'a dyn Images,
    pub store: &'a Store,
    pub draw: &'a DrawRows,
    /// Pooling target of the taps.
    pub target: usize,
    /// Most taps of a network, evenly spread over its depth.
    pub most_taps: usize,
    pub seed: u64,
    pub extract: &'a ExtractOptions,
    pub watch: Watch<'a>,
}

impl Experiment<'_> {
    /// Everything that decides the result, as one string.
    pub fn described(&self) -> Result<String, CompareError> {
        let rows: Vec<usize> = self.rows();
        let digests: Result<Vec<[u8; 32]>, _> = self.images.digests(&rows).into_iter().collect();
        let digests = digests.map_err(|problem| CompareError::Cell { reason: problem.to_string() })?;
        let mut hasher = blake3::Hasher::new();
        for (row, digest) in rows.iter().zip(&digests) {
            hasher.update(digest);
            hasher.update(&(self.label(*row) as u64).to_le_bytes());
            let fold = self.draw.train.binary_search(row).ok().and_then(|at| self.draw.folds.get(at));
            hasher.update(&fold.map_or(u64::MAX, |fold| *fold as u64).to_le_bytes());
        }
        let bases: Vec<String> = [Some(self.network), self.other]
            .into_iter()
            .flatten()
            .map(|network| Extraction::new(Network::from(network), self.images, &rows, &[]).base().digest())
            .collect();
        let version = env!("CARGO_PKG_VERSION");
        let (target, taps, seed) = (self.target, self.most_taps, self.seed);
        Ok(format!("oracle {version} {bases:?} {target} {taps} {seed} {PENALTIES:?} {}", hasher.finalize().to_hex()))
    }

    fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> = self.draw.train.iter().chain(&self.draw.test).copied().collect();
        rows.sort_unstable();
        rows
    }

    fn label(&self, row: usize) -> usize {
        self.table.rows.get(row).and_then(|row| row.label).unwrap_or(0)
    }

    /// Runs it.
    pub fn run(&self) -> Result<Oracle, CompareError> {
        let rows = self.rows();
        let own = self.features(self.network, &rows, "")?;
        let mut blocks = own.blocks;
        let taps = blocks.len() - 1;
        let random: Vec<Block> = blocks[1..]
            .iter()
            .enumerate()
            .map(|(at, tap)| random_features(&blocks[0], tap, self.seed ^ at as u64))
            .collect();
        blocks.extend(random);
        if let Some(other) = self.other {
            blocks.extend(self.features(other, &rows, "other: ")?.blocks);
        }
        let features = Features { rows: rows.len(), blocks };
        let labels: Vec<usize> = rows.iter().map(|row| self.label(*row)).collect();
        let place = |row: &usize| rows.binary_search(row).unwrap_or(0);
        let train: Vec<usize> = self.draw.train.iter().map(place).collect();
        let test: Vec<usize> = self.draw.test.iter().map(place).collect();
        let mut folds = vec![0; rows.len()];
        train.iter().zip(&self.draw.folds).for_each(|(place, fold)| folds[*place] = *fold);
        let training = Training {
            features: &features,
            labels: &labels,
            rows: &train,
            folds: &folds,
            classes: self.table.classes.len(),
        };
        let (linear, _) = judged(&training, &[0], &test)?;
        let beside = |at: usize| -> Result<Beside, CompareError> {
            if let Some(stage) = self.watch.stage {
                stage(&format!("one layer beside the last: {} of {}", at, features.blocks.len() - 1));
            }
            let (accuracy, log_loss) = judged(&training, &[0, at], &test)?;
            let block = &features.blocks[at];
            Ok(Beside { block: block.tap.clone(), width: block.width, gain: 100.0 * (accuracy - linear), log_loss })
        };
        let range = |range: std::ops::Range<usize>| range.map(beside).collect::<Result<Vec<_>, _>>();
        let others = 1 + 2 * taps;
        Ok(Oracle {
            pooling_target: self.target,
            linear: 100.0 * linear,
            taps: range(1..1 + taps)?,
            random: range(1 + taps..others)?,
            other_last: self.other.map(|_| beside(others)).transpose()?,
            other: if self.other.is_some() { range(others + 1..features.blocks.len())? } else { vec![] },
        })
    }

    /// The penultimate vector, then some taps at the pooling target, their names after `prefix`.
    fn features(&self, network: &Backbone, rows: &[usize], prefix: &str) -> Result<Features, CompareError> {
        let taps: Vec<&String> = network.taps.iter().filter(|tap| **tap != network.features).collect();
        let count = self.most_taps.min(taps.len());
        let spread = (0..count).map(|at| taps[at * taps.len() / count]);
        let last = (network.features.clone(), Pooling::MEAN);
        let mut requests: Vec<Request> = vec![last];
        requests.extend(spread.map(|tap| (tap.clone(), Pooling::to(self.target))));
        let mut extraction = Extraction::new(Network::from(network), self.images, rows, &requests);
        (extraction.store, extraction.options) = (Some(self.store), self.extract.clone());
        (extraction.progress, extraction.cancel) = (self.watch.progress, self.watch.cancel);
        let extracted = extraction.run().map_err(FitError::from)?;
        if extracted.rows != rows {
            let missing = rows.iter().find(|row| extracted.rows.binary_search(row).is_err());
            let locator = missing.and_then(|row| self.table.rows.get(*row)).map(|row| row.locator.to_string());
            return Err(CompareError::Changed { locator: locator.unwrap_or_default(), backbone: network.name.clone() });
        }
        let mut features = extracted.features;
        for (block, (tap, _)) in features.blocks.iter_mut().zip(&requests) {
            let name = if *tap == network.features { "last" } else { tap };
            block.tap = format!("{prefix}{name}");
        }
        Ok(features)
    }
}

/// Test accuracy and out-of-fold log loss of `linear` on some blocks side by side.
fn judged(training: &Training<'_>, blocks: &[usize], test: &[usize]) -> Result<(f64, f64), CompareError> {
    let inputs: Vec<Input> = blocks.iter().map(|at| Input::whole(&training.features.blocks[*at])).collect();
    let settings = LinearSettings { penalties: PENALTIES.to_vec(), ..LinearSettings::default() };
    let failed = |error: HeadError| CompareError::from(FitError::from(error));
    let fitted = fit_linear_on(training, inputs, &settings).map_err(failed)?;
    let probabilities = fitted.head.probabilities(training.features, test).map_err(failed)?;
    let rows = probabilities.chunks(training.classes).zip(test);
    let right = rows.filter(|(row, place)| crate::fit::scores::most_probable(row) == training.labels[**place]).count();
    let log_loss = fitted.choice.taken().map_or(f64::INFINITY, |taken| taken.log_loss);
    Ok((right as f64 / test.len().max(1) as f64, log_loss))
}

/// `max(0, x G)` for standard normal `G`, as many columns as `like` has.
fn random_features(last: &Block, like: &Block, seed: u64) -> Block {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut normal = || {
        let (radius, turn) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), std::f64::consts::TAU * uniform());
        (radius * turn.cos()) as f32
    };
    let weights: Vec<f32> = (0..last.width * like.width).map(|_| normal()).collect();
    let mut values = Vec::with_capacity(last.values.len() / last.width.max(1) * like.width);
    for row in last.values.chunks(last.width.max(1)) {
        let mut out = vec![0.0_f32; like.width];
        for (value, weights) in row.iter().zip(weights.chunks(like.width.max(1))) {
            out.iter_mut().zip(weights).for_each(|(out, weight)| *out += value * weight);
        }
        values.extend(out.into_iter().map(|value| value.max(0.0)));
    }
    Block {
        tap: format!("random: {}", like.tap),
        shape: Shape::Vector { channels: like.width },
        pooling: Pooling::MEAN,
        width: like.width,
        values,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_features_are_never_negative_and_fixed_by_their_seed() {
        let block = |width: usize, values: Vec<f32>| Block {
            tap: "a".into(),
            shape: Shape::Vector { channels: width },
            pooling: Pooling::MEAN,
            width,
            values,
        };
        let last = block(2, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
        let like = block(200, vec![]);
        let made = random_features(&last, &like, 3);
        assert_eq!((made.values.len(), made.tap.as_str()), (600, "random: a"));
        assert!(made.values.iter().all(|value| *value >= 0.0));
        assert_eq!(made, random_features(&last, &like, 3));
        assert_ne!(made.values, random_features(&last, &like, 4).values);
        // The third row is the first with its sign turned: where one is above 0 the other is 0.
        let (first, third) = (&made.values[..200], &made.values[400..]);
        assert!(first.iter().zip(third).all(|(a, b)| a * b == 0.0));
        let above = first.iter().filter(|value| **value > 0.0).count();
        assert!((70..130).contains(&above), "{above}");
    }

    #[test]
    fn the_best_by_test_and_the_one_that_validation_takes_may_differ() {
        let beside = |gain: f64, log_loss: f64| Beside { block: "a".into(), width: 1, gain, log_loss };
        let list = [beside(4.0, 0.9), beside(1.0, 0.5)];
        assert!((Oracle::best(&list) - 4.0).abs() < 1e-12);
        assert!((Oracle::chosen(&list).unwrap().gain - 1.0).abs() < 1e-12);
    }
}
