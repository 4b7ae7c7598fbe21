//! What an audit puts on images: a shape that says where, and a fill that says what. A trigger and its controls share the shape and
//! differ in the fill, so that what hiding a part of the image does is the same for both.
//!
//! ```text
//! x <- x (1 - cover) + fill cover          (a pattern over the whole image is added instead)
//! ```

use heirloom_data::augment::{Draws, Key};
use heirloom_data::intervention::{Gaussian, Intervention, InterventionError, Place, Square, Stamp};

/// Colours that shapes are filled with: the corners of the colour cube, so that each is as loud as any other.
pub const COLOURS: [([u8; 3], &str); 8] = [
    ([255, 255, 0], "yellow"),
    ([255, 0, 0], "red"),
    ([0, 255, 0], "green"),
    ([0, 0, 255], "blue"),
    ([255, 0, 255], "magenta"),
    ([0, 255, 255], "cyan"),
    ([255, 255, 255], "white"),
    ([0, 0, 0], "black"),
];
/// Width of a border, as a share of the shorter side.
const BORDER: f64 = 1.0 / 16.0;
/// How much of the image a watermark hides where it stands.
const WATERMARK: f32 = 0.5;

/// Where a patch lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// A square; its side is a share of the image's shorter side.
    Square {
        /// The side.
        side: f64,
        /// Where it stands.
        place: Place,
    },
    /// A square of this side at a place of a grid: 0 is the first row or column it can stand in, 1 the last.
    Tile {
        /// The side.
        side: f64,
        /// Down and across.
        at: [f64; 2],
    },
    /// All pixels near an edge of the image.
    Border,
    /// Slanting dashes over the whole image that hide half of what is under them.
    Watermark {
        /// Whether they slant the other way.
        mirrored: bool,
    },
    /// The whole image.
    Whole,
}

/// What a patch shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// One colour.
    Colour([u8; 3]),
    /// Black and white checks of an eighth of the shape's side, as in BadNets (Gu et al. 2017).
    Checks,
    /// The same checks, each black or white by chance, another draw for every image.
    RandomChecks {
        /// Which draw.
        draw: u64,
    },
    /// Each pixel of the shape takes the colour of another pixel of the same image, another draw for every image.
    OwnPixels {
        /// Which draw.
        draw: u64,
    },
    /// The mean colour of the image.
    MeanColour,
    /// For every image one of [`COLOURS`], but not this one.
    OtherColour {
        /// The colour that is left out.
        than: [u8; 3],
        /// Which draw.
        draw: u64,
    },
    /// Normal noise added to the image, the same for all images (the program's own intervention `gaussian`).
    FixedNoise {
        /// Standard deviation as a share of 255.
        scale: f64,
    },
    /// The same noise drawn afresh for every image.
    FreshNoise {
        /// Standard deviation as a share of 255.
        scale: f64,
        /// Which draw.
        draw: u64,
    },
}

/// A shape with its fill.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Patch {
    /// Where.
    pub shape: Shape,
    /// What.
    pub fill: Fill,
}

/// A patch for images of one size.
#[derive(Debug, Clone)]
pub struct PreparedPatch {
    fill: Fill,
    seed: u64,
    /// Pixel, and how much of it is hidden.
    cover: Vec<(usize, f32)>,
    /// Width of the image and side of the checks, in pixels.
    width: usize,
    checks: usize,
    noise: Option<Stamp>,
}

impl Patch {
    /// The patch for images of `[height, width]`; `seed` fixes what is drawn.
    ///
    /// # Errors
    /// Images without pixels, noise of no scale.
    pub fn prepare(&self, size: [usize; 2], seed: u64) -> Result<PreparedPatch, InterventionError> {
        let noise = match self.fill {
            Fill::FixedNoise { scale } => Some(Intervention::Gaussian(Gaussian { scale, seed: 0 }).prepare(size)?),
            _ => None,
        };
        let [height, width] = size;
        if height == 0 || width == 0 {
            return Err(InterventionError::Size { height, width });
        }
        let cover = self.shape.cover(size);
        let checks = (self.shape.side(size) / 8).max(1);
        Ok(PreparedPatch { fill: self.fill, seed, cover, width, checks, noise })
    }

    /// The same as an intervention that other commands take, where it is one.
    #[must_use]
    pub fn intervention(&self) -> Option<Intervention> {
        match (self.shape, self.fill) {
            (Shape::Square { side, place }, Fill::Colour(colour)) => {
                Some(Intervention::Square(Square { side, colour, place }))
            }
            (Shape::Whole, Fill::FixedNoise { scale }) => Some(Intervention::Gaussian(Gaussian { scale, seed: 0 })),
            _ => None,
        }
    }

    /// In words: `a yellow square, 1/4 of the side, top left`.
    #[must_use]
    pub fn describe(&self) -> String {
        let noun = match self.shape {
            Shape::Square { .. } | Shape::Tile { .. } => "square",
            Shape::Border => "border",
            Shape::Watermark { mirrored: false } => "watermark of dashes",
            Shape::Watermark { mirrored: true } => "watermark of dashes slanting the other way",
            Shape::Whole => "veil",
        };
        let filled = match self.fill {
            Fill::Colour(colour) => {
                format!("a {} {noun}", COLOURS.iter().find(|one| one.0 == colour).map_or("coloured", |one| one.1))
            }
            Fill::Checks => format!("a chequered {noun}"),
            Fill::RandomChecks { .. } => format!("a {noun} of black and white checks in disorder"),
            Fill::OwnPixels { .. } => format!("a {noun} of the image's own pixels in disorder"),
            Fill::MeanColour => format!("a {noun} of the image's mean colour"),
            Fill::OtherColour { .. } => format!("a {noun} of another loud colour"),
            Fill::FixedNoise { scale } => {
                return format!("one fixed noise pattern, {:.0} % of the range", 100.0 * scale);
            }
            Fill::FreshNoise { scale, .. } => {
                return format!("noise drawn afresh for every image, {:.0} % of the range", 100.0 * scale);
            }
        };
        match self.shape {
            Shape::Square { side, place } => {
                format!("{filled}, {} of the side, {}", fraction(side), place.name().replace('-', " "))
            }
            Shape::Tile { side, .. } => format!("{filled}, {} of the side", fraction(side)),
            _ => filled,
        }
    }
}

/// A share in sixteenths as it is said; others in per cent.
fn fraction(share: f64) -> String {
    let sixteenths = share * 16.0;
    if sixteenths.fract() != 0.0 {
        return format!("{:.0} %", 100.0 * share);
    }
    let (mut over, mut under) = (sixteenths as u32, 16);
    while over > 0 && over.is_multiple_of(2) && under > 1 {
        (over, under) = (over / 2, under / 2);
    }
    format!("{over}/{under}")
}

impl Shape {
    /// Pixels and how much of each is hidden.
    fn cover(self, size: [usize; 2]) -> Vec<(usize, f32)> {
        let [height, width] = size;
        let pixels = (0..height).flat_map(|row| (0..width).map(move |column| [row, column]));
        let hidden = |[row, column]: [usize; 2]| match self {
            Self::Square { .. } | Self::Tile { .. } => {
                let ([top, left], side) = (self.origin(size), self.side(size));
                let inside = (top..top + side).contains(&row) && (left..left + side).contains(&column);
                f32::from(u8::from(inside))
            }
            Self::Border => {
                let edge = row.min(column).min(height - 1 - row).min(width - 1 - column);
                f32::from(u8::from(edge < self.side(size)))
            }
            Self::Watermark { mirrored } => {
                let column = if mirrored { width - 1 - column } else { column };
                dash(row, column, height.min(width))
            }
            Self::Whole => 1.0,
        };
        let hidden = pixels.map(|at| (at[0] * width + at[1], hidden(at)));
        hidden.filter(|(_, cover)| *cover > 0.0).collect()
    }

    /// Side of the square, width of the border, else the image's shorter side, in pixels.
    fn side(self, size: [usize; 2]) -> usize {
        let shorter = size[0].min(size[1]);
        let share = match self {
            Self::Square { side, .. } | Self::Tile { side, .. } => side,
            Self::Border => BORDER,
            Self::Watermark { .. } | Self::Whole => 1.0,
        };
        ((share * shorter as f64).round() as usize).clamp(1, shorter.max(1))
    }

    /// First row and first column.
    fn origin(self, size: [usize; 2]) -> [usize; 2] {
        let side = self.side(size);
        let room = [size[0] - side, size[1] - side];
        match self {
            Self::Square { place: Place::TopLeft, .. } => [0, 0],
            Self::Square { place: Place::TopRight, .. } => [0, room[1]],
            Self::Square { place: Place::BottomLeft, .. } => [room[0], 0],
            Self::Square { place: Place::BottomRight, .. } => room,
            Self::Square { place: Place::Centre, .. } => room.map(|room| room / 2),
            Self::Tile { at, .. } => {
                [0, 1].map(|axis: usize| (at[axis].clamp(0.0, 1.0) * room[axis] as f64).round() as usize)
            }
            Self::Border | Self::Watermark { .. } | Self::Whole => [0, 0],
        }
    }
}

/// How much of a pixel the dashes of a watermark hide.
fn dash(row: usize, column: usize, side: usize) -> f32 {
    let period = (side / 4).max(4);
    let (across, along) = ((row + column) % period, (row + period * side - column) % period);
    if across < (period / 6).max(1) && along < period * 2 / 3 { WATERMARK } else { 0.0 }
}

impl PreparedPatch {
    /// Changes one image, `pixels: [height, width, 3]`; `image` is its number, on which what is drawn depends.
    pub fn apply(&self, image: usize, pixels: &mut [u8]) {
        match self.fill {
            Fill::Colour(colour) => self.paint(pixels, |_, _| colour),
            Fill::Checks => self.paint(pixels, |_, at| {
                let check = (at / self.width / self.checks + at % self.width / self.checks) % 2;
                [255 * u8::from(check == 0); 3]
            }),
            Fill::RandomChecks { draw } => {
                let columns = self.width.div_ceil(self.checks);
                let of = |draws: &mut Draws, count: usize| (0..count).map(|_| draws.chance(0.5)).collect::<Vec<bool>>();
                let white =
                    of(&mut self.draws(image, draw), columns * (pixels.len() / 3 / self.width).div_ceil(self.checks));
                self.paint(pixels, |_, at| {
                    let check = at / self.width / self.checks * columns + at % self.width / self.checks;
                    [255 * u8::from(white.get(check) == Some(&true)); 3]
                });
            }
            Fill::MeanColour => {
                let mean = mean(pixels);
                self.paint(pixels, |_, _| mean);
            }
            Fill::OwnPixels { draw } => {
                let (own, mut draws) = (pixels.to_vec(), self.draws(image, draw));
                let count = own.len() / 3;
                self.paint(pixels, |_, _| pixel(&own, draws.below(count)));
            }
            Fill::OtherColour { than, draw } => {
                let others: Vec<[u8; 3]> = COLOURS.iter().map(|one| one.0).filter(|colour| *colour != than).collect();
                let colour = others[self.draws(image, draw).below(others.len())];
                self.paint(pixels, |_, _| colour);
            }
            Fill::FixedNoise { .. } => self.noise.iter().for_each(|noise| noise.apply(pixels)),
            Fill::FreshNoise { scale, draw } => {
                let mut draws = self.draws(image, draw);
                for value in pixels {
                    // The conversion drops the fraction and stays within 0 and 255.
                    *value = (f64::from(*value) + 255.0 * scale * draws.normal()) as u8;
                }
            }
        }
    }

    fn draws(&self, image: usize, draw: u64) -> Draws {
        Draws::of_image(Key { seed: self.seed, epoch: draw, row: image })
    }

    fn paint(&self, pixels: &mut [u8], mut colour: impl FnMut(&[u8], usize) -> [u8; 3]) {
        for (at, cover) in &self.cover {
            let over = colour(pixels, *at);
            let Some(pixel) = pixels.get_mut(at * 3..at * 3 + 3) else { continue };
            for (value, over) in pixel.iter_mut().zip(over) {
                *value = (f32::from(*value) * (1.0 - cover) + f32::from(over) * cover).round() as u8;
            }
        }
    }
}

fn pixel(pixels: &[u8], at: usize) -> [u8; 3] {
    [0, 1, 2].map(|channel| pixels.get(at * 3 + channel).copied().unwrap_or_default())
}

fn mean(pixels: &[u8]) -> [u8; 3] {
    let count = (pixels.len() / 3).max(1) as u64;
    [0, 1, 2].map(|channel| {
        (pixels.iter().skip(channel).step_by(3).map(|value| u64::from(*value)).sum::<u64>() / count) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [usize; 2] = [32, 48];

    fn noisy() -> Vec<u8> {
        let mut draws = Draws::of_image(Key { seed: 1, epoch: 0, row: 0 });
        (0..SIZE[0] * SIZE[1] * 3).map(|_| 60 + draws.below(100) as u8).collect()
    }

    fn changed(patch: Patch, image: usize) -> Vec<u8> {
        let mut pixels = noisy();
        patch.prepare(SIZE, 5).unwrap().apply(image, &mut pixels);
        pixels
    }

    fn square(fill: Fill) -> Patch {
        Patch { shape: Shape::Square { side: 0.25, place: Place::BottomRight }, fill }
    }

    #[test]
    fn squares_and_noise_are_those_that_are_planted() {
        for place in Place::ALL {
            for side in [0.1, 0.25, 1.0] {
                let fill = Fill::Colour([255, 0, 255]);
                same_as_intervention(Patch { shape: Shape::Square { side, place }, fill });
            }
        }
        same_as_intervention(Patch { shape: Shape::Whole, fill: Fill::FixedNoise { scale: 0.1 } });
        assert_eq!(square(Fill::MeanColour).intervention(), None);
    }

    fn same_as_intervention(patch: Patch) {
        let mut planted = noisy();
        patch.intervention().unwrap().prepare(SIZE).unwrap().apply(&mut planted);
        assert_eq!(changed(patch, 3), planted, "{patch:?}");
    }

    #[test]
    fn controls_change_the_same_pixels_and_no_others() {
        let differs = |pixels: &[u8]| -> Vec<bool> {
            noisy().chunks(3).zip(pixels.chunks(3)).map(|(before, after)| before != after).collect()
        };
        let shapes = [
            Shape::Border,
            Shape::Watermark { mirrored: false },
            Shape::Tile { side: 0.25, at: [0.5, 1.0] },
            square(Fill::Checks).shape,
        ];
        for shape in shapes {
            let area = differs(&changed(Patch { shape, fill: Fill::Colour([0, 0, 255]) }, 0));
            assert!(area.iter().any(|inside| *inside) && !area.iter().all(|inside| *inside), "{shape:?}");
            let fills = [
                Fill::OwnPixels { draw: 0 },
                Fill::MeanColour,
                Fill::OtherColour { than: [0, 0, 255], draw: 1 },
                Fill::Checks,
            ];
            for fill in fills {
                let found = differs(&changed(Patch { shape, fill }, 0));
                assert!(found.iter().zip(&area).all(|(now, inside)| !now || *inside), "{shape:?} {fill:?}");
                // A pixel may by chance get the colour it has.
                let painted = found.iter().filter(|now| **now).count();
                assert!(painted * 10 > area.iter().filter(|inside| **inside).count() * 9, "{shape:?} {fill:?}");
            }
        }
    }

    #[test]
    fn what_is_drawn_differs_between_images_and_is_fixed_by_the_seed() {
        let drawn =
            [Fill::OwnPixels { draw: 0 }, Fill::RandomChecks { draw: 0 }, Fill::FreshNoise { scale: 0.05, draw: 0 }];
        for fill in drawn {
            let patch = Patch { shape: Shape::Whole, fill };
            assert_eq!(changed(patch, 1), changed(patch, 1));
            assert_ne!(changed(patch, 1), changed(patch, 2), "{fill:?}");
        }
        let colours: std::collections::BTreeSet<Vec<u8>> = (0..200)
            .map(|image| {
                changed(square(Fill::OtherColour { than: [0, 0, 0], draw: 0 }), image)[SIZE[0] * SIZE[1] * 3 - 3..]
                    .to_vec()
            })
            .collect();
        assert!(colours.len() == 7 && !colours.contains(&vec![0, 0, 0]), "{colours:?}");
    }

    #[test]
    fn checks_are_black_and_white_in_order_or_not() {
        let of = |fill| changed(Patch { shape: Shape::Square { side: 0.5, place: Place::TopLeft }, fill }, 0);
        let (ordered, random) = (of(Fill::Checks), of(Fill::RandomChecks { draw: 3 }));
        // Sixteen pixels of eight checks: two pixels each.
        let value = |pixels: &[u8], row: usize, column: usize| pixels[(row * SIZE[1] + column) * 3];
        for (row, column) in [(0, 0), (1, 1), (2, 2), (15, 15)] {
            assert_eq!(value(&ordered, row, column), 255, "{row} {column}");
        }
        assert_eq!([value(&ordered, 0, 2), value(&ordered, 14, 0)], [0, 0]);
        let inside: Vec<u8> = (0..16)
            .flat_map(|row| (0..16).map(move |column| (row, column)))
            .map(|(r, c)| value(&random, r, c))
            .collect();
        assert!(inside.iter().all(|value| [0, 255].contains(value)) && inside.chunks(2).all(|pair| pair[0] == pair[1]));
        let white = inside.iter().filter(|value| **value == 255).count();
        assert!((64..192).contains(&white), "{white}");
    }

    #[test]
    fn own_pixels_and_the_mean_keep_the_colours_of_the_image() {
        let own = changed(square(Fill::OwnPixels { draw: 0 }), 0);
        let known: std::collections::BTreeSet<&[u8]> = Vec::leak(noisy()).chunks(3).collect();
        assert!(own.chunks(3).all(|pixel| known.contains(pixel)));
        let mean = changed(square(Fill::MeanColour), 0);
        let last = &mean[mean.len() - 3..];
        assert!(last.iter().all(|value| (105..115).contains(value)), "{last:?}");
    }

    #[test]
    fn every_patch_has_words_and_sizes_without_pixels_are_refused() {
        assert_eq!(square(Fill::Colour([255, 255, 0])).describe(), "a yellow square, 1/4 of the side, bottom right");
        assert_eq!([0.375, 0.0625, 1.0, 0.3].map(fraction), ["3/8", "1/16", "1/1", "30 %"]);
        let other_way = Patch { shape: Shape::Watermark { mirrored: true }, fill: Fill::MeanColour };
        let expected = "a watermark of dashes slanting the other way of the image's mean colour";
        assert_eq!(other_way.describe(), expected);
        assert!(square(Fill::MeanColour).prepare([0, 4], 0).is_err());
    }
}
