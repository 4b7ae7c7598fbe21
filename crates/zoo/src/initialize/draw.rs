//! Random values that depend on a seed, a parameter's name and an index alone: never on the order in which parameters are drawn,
//! nor on the number of threads or the system's mathematics library.

use std::f64::consts::TAU;

use heirloom_engine::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Cut of a truncated normal distribution, in standard deviations.
const CUT: f64 = 2.0;

/// A distribution of one parameter's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Draw {
    /// The same value everywhere.
    Constant(f32),
    /// Mean 0 and this standard deviation.
    Normal(f64),
    /// Normal of this standard deviation before values beyond twice it are drawn again.
    Truncated(f64),
    /// Between minus and plus this bound.
    Uniform(f64),
}

impl Draw {
    /// Values of the parameter called `key`, of this shape.
    pub fn tensor(self, seed: u64, key: &str, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let mut stream = Stream::new(seed, key);
        let values = match self {
            Self::Constant(value) => vec![value; count],
            Self::Normal(deviation) => (0..count).map(|_| (deviation * stream.normal()) as f32).collect(),
            Self::Truncated(deviation) => (0..count).map(|_| (deviation * stream.truncated()) as f32).collect(),
            Self::Uniform(bound) => (0..count).map(|_| (bound * (2.0 * stream.uniform() - 1.0)) as f32).collect(),
        };
        Tensor { shape: shape.to_vec(), values }
    }
}

/// The random numbers of one parameter.
struct Stream {
    generator: ChaCha8Rng,
    /// The second value of the last pair.
    kept: Option<f64>,
}

impl Stream {
    fn new(seed: u64, key: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        hasher.update(key.as_bytes());
        Self { generator: ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()), kept: None }
    }

    /// In [0, 1), on a grid of 2^-53.
    fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal: Box and Muller make two of two uniform values.
    fn normal(&mut self) -> f64 {
        if let Some(value) = self.kept.take() {
            return value;
        }
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let (sine, cosine) = libm::sincos(TAU * self.uniform());
        self.kept = Some(radius * sine);
        radius * cosine
    }

    fn truncated(&mut self) -> f64 {
        loop {
            let value = self.normal();
            if value.abs() <= CUT {
                return value;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f32]) -> (f64, f64) {
        let mean = |power: i32| values.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / values.len() as f64;
        (mean(1), mean(2).sqrt())
    }

    #[test]
    fn distributions_have_the_deviation_they_promise() {
        // A normal cut at two standard deviations keeps 0.7737 of its variance.
        let cases = [
            (Draw::Normal(0.3), 0.3, f32::INFINITY),
            (Draw::Truncated(0.3), 0.3 * 0.773_741_f64.sqrt(), 0.6),
            (Draw::Uniform(0.3), 0.3 / 3.0_f64.sqrt(), 0.3),
        ];
        for (draw, expected, most) in cases {
            let tensor = draw.tensor(5, "weight", &[100, 1000]);
            let (mean, deviation) = moments(&tensor.values);
            assert!(mean.abs() < 0.004, "{draw:?}: mean {mean}");
            assert!((deviation / expected - 1.0).abs() < 0.01, "{draw:?}: deviation {deviation}, expected {expected}");
            assert!(tensor.values.iter().all(|value| value.abs() <= most), "{draw:?}");
        }
        assert_eq!(Draw::Constant(1.0).tensor(5, "weight", &[2, 2]).values, [1.0; 4]);
    }

    #[test]
    fn a_value_depends_on_seed_name_and_index_alone() {
        let long = Draw::Normal(1.0).tensor(7, "a", &[10]);
        let short = Draw::Normal(1.0).tensor(7, "a", &[2, 2]);
        assert_eq!(long.values[..4], short.values);
        assert_ne!(long.values, Draw::Normal(1.0).tensor(8, "a", &[10]).values);
        assert_ne!(long.values, Draw::Normal(1.0).tensor(7, "b", &[10]).values);
    }
}
