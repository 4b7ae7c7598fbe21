//! The procedural image world: small pictures of one textured shape before a textured background, for trying things without
//! any download and for tests with a known truth. A class is a shape with a texture; what else varies (see [`Nuisances`])
//! is drawn afresh for every image, so neither colour nor place tells the class.
//! The seed, the class and the number of an image fix it.

mod draw;
mod halves;
mod nuisance;
mod scene;
mod shape;
mod structured;
mod texture;
mod write;

use std::path::PathBuf;

pub use halves::{Halves, HalvesSize};
pub use nuisance::Nuisances;
pub use shape::Shape;
pub use structured::{Structured, StructuredTask};
pub use texture::Texture;

use crate::{Image, Split};
use draw::Draw;
use scene::Scene;

/// What makes a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Outline of the object.
    pub shape: Shape,
    /// What covers it.
    pub texture: Texture,
}

impl Kind {
    /// Every shape with every texture.
    #[must_use]
    pub fn all(shapes: &[Shape], textures: &[Texture]) -> Vec<Self> {
        let with = |shape: Shape| textures.iter().map(move |texture| Self { shape, texture: *texture });
        shapes.iter().flat_map(|shape| with(*shape)).collect()
    }
}

impl std::fmt::Display for Kind {
    /// `star-stripes`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&format!("{:?}-{:?}", self.shape, self.texture).to_lowercase())
    }
}

/// A world to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Fixes every image.
    pub seed: u64,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Its classes, each once.
    pub kinds: Vec<Kind>,
    /// Training images of each class.
    pub train: usize,
    /// Test images of each class.
    pub test: usize,
    /// What varies besides.
    pub nuisances: Nuisances,
}

impl Default for World {
    /// Four shapes with three textures, 12 classes of 64 x 64 pixels: 40 training and 20 test images each.
    fn default() -> Self {
        let shapes = [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Star];
        let kinds = Kind::all(&shapes, &[Texture::Smooth, Texture::Stripes, Texture::Dots]);
        Self { seed: 0, side: 64, kinds, train: 40, test: 20, nuisances: Nuisances::default() }
    }
}

/// Why a world cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorldError {
    /// Settings that make no world.
    #[error("a world of {classes} different classes with images of {side} pixels a side: at least 2 and 16 are needed")]
    Settings {
        /// Different classes.
        classes: usize,
        /// Side in pixels.
        side: usize,
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

impl World {
    /// Class names in the order of their labels, e.g. `star-stripes`; sorted, as a folder of them reads.
    pub fn classes(&self) -> Vec<String> {
        self.sorted().into_iter().map(|(name, _)| name).collect()
    }

    fn sorted(&self) -> Vec<(String, Kind)> {
        let mut kinds: Vec<_> = self.kinds.iter().map(|kind| (kind.to_string(), *kind)).collect();
        kinds.sort_by(|a, b| a.0.cmp(&b.0));
        kinds.dedup();
        kinds
    }

    fn check(&self) -> Result<(), WorldError> {
        let classes = self.sorted().len();
        if classes < 2 || self.side < 16 {
            return Err(WorldError::Settings { classes, side: self.side });
        }
        Ok(())
    }

    /// Draws image `number` of a class in a split; `None` for a class that does not exist.
    pub fn image(&self, split: Split, class: usize, number: usize) -> Option<Image> {
        let &(_, kind) = self.sorted().get(class)?;
        let mut draw = Draw::new(&[self.seed, split as u64, class as u64, number as u64]);
        Some(Scene::new(&mut draw, kind, &self.nuisances, self.side).render(&mut draw, self.side))
    }
}

#[cfg(test)]
mod tests;
