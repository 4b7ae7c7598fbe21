//! Deterministic maps on images: a coloured square, a fixed noise pattern, a picture laid over by a mask, blocks in another order, turns. They are planted
//! into training images of a source ([`Plant`]) and put on test images to see what a model does then
//! (Salman et al. 2022, arXiv 2207.02842; `spec/bias-transfer.md` sections 2 and 8).
//!
//! ```text
//! decoded image -> resize, crop, shift, flip, colours -> intervention -> u8 [height, width, 3] -> normalisation in the network
//! ```
//!
//! An intervention works on the network's input size and comes after every augmentation: it is never flipped, scaled or
//! cropped, and puts the same pixels on training and test images.
//!
//! ```
//! use heirloom_data::intervention::Intervention;
//!
//! let square: Intervention = "square:side=0.25,colour=ffff00,place=top-left".parse()?;
//! let stamp = square.prepare([32, 32])?;
//! let mut pixels = vec![0; 32 * 32 * 3];
//! stamp.apply(&mut pixels);
//! assert_eq!(pixels[..3], [255, 255, 0]);
//! assert_eq!(pixels[8 * 3..8 * 3 + 3], [0, 0, 0]);
//! # Ok::<(), heirloom_data::intervention::InterventionError>(())
//! ```

mod error;
mod gaussian;
mod mersenne;
mod overlay;
mod plant;
mod random;
mod shuffle;
mod square;
mod stamps;
mod text;
mod turn;

use std::path::Path;

use serde::{Deserialize, Serialize};

pub use error::InterventionError;
pub use gaussian::Gaussian;
pub use mersenne::RandomState;
pub use overlay::Overlay;
pub use plant::{Classes, NewClass, Plant, Planted, Relabel};
pub use random::Pcg64;
pub use shuffle::{Shuffle, Unit};
pub use square::{Place, Square};
pub use stamps::Stamps;
pub use turn::Turn;

/// A map on images, plain data for the run record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Intervention {
    /// A square of one colour.
    Square(Square),
    /// A fixed pattern of normal noise, added.
    Gaussian(Gaussian),
    /// A picture laid over through a mask.
    Overlay(Overlay),
    /// Blocks in another order.
    Shuffle(Shuffle),
    /// Turned by quarters.
    Turn(Turn),
}

impl Intervention {
    /// The name of its kind, as it is typed.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Square(_) => Square::NAME,
            Self::Gaussian(_) => Gaussian::NAME,
            Self::Overlay(_) => Overlay::NAME,
            Self::Shuffle(_) => Shuffle::NAME,
            Self::Turn(_) => Turn::NAME,
        }
    }

    /// The same with relative paths of its pictures starting at `folder`.
    #[must_use]
    pub fn beside(&self, folder: &Path) -> Self {
        match self {
            Self::Overlay(overlay) => Self::Overlay(overlay.beside(folder)),
            Self::Square(_) | Self::Gaussian(_) | Self::Shuffle(_) | Self::Turn(_) => self.clone(),
        }
    }

    /// BLAKE3 over everything that decides what it does: its settings, and the contents of its pictures.
    ///
    /// # Errors
    /// A picture that cannot be read.
    pub fn digest(&self) -> Result<[u8; 32], InterventionError> {
        let mut hasher = blake3::Hasher::new();
        match self {
            Self::Overlay(overlay) => overlay.hash(&mut hasher)?,
            Self::Square(_) | Self::Gaussian(_) | Self::Shuffle(_) | Self::Turn(_) => {
                hasher.update(self.to_string().as_bytes());
            }
        }
        Ok(*hasher.finalize().as_bytes())
    }

    /// What it does to images of one size, `[height, width]` in pixels.
    ///
    /// # Errors
    /// Settings that make no sense at this size, a picture that cannot be read.
    pub fn prepare(&self, size: [usize; 2]) -> Result<Stamp, InterventionError> {
        if size.contains(&0) {
            return Err(InterventionError::Size { height: size[0], width: size[1] });
        }
        let change = match self {
            Self::Square(square) => Change::Square(square.at(size)?),
            Self::Gaussian(gaussian) => Change::Add(gaussian.at(size)?),
            Self::Overlay(overlay) => Change::Blend(overlay.at(size)?),
            Self::Shuffle(shuffle) => Change::Move(shuffle.at(size)?),
            Self::Turn(turn) => Change::Turn(turn.at(size)?),
        };
        Ok(Stamp { size, change })
    }
}

/// An intervention at one size. Cheap to apply; made once and shared between threads.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamp {
    size: [usize; 2],
    change: Change,
}

/// What happens to the pixels.
#[derive(Debug, Clone, PartialEq)]
enum Change {
    Square(square::Area),
    /// What is added to every value, in eight-bit steps.
    Add(Vec<f32>),
    Blend(overlay::Layer),
    Move(shuffle::Moves),
    Turn(turn::Turned),
}

impl Stamp {
    /// Height and width of the images it is made for, in pixels.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// Bytes of one image: height x width x 3.
    #[must_use]
    pub fn image_length(&self) -> usize {
        self.size[0] * self.size[1] * 3
    }

    /// Changes images in place, `pixels: [images, height, width, 3]`. What is left over beyond the last whole image stays
    /// as it is.
    pub fn apply(&self, pixels: &mut [u8]) {
        for image in pixels.chunks_exact_mut(self.image_length()) {
            match &self.change {
                Change::Square(area) => area.paint(image, self.size[1]),
                Change::Add(pattern) => gaussian::add(pattern, image),
                Change::Blend(layer) => layer.blend(image),
                Change::Move(moves) => moves.apply(image),
                Change::Turn(turned) => turned.apply(image),
            }
        }
    }
}

#[cfg(test)]
mod tests;
