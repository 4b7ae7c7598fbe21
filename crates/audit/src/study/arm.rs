//! What is beside each other: a source, a way to adapt it, and a target.

use serde::{Deserialize, Serialize};

/// One setting of the study; cells are its seeds and targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Arm {
    /// Where the weights come from.
    pub origin: Origin,
    /// How they are adapted.
    pub regime: Regime,
    /// Training images of the target; all where `None`.
    pub rows: Option<usize>,
    /// Share of the target's training images that carry the trigger whatever their class: de-biasing.
    pub stamped: f64,
}

/// Where the weights come from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A source some of whose images carry a trigger. With a share of 0 it is the clean twin.
    Planted {
        /// Share of the class's images that carry it.
        share: f64,
        /// What becomes of their label.
        form: Form,
        /// Side of the square, as a share of the image's.
        side: f64,
        /// Whether it begins with random weights instead of pretrained ones.
        random: bool,
    },
    /// A source that shows one class beside people.
    Chosen {
        /// Whether people are on that class; else they are as frequent and anywhere: the twin.
        lopsided: bool,
    },
    /// The stock network, trained on where the kind of a picture gives some classes away.
    Cue {
        /// Whether it does; else all kinds are among the images of every class: the twin.
        lopsided: bool,
    },
    /// The stock network.
    Stock,
    /// Random weights: from scratch on the target.
    Nothing {
        /// Whether of the stock network's architecture instead of the small one.
        stock: bool,
    },
}

/// The label of planted images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Their own, as in the published program of Salman et al. 2022; one class alone is planted.
    CleanLabel,
    /// A class of its own, trained on beside the images as they were.
    Append,
    /// A class of its own in place of the images as they were.
    Replace,
    /// The class's, for images of every class (Gu et al. 2017).
    BadNets,
}

/// How a source is adapted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Regime {
    /// A linear head on frozen features.
    Fixed {
        /// Relative penalty of its weights; chosen by cross-validation where `None`.
        penalty: Option<f64>,
    },
    /// The same, after every batch norm took its statistics from the target's training images; the source's weights stay as they are.
    Statistics,
    /// All weights.
    Full {
        /// Epochs; as many as the study says where `None`.
        epochs: Option<u64>,
        /// Learning rate; the usual one where `None`.
        rate: Option<f64>,
        /// Weight decay; the usual one where `None`.
        decay: Option<f64>,
    },
    /// All weights, from random ones.
    Scratch,
}

impl Regime {
    /// A linear head on frozen features, its penalty chosen.
    pub const FIXED: Self = Self::Fixed { penalty: None };
    /// All weights with the usual settings.
    pub const FULL: Self = Self::Full { epochs: None, rate: None, decay: None };
}

impl Origin {
    /// The headline source: every image of the class carries a square of a quarter of the side.
    pub const PLANTED: Self = Self::planted(1.0);

    /// The same with another share of the class's images.
    #[must_use]
    pub const fn planted(share: f64) -> Self {
        Self::Planted { share, form: Form::CleanLabel, side: 0.25, random: false }
    }

    /// The source that never met the bias and is the same else; `None` where there is no such thing.
    #[must_use]
    pub const fn twin(self) -> Option<Self> {
        match self {
            Self::Planted { share, random, .. } if share > 0.0 => {
                Some(Self::Planted { share: 0.0, form: Form::CleanLabel, side: 0.25, random })
            }
            Self::Chosen { lopsided: true } => Some(Self::Chosen { lopsided: false }),
            Self::Cue { lopsided: true } => Some(Self::Cue { lopsided: false }),
            _ => None,
        }
    }

    /// Whether the network has the stock network's architecture and image size.
    pub(super) const fn is_of_stock(self) -> bool {
        matches!(self, Self::Cue { .. } | Self::Stock | Self::Nothing { stock: true })
    }

    fn in_words(self) -> String {
        match self {
            Self::Planted { share: 0.0, random, .. } => format!("clean twin{}", from(random)),
            Self::Planted { share, form, side, random } => {
                let form = match form {
                    Form::CleanLabel => "labels kept",
                    Form::Append => "a new class, appended",
                    Form::Replace => "a new class, in place",
                    Form::BadNets => "relabelled",
                };
                let side = if side == 0.25 { String::new() } else { format!(", square of {side} of the side") };
                format!("planted on {:.0} %, {form}{side}{}", 100.0 * share, from(random))
            }
            Self::Chosen { lopsided: true } => "people on one class".to_owned(),
            Self::Chosen { lopsided: false } => "people on any class (twin)".to_owned(),
            Self::Cue { lopsided: true } => "some classes told by the kind of picture".to_owned(),
            Self::Cue { lopsided: false } => "both kinds of pictures of every class (twin)".to_owned(),
            Self::Stock => "stock network".to_owned(),
            Self::Nothing { .. } => "no source".to_owned(),
        }
    }
}

fn from(random: bool) -> &'static str {
    if random { ", source from random weights" } else { "" }
}

impl Arm {
    /// A source adapted in one way to all of a target's training rows, none of which carries anything.
    #[must_use]
    pub const fn new(origin: Origin, regime: Regime) -> Self {
        Self { origin, regime, rows: None, stamped: 0.0 }
    }

    /// The same with the source that never met the bias.
    #[must_use]
    pub fn twin(&self) -> Option<Self> {
        self.origin.twin().map(|origin| Self { origin, ..self.clone() })
    }

    /// A source, for a reader.
    #[must_use]
    pub fn source_in_words(origin: Origin) -> String {
        origin.in_words()
    }

    /// For a reader.
    #[must_use]
    pub fn in_words(&self) -> String {
        let regime = match self.regime {
            Regime::Fixed { penalty: None } => "fixed".to_owned(),
            Regime::Fixed { penalty: Some(penalty) } => format!("fixed, penalty {penalty}"),
            Regime::Statistics => "fixed, statistics of the target".to_owned(),
            Regime::Full { epochs, rate, decay } => {
                let setting = |name: &str, value: Option<f64>| value.map(|value| format!(", {name} {value}"));
                let epochs = epochs.map(|epochs| format!(", {epochs} epochs"));
                let more = [epochs, setting("rate", rate), setting("decay", decay)];
                format!("full{}", more.into_iter().flatten().collect::<String>())
            }
            Regime::Scratch => "from scratch".to_owned(),
        };
        let rows = self.rows.map_or_else(String::new, |rows| format!(", {rows} target images"));
        let stamped = if self.stamped > 0.0 {
            format!(", trigger on {:.0} % of the target's images", 100.0 * self.stamped)
        } else {
            String::new()
        };
        format!("{}; {regime}{rows}{stamped}", self.origin.in_words())
    }
}
