//! Colour jitter by torchvision's definitions on eight-bit images: each adjustment blends in single precision, clamps to 0
//! to 255 and drops the fraction.

use serde::{Deserialize, Serialize};

use super::{AugmentError, Draws};

/// How far colours may stray. A strength of 0 leaves that property alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ColourJitter {
    /// The brightness is multiplied by a factor from 1 - this (at least 0) to 1 + this.
    pub brightness: f64,
    /// The same for the distance from the mean grey.
    pub contrast: f64,
    /// The same for the distance of each pixel from its grey.
    pub saturation: f64,
    /// The hue is turned by -this to this, in turns; at most a half.
    pub hue: f64,
}

/// One adjustment with its factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Adjustment {
    Brightness(f64),
    Contrast(f64),
    Saturation(f64),
    Hue(f64),
}

impl Default for ColourJitter {
    /// 0.4 for brightness, contrast and saturation, 0.1 for the hue.
    fn default() -> Self {
        Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 }
    }
}

impl ColourJitter {
    pub(super) fn check(self) -> Result<(), AugmentError> {
        let strengths = [
            ("brightness", self.brightness, f64::MAX),
            ("contrast", self.contrast, f64::MAX),
            ("saturation", self.saturation, f64::MAX),
            ("hue", self.hue, 0.5),
        ];
        for (what, high, most) in strengths {
            if !(0.0..=most).contains(&high) {
                let expected = "a strength of at least 0, for the hue at most 0.5";
                return Err(AugmentError::Range { what, low: -high, high, expected });
            }
        }
        Ok(())
    }

    pub(super) fn describe(self) -> String {
        let Self { brightness, contrast, saturation, hue } = self;
        format!("colour_jitter(brightness {brightness}, contrast {contrast}, saturation {saturation}, hue {hue})")
    }

    /// Draws the factors and the order of the adjustments.
    pub(super) fn draw(&self, draws: &mut Draws) -> [Adjustment; 4] {
        let mut factor = |strength: f64| draws.uniform((1.0 - strength).max(0.0), 1.0 + strength);
        let mut adjustments = [
            Adjustment::Brightness(factor(self.brightness)),
            Adjustment::Contrast(factor(self.contrast)),
            Adjustment::Saturation(factor(self.saturation)),
            Adjustment::Hue(draws.uniform(-self.hue, self.hue)),
        ];
        draws.shuffle(&mut adjustments);
        adjustments
    }
}

impl Adjustment {
    pub(super) fn apply(self, pixels: &mut [u8]) {
        match self {
            Adjustment::Brightness(1.0) | Adjustment::Contrast(1.0) | Adjustment::Saturation(1.0) => {}
            Adjustment::Hue(0.0) => {}
            Adjustment::Brightness(factor) => adjust_brightness(pixels, factor),
            Adjustment::Contrast(factor) => adjust_contrast(pixels, factor),
            Adjustment::Saturation(factor) => adjust_saturation(pixels, factor),
            Adjustment::Hue(turns) => adjust_hue(pixels, turns),
        }
    }
}

/// The grey of a pixel, with torchvision's weights, the fraction dropped.
fn grey(pixel: [u8; 3]) -> u8 {
    let [red, green, blue] = pixel.map(f32::from);
    (0.2989 * red + 0.587 * green + 0.114 * blue) as u8
}

/// `factor` parts of `value` and 1 - `factor` of `other`.
fn blend(value: u8, other: f32, factor: f64) -> u8 {
    (factor as f32 * f32::from(value) + (1.0 - factor) as f32 * other).clamp(0.0, 255.0) as u8
}

/// Replaces every value by what it becomes, computed once for each of the 256.
fn replace(pixels: &mut [u8], becomes: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|value| becomes(value as u8));
    pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

/// Multiplies every value by `factor`: 0 gives black. `pixels`: RGB, any number of pixels.
pub fn adjust_brightness(pixels: &mut [u8], factor: f64) {
    replace(pixels, |value| blend(value, 0.0, factor));
}

/// Multiplies every value's distance from the image's mean grey by `factor`: 0 gives plain grey. `pixels`: one RGB image.
pub fn adjust_contrast(pixels: &mut [u8], factor: f64) {
    let (greys, _) = pixels.as_chunks::<3>();
    let sum: u64 = greys.iter().map(|pixel| u64::from(grey(*pixel))).sum();
    let mean = (sum as f64 / greys.len().max(1) as f64) as f32;
    replace(pixels, |value| blend(value, mean, factor));
}

/// Multiplies every value's distance from its pixel's grey by `factor`: 0 gives shades of grey. `pixels`: RGB.
pub fn adjust_saturation(pixels: &mut [u8], factor: f64) {
    for pixel in pixels.as_chunks_mut::<3>().0 {
        let grey = f32::from(grey(*pixel));
        *pixel = pixel.map(|value| blend(value, grey, factor));
    }
}

/// Turns the hue by `turns`, -0.5 to 0.5 of the whole circle. `pixels`: RGB.
pub fn adjust_hue(pixels: &mut [u8], turns: f64) {
    let unit: [f32; 256] = std::array::from_fn(|value| value as f32 / 255.0);
    for pixel in pixels.as_chunks_mut::<3>().0 {
        let [hue, saturation, value] = to_hsv(pixel.map(|value| unit[usize::from(value)]));
        let turned = within_one_turn(hue + turns as f32);
        // torchvision's conversion back: the unit interval is cut into 256 parts of almost equal length.
        *pixel = to_rgb([turned, saturation, value]).map(|value| (value * 255.999) as u8);
    }
}

/// The remainder of a turn from -1 to 2: exact, as a division's remainder is, without the division.
fn within_one_turn(turn: f32) -> f32 {
    if turn < 0.0 {
        turn + 1.0
    } else if turn >= 1.0 {
        turn - 1.0
    } else {
        turn
    }
}

/// Hue in turns, saturation and value, each 0 to 1.
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let value = red.max(green).max(blue);
    let range = value - red.min(green).min(blue);
    if range == 0.0 {
        return [0.0, 0.0, value];
    }
    let [to_red, to_green, to_blue] = [red, green, blue].map(|channel| (value - channel) / range);
    let sixths = if value == red {
        to_blue - to_green
    } else if value == green {
        2.0 + to_red - to_blue
    } else {
        4.0 + to_green - to_red
    };
    [within_one_turn(sixths / 6.0 + 1.0), range / value, value]
}

fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let sector = sixths as u8;
    let part = sixths - f32::from(sector);
    let p = (value * (1.0 - saturation)).clamp(0.0, 1.0);
    let q = (value * (1.0 - saturation * part)).clamp(0.0, 1.0);
    let t = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0);
    match sector % 6 {
        0 => [value, t, p],
        1 => [q, value, p],
        2 => [p, value, t],
        3 => [p, q, value],
        4 => [t, p, value],
        _ => [value, p, q],
    }
}
