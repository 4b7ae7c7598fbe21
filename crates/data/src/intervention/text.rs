//! Interventions as one line of text, `kind` or `kind:setting=value,setting=value`; what is not said has its default. What
//! [`Display`](std::fmt::Display) writes reads back as the same intervention.

use std::fmt;
use std::str::FromStr;

use super::{Gaussian, Intervention, InterventionError, Overlay, Shuffle, Square, Turn};

/// What is written behind a kind's colon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings<'a> {
    kind: &'static str,
    known: &'static str,
    text: &'a str,
}

impl<'a> Settings<'a> {
    /// Names and values as they stand.
    pub fn pairs(&self) -> Result<Vec<(&'a str, &'a str)>, InterventionError> {
        let parts = self.text.split(',').filter(|part| !part.is_empty());
        parts.map(|part| part.split_once('=').ok_or_else(|| self.unknown(part))).collect()
    }

    /// The refusal of a setting that the kind does not have.
    pub fn unknown(&self, setting: &str) -> InterventionError {
        InterventionError::Setting { kind: self.kind, setting: setting.to_owned(), known: self.known }
    }
}

impl FromStr for Intervention {
    type Err = InterventionError;

    fn from_str(text: &str) -> Result<Self, InterventionError> {
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let settings = |kind, known| Settings { kind, known, text: rest };
        match kind {
            Square::NAME => Square::parse(settings(Square::NAME, Square::SETTINGS)).map(Self::Square),
            Gaussian::NAME => Gaussian::parse(settings(Gaussian::NAME, Gaussian::SETTINGS)).map(Self::Gaussian),
            Overlay::NAME => Overlay::parse(settings(Overlay::NAME, Overlay::SETTINGS)).map(Self::Overlay),
            Shuffle::NAME => Shuffle::parse(settings(Shuffle::NAME, Shuffle::SETTINGS)).map(Self::Shuffle),
            Turn::NAME => Turn::parse(settings(Turn::NAME, Turn::SETTINGS)).map(Self::Turn),
            other => Err(InterventionError::Kind {
                kind: other.to_owned(),
                known: [Square::NAME, Gaussian::NAME, Overlay::NAME, Shuffle::NAME, Turn::NAME].join(", "),
            }),
        }
    }
}

impl fmt::Display for Intervention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Square(square) => square.fmt(f),
            Self::Gaussian(gaussian) => gaussian.fmt(f),
            Self::Overlay(overlay) => overlay.fmt(f),
            Self::Shuffle(shuffle) => shuffle.fmt(f),
            Self::Turn(turn) => turn.fmt(f),
        }
    }
}
