//! Three tasks about structure rather than about the kind of an object: where it is, how it is turned, how many there are. Networks that
//! were trained to name objects have been taught to ignore the first two, so these lie far from their source.

use std::f32::consts::TAU;
use std::path::Path;

use super::draw::{Colour, Draw, mix, turned};
use super::scene::Backdrop;
use super::write::write_folder;
use super::{Shape, WorldError};
use crate::{Image, Split};

/// Cells along a side of the grid of places.
const CELLS: usize = 4;
/// Different turns.
const TURNS: usize = 16;
/// Largest number of objects.
const MOST: usize = 6;
/// Samples of a pixel along each side.
const SAMPLES: usize = 3;
/// What an object may look like where its kind does not matter.
const KINDS: [Shape; 5] = [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Star, Shape::Cross];

/// What is asked of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StructuredTask {
    /// In which of 4 x 4 cells the object lies; its kind, size and colour vary.
    Location,
    /// In which of 16 directions a long triangle points; its place, size and colour vary.
    Orientation,
    /// How many discs there are, 1 to 6; their places and sizes vary.
    Count,
}

impl StructuredTask {
    /// Every task.
    pub const ALL: [Self; 3] = [Self::Location, Self::Orientation, Self::Count];

    /// Name on the command line and of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Orientation => "orientation",
            Self::Count => "count",
        }
    }

    /// Number of classes.
    #[must_use]
    pub const fn classes(self) -> usize {
        match self {
            Self::Location => CELLS * CELLS,
            Self::Orientation => TURNS,
            Self::Count => MOST,
        }
    }
}

/// Images of one task.
///
/// ```
/// use heirloom_data::{Split, Structured, StructuredTask};
/// let task = Structured { task: StructuredTask::Count, seed: 1, side: 64, train: 10, test: 5 };
/// let image = task.image(Split::Train, 2, 0).unwrap();
/// assert_eq!((image.width(), task.classes()[2].as_str()), (64, "3"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structured {
    /// What is asked.
    pub task: StructuredTask,
    /// Fixes every image.
    pub seed: u64,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Training images of each class.
    pub train: usize,
    /// Test images of each class.
    pub test: usize,
}

/// Something to draw: an outline at a place.
struct Thing {
    centre: [f32; 2],
    radius: f32,
    turn: f32,
    /// `None` is a triangle three times as long as broad, its point along the turn.
    shape: Option<Shape>,
    colour: Colour,
}

impl Thing {
    fn holds(&self, x: f32, y: f32) -> bool {
        let [along, across] = turned([x - self.centre[0], y - self.centre[1]], self.turn);
        let place = [along / self.radius, across / self.radius];
        match self.shape {
            Some(shape) => shape.holds(place),
            None => place[0] > -1.0 && place[1].abs() < (1.0 - place[0]) / 6.0,
        }
    }
}

impl Structured {
    /// Class names in the order of their labels: `r0c0` for the upper left cell, `000` to `338` degrees, `1` to `6`.
    #[must_use]
    pub fn classes(&self) -> Vec<String> {
        let name = |class: usize| match self.task {
            StructuredTask::Location => format!("r{}c{}", class / CELLS, class % CELLS),
            StructuredTask::Orientation => format!("{:03.0}", class as f32 * 360.0 / TURNS as f32),
            StructuredTask::Count => (class + 1).to_string(),
        };
        (0..self.task.classes()).map(name).collect()
    }

    /// Draws image `number` of a class in a split; `None` for a class that does not exist.
    #[must_use]
    pub fn image(&self, split: Split, class: usize, number: usize) -> Option<Image> {
        if class >= self.task.classes() {
            return None;
        }
        let mut draw = Draw::new(&[self.seed, self.task as u64, split as u64, class as u64, number as u64]);
        let side = self.side as f32;
        let (dark, first) = (draw.uniform(0.2, 0.45), draw.uniform(0.0, 1.0) < 0.5);
        let (behind, before) = if first { (dark, dark + 0.4) } else { (dark + 0.4, dark) };
        let backdrop = Backdrop::new(&mut draw, behind, side);
        let colour = draw.colour(before);
        let things = self.things(&mut draw, class, side, colour);
        render(self.side, &backdrop, &things)
    }

    fn things(&self, draw: &mut Draw, class: usize, side: f32, colour: Colour) -> Vec<Thing> {
        match self.task {
            StructuredTask::Location => vec![located(draw, class, side, colour)],
            StructuredTask::Orientation => vec![pointing(draw, class, side, colour)],
            StructuredTask::Count => counted(draw, class + 1, side, colour),
        }
    }

    /// Writes the task as an image folder, `train/class/0000.png` and `test/class/0000.png`, on every processor.
    ///
    /// # Errors
    /// Images too small to tell the classes apart, or a file that cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), WorldError> {
        if self.side < 32 {
            return Err(WorldError::Settings { classes: self.task.classes(), side: self.side });
        }
        let counts = [(Split::Train, self.train), (Split::Test, self.test)];
        write_folder(folder, &self.classes(), counts, &|split, class, number| self.image(split, class, number))
    }
}

/// One object whose centre lies in the middle half of its cell.
fn located(draw: &mut Draw, class: usize, side: f32, colour: Colour) -> Thing {
    let cell = side / CELLS as f32;
    let mut place = |index: usize| cell * (index as f32 + draw.uniform(0.25, 0.75));
    let centre = [place(class % CELLS), place(class / CELLS)];
    let radius = cell * draw.uniform(0.3, 0.5);
    Thing { centre, radius, turn: draw.uniform(0.0, TAU), shape: KINDS.get(draw.up_to(4)).copied(), colour }
}

/// A long triangle that points in the direction of the class, give or take a quarter of a step.
fn pointing(draw: &mut Draw, class: usize, side: f32, colour: Colour) -> Thing {
    let radius = side * draw.uniform(0.18, 0.3);
    let centre = [draw.uniform(radius, side - radius), draw.uniform(radius, side - radius)];
    let step = TAU / TURNS as f32;
    Thing { centre, radius, turn: step * (class as f32 + draw.uniform(-0.25, 0.25)), shape: None, colour }
}

/// Discs that do not touch: each is drawn again until it is clear of those before it.
fn counted(draw: &mut Draw, count: usize, side: f32, colour: Colour) -> Vec<Thing> {
    let mut things: Vec<Thing> = Vec::with_capacity(count);
    while things.len() < count {
        let radius = side * draw.uniform(0.05, 0.085);
        let centre = [draw.uniform(radius, side - radius), draw.uniform(radius, side - radius)];
        let clear = |other: &Thing| {
            let apart = (centre[0] - other.centre[0]).hypot(centre[1] - other.centre[1]);
            apart > radius + other.radius + 0.03 * side
        };
        if things.iter().all(clear) {
            things.push(Thing { centre, radius, turn: 0.0, shape: Some(Shape::Disc), colour });
        }
    }
    things
}

/// Every pixel the mean of nine samples.
fn render(side: usize, backdrop: &Backdrop, things: &[Thing]) -> Option<Image> {
    let mut pixels = Vec::with_capacity(side * side * 3);
    for at in 0..side * side {
        let (left, top) = ((at % side) as f32, (at / side) as f32);
        let mut sum = [0.0_f32; 3];
        for sample in 0..SAMPLES * SAMPLES {
            let within = |index: usize| (index as f32 + 0.5) / SAMPLES as f32;
            let (x, y) = (left + within(sample % SAMPLES), top + within(sample / SAMPLES));
            let covered = things.iter().find(|thing| thing.holds(x, y));
            let colour = covered.map_or_else(|| backdrop.at(x, y), |thing| mix(backdrop.at(x, y), thing.colour, 0.95));
            sum.iter_mut().zip(colour).for_each(|(sum, value)| *sum += value);
        }
        let share = 255.0 / (SAMPLES * SAMPLES) as f32;
        pixels.extend(sum.map(|value| (value * share).round().clamp(0.0, 255.0) as u8));
    }
    Image::from_pixels(side, side, pixels)
}
