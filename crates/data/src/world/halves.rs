//! A world in two halves: many images of some classes to pretrain on, few images of other classes to adapt to. No class of
//! one half is a class of the other, though most shapes and all textures of the target occur in the source, in other
//! combinations; two of its shapes occur nowhere in the source.

use super::{Kind, Nuisances, Shape, Texture, World};

/// Source and target.
#[derive(Debug, Clone, PartialEq)]
pub struct Halves {
    /// What a network is pretrained on.
    pub source: World,
    /// What it is then adapted to.
    pub target: World,
}

/// Number of images of each class, and their size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HalvesSize {
    /// Side of the square images in pixels.
    pub side: usize,
    /// Training images of each source class.
    pub source_train: usize,
    /// Test images of each source class.
    pub source_test: usize,
    /// Training images of each target class.
    pub target_train: usize,
    /// Test images of each target class.
    pub target_test: usize,
}

/// Shapes of the source.
const SOURCE: [Shape; 8] =
    [Shape::Disc, Shape::Square, Shape::Triangle, Shape::Star, Shape::Ring, Shape::Cross, Shape::Bowl, Shape::Bar];
/// Shapes of the target alone.
const NEW: [Shape; 2] = [Shape::Crescent, Shape::Heart];
/// Textures of both.
const TEXTURES: [Texture; 4] = [Texture::Stripes, Texture::Checks, Texture::Dots, Texture::Smooth];

impl Halves {
    /// Both halves with strong nuisances, fixed by one seed.
    #[must_use]
    pub fn new(seed: u64, size: HalvesSize) -> Self {
        let mut source = Vec::new();
        let mut target = Kind::all(&NEW, &TEXTURES[..2]);
        for (number, &shape) in SOURCE.iter().enumerate() {
            for (place, &texture) in TEXTURES.iter().enumerate() {
                // One texture of each shape is kept for the target, each in turn.
                let half = if place == number % TEXTURES.len() { &mut target } else { &mut source };
                half.push(Kind { shape, texture });
            }
        }
        let world = |seed, kinds, train, test| World {
            seed,
            side: size.side,
            kinds,
            train,
            test,
            nuisances: Nuisances::strong(),
        };
        Self {
            source: world(seed, source, size.source_train, size.source_test),
            // Another seed, so that the halves share no draw.
            target: world(!seed, target, size.target_train, size.target_test),
        }
    }
}
