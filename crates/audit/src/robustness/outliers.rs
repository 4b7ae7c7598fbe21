//! Images of nothing, drawn (`spec/robustness.md` section 4.1; Hendrycks et al. 2019): what a model should not be sure about.
//!
//! ```text
//! gaussian     clip(0.5 + 0.25 z)             z normal, each value by itself
//! rademacher   0 or 1, each value by itself
//! blobs        1 with probability 0.7, each value by itself; blurred with sigma 1.5; values below 0.75 become 0
//! ```

use heirloom_data::augment::{Draws, Key};
use serde::{Deserialize, Serialize};

/// Standard deviation of the blur, and how far its kernel reaches, in pixels.
const SIGMA: f64 = 1.5;
const REACH: isize = 6;
/// Streams of draws of the kinds, apart from those of images elsewhere.
const STREAM: u64 = 1 << 40;

/// A kind of images that are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outliers {
    /// Normal noise around grey.
    Gaussian,
    /// Black or white in every channel.
    Rademacher,
    /// Bright blobs on black.
    Blobs,
}

impl Outliers {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Gaussian, Self::Rademacher, Self::Blobs];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian noise",
            Self::Rademacher => "black and white noise",
            Self::Blobs => "blobs",
        }
    }

    /// Draws an image of `[height, width]` over `pixels`, `[height, width, 3]`.
    pub fn draw(self, [height, width]: [usize; 2], image: usize, seed: u64, pixels: &mut [u8]) {
        let mut draws = Draws::of_image(Key { seed, epoch: STREAM + self as u64, row: image });
        match self {
            Self::Gaussian => pixels.iter_mut().for_each(|value| *value = byte(0.5 + 0.25 * draws.normal())),
            Self::Rademacher => pixels.iter_mut().for_each(|value| *value = if draws.unit() < 0.5 { 0 } else { 255 }),
            Self::Blobs => {
                let noise: Vec<f64> = pixels.iter().map(|_| if draws.unit() < 0.7 { 1.0 } else { 0.0 }).collect();
                let blurred = blur(&blur(&noise, [height, width], 3 * width), [width, height], 3);
                let cut = |value: &f64| if *value < 0.75 { 0 } else { byte(*value) };
                pixels.iter_mut().zip(&blurred).for_each(|(pixel, value)| *pixel = cut(value));
            }
        }
    }
}

fn byte(value: f64) -> u8 {
    (255.0 * value).round().clamp(0.0, 255.0) as u8
}

/// Blurs along an axis of `length` places `stride` values apart, for each of the other places; the image is mirrored at its edges.
fn blur(values: &[f64], [length, _]: [usize; 2], stride: usize) -> Vec<f64> {
    let kernel: Vec<f64> = (-REACH..=REACH).map(|at| (-(at * at) as f64 / (2.0 * SIGMA * SIGMA)).exp()).collect();
    let sum: f64 = kernel.iter().sum();
    let of = |at: usize| {
        let place = at / stride % length;
        let first = at - place * stride;
        let value = |offset: isize| values[first + mirrored(place as isize + offset, length) * stride];
        (-REACH..=REACH).zip(&kernel).map(|(offset, weight)| weight * value(offset)).sum::<f64>() / sum
    };
    (0..values.len()).map(of).collect()
}

/// A place beyond an edge, reflected with the edge repeated.
fn mirrored(place: isize, length: usize) -> usize {
    let length = length.max(1) as isize;
    let folded = place.rem_euclid(2 * length);
    (if folded < length { folded } else { 2 * length - 1 - folded }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(kind: Outliers, image: usize) -> Vec<u8> {
        let mut pixels = vec![7; 24 * 20 * 3];
        kind.draw([24, 20], image, 1, &mut pixels);
        pixels
    }

    #[test]
    fn kinds_have_the_values_they_are_defined_by() {
        let mean = |pixels: &[u8]| pixels.iter().map(|value| f64::from(*value)).sum::<f64>() / pixels.len() as f64;
        let gaussian = drawn(Outliers::Gaussian, 0);
        assert!((mean(&gaussian) / 255.0 - 0.5).abs() < 0.03);
        let black_and_white = drawn(Outliers::Rademacher, 0);
        assert!(
            black_and_white.iter().all(|value| [0, 255].contains(value))
                && (mean(&black_and_white) - 127.5).abs() < 12.0
        );
        let blobs = drawn(Outliers::Blobs, 0);
        assert!(blobs.iter().all(|value| *value == 0 || *value >= 191), "cut at three quarters");
        let dark = blobs.iter().filter(|value| **value == 0).count() as f64 / blobs.len() as f64;
        assert!((0.5..0.95).contains(&dark), "{dark}");
        // Neighbours of a blob are mostly blobs.
        let alike =
            blobs.windows(4).filter(|four| (four[0] == 0) == (four[3] == 0)).count() as f64 / blobs.len() as f64;
        assert!(alike > 0.75, "{alike}");
    }

    #[test]
    fn an_image_is_the_same_every_time_and_another_one_is_not() {
        for kind in Outliers::ALL {
            assert_eq!(drawn(kind, 3), drawn(kind, 3));
            assert_ne!(drawn(kind, 3), drawn(kind, 4));
        }
    }

    #[test]
    fn a_blur_keeps_what_is_the_same_everywhere_and_the_sum() {
        let same = blur(&[0.3; 30], [10, 3], 3);
        assert!(same.iter().all(|value| (value - 0.3).abs() < 1e-12));
        let mut point = vec![0.0; 30];
        point[12] = 1.0;
        let spread = blur(&point, [10, 3], 3);
        assert!((spread.iter().sum::<f64>() - 1.0).abs() < 1e-9 && spread[13] == 0.0 && spread[15] > 0.1);
        assert_eq!([-1, 0, 4, 5, 9, 10].map(|place| mirrored(place, 5)), [0, 0, 4, 4, 0, 0]);
    }
}
