//! Images turned by quarters of a circle, counterclockwise. With `n` pixels on each side and one quarter,
//!
//! ```text
//! result[row, column] = image[column, n - 1 - row]
//! ```
//!
//! A network that says by how much an image was turned has to know how things usually stand: a task that needs no labels (Gidaris, Singh,
//! Komodakis 2018, arXiv 1803.07728); see [`Table::turned`](crate::Table::turned).

use serde::{Deserialize, Serialize};

use super::InterventionError;
use super::text::Settings;

/// A turn by quarters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Quarters of a circle, 1 to 3, counterclockwise.
    pub quarters: u8,
}

impl Turn {
    pub(super) const NAME: &str = "turn";
    pub(super) const SETTINGS: &str = "quarters=1|2|3";

    pub(super) fn parse(settings: Settings<'_>) -> Result<Self, InterventionError> {
        let mut turn = Self { quarters: 1 };
        for (setting, value) in settings.pairs()? {
            turn.quarters = match (setting, value.parse()) {
                ("quarters", Ok(quarters @ 1..=3)) => quarters,
                ("quarters", _) => return Err(InterventionError::value("quarters", value, "1, 2 or 3")),
                (other, _) => return Err(settings.unknown(other)),
            };
        }
        Ok(turn)
    }

    /// What it does to images of `[height, width]`.
    pub(super) fn at(self, [height, width]: [usize; 2]) -> Result<Turned, InterventionError> {
        if height != width && self.quarters % 2 == 1 {
            let expected = format!("2 for images of {height} x {width} pixels: only squares stay as they lie");
            return Err(InterventionError::value("quarters", self.quarters, expected));
        }
        Ok(Turned { size: [height, width], quarters: self.quarters })
    }
}

impl std::fmt::Display for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:quarters={}", Self::NAME, self.quarters)
    }
}

/// A turn of images of one size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Turned {
    size: [usize; 2],
    quarters: u8,
}

impl Turned {
    /// Turns one image of its length.
    pub fn apply(self, image: &mut [u8]) {
        let (before, [height, width]) = (image.to_vec(), self.size);
        for (at, pixel) in image.as_chunks_mut::<3>().0.iter_mut().enumerate() {
            let (row, column) = (at / width, at % width);
            let (from_row, from_column) = match self.quarters {
                1 => (column, width - 1 - row),
                2 => (height - 1 - row, width - 1 - column),
                _ => (height - 1 - column, row),
            };
            pixel.copy_from_slice(&before[(from_row * width + from_column) * 3..][..3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Intervention;

    fn turned(text: &str, size: [usize; 2]) -> Vec<u8> {
        let stamp = text.parse::<Intervention>().unwrap().prepare(size).unwrap();
        let mut image: Vec<u8> = (0..size[0] * size[1]).flat_map(|pixel| [pixel as u8; 3]).collect();
        stamp.apply(&mut image);
        image.chunks(3).map(|pixel| pixel[0]).collect()
    }

    /// Against `numpy.rot90` of the numbers 0 to 8 in three rows.
    #[test]
    fn quarters_are_those_of_numpy() {
        assert_eq!(turned("turn", [3, 3]), [2, 5, 8, 1, 4, 7, 0, 3, 6]);
        assert_eq!(turned("turn:quarters=2", [3, 3]), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert_eq!(turned("turn:quarters=3", [3, 3]), [6, 3, 0, 7, 4, 1, 8, 5, 2]);
        assert_eq!(turned("turn:quarters=2", [2, 3]), [5, 4, 3, 2, 1, 0]);
    }

    #[test]
    fn four_quarters_are_a_whole_and_three_the_way_back() {
        let stamp = |text: &str| text.parse::<Intervention>().unwrap().prepare([5, 5]).unwrap();
        let start: Vec<u8> = (0..75).collect();
        let mut image = start.clone();
        (0..4).for_each(|_| stamp("turn").apply(&mut image));
        assert_eq!(image, start);
        stamp("turn").apply(&mut image);
        stamp("turn:quarters=3").apply(&mut image);
        assert_eq!(image, start);
    }

    #[test]
    fn what_cannot_be_turned_is_refused() {
        let refused = |text: &str, size| text.parse::<Intervention>().unwrap().prepare(size).unwrap_err().to_string();
        assert!(refused("turn:quarters=1", [4, 6]).contains("4 x 6"));
        assert!("turn:quarters=4".parse::<Intervention>().unwrap_err().to_string().contains("1, 2 or 3"));
        assert!("turn:angle=4".parse::<Intervention>().unwrap_err().to_string().contains("angle"));
    }
}
