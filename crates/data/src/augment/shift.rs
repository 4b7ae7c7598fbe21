//! Random shift: the image is padded on every side and cropped back at a random place (the usual augmentation of 32-pixel
//! images; He et al., "Deep residual learning for image recognition", section 4.2).

use serde::{Deserialize, Serialize};

use super::{AugmentError, Draws};

/// What comes in where the image has been shifted away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Border {
    /// Black.
    Zero,
    /// The image mirrored at its outermost pixels, which are not repeated.
    Reflect,
}

/// A shift by up to `pixels` in each direction, every whole number equally likely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shift {
    /// Largest shift in pixels of the prepared image.
    pub pixels: usize,
    /// What comes in at the border.
    pub border: Border,
}

impl Shift {
    pub(super) fn check(self, [height, width]: [usize; 2]) -> Result<(), AugmentError> {
        if self.pixels >= height.min(width) {
            return Err(AugmentError::Shift { pixels: self.pixels, height, width });
        }
        Ok(())
    }

    pub(super) fn describe(self) -> String {
        let border = match self.border {
            Border::Zero => "black",
            Border::Reflect => "reflected",
        };
        format!("shift({} pixels, {border})", self.pixels)
    }

    /// Draws where the crop starts in the padded image: `[row, column]`, each 0 to 2 x `pixels`.
    pub fn draw(&self, draws: &mut Draws) -> [usize; 2] {
        [draws.below(2 * self.pixels + 1), draws.below(2 * self.pixels + 1)]
    }

    /// Writes `from`, padded and cropped at `start`, to `to`; both `[height, width, 3]`, and `pixels` below both sides.
    pub fn apply(&self, from: &[u8], [height, width]: [usize; 2], start: [usize; 2], to: &mut [u8]) {
        for (y, row) in to.chunks_exact_mut(width * 3).enumerate().take(height) {
            let source = self.source(y, start[0], height);
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                match source.zip(self.source(x, start[1], width)) {
                    Some((y, x)) => pixel.copy_from_slice(&from[(y * width + x) * 3..][..3]),
                    None => pixel.fill(0),
                }
            }
        }
    }

    /// Which of `length` places a place of the crop shows; `None` is black.
    fn source(&self, place: usize, start: usize, length: usize) -> Option<usize> {
        let padded = place + start;
        match (padded.checked_sub(self.pixels), self.border) {
            (Some(inside), _) if inside < length => Some(inside),
            (_, Border::Zero) => None,
            (None, Border::Reflect) => Some(self.pixels - padded),
            (Some(beyond), Border::Reflect) => Some(2 * (length - 1) - beyond),
        }
    }
}
