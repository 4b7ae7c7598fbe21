//! Random changes to training images: crops, flips, shifts and colours, drawn for each image from (seed, epoch, row) alone,
//! so that neither the number of threads nor the batch an image falls into changes a pixel.
//!
//! ```text
//! decoded image -> random resized crop | evaluation preprocessing, then shift -> flip -> colour jitter -> u8 [height, width, 3]
//! ```
//!
//! ```
//! use heirloom_data::augment::{Augmentation, Augmenter, Key, Preset};
//! use heirloom_data::{Image, Interpolation, Preprocess, Resize};
//!
//! let preprocess = Preprocess {
//!     input_size: [32, 32],
//!     resize: Resize::Squeeze,
//!     interpolation: Interpolation::Bilinear,
//!     mean: [0.5; 3],
//!     std: [0.5; 3],
//! };
//! let augmentation = Augmentation::preset(Preset::Crop, preprocess, 480);
//! let photo = Image::from_pixels(640, 480, vec![7; 640 * 480 * 3]).unwrap();
//! let mut pixels = vec![0; augmentation.output_length()];
//! Augmenter::new(&augmentation)?.apply(&photo, Key { seed: 1, epoch: 0, row: 17 }, &mut pixels)?;
//! assert_eq!(pixels, vec![7; 32 * 32 * 3]);
//! # Ok::<(), heirloom_data::augment::AugmentError>(())
//! ```

mod augmenter;
mod crop;
mod draws;
mod error;
mod jitter;
mod mixup;
mod preset;
mod shift;

use serde::{Deserialize, Serialize};

use crate::Preprocess;

pub use augmenter::Augmenter;
pub use crop::{CropBox, RandomResizedCrop};
pub use draws::{Draws, Key};
pub use error::AugmentError;
pub use jitter::{ColourJitter, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation};
pub use mixup::Mixup;
pub use preset::{Preset, SMALL_IMAGE};
pub use shift::{Border, Shift};

/// What is done to training images, plain data for the run record. Drawn and applied in the order of the fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Augmentation {
    /// The network's own preprocessing at the training size: what an image gets where nothing random replaces it, and the
    /// output size and the filter in any case.
    pub preprocess: Preprocess,
    /// A random crop of the decoded image, resized to the output; takes the place of the preprocessing's resize and crop.
    pub crop: Option<RandomResizedCrop>,
    /// A random shift of the prepared image.
    pub shift: Option<Shift>,
    /// Probability of a mirror image (left and right exchanged).
    pub flip: f64,
    /// Random brightness, contrast, saturation and hue.
    pub jitter: Option<ColourJitter>,
}

impl Augmentation {
    /// Nothing random: the evaluation pixels.
    pub fn none(preprocess: Preprocess) -> Self {
        Self { preprocess, crop: None, shift: None, flip: 0.0, jitter: None }
    }

    /// Bytes of one image: height x width x 3.
    pub fn output_length(&self) -> usize {
        self.preprocess.output_length()
    }

    /// Refuses settings that cannot be carried out.
    ///
    /// # Errors
    /// The first setting that makes no sense, with its figures.
    pub fn check(&self) -> Result<(), AugmentError> {
        self.preprocess.check()?;
        self.crop.map_or(Ok(()), |crop| crop.check())?;
        self.shift.map_or(Ok(()), |shift| shift.check(self.preprocess.input_size))?;
        self.jitter.map_or(Ok(()), |jitter| jitter.check())?;
        if !(0.0..=1.0).contains(&self.flip) {
            return Err(AugmentError::Probability { what: "flip", value: self.flip });
        }
        Ok(())
    }

    /// One line for people and records: `random_resized_crop(0.08-1) | flip(0.5)`; `none` when nothing is random.
    pub fn describe(&self) -> String {
        let flip = (self.flip > 0.0).then(|| format!("flip({})", self.flip));
        let parts = [self.crop.map(|c| c.describe()), self.shift.map(|s| s.describe()), flip];
        let parts: Vec<String> = parts.into_iter().chain([self.jitter.map(|j| j.describe())]).flatten().collect();
        if parts.is_empty() { "none".to_owned() } else { parts.join(" | ") }
    }
}

#[cfg(test)]
mod tests;
