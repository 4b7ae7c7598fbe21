//! Random numbers and colours of one image.

use std::f32::consts::TAU;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Colour, red, green and blue from 0 to 1.
pub(super) type Colour = [f32; 3];

/// Random numbers of one image.
pub(super) struct Draw(ChaCha8Rng);

impl Draw {
    pub fn new(parts: &[u64]) -> Self {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
        Self(ChaCha8Rng::from_seed(*blake3::hash(&bytes).as_bytes()))
    }

    /// Uniform in `[low, high)`.
    pub fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 / (1 << 24) as f32)
    }

    /// Uniform in a range `[low, high)`.
    pub fn within(&mut self, [low, high]: [f32; 2]) -> f32 {
        self.uniform(low, high)
    }

    /// A whole number from 0 to `most`.
    pub fn up_to(&mut self, most: usize) -> usize {
        (self.uniform(0.0, 1.0) * (most + 1) as f32) as usize
    }

    /// About normal with standard deviation 1: the sum of three uniform numbers, which never strays beyond 3.
    pub fn normal(&mut self) -> f32 {
        self.uniform(-1.0, 1.0) + self.uniform(-1.0, 1.0) + self.uniform(-1.0, 1.0)
    }

    /// A colour of a given lightness, 0 to 1, and any hue.
    pub fn colour(&mut self, lightness: f32) -> Colour {
        let (hue, strength) = (self.uniform(0.0, TAU), self.uniform(0.05, 0.28));
        [0.0, TAU / 3.0, 2.0 * TAU / 3.0].map(|shift| (lightness + strength * (hue + shift).cos()).clamp(0.0, 1.0))
    }
}

/// A place in the frame of something turned by an angle in radians.
pub(super) fn turned([x, y]: [f32; 2], turn: f32) -> [f32; 2] {
    let (sin, cos) = turn.sin_cos();
    [x * cos + y * sin, y * cos - x * sin]
}

pub(super) fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * share)
}
