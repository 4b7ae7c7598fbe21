//! A square of one colour at a fixed place: the pattern of the paper is yellow, a quarter of the side, in the top left corner
//! (`spec/bias-transfer.md` section 2.1).

use serde::{Deserialize, Serialize};

use super::InterventionError;
use super::text::Settings;

/// A square of one colour.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Square {
    /// Side, as a share of the image's shorter side; above 0, at most 1. Rounded to whole pixels, at least one.
    pub side: f64,
    /// Red, green, blue.
    pub colour: [u8; 3],
    /// Where it stands.
    pub place: Place,
}

/// Where a square stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Top left corner.
    TopLeft,
    /// Top right corner.
    TopRight,
    /// Bottom left corner.
    BottomLeft,
    /// Bottom right corner.
    BottomRight,
    /// The middle, rounded up and left.
    Centre,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::TopLeft, Self::TopRight, Self::BottomLeft, Self::BottomRight, Self::Centre];

    /// Name in descriptions and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TopLeft => "top-left",
            Self::TopRight => "top-right",
            Self::BottomLeft => "bottom-left",
            Self::BottomRight => "bottom-right",
            Self::Centre => "centre",
        }
    }

    /// First row and first column of a square of `side` pixels in an image of `[height, width]`.
    fn origin(self, [height, width]: [usize; 2], side: usize) -> [usize; 2] {
        let (down, across) = (height - side, width - side);
        match self {
            Self::TopLeft => [0, 0],
            Self::TopRight => [0, across],
            Self::BottomLeft => [down, 0],
            Self::BottomRight => [down, across],
            Self::Centre => [down / 2, across / 2],
        }
    }
}

impl Default for Square {
    /// The paper's: yellow, a quarter of the side, top left.
    fn default() -> Self {
        Self { side: 0.25, colour: [255, 255, 0], place: Place::TopLeft }
    }
}

impl Square {
    pub(super) const NAME: &str = "square";
    pub(super) const SETTINGS: &str = "side=SHARE, colour=RRGGBB, place=PLACE";

    /// The area it covers in an image of `[height, width]`.
    pub(super) fn at(&self, size: [usize; 2]) -> Result<Area, InterventionError> {
        if !(self.side > 0.0 && self.side <= 1.0) {
            return Err(InterventionError::value("side", self.side, "a share of the image's side, above 0 to 1"));
        }
        let shorter = size[0].min(size[1]);
        let side = ((self.side * shorter as f64).round() as usize).clamp(1, shorter);
        Ok(Area { origin: self.place.origin(size, side), side, colour: self.colour })
    }

    pub(super) fn parse(settings: Settings<'_>) -> Result<Self, InterventionError> {
        let mut square = Self::default();
        for (setting, value) in settings.pairs()? {
            match setting {
                "side" => {
                    let side =
                        value.parse().map_err(|_| InterventionError::value("side", value, "a share, as 0.25"))?;
                    square.side = side;
                }
                "colour" => square.colour = colour(value)?,
                "place" => square.place = place(value)?,
                other => return Err(settings.unknown(other)),
            }
        }
        square.at([1, 1])?;
        Ok(square)
    }
}

impl std::fmt::Display for Square {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [red, green, blue] = self.colour;
        let (side, place) = (self.side, self.place.name());
        write!(f, "{}:side={side},colour={red:02x}{green:02x}{blue:02x},place={place}", Self::NAME)
    }
}

/// Six hexadecimal digits, with or without a `#`.
fn colour(text: &str) -> Result<[u8; 3], InterventionError> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let plain = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok().filter(|_| plain);
    let refused = || InterventionError::value("colour", text, "six hexadecimal digits, as ffff00 for yellow");
    value.map(|value| [(value >> 16) as u8, (value >> 8) as u8, value as u8]).ok_or_else(refused)
}

fn place(text: &str) -> Result<Place, InterventionError> {
    let known = || format!("one of {}", Place::ALL.map(Place::name).join(", "));
    let found = Place::ALL.into_iter().find(|place| place.name() == text);
    found.ok_or_else(|| InterventionError::value("place", text, known()))
}

/// A square in pixels; it lies within the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    /// First row and first column.
    pub origin: [usize; 2],
    /// Side in pixels.
    pub side: usize,
    pub colour: [u8; 3],
}

impl Area {
    /// Paints one image, `image: [height, width, 3]`.
    pub fn paint(&self, image: &mut [u8], width: usize) {
        let [top, left] = self.origin;
        let rows = image.chunks_exact_mut(width * 3).skip(top).take(self.side);
        for row in rows {
            row[left * 3..(left + self.side) * 3].as_chunks_mut().0.fill(self.colour);
        }
    }
}
