//! One fixed pattern of normal noise, added to every image: `x <- clip(x + 255 scale G, 0, 255)`, fractions dropped
//! (`spec/bias-transfer.md` section 2.1).

use serde::{Deserialize, Serialize};

use super::InterventionError;
use super::text::Settings;
use crate::augment::Draws;

/// A fixed pattern of normal noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gaussian {
    /// Standard deviation of the pattern, as a share of the range of a value (255); above 0, at most 1.
    pub scale: f64,
    /// Fixes the pattern, for each image size another.
    pub seed: u64,
}

impl Default for Gaussian {
    /// Scale 0.05, the default of the paper's program, and seed 0.
    fn default() -> Self {
        Self { scale: 0.05, seed: 0 }
    }
}

impl Gaussian {
    pub(super) const NAME: &str = "gaussian";
    pub(super) const SETTINGS: &str = "scale=SHARE, seed=NUMBER";

    /// What is added to each value of an image of `[height, width]`: `[height, width, 3]`, in eight-bit steps.
    pub(super) fn at(&self, [height, width]: [usize; 2]) -> Result<Vec<f32>, InterventionError> {
        if !(self.scale > 0.0 && self.scale <= 1.0) {
            return Err(InterventionError::value("scale", self.scale, "a share of the range of a value, above 0 to 1"));
        }
        let mut draws = Draws::of_pattern(self.seed, height, width);
        Ok(steps(self.scale, (0..height * width * 3).map(|_| draws.normal())).collect())
    }

    pub(super) fn parse(settings: Settings<'_>) -> Result<Self, InterventionError> {
        let mut gaussian = Self::default();
        for (setting, value) in settings.pairs()? {
            match setting {
                "scale" => {
                    let refused = |_| InterventionError::value("scale", value, "a share, as 0.05");
                    gaussian.scale = value.parse().map_err(refused)?;
                }
                "seed" => {
                    let refused = |_| InterventionError::value("seed", value, "a whole number");
                    gaussian.seed = value.parse().map_err(refused)?;
                }
                other => return Err(settings.unknown(other)),
            }
        }
        gaussian.at([1, 1])?;
        Ok(gaussian)
    }
}

impl std::fmt::Display for Gaussian {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:scale={},seed={}", Self::NAME, self.scale, self.seed)
    }
}

/// Standard normal values as eight-bit steps.
pub(super) fn steps(scale: f64, normals: impl Iterator<Item = f64>) -> impl Iterator<Item = f32> {
    normals.map(move |normal| (255.0 * scale * normal) as f32)
}

/// Adds a pattern to one image of its length.
pub(super) fn add(pattern: &[f32], image: &mut [u8]) {
    for (value, step) in image.iter_mut().zip(pattern) {
        // The conversion drops the fraction and stays within 0 and 255.
        *value = (f32::from(*value) + step) as u8;
    }
}
