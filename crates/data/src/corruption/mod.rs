//! Common corruptions of images at five severities (Hendrycks and Dietterich, ICLR 2019, arXiv 1903.12261): thirteen that follow from a
//! formula, with the strengths that the paper's code has at 224 pixels (recalled); lengths in pixels shrink with the image. Weather that
//! needs pictures (snow, frost) and warps (glass, elastic) are left out.
//!
//! ```text
//! noise   gaussian, shot, impulse, speckle        x + s z,  Poisson(s x) / s,  salt and pepper,  x + s x z
//! blur    gaussian, defocus, motion, zoom         mean under a bell, a disk, a line, over enlargements
//! light   brightness, contrast, saturation        in hue, saturation and value; towards the image's mean
//! coding  pixelation, JPEG
//! ```

mod blur;
mod coding;
mod light;
mod noise;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::augment::{Draws, Key};

/// Side, in pixels, that lengths are stated for.
const SIDE: f64 = 224.0;
/// Streams of draws of the kinds, apart from those of images elsewhere.
const STREAM: u64 = 1 << 42;

/// A kind of corruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommonCorruption {
    /// Normal noise.
    GaussianNoise,
    /// Noise of counted light.
    ShotNoise,
    /// Values replaced by black or white.
    ImpulseNoise,
    /// Normal noise in proportion to the value.
    SpeckleNoise,
    /// Blur under a bell.
    GaussianBlur,
    /// Blur under a disk.
    DefocusBlur,
    /// Blur along a line.
    MotionBlur,
    /// Blur towards the centre.
    ZoomBlur,
    /// More light.
    Brightness,
    /// Less contrast.
    Contrast,
    /// Colours that are too weak or too strong.
    Saturation,
    /// Large pixels.
    Pixelation,
    /// Artefacts of JPEG.
    Jpeg,
}

impl CommonCorruption {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::GaussianNoise,
        Self::ShotNoise,
        Self::ImpulseNoise,
        Self::SpeckleNoise,
        Self::GaussianBlur,
        Self::DefocusBlur,
        Self::MotionBlur,
        Self::ZoomBlur,
        Self::Brightness,
        Self::Contrast,
        Self::Saturation,
        Self::Pixelation,
        Self::Jpeg,
    ];

    /// How many severities there are.
    pub const SEVERITIES: usize = 5;

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::GaussianNoise => "gaussian noise",
            Self::ShotNoise => "shot noise",
            Self::ImpulseNoise => "impulse noise",
            Self::SpeckleNoise => "speckle noise",
            Self::GaussianBlur => "gaussian blur",
            Self::DefocusBlur => "defocus blur",
            Self::MotionBlur => "motion blur",
            Self::ZoomBlur => "zoom blur",
            Self::Brightness => "brightness",
            Self::Contrast => "contrast",
            Self::Saturation => "saturation",
            Self::Pixelation => "pixelation",
            Self::Jpeg => "JPEG",
        }
    }

    /// Corrupts an image of `[height, width]` in place, `pixels` being `[height, width, 3]`; severities from 1 to 5, others as the nearest.
    /// `key` fixes what is drawn.
    ///
    /// ```
    /// use heirloom_data::{augment::Key, corruption::CommonCorruption};
    ///
    /// let mut pixels = vec![128; 16 * 16 * 3];
    /// CommonCorruption::Brightness.apply([16, 16], 5, Key { seed: 0, epoch: 0, row: 0 }, &mut pixels);
    /// assert_eq!(pixels[0], 255);
    /// ```
    pub fn apply(self, size: [usize; 2], severity: usize, key: Key, pixels: &mut [u8]) {
        let at = severity.clamp(1, Self::SEVERITIES) - 1;
        let mut draws = Draws::of_image(Key { epoch: STREAM + key.epoch * 64 + self as u64, ..key });
        let scale = size[0].min(size[1]) as f64 / SIDE;
        match self {
            Self::GaussianNoise => noise::gaussian([0.08, 0.12, 0.18, 0.26, 0.38][at], &mut draws, pixels),
            Self::ShotNoise => noise::shot([60.0, 25.0, 12.0, 5.0, 3.0][at], &mut draws, pixels),
            Self::ImpulseNoise => noise::impulse([0.03, 0.06, 0.09, 0.17, 0.27][at], &mut draws, pixels),
            Self::SpeckleNoise => noise::speckle([0.15, 0.2, 0.35, 0.45, 0.6][at], &mut draws, pixels),
            Self::GaussianBlur => blur::gaussian([1.0, 2.0, 3.0, 4.0, 6.0][at] * scale, size, pixels),
            Self::DefocusBlur => blur::disk([3.0, 4.0, 6.0, 8.0, 10.0][at] * scale, size, pixels),
            Self::MotionBlur => {
                let (reach, sigma) = [(10.0, 3.0), (15.0, 5.0), (15.0, 8.0), (15.0, 12.0), (20.0, 15.0)][at];
                let angle = draws.uniform(-45.0, 45.0).to_radians();
                blur::motion((reach * scale, sigma * scale), angle, size, pixels);
            }
            Self::ZoomBlur => {
                let (most, step) = [(1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)][at];
                blur::zoom(most, step, size, pixels);
            }
            Self::Brightness => light::brightness([0.1, 0.2, 0.3, 0.4, 0.5][at], pixels),
            Self::Contrast => light::contrast([0.4, 0.3, 0.2, 0.1, 0.05][at], pixels),
            Self::Saturation => {
                light::saturation([(0.3, 0.0), (0.1, 0.0), (2.0, 0.0), (5.0, 0.1), (20.0, 0.2)][at], pixels);
            }
            Self::Pixelation => coding::pixelate([0.6, 0.5, 0.4, 0.3, 0.25][at], size, pixels),
            Self::Jpeg => coding::jpeg([25, 18, 15, 10, 7][at], size, pixels),
        }
    }
}

/// A value from 0 to 1 as a byte.
fn byte(value: f64) -> u8 {
    (255.0 * value.clamp(0.0, 1.0)).round() as u8
}

/// A byte as a value from 0 to 1.
fn value(byte: u8) -> f64 {
    f64::from(byte) / 255.0
}
