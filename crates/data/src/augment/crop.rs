//! Random resized crop: a part of random area and shape, resized to the output (Szegedy et al., "Going deeper with
//! convolutions", section 6; torchvision's `RandomResizedCrop`).

use serde::{Deserialize, Serialize};

use super::{AugmentError, Draws};

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CropBox {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Which parts are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RandomResizedCrop {
    /// Least and largest share of the image's area.
    pub scale: [f64; 2],
    /// Least and largest ratio of width to height.
    pub ratio: [f64; 2],
}

/// Draws of a box before the central one is taken.
const TRIES: usize = 10;

impl Default for RandomResizedCrop {
    /// 8 % to all of the area, 3:4 to 4:3.
    fn default() -> Self {
        Self { scale: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] }
    }
}

impl RandomResizedCrop {
    pub(super) fn check(self) -> Result<(), AugmentError> {
        let [low, high] = self.scale;
        if !(low > 0.0 && low <= high && high <= 1.0) {
            let expected = "0 < low <= high <= 1";
            return Err(AugmentError::Range { what: "the crop's share of the area", low, high, expected });
        }
        let [low, high] = self.ratio;
        if !(low > 0.0 && low <= high && high.is_finite()) {
            let expected = "0 < low <= high";
            return Err(AugmentError::Range { what: "the crop's width to height", low, high, expected });
        }
        Ok(())
    }

    pub(super) fn describe(self) -> String {
        let ([least, most], [narrow, wide]) = (self.scale, self.ratio);
        format!("random_resized_crop(area {least}-{most}, ratio {narrow:.3}-{wide:.3})")
    }

    /// Draws the part of an image of `width` x `height` pixels.
    pub fn draw(&self, width: usize, height: usize, draws: &mut Draws) -> CropBox {
        self.draw_from(width, height, || draws.unit())
    }

    /// The same from any source of numbers in [0, 1): a try takes one for the area, one for the shape and, if the box fits,
    /// one each for row and column.
    pub fn draw_from(&self, width: usize, height: usize, mut unit: impl FnMut() -> f64) -> CropBox {
        let mut uniform = |[low, high]: [f64; 2]| low + (high - low) * unit();
        let logarithms = self.ratio.map(f64::ln);
        for _ in 0..TRIES {
            let area = (width * height) as f64 * uniform(self.scale);
            let ratio = uniform(logarithms).exp();
            let side = |square: f64| square.sqrt().round_ties_even() as usize;
            let (part_width, part_height) = (side(area * ratio), side(area / ratio));
            if (1..=width).contains(&part_width) && (1..=height).contains(&part_height) {
                let mut place = |margin: usize| (uniform([0.0, (margin + 1) as f64]) as usize).min(margin);
                let (top, left) = (place(height - part_height), place(width - part_width));
                return CropBox { left, top, width: part_width, height: part_height };
            }
        }
        self.central(width, height)
    }

    /// The largest central part whose shape is allowed.
    fn central(&self, width: usize, height: usize) -> CropBox {
        let [narrowest, widest] = self.ratio;
        let whole = width as f64 / height as f64;
        let round = |side: f64, limit: usize| (side.round_ties_even() as usize).clamp(1, limit);
        let (part_width, part_height) = if whole < narrowest {
            (width, round(width as f64 / narrowest, height))
        } else if whole > widest {
            (round(height as f64 * widest, width), height)
        } else {
            (width, height)
        };
        let (left, top) = ((width - part_width) / 2, (height - part_height) / 2);
        CropBox { left, top, width: part_width, height: part_height }
    }
}
