//! How an image becomes the pixels a backbone expects: a plain description, filled by the backbone, never by the target set.

use serde::{Deserialize, Serialize};

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
