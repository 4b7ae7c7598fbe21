//! Random numbers of training by counters: what is drawn for a row depends on the seed, the epoch and the row alone, so it is
//! the same for any number of threads, any order of work, and after a restart.
//!
//! ```
//! use heirloom_training::random::{permutation, row_generator};
//! let order = permutation(7, 0, 5);
//! assert_eq!(order, permutation(7, 0, 5));
//! let first = row_generator(7, 0, 3).uniform();
//! assert_eq!(first, row_generator(7, 0, 3).uniform());
//! assert_ne!(first, row_generator(7, 1, 3).uniform());
//! ```

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Generator(ChaCha8Rng);

/// The stream of one purpose, such as `"initialisation"`, at the given counters. Streams of different purposes, seeds or
/// counters have nothing to do with each other.
#[must_use]
pub fn generator(seed: u64, purpose: &str, counters: &[u64]) -> Generator {
    let mut hasher = blake3::Hasher::new_derive_key("heirloom-training random numbers, version 1");
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    hasher.update(&seed.to_le_bytes());
    for counter in counters {
        hasher.update(&counter.to_le_bytes());
    }
    Generator(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
}

/// The stream of one row of the training table in one epoch, as for its augmentation.
#[must_use]
pub fn row_generator(seed: u64, epoch: u64, row: u64) -> Generator {
    generator(seed, "row", &[epoch, row])
}

/// The stream of one batch in one epoch, as for the share of mixup and for stochastic normalisation.
#[must_use]
pub fn batch_generator(seed: u64, epoch: u64, batch: u64) -> Generator {
    generator(seed, "batch", &[epoch, batch])
}

/// The order of `rows` rows in one epoch.
#[must_use]
pub fn permutation(seed: u64, epoch: u64, rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    generator(seed, "permutation", &[epoch]).shuffle(&mut order);
    order
}

impl Generator {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of `2^-53`.
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * f64::EPSILON / 2.0
    }

    /// Uniform in `0 .. count` without bias; 0 for a count of 0.
    pub fn below(&mut self, count: u64) -> u64 {
        if count == 0 {
            return 0;
        }
        // The high half of a product is uniform once the few low halves that occur too often are rejected (Lemire 2019).
        let rejected = count.wrapping_neg() % count;
        loop {
            let product = u128::from(self.bits()) * u128::from(count);
            if product as u64 >= rejected {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal, by the transformation of Box and Muller (1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Every order of `items` with the same probability (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }

    /// A share of `Beta(alpha, alpha)`, as mixup draws for a batch; 1 for an `alpha` of 0 or below, which mixes nothing.
    pub fn mixup_share(&mut self, alpha: f64) -> f64 {
        if alpha.is_nan() || alpha <= 0.0 {
            return 1.0;
        }
        // Beta = G1 / (G1 + G2) of two gamma variables, by their logarithms: for a small alpha both underflow.
        let (first, second) = (self.log_gamma_variable(alpha), self.log_gamma_variable(alpha));
        1.0 / (1.0 + (second - first).exp())
    }

    /// Logarithm of a variable of `Gamma(shape, 1)`: Marsaglia and Tsang (2000), with `G(a) = G(a + 1) U^(1/a)` below a shape of 1.
    fn log_gamma_variable(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.uniform()).ln() / shape;
            return self.log_gamma_variable(shape + 1.0) + boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            let log_uniform = (1.0 - self.uniform()).ln();
            if v > 0.0 && log_uniform < 0.5 * x * x + d - d * v + d * v.ln() {
                return (d * v).ln();
            }
        }
    }
}

#[cfg(test)]
mod tests;
