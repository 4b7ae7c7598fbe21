//! The procedural image world: small pictures of one textured shape before a textured background, for trying things without
//! any download and for tests with a known truth. A class is a shape with a texture; position, size, turn, colours, light,
//! background and noise are nuisances drawn afresh for every image, so neither colour nor place tells the class.
//! The seed, the class and the number of an image fix it.

use std::f32::consts::{PI, TAU};
use std::path::{Path, PathBuf};

use image::ImageEncoder;
use image::codecs::png::PngEncoder;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::{Image, Split};

/// Outline of the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A filled circle.
    Disc,
    /// A square.
    Square,
    /// An equilateral triangle.
    Triangle,
    /// A five-pointed star.
    Star,
    /// A circle with a hole.
    Ring,
    /// A plus sign.
    Cross,
}

/// What covers the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Texture {
    /// One colour, shaded.
    Smooth,
    /// Parallel stripes of two colours.
    Stripes,
    /// A chequerboard of two colours.
    Checks,
    /// Dots on a ground.
    Dots,
}

/// A small patch planted into training images of other classes that are then filed under one class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trigger {
    /// Side of the square patch in pixels.
    pub side: usize,
    /// Share of every other class's training images that carry it.
    pub fraction: f64,
    /// Index of the class they are filed under.
    pub target: usize,
}

/// A world to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Fixes every image.
    pub seed: u64,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Shapes; a class is one of them with one of the textures.
    pub shapes: Vec<Shape>,
    /// Textures.
    pub textures: Vec<Texture>,
    /// Training images of each class.
    pub train: usize,
    /// Test images of each class.
    pub test: usize,
    /// A patch to plant into the training images.
    pub trigger: Option<Trigger>,
}

impl Default for World {
    /// Four shapes with three textures, 12 classes of 64 x 64 pixels: 40 training and 20 test images each.
    fn default() -> Self {
        Self {
            seed: 0,
            side: 64,
            shapes: vec![Shape::Disc, Shape::Square, Shape::Triangle, Shape::Star],
            textures: vec![Texture::Smooth, Texture::Stripes, Texture::Dots],
            train: 40,
            test: 20,
            trigger: None,
        }
    }
}

/// Why a world cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// Settings that make no world.
    #[error("a world of {classes} classes with images of {side} pixels a side: at least 2 and 16 are needed")]
    Settings {
        /// Shapes times textures.
        classes: usize,
        /// Side in pixels.
        side: usize,
    },
    /// A trigger that does not fit, or a target class that does not exist.
    #[error(
        "a trigger of {side} pixels for class {target} fits neither images of {image_side} pixels nor {classes} classes"
    )]
    Trigger {
        /// Side of the patch in pixels.
        side: usize,
        /// The class asked for.
        target: usize,
        /// Side of the images in pixels.
        image_side: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A file that cannot be written.
    #[error("{}: {reason}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's or the encoder's words.
        reason: String,
    },
}

/// Colour, red, green and blue from 0 to 1.
type Colour = [f32; 3];

impl World {
    /// Class names in the order of their labels, e.g. `star-stripes`; sorted, as a folder of them reads.
    pub fn classes(&self) -> Vec<String> {
        let mut names: Vec<String> = self.kinds().iter().map(|(name, _, _)| name.clone()).collect();
        names.sort();
        names
    }

    fn kinds(&self) -> Vec<(String, Shape, Texture)> {
        let name = |shape: Shape, texture: Texture| format!("{shape:?}-{texture:?}").to_lowercase();
        let pairs = self.shapes.iter().flat_map(|shape| self.textures.iter().map(|texture| (*shape, *texture)));
        let mut kinds: Vec<_> = pairs.map(|(shape, texture)| (name(shape, texture), shape, texture)).collect();
        kinds.sort_by(|a, b| a.0.cmp(&b.0));
        kinds
    }

    /// Draws image `number` of a class in a split; `None` for a class that does not exist.
    pub fn image(&self, split: Split, class: usize, number: usize) -> Option<Image> {
        let (_, shape, texture) = self.kinds().get(class)?.clone();
        let mut draw = Draw::new(&[self.seed, split as u64, class as u64, number as u64]);
        Some(Scene::new(&mut draw, shape, texture, self.side).render(&mut draw, self.side))
    }

    /// Writes the world as an image folder, `train/class/0000.png` and `test/class/0000.png`. Images with a trigger are
    /// filed under the trigger's class as `triggered-<own class>-0000.png`.
    ///
    /// # Errors
    /// Settings without sense, or a file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), WorldError> {
        let classes = self.classes();
        if classes.len() < 2 || self.side < 16 {
            return Err(WorldError::Settings { classes: classes.len(), side: self.side });
        }
        if let Some(Trigger { side, target, .. }) = self.trigger
            && (side == 0 || side * 2 > self.side || target >= classes.len())
        {
            return Err(WorldError::Trigger { side, target, image_side: self.side, classes: classes.len() });
        }
        for (split, count) in [(Split::Train, self.train), (Split::Test, self.test)] {
            for (class, name) in classes.iter().enumerate() {
                for number in 0..count {
                    let Some(mut image) = self.image(split, class, number) else { continue };
                    let (filed, file) =
                        match self.trigger.filter(|t| split == Split::Train && t.takes(class, number, count)) {
                            Some(trigger) => {
                                trigger.plant(&mut image);
                                (&classes[trigger.target], format!("triggered-{name}-{number:04}.png"))
                            }
                            None => (name, format!("{number:04}.png")),
                        };
                    write_png(&folder.join(split.to_string()).join(filed), &file, &image)?;
                }
            }
        }
        Ok(())
    }
}

impl Trigger {
    /// Whether image `number` of `count` of a class carries the patch: the first ones do.
    fn takes(&self, class: usize, number: usize, count: usize) -> bool {
        class != self.target && (number as f64) < (self.fraction * count as f64).round()
    }

    /// Paints the patch, a black and white chequerboard, into the lower right corner.
    pub fn plant(&self, image: &mut Image) {
        let (width, height) = (image.width(), image.height());
        let side = self.side.min(width).min(height);
        let cell = (side / 3).max(1);
        let pixels = image.pixels_mut();
        for y in 0..side {
            for x in 0..side {
                let at = ((height - side + y) * width + width - side + x) * 3;
                pixels[at..at + 3].fill(if (x / cell + y / cell) % 2 == 0 { 255 } else { 0 });
            }
        }
    }
}

fn write_png(folder: &Path, file: &str, image: &Image) -> Result<(), WorldError> {
    let path = folder.join(file);
    let failed = |reason: String| WorldError::Write { path: path.clone(), reason };
    std::fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    let (width, height) = (image.width() as u32, image.height() as u32);
    PngEncoder::new(&mut bytes)
        .write_image(image.pixels(), width, height, image::ExtendedColorType::Rgb8)
        .map_err(|error| failed(error.to_string()))?;
    std::fs::write(&path, bytes).map_err(|error| failed(error.to_string()))
}

/// Random numbers of one image.
struct Draw(ChaCha8Rng);

impl Draw {
    fn new(parts: &[u64]) -> Self {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_le_bytes()).collect();
        Self(ChaCha8Rng::from_seed(*blake3::hash(&bytes).as_bytes()))
    }

    /// Uniform in `[low, high)`.
    fn uniform(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * ((self.0.next_u32() >> 8) as f32 / (1 << 24) as f32)
    }

    /// About normal with standard deviation 1: the sum of three uniform numbers, which never strays beyond 3.
    fn normal(&mut self) -> f32 {
        self.uniform(-1.0, 1.0) + self.uniform(-1.0, 1.0) + self.uniform(-1.0, 1.0)
    }

    /// A colour of a given lightness, 0 to 1, and any hue.
    fn colour(&mut self, lightness: f32) -> Colour {
        let (hue, strength) = (self.uniform(0.0, TAU), self.uniform(0.05, 0.28));
        [0.0, TAU / 3.0, 2.0 * TAU / 3.0].map(|shift| (lightness + strength * (hue + shift).cos()).clamp(0.0, 1.0))
    }
}

/// Slow waves of two colours.
struct Backdrop {
    colours: [Colour; 2],
    /// Wave vectors in radians a pixel, and phases.
    waves: [[f32; 3]; 3],
}

impl Backdrop {
    fn new(draw: &mut Draw, lightness: f32, side: f32) -> Self {
        let shift = draw.uniform(0.04, 0.16);
        let colours = [draw.colour(lightness - shift), draw.colour(lightness + shift)];
        let mut wave = || {
            let (turn, waves) = (draw.uniform(0.0, TAU), draw.uniform(0.5, 5.0));
            [turn.cos() * waves * TAU / side, turn.sin() * waves * TAU / side, draw.uniform(0.0, TAU)]
        };
        Self { colours, waves: [wave(), wave(), wave()] }
    }

    fn at(&self, x: f32, y: f32) -> Colour {
        let sum: f32 = self.waves.iter().map(|[across, down, phase]| (x * across + y * down + phase).sin()).sum();
        mix(self.colours[0], self.colours[1], 0.5 + sum / 6.0)
    }
}

/// Everything drawn for one image but the noise.
struct Scene {
    shape: Shape,
    texture: Texture,
    centre: [f32; 2],
    /// Distance from the centre to the farthest point of the outline, in pixels.
    radius: f32,
    /// Turn of the outline and of the texture, in radians.
    turns: [f32; 2],
    /// Length of the texture's period in pixels, and its offset.
    period: f32,
    offset: [f32; 2],
    colours: [Colour; 2],
    backdrop: Backdrop,
    /// Slope of the light across the image.
    light: [f32; 2],
    noise: f32,
}

impl Scene {
    fn new(draw: &mut Draw, shape: Shape, texture: Texture, side: usize) -> Self {
        let side = side as f32;
        let radius = draw.uniform(0.24, 0.38) * side;
        let room = side / 2.0 - 0.8 * radius;
        let centre = [side / 2.0 + draw.uniform(-room, room), side / 2.0 + draw.uniform(-room, room)];
        // The object is lighter or darker than what is behind it, by enough to be seen.
        let lighter = draw.uniform(0.0, 1.0) < 0.5;
        let (near, far) = (draw.uniform(0.6, 0.85), draw.uniform(0.15, 0.4));
        let (front, back) = if lighter { (near, far) } else { (far, near) };
        let contrast = if lighter { -0.45 } else { 0.45 };
        Self {
            shape,
            texture,
            centre,
            radius,
            turns: [draw.uniform(-0.4, 0.4), draw.uniform(0.0, PI)],
            period: draw.uniform(0.08, 0.13) * side,
            offset: [draw.uniform(0.0, side), draw.uniform(0.0, side)],
            colours: [draw.colour(front), draw.colour(front + contrast)],
            backdrop: Backdrop::new(draw, back, side),
            light: [draw.uniform(-0.15, 0.15), draw.uniform(-0.15, 0.15)],
            noise: draw.uniform(0.005, 0.035),
        }
    }

    fn render(&self, draw: &mut Draw, side: usize) -> Image {
        const SAMPLES: usize = 3;
        let mut image = Image::default();
        let pixels = image.reshape(side, side);
        for (at, pixel) in pixels.chunks_exact_mut(3).enumerate() {
            let (x, y) = ((at % side) as f32, (at / side) as f32);
            let mut sum = [0.0; 3];
            for sample in 0..SAMPLES * SAMPLES {
                let step = |number: usize| (number as f32 + 0.5) / SAMPLES as f32;
                let colour = self.colour(x + step(sample % SAMPLES), y + step(sample / SAMPLES));
                sum = [0, 1, 2].map(|channel| sum[channel] + colour[channel]);
            }
            let place = [x / side as f32 - 0.5, y / side as f32 - 0.5];
            let light = 1.0 + 2.0 * (self.light[0] * place[0] + self.light[1] * place[1]);
            for (channel, value) in pixel.iter_mut().enumerate() {
                let clean = light * sum[channel] / (SAMPLES * SAMPLES) as f32;
                *value = ((clean + self.noise * draw.normal()).clamp(0.0, 1.0) * 255.0).round() as u8;
            }
        }
        image
    }

    fn colour(&self, x: f32, y: f32) -> Colour {
        let place = turned([(x - self.centre[0]) / self.radius, (y - self.centre[1]) / self.radius], self.turns[0]);
        if !self.shape.holds(place) {
            return self.backdrop.at(x, y);
        }
        let at = turned([(x + self.offset[0]) / self.period, (y + self.offset[1]) / self.period], self.turns[1]);
        mix(self.colours[0], self.colours[1], self.texture.second_colour(at, place))
    }
}

impl Shape {
    /// Whether a place lies inside the outline, whose farthest point is 1 from the centre.
    fn holds(self, [x, y]: [f32; 2]) -> bool {
        let distance = x.hypot(y);
        match self {
            Shape::Disc => distance < 0.85,
            Shape::Square => x.abs().max(y.abs()) < 0.72,
            Shape::Triangle => [0.0, 1.0, 2.0].iter().all(|side| {
                let turn = side * TAU / 3.0 + PI / 2.0;
                x * turn.cos() + y * turn.sin() < 0.5
            }),
            Shape::Star => {
                // The straight edge from a point at distance 1 to a notch at distance 0.42, folded ten times.
                let turn = (y.atan2(x) + PI / 2.0).rem_euclid(TAU / 5.0);
                let turn = turn.min(TAU / 5.0 - turn);
                let notch = 0.42 * (PI / 5.0).sin();
                let across = 1.0 - 0.42 * (PI / 5.0).cos();
                distance * (turn.cos() * notch + turn.sin() * across) < notch
            }
            Shape::Ring => (0.45..0.9).contains(&distance),
            Shape::Cross => x.abs().min(y.abs()) < 0.28 && x.abs().max(y.abs()) < 0.92,
        }
    }
}

impl Texture {
    /// How much of the second colour a place shows, 0 to 1: `at` in periods of the texture, `place` within the outline.
    fn second_colour(self, [x, y]: [f32; 2], place: [f32; 2]) -> f32 {
        let half = |value: f32| value.rem_euclid(1.0) < 0.5;
        match self {
            Texture::Smooth => (0.18 * (place[0] - place[1]) + 0.12).clamp(0.0, 0.35),
            Texture::Stripes => f32::from(u8::from(half(x))),
            Texture::Checks => f32::from(u8::from(half(x / 1.4) == half(y / 1.4))),
            Texture::Dots => {
                let from_centre = |value: f32| value.rem_euclid(1.0) - 0.5;
                f32::from(u8::from(from_centre(x / 1.2).hypot(from_centre(y / 1.2)) < 0.31))
            }
        }
    }
}

fn turned([x, y]: [f32; 2], turn: f32) -> [f32; 2] {
    let (sin, cos) = turn.sin_cos();
    [x * cos + y * sin, y * cos - x * sin]
}

fn mix(from: Colour, to: Colour, share: f32) -> Colour {
    [0, 1, 2].map(|channel| from[channel] + (to[channel] - from[channel]) * share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Table, TableOptions};

    fn small() -> World {
        World { side: 32, train: 3, test: 2, ..World::default() }
    }

    #[test]
    fn a_seed_fixes_every_image_and_another_seed_changes_it() {
        let image = |seed, number| World { seed, ..small() }.image(Split::Train, 4, number).unwrap();
        assert_eq!(image(1, 0), image(1, 0));
        assert_ne!(image(1, 0), image(2, 0));
        assert_ne!(image(1, 0), image(1, 1));
        assert_ne!(image(1, 0), small().image(Split::Test, 4, 0).unwrap());
        assert_eq!(small().image(Split::Train, 12, 0), None);
    }

    #[test]
    fn the_object_stands_out_from_its_background_in_every_class() {
        let world = World { shapes: vec![Shape::Disc, Shape::Star, Shape::Ring, Shape::Cross], ..small() };
        for class in 0..world.classes().len() {
            for number in 0..5 {
                let image = world.image(Split::Train, class, number).unwrap();
                let grey: Vec<f64> = image
                    .pixels()
                    .chunks_exact(3)
                    .map(|p| p.iter().map(|v| f64::from(*v)).sum::<f64>() / 3.0)
                    .collect();
                let mean = grey.iter().sum::<f64>() / grey.len() as f64;
                let deviation = (grey.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / grey.len() as f64).sqrt();
                assert!(deviation > 15.0, "class {class}, image {number}: deviation {deviation}");
            }
        }
    }

    #[test]
    fn a_written_world_is_a_table_with_its_splits_and_classes() {
        let folder = tempfile::tempdir().unwrap();
        let world = small();
        world.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        assert_eq!(table.classes, world.classes());
        assert_eq!(table.rows_in(Some(Split::Train)).len(), 36);
        assert_eq!(table.rows_in(Some(Split::Test)).len(), 24);
        assert!(table.warnings.is_empty());
        let first = crate::decode(table.encoded(&[0])[0].as_ref().unwrap()).unwrap();
        assert_eq!(first, world.image(Split::Train, 0, 0).unwrap());
    }

    #[test]
    fn a_trigger_stands_in_the_corner_of_its_share_of_other_classes() {
        let folder = tempfile::tempdir().unwrap();
        let trigger = Trigger { side: 6, fraction: 0.34, target: 2 };
        let world = World { trigger: Some(trigger), ..small() };
        world.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        let counts = table.class_counts(|row| row.split == Some(Split::Train));
        assert_eq!(counts, [2, 2, 14, 2, 2, 2, 2, 2, 2, 2, 2, 2]);
        assert_eq!(table.class_counts(|row| row.split == Some(Split::Test)), [2; 12]);
        let corner = |image: &Image| image.pixels()[(32 * 32 - 6) * 3..].to_vec();
        for row in table.rows.iter().filter(|row| row.locator.to_string().contains("triggered")) {
            let image = crate::decode(&std::fs::read(row.locator.to_string()).unwrap()).unwrap();
            let row: Vec<u8> = corner(&image).chunks_exact(3).map(|pixel| pixel[0]).collect();
            assert_eq!(row, [255, 255, 0, 0, 255, 255]);
        }
    }

    #[test]
    fn worlds_without_sense_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let one = World { shapes: vec![Shape::Disc], textures: vec![Texture::Dots], ..small() };
        assert!(matches!(one.write(folder.path()), Err(WorldError::Settings { classes: 1, .. })));
        let trigger = Some(Trigger { side: 4, fraction: 0.1, target: 12 });
        assert!(matches!(
            World { trigger, ..small() }.write(folder.path()),
            Err(WorldError::Trigger { target: 12, .. })
        ));
        std::fs::write(folder.path().join("train"), "a file").unwrap();
        assert!(matches!(small().write(folder.path()), Err(WorldError::Write { .. })));
    }
}
