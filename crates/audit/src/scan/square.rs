//! What the scan puts on images: a square of one colour, at a place of its own on every image.

use heirloom_data::augment::{Draws, Key};

use crate::COLOURS;

/// Sets the draw of places apart from others.
const PLACES: u64 = 1 << 40;
/// Levels of each channel of the colours that are tried.
const LEVELS: [u8; 3] = [0, 128, 255];
/// Names of colours besides the loud ones, for people.
const QUIETER: [([u8; 3], &str); 7] = [
    ([128, 128, 128], "grey"),
    ([255, 128, 0], "orange"),
    ([128, 0, 128], "violet"),
    ([128, 64, 0], "brown"),
    ([255, 128, 192], "pink"),
    ([0, 128, 0], "dark green"),
    ([0, 0, 128], "dark blue"),
];

/// The colours that are tried: 27, spread over the colour cube.
pub(super) fn colours() -> Vec<[u8; 3]> {
    let pairs = |red: u8| LEVELS.iter().flat_map(move |green| LEVELS.iter().map(move |blue| [red, *green, *blue]));
    LEVELS.iter().flat_map(|red| pairs(*red)).collect()
}

/// A colour in words: `#ff8000 (orange)`.
pub(super) fn describe([red, green, blue]: [u8; 3]) -> String {
    let distance = |other: [u8; 3]| -> u32 {
        [red, green, blue].iter().zip(other).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let name = COLOURS.iter().chain(&QUIETER).min_by_key(|one| distance(one.0)).map_or("?", |one| one.1);
    format!("#{red:02x}{green:02x}{blue:02x} ({name})")
}

/// A square on images of one size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Square {
    /// Its side in pixels.
    pub side: usize,
    /// Height and width of the images.
    pub size: [usize; 2],
    /// Fixes the places.
    pub seed: u64,
}

impl Square {
    /// `share` is its side as a share of the image's shorter side.
    pub fn of(share: f64, size: [usize; 2], seed: u64) -> Self {
        let shorter = size[0].min(size[1]);
        Self { side: ((share * shorter as f64).round() as usize).clamp(1, shorter.max(1)), size, seed }
    }

    /// First row and column on the image of this number: the same for every colour.
    pub fn place(&self, image: usize) -> [usize; 2] {
        let mut draws = Draws::of_image(Key { seed: self.seed, epoch: PLACES + self.side as u64, row: image });
        self.size.map(|along| draws.below(along - self.side + 1))
    }

    /// Paints it at a place of one image, `pixels: [height, width, 3]`.
    pub fn paint(&self, colour: [u8; 3], [top, left]: [usize; 2], pixels: &mut [u8]) {
        for row in top..top + self.side {
            let first = (row * self.size[1] + left) * 3;
            for pixel in pixels.get_mut(first..first + self.side * 3).unwrap_or_default().chunks_exact_mut(3) {
                pixel.copy_from_slice(&colour);
            }
        }
    }
}
