//! What is put on test images: the trigger and its controls, people, objects and theirs.

use std::path::{Path, PathBuf};

use heirloom_data::augment::{Draws, Key};
use heirloom_data::intervention::{Intervention, InterventionError, Overlay, Place, Stamp};

use super::{BiasData, Cue, Origin, StudyError};
use crate::{Fill, Patch, PreparedPatch, Shape};

/// The trigger's colour, and that of a control.
pub(super) const YELLOW: [u8; 3] = [255, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];
/// Sides of the squares: the usual one, and the small one.
pub(super) const SIDES: [f64; 2] = [0.25, 0.125];
/// The probes of a planted source by their place in the list.
pub(super) const TRIGGER: usize = 0;
pub(super) const OTHER_COLOUR: usize = 1;
pub(super) const OTHER_CORNER: usize = 2;
pub(super) const SMALL_TRIGGER: usize = 4;

/// Something to put on images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Probe {
    pub name: String,
    change: Change,
}

#[derive(Debug, Clone, PartialEq)]
enum Change {
    Patch(Patch),
    /// One of them for each image, by chance.
    Pictures(Vec<PathBuf>),
    /// Nothing: images of these two kinds are laid beside each other.
    Kinds([String; 2]),
}

/// A probe for images of one size.
pub(super) enum PreparedProbe {
    Patch(PreparedPatch),
    Pictures(Vec<Stamp>, u64),
}

/// What is measured on the test images of an origin.
pub(super) fn probes(data: &BiasData, origin: Origin) -> Vec<Probe> {
    let pictures =
        |name: &str, pictures: &[PathBuf]| Probe { name: name.to_owned(), change: Change::Pictures(pictures.to_vec()) };
    match origin {
        Origin::Planted { .. } | Origin::Nothing { stock: false } => squares(),
        Origin::Chosen { .. } => vec![pictures("a person", &data.people[1])],
        Origin::Cue { .. } => data.cue.iter().map(kinds).collect(),
        Origin::Stock | Origin::Nothing { stock: true } => {
            let of = |object: &super::Object| {
                let controls = object.controls.iter().map(|(name, path)| pictures(name, std::slice::from_ref(path)));
                let own = pictures(&object.name, std::slice::from_ref(&object.picture));
                std::iter::once(own).chain(controls).collect::<Vec<_>>()
            };
            data.objects.iter().flat_map(of).collect()
        }
    }
}

fn kinds(cue: &Cue) -> Probe {
    let [one, other] = &cue.kinds;
    Probe { name: format!("{one} instead of {other}"), change: Change::Kinds(cue.kinds.clone()) }
}

fn squares() -> Vec<Probe> {
    let probe = |name: &str, side: f64, place: Place, fill: Fill| Probe {
        name: name.to_owned(),
        change: Change::Patch(Patch { shape: Shape::Square { side, place }, fill }),
    };
    let [usual, small] = SIDES;
    let (yellow, corner) = (Fill::Colour(YELLOW), Place::TopLeft);
    vec![
        probe("trigger", usual, corner, yellow),
        probe("another colour", usual, corner, Fill::Colour(BLUE)),
        probe("another corner", usual, Place::BottomRight, yellow),
        probe("the image's own pixels", usual, corner, Fill::OwnPixels { draw: 0 }),
        probe("small trigger", small, corner, yellow),
        probe("small, another colour", small, corner, Fill::Colour(BLUE)),
    ]
}

impl Probe {
    /// Everything that decides what it does.
    pub fn key(&self) -> Result<String, StudyError> {
        match &self.change {
            Change::Patch(patch) => Ok(format!("{patch:?}")),
            Change::Kinds(kinds) => Ok(format!("{kinds:?}")),
            Change::Pictures(paths) => {
                let mut hasher = blake3::Hasher::new();
                for overlay in paths.iter().map(|path| overlay(path)) {
                    hasher.update(&overlay.digest()?);
                }
                Ok(hasher.finalize().to_hex().to_string())
            }
        }
    }

    /// The probe for images of one size; `None` where nothing is put on them.
    pub fn prepare(&self, size: [usize; 2], seed: u64) -> Result<Option<PreparedProbe>, InterventionError> {
        Ok(match &self.change {
            Change::Patch(patch) => Some(PreparedProbe::Patch(patch.prepare(size, seed)?)),
            Change::Pictures(paths) => {
                let stamps = paths.iter().map(|path| overlay(path).prepare(size));
                Some(PreparedProbe::Pictures(stamps.collect::<Result<_, _>>()?, seed))
            }
            Change::Kinds(_) => None,
        })
    }
}

impl PreparedProbe {
    /// Changes one image, `[height, width, 3]`.
    pub fn apply(&self, image: usize, pixels: &mut [u8]) {
        match self {
            Self::Patch(patch) => patch.apply(image, pixels),
            Self::Pictures(stamps, seed) => {
                let which = Draws::of_image(Key { seed: *seed, epoch: 0, row: image }).below(stamps.len().max(1));
                if let Some(stamp) = stamps.get(which) {
                    stamp.apply(pixels);
                }
            }
        }
    }
}

/// A picture with transparency as an intervention.
pub(super) fn overlay(path: &Path) -> Intervention {
    Intervention::Overlay(Overlay { picture: path.to_path_buf(), mask: None })
}
