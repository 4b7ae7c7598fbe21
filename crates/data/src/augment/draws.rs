//! Random numbers for one purpose: a ChaCha stream whose key is what they are for, so that streams neither meet nor depend
//! on who asks first.

use std::f64::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What an image's random numbers depend on, and nothing else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The image's row in its table.
    pub row: usize,
}

/// A stream of random numbers.
#[derive(Debug, Clone)]
pub struct Draws(ChaCha8Rng);

impl Draws {
    /// The stream of one image in one epoch.
    pub fn of_image(key: Key) -> Self {
        Self::new(*b"image\0\0\0", key.seed, key.epoch, key.row as u64)
    }

    /// The stream of one batch in one epoch, for what concerns a batch as a whole.
    pub fn of_batch(seed: u64, epoch: u64, batch: usize) -> Self {
        Self::new(*b"batch\0\0\0", seed, epoch, batch as u64)
    }

    /// The stream of one epoch, for the order of its rows.
    pub fn of_epoch(seed: u64, epoch: u64) -> Self {
        Self::new(*b"epoch\0\0\0", seed, epoch, 0)
    }

    /// The stream of a fixed pattern of one size, in pixels.
    pub(crate) fn of_pattern(seed: u64, height: usize, width: usize) -> Self {
        Self::new(*b"pattern\0", seed, height as u64, width as u64)
    }

    fn new(purpose: [u8; 8], seed: u64, epoch: u64, number: u64) -> Self {
        let mut key = [0; 32];
        for (part, word) in key.chunks_exact_mut(8).zip([purpose, seed.to_le_bytes(), epoch.to_le_bytes()]) {
            part.copy_from_slice(&word);
        }
        key[24..].copy_from_slice(&number.to_le_bytes());
        Self(ChaCha8Rng::from_seed(key))
    }

    /// Uniform in [0, 1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// A whole number from 0 to `count` - 1; 0 for a `count` of 0. Its bias is below `count` / 2^53.
    pub fn below(&mut self, count: usize) -> usize {
        ((self.unit() * count as f64) as usize).min(count.saturating_sub(1))
    }

    /// True with the given probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Puts `items` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// A standard normal value (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// The logarithm of a Gamma(`shape`, 1) value, `shape` > 0: Marsaglia and Tsang, "A simple method for generating gamma
    /// variables" (2000). The logarithm, since small shapes give values below the smallest number.
    pub fn log_gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // Their section 6: Gamma(a) = Gamma(a + 1) U^(1/a).
            return self.log_gamma(shape + 1.0) + (1.0 - self.unit()).ln() / shape;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let normal = self.normal();
            let v = (1.0 + c * normal).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < normal * normal / 2.0 + d - d * v + d * v.ln() {
                return (d * v).ln();
            }
        }
    }
}
