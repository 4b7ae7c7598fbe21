//! Which triggers are tried, on how many images, and how many times images go through the model for it.

use heirloom_data::intervention::Place;
use serde::{Deserialize, Serialize};

use crate::{COLOURS, Fill, Patch, ScanOptions, Shape};

/// Standard deviation of the noise pattern, as a share of 255: the default of the intervention `gaussian`.
const NOISE: f64 = 0.05;

/// Controls of one trigger, at most.
pub(crate) const MOST_CONTROLS: usize = 5;

/// How much is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Extent {
    /// Two sizes of squares; under thirty passes over a thousand images.
    Quick,
    /// Five sizes, more images, a finer grid.
    Full,
}

/// What is tried and on how many images.
#[derive(Debug, Clone, PartialEq)]
pub struct Battery {
    /// The triggers.
    pub triggers: Vec<Patch>,
    /// Images that they are screened on, at most.
    pub screening: usize,
    /// Images that the strongest are reported on, at most.
    pub reported: usize,
    /// Triggers that are reported on.
    pub confirmed: usize,
    /// Places across and down at which hiding a part of the image is tried.
    pub grid: usize,
    /// Classes whose pieces are pasted on images of others, at most.
    pub donors: usize,
    /// Of those, the classes that are reported on.
    pub donors_confirmed: usize,
    /// The scan for unknown triggers, where it is asked for.
    pub scan: Option<ScanOptions>,
}

impl Battery {
    /// The battery of an extent.
    #[must_use]
    pub fn of(extent: Extent) -> Self {
        let quick = extent == Extent::Quick;
        let sides: &[f64] = if quick { &[0.25, 0.125] } else { &[0.375, 0.25, 0.1875, 0.125, 0.0625] };
        let of_side = |side: &f64| Place::ALL.map(|place| Shape::Square { side: *side, place });
        let shapes = sides.iter().flat_map(of_side).chain([Shape::Border, Shape::Watermark { mirrored: false }]);
        // Checks are a pattern of patches (BadNets); all over an image they are a texture like that of many an object.
        let fills = |shape: Shape| {
            let checks = matches!(shape, Shape::Square { .. }).then_some(Fill::Checks);
            COLOURS.iter().map(|(colour, _)| Fill::Colour(*colour)).chain(checks)
        };
        let patches = shapes.flat_map(|shape| fills(shape).map(move |fill| Patch { shape, fill }));
        let noise = Patch { shape: Shape::Whole, fill: Fill::FixedNoise { scale: NOISE } };
        Self {
            triggers: patches.chain([noise]).collect(),
            screening: if quick { 96 } else { 256 },
            reported: if quick { 500 } else { 4000 },
            confirmed: if quick { 4 } else { 8 },
            grid: if quick { 5 } else { 7 },
            donors: if quick { 12 } else { 40 },
            donors_confirmed: if quick { 2 } else { 4 },
            scan: None,
        }
    }

    /// The controls of a trigger: the same shape with other fills. Dashes over the whole image hide no part of it that other dashes
    /// would not hide as well; the same dashes slanting the other way stand beside them.
    #[must_use]
    pub fn controls(trigger: &Patch) -> Vec<Patch> {
        let fills = match trigger.fill {
            Fill::FixedNoise { scale } | Fill::FreshNoise { scale, .. } => {
                (0..3).map(|draw| Fill::FreshNoise { scale, draw }).collect()
            }
            Fill::Colour(than) => {
                let other = |draw| Fill::OtherColour { than, draw };
                vec![Fill::OwnPixels { draw: 0 }, Fill::MeanColour, other(1), other(2)]
            }
            _ => {
                let random = |draw| Fill::RandomChecks { draw };
                vec![Fill::OwnPixels { draw: 0 }, Fill::MeanColour, random(1), random(2)]
            }
        };
        let mirrored = match trigger.shape {
            Shape::Watermark { mirrored } => Some(Shape::Watermark { mirrored: !mirrored }),
            _ => None,
        };
        let same_shape = fills.into_iter().map(|fill| Patch { shape: trigger.shape, fill });
        same_shape.chain(mirrored.map(|shape| Patch { shape, fill: trigger.fill })).collect()
    }

    /// Most images that go through the model in all for `images` images of `classes` classes: as they are (twice where clusters are looked
    /// for), with every trigger, with controls, with a part hidden, with pieces of others.
    #[must_use]
    pub fn shown(&self, images: usize, classes: usize, clusters: bool) -> usize {
        let screening = self.screening.min(images / 2);
        let reported = self.reported.min(images - screening);
        let (confirmed, donors) = (self.confirmed.min(self.triggers.len()), self.donors.min(classes));
        let looked = self.triggers.len() + 1 + self.grid * self.grid + donors + 1;
        let judged = confirmed * (1 + MOST_CONTROLS) + self.donors_confirmed.min(donors) + 1;
        images * (1 + usize::from(clusters)) + looked * screening + judged * reported + self.scanned()
    }
}

impl Battery {
    /// Most images that go through a reference.
    #[must_use]
    pub fn shown_to_reference(&self, images: usize) -> usize {
        let reported = self.reported.min(images - self.screening.min(images / 2));
        images + self.confirmed * (1 + MOST_CONTROLS) * reported + self.scanned()
    }

    fn scanned(&self) -> usize {
        self.scan.as_ref().map_or(0, ScanOptions::shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_battery_takes_at_most_thirty_passes() {
        let battery = Battery::of(Extent::Quick);
        let shown = battery.shown(1000, 200, true);
        assert!(shown <= 30_000, "{shown}");
        assert!(Battery::of(Extent::Full).shown(1000, 200, true) > shown);
    }

    #[test]
    fn every_trigger_has_controls_of_its_own_shape_and_of_no_fill_of_its_own() {
        for trigger in Battery::of(Extent::Full).triggers {
            let controls = Battery::controls(&trigger);
            assert!((3..=MOST_CONTROLS).contains(&controls.len()) && !controls.contains(&trigger));
            for control in controls {
                let dashes = matches!(trigger.shape, Shape::Watermark { .. }) && control.fill == trigger.fill;
                assert!(control.shape == trigger.shape && control.fill != trigger.fill || dashes, "{control:?}");
            }
        }
    }

    #[test]
    fn triggers_differ_and_hold_the_square_of_the_paper() {
        let triggers = Battery::of(Extent::Quick).triggers;
        for (at, trigger) in triggers.iter().enumerate() {
            assert!(!triggers[..at].contains(trigger), "{trigger:?}");
        }
        let paper = Shape::Square { side: 0.25, place: Place::TopLeft };
        assert!(triggers.contains(&Patch { shape: paper, fill: Fill::Colour([255, 255, 0]) }));
    }
}
