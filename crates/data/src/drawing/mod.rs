//! Pictures with transparency to lay over images: objects that a network pretrained on photographs knows, drawn so that no file is needed,
//! small pictures at a place, and the same picture with its texture in disorder as a control.
//!
//! ```
//! use heirloom_data::Drawing;
//!
//! let fence = Drawing::chain_link(224);
//! let control = fence.scrambled(1);
//! assert!(fence.covered() > 0.1 && fence.covered() == control.covered());
//! ```

mod ball;
mod fence;
mod scramble;

use std::io;
use std::path::Path;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::augment::{Draws, Key};
use crate::{Image, Interpolation, PreprocessError, Resampler};

/// A square picture with transparency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawing {
    side: usize,
    /// `[side, side, 4]`: red, green, blue, opacity.
    pixels: Vec<u8>,
}

impl Drawing {
    /// A fence of wire in diamonds over the whole picture: what ImageNet calls a chain-link fence.
    #[must_use]
    pub fn chain_link(side: usize) -> Self {
        Self::of(side, fence::pixel)
    }

    /// A tennis ball in the middle.
    #[must_use]
    pub fn tennis_ball(side: usize) -> Self {
        Self::of(side, ball::pixel)
    }

    /// `image` made `small` pixels wide and high, its upper left corner at `[row, column]` of an otherwise transparent picture.
    /// What does not fit is cut off.
    ///
    /// # Errors
    /// An image that cannot be resized.
    pub fn placed(image: &Image, small: usize, at: [usize; 2], side: usize) -> Result<Self, PreprocessError> {
        let mut thumbnail = vec![0; small * small * 3];
        Resampler::new().resize(image, small, small, Interpolation::Bilinear, &mut thumbnail)?;
        let mut pixels = vec![0; side * side * 4];
        for (at_small, colour) in thumbnail.as_chunks::<3>().0.iter().enumerate() {
            let [row, column] = [at[0] + at_small / small, at[1] + at_small % small];
            if row < side && column < side {
                let to = (row * side + column) * 4;
                pixels[to..to + 3].copy_from_slice(colour);
                pixels[to + 3] = 255;
            }
        }
        Ok(Self { side, pixels })
    }

    /// The same opacity over a texture of the same frequencies and colours whose phases are drawn from `seed`: nothing of the object's
    /// shape is left but its outline.
    #[must_use]
    pub fn scrambled(&self, seed: u64) -> Self {
        Self { side: self.side, pixels: scramble::scrambled(&self.pixels, self.side, seed) }
    }

    /// Its square tiles, `across` to a side, in another order drawn from `seed`: opacity and texture stay together, and as much is hidden.
    /// For an object that is its outline, as a fence is, this is the control that [`Self::scrambled`] is not.
    #[must_use]
    pub fn shuffled(&self, across: usize, seed: u64) -> Self {
        let tile = self.side / across.max(1);
        let mut order: Vec<usize> = (0..across * across).collect();
        Draws::of_image(Key { seed, epoch: 1, row: self.side }).shuffle(&mut order);
        let mut pixels = self.pixels.clone();
        for (to, from) in order.into_iter().enumerate() {
            let corner = |index: usize| (index / across * tile * self.side + index % across * tile) * 4;
            for row in 0..tile {
                let [to, from] = [to, from].map(|index| corner(index) + row * self.side * 4);
                pixels[to..to + tile * 4].copy_from_slice(&self.pixels[from..from + tile * 4]);
            }
        }
        Self { side: self.side, pixels }
    }

    /// What of an image it hides, 0 to 1.
    #[must_use]
    pub fn covered(&self) -> f64 {
        let opacity: f64 = self.pixels.as_chunks::<4>().0.iter().map(|pixel| f64::from(pixel[3])).sum();
        opacity / (255.0 * (self.side * self.side).max(1) as f64)
    }

    /// `[side, side, 4]`: red, green, blue, opacity.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Writes it as PNG.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut png = Vec::new();
        // A side that does not fit into 32 bits has no picture that would fit into memory.
        let side = u32::try_from(self.side).map_err(io::Error::other)?;
        let written = PngEncoder::new(&mut png).write_image(&self.pixels, side, side, ExtendedColorType::Rgba8);
        written.map_err(io::Error::other)?;
        std::fs::write(path, png)
    }

    /// Every pixel from its place, `[down, across]` from 0 to 1, of its middle.
    fn of(side: usize, pixel: fn([f64; 2]) -> [u8; 4]) -> Self {
        let at = |index: usize| (index as f64 + 0.5) / side as f64;
        let pixels = (0..side * side).flat_map(|index| pixel([at(index / side), at(index % side)])).collect();
        Self { side, pixels }
    }
}

/// A number from 0 to 1 that a place alone decides: grain.
fn grain(place: [f64; 2]) -> f64 {
    let value = ((place[0] * 12.9898 + place[1] * 78.233) * 1.0e3).sin() * 43_758.545_3;
    value - value.floor()
}

#[cfg(test)]
mod tests;
