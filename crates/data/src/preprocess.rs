//! How an image becomes the pixels a backbone expects: a plain description, filled by the backbone, never by the target set.

use serde::{Deserialize, Serialize};

use crate::resize::Axis;

/// Resampling filter; all of them antialias when shrinking, as Pillow does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// Triangle filter, support 1.
    Bilinear,
    /// Cubic filter with a = -0.5, support 2.
    Bicubic,
}

/// How the image is brought to a size from which the crop is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// The shorter side gets this many pixels, the aspect ratio is kept; then a central crop of the input size.
    ShorterSide(usize),
    /// The whole image is squeezed to the input size; no crop.
    Squeeze,
}

/// Everything between a decoded image and the graph's input. The mean and standard deviation are applied by the graph's
/// own normalisation node; they stand here so that one description names the whole path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Input of the network, `[height, width]` in pixels.
    pub input_size: [usize; 2],
    /// How the size is reached.
    pub resize: Resize,
    /// Filter of the resize.
    pub interpolation: Interpolation,
    /// Mean per channel (red, green, blue), in units of 1 = white.
    pub mean: [f32; 3],
    /// Standard deviation per channel, in the same unit.
    pub std: [f32; 3],
}

/// Why pixels cannot be made ready. The settings come from a weight file and are checked before a run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PreprocessError {
    /// A side of the network's input is 0 or absurd.
    #[error("the input size {height} x {width} pixels is not between 1 and {limit} a side")]
    InputSize {
        /// Height in pixels.
        height: usize,
        /// Width in pixels.
        width: usize,
        /// Largest side in pixels.
        limit: usize,
    },
    /// The crop would reach over the edge of the resized image.
    #[error("a crop of {height} x {width} pixels does not fit: the resize brings the shorter side to {shorter_side}")]
    CropTooLarge {
        /// Crop height in pixels.
        height: usize,
        /// Crop width in pixels.
        width: usize,
        /// Shorter side after the resize, in pixels.
        shorter_side: usize,
    },
    /// A mean or standard deviation that is not a finite number, or a standard deviation that is not positive.
    #[error("mean {mean:?} and standard deviation {std:?} are not finite, or a standard deviation is not positive")]
    Normalisation {
        /// Mean per channel.
        mean: [f32; 3],
        /// Standard deviation per channel.
        std: [f32; 3],
    },
    /// The output buffer has the wrong length.
    #[error("the output holds {got} bytes, expected {expected}")]
    OutputLength {
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        got: usize,
    },
    /// An image or an output without pixels.
    #[error("an image or output side is 0 pixels")]
    EmptySide,
    /// The resampling library refused.
    #[error("resize failed: {0}")]
    Resize(String),
}

/// Largest side of a network's input, in pixels.
const LARGEST_INPUT: usize = 16_384;

impl Preprocess {
    /// Number of bytes of one prepared image: height x width x 3.
    pub fn output_length(&self) -> usize {
        self.input_size[0] * self.input_size[1] * 3
    }

    /// The same preparation for an input of `side` x `side` pixels: the resize keeps its proportion to the crop, rounded
    /// down as timm does.
    #[must_use]
    pub fn at_size(&self, side: usize) -> Self {
        let longest = self.input_size.into_iter().max().unwrap_or(0).max(1);
        let resize = match self.resize {
            Resize::ShorterSide(shorter_side) => Resize::ShorterSide((shorter_side * side / longest).max(side)),
            Resize::Squeeze => Resize::Squeeze,
        };
        Self { input_size: [side, side], resize, ..self.clone() }
    }

    /// Refuses settings that cannot be carried out.
    ///
    /// # Errors
    /// A size, crop or normalisation that makes no sense, with its figures.
    pub fn check(&self) -> Result<(), PreprocessError> {
        let [height, width] = self.input_size;
        if [height, width].iter().any(|side| !(1..=LARGEST_INPUT).contains(side)) {
            return Err(PreprocessError::InputSize { height, width, limit: LARGEST_INPUT });
        }
        if let Resize::ShorterSide(shorter_side) = self.resize
            && !(height.max(width)..=2 * LARGEST_INPUT).contains(&shorter_side)
        {
            return Err(PreprocessError::CropTooLarge { height, width, shorter_side });
        }
        let finite = self.mean.iter().chain(&self.std).all(|value| value.is_finite());
        if !finite || self.std.iter().any(|value| *value <= 0.0) {
            return Err(PreprocessError::Normalisation { mean: self.mean, std: self.std });
        }
        Ok(())
    }

    /// One canonical line that names the whole path from encoded bytes to the network's input: equal lines mean equal
    /// pixels, so it is part of every cache key.
    ///
    /// ```
    /// # use heirloom_data::{Interpolation, Preprocess, Resize};
    /// let preprocess = Preprocess {
    ///     input_size: [224, 224],
    ///     resize: Resize::ShorterSide(256),
    ///     interpolation: Interpolation::Bicubic,
    ///     mean: [0.485, 0.456, 0.406],
    ///     std: [0.229, 0.224, 0.225],
    /// };
    /// assert_eq!(
    ///     preprocess.describe(),
    ///     "rgb8|resize(shorter_side=256,bicubic)|center_crop(224x224)|normalise(mean=0.485,0.456,0.406;std=0.229,0.224,0.225)"
    /// );
    /// ```
    pub fn describe(&self) -> String {
        let [height, width] = self.input_size;
        let filter = match self.interpolation {
            Interpolation::Bilinear => "bilinear",
            Interpolation::Bicubic => "bicubic",
        };
        let resize = match self.resize {
            Resize::ShorterSide(side) => format!("resize(shorter_side={side},{filter})|center_crop({height}x{width})"),
            Resize::Squeeze => format!("resize(squeeze={height}x{width},{filter})"),
        };
        let list = |values: [f32; 3]| values.map(|value| value.to_string()).join(",");
        format!("rgb8|{resize}|normalise(mean={};std={})", list(self.mean), list(self.std))
    }

    /// Size after the resize and before the crop, `(width, height)` in pixels, for an image of `width` x `height`:
    /// torchvision's rule, the longer side is `int(size * longer / shorter)`.
    pub fn resized_size(&self, width: usize, height: usize) -> (usize, usize) {
        match self.resize {
            Resize::Squeeze => (self.input_size[1], self.input_size[0]),
            Resize::ShorterSide(side) if width <= height => (side, side * height / width.max(1)),
            Resize::ShorterSide(side) => (side * width / height.max(1), side),
        }
    }

    pub(crate) fn axes(&self, width: usize, height: usize) -> Result<(Axis, Axis), PreprocessError> {
        if width == 0 || height == 0 {
            return Err(PreprocessError::EmptySide);
        }
        let (resized_width, resized_height) = self.resized_size(width, height);
        let [crop_height, crop_width] = self.input_size;
        let axis = |full, resized: usize, length| Axis {
            full,
            resized,
            start: half_to_even(resized.saturating_sub(length)),
            length,
        };
        Ok((axis(width, resized_width, crop_width), axis(height, resized_height, crop_height)))
    }
}

/// Half of `margin` rounded half to even: torchvision's `int(round(margin / 2.0))`.
fn half_to_even(margin: usize) -> usize {
    let half = margin / 2;
    half + (margin % 2) * (half % 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Preprocess {
        Preprocess {
            input_size: [224, 224],
            resize: Resize::ShorterSide(256),
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.25; 3],
        }
    }

    #[test]
    fn the_crop_starts_where_torchvision_starts_it() {
        let cases = [(0, 0), (1, 0), (2, 1), (3, 2), (5, 2), (7, 4), (32, 16), (33, 16), (35, 18)];
        for (margin, expected) in cases {
            assert_eq!(half_to_even(margin), expected, "margin {margin}");
        }
    }

    #[test]
    fn the_longer_side_is_cut_to_an_integer() {
        let cases =
            [((500, 375), (341, 256)), ((375, 500), (256, 341)), ((256, 256), (256, 256)), ((3, 7), (256, 597))];
        for ((width, height), expected) in cases {
            assert_eq!(sample().resized_size(width, height), expected, "{width} x {height}");
        }
    }

    #[test]
    fn another_size_keeps_the_proportion_of_resize_and_crop() {
        let cases = [(224, 256), (96, 109), (32, 36), (1, 1), (448, 512)];
        for (side, shorter_side) in cases {
            let resized = sample().at_size(side);
            assert_eq!((resized.input_size, resized.resize), ([side, side], Resize::ShorterSide(shorter_side)));
            assert_eq!(resized.check(), Ok(()));
        }
        let squeeze = Preprocess { resize: Resize::Squeeze, ..sample() }.at_size(64);
        assert_eq!((squeeze.input_size, squeeze.resize), ([64, 64], Resize::Squeeze));
    }

    #[test]
    fn senseless_settings_are_refused_with_their_figures() {
        let crop = Preprocess { resize: Resize::ShorterSide(200), ..sample() };
        let message = crop.check().unwrap_err().to_string();
        assert!(message.contains("224 x 224") && message.contains("200"), "{message}");
        let size = Preprocess { input_size: [0, 224], ..sample() };
        assert!(matches!(size.check(), Err(PreprocessError::InputSize { height: 0, .. })));
        let std = Preprocess { std: [0.2, 0.0, 0.2], ..sample() };
        assert!(matches!(std.check(), Err(PreprocessError::Normalisation { .. })));
        let mean = Preprocess { mean: [f32::NAN; 3], ..sample() };
        assert!(matches!(mean.check(), Err(PreprocessError::Normalisation { .. })));
        assert_eq!(sample().check(), Ok(()));
    }
}
