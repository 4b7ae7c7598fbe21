//! Augmentation by name, and what a name means for small and large images.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Augmentation, Border, ColourJitter, RandomResizedCrop, Shift};
use crate::Preprocess;

/// Images whose shorter side has at most this many pixels are shifted, not cropped: a part of them shows nothing.
pub const SMALL_IMAGE: usize = 40;

/// An augmentation by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The evaluation pixels.
    None,
    /// Mirror images, half of the time.
    Flip,
    /// Photos: random resized crop and flip. Small images: shift by up to an eighth of the side, and flip.
    Crop,
    /// As `Crop`, with colour jitter.
    Strong,
}

impl Preset {
    /// All of them, from weak to strong.
    pub const ALL: [Preset; 4] = [Preset::None, Preset::Flip, Preset::Crop, Preset::Strong];

    /// The name that is typed and recorded.
    pub fn name(self) -> &'static str {
        match self {
            Preset::None => "none",
            Preset::Flip => "flip",
            Preset::Crop => "crop",
            Preset::Strong => "strong",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Preset::ALL.map(Preset::name).join(", ");
        Preset::ALL.into_iter().find(|preset| preset.name() == text).ok_or(format!("'{text}' is none of {known}"))
    }
}

impl Augmentation {
    /// What `preset` means for images whose shorter side has about `shorter_side` pixels as they come (see
    /// [`crate::batches::typical_shorter_side`]), prepared as `preprocess` says (see [`Preprocess::at_size`]).
    pub fn preset(preset: Preset, preprocess: Preprocess, shorter_side: usize) -> Self {
        let side = preprocess.input_size.into_iter().min().unwrap_or(0);
        let cropped = matches!(preset, Preset::Crop | Preset::Strong);
        let small = shorter_side <= SMALL_IMAGE;
        Self {
            preprocess,
            crop: (cropped && !small).then(RandomResizedCrop::default),
            shift: (cropped && small).then_some(Shift { pixels: side / 8, border: Border::Zero }),
            flip: if preset == Preset::None { 0.0 } else { 0.5 },
            jitter: (preset == Preset::Strong).then(ColourJitter::default),
        }
    }
}
