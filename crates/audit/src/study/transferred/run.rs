//! One training run of the study: where it begins, what it is trained on, and how its images are changed.

use heirloom_data::intervention::{Intervention, Shuffle};
use serde::{Deserialize, Serialize};

/// Architectures beside each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Residual network with batch norms.
    BatchNorm,
    /// Residual network without any normalisation, as in the paper.
    Fixup,
}

/// Where a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Start {
    /// The source, or what it was after so many epochs: the paper's P-T.
    Source {
        /// Epochs of the source; all of them where `None`.
        epochs: Option<u64>,
    },
    /// Random weights: the paper's RI-T.
    Random {
        /// Which random weights: those of the replica, or the same for all.
        same: bool,
    },
}

/// Blocks of all images in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Blocks {
    /// Side of a block in pixels.
    pub side: usize,
    /// Fixes the order.
    pub seed: u32,
}

/// What a run is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Training {
    /// All training images, moved and mirrored by chance.
    All,
    /// All training images as they are, with their blocks in another order where that is asked for; test images likewise.
    Plain {
        /// The order; their own where `None`.
        blocks: Option<Blocks>,
    },
    /// Four fifths of the training images; the others are held out. With this rate, in hundred-thousandths.
    Part {
        /// The rate that is tried; the chosen one where `None`.
        rate: Option<u32>,
    },
}

/// A training run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// The architecture.
    pub family: Family,
    /// Where it begins.
    pub start: Start,
    /// Number of the target.
    pub target: usize,
    /// What it is trained on.
    pub training: Training,
    /// Fixes the output layer, the order of images and, where they are the replica's own, the random weights.
    pub replica: usize,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::BatchNorm, Self::Fixup];

    /// For a reader.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::BatchNorm => "batch norm",
            Self::Fixup => "no normalisation",
        }
    }
}

impl Start {
    /// The complete source.
    pub const SOURCE: Self = Self::Source { epochs: None };
    /// Random weights, others for every replica.
    pub const RANDOM: Self = Self::Random { same: false };
    /// Random weights, the same for every replica.
    pub const SAME: Self = Self::Random { same: true };

    /// The paper's name of what is trained from here.
    #[must_use]
    pub const fn trained(self) -> &'static str {
        match self {
            Self::Source { .. } => "P-T",
            Self::Random { same: false } => "RI-T",
            Self::Random { same: true } => "RI-T, same start",
        }
    }

    /// Whether weights come from the source.
    #[must_use]
    pub const fn is_source(self) -> bool {
        matches!(self, Self::Source { .. })
    }
}

impl Blocks {
    /// As an intervention.
    #[must_use]
    pub fn intervention(self) -> Intervention {
        Intervention::Shuffle(Shuffle { block: self.side, seed: self.seed, ..Shuffle::default() })
    }
}

impl Run {
    /// All training images of a target, in the usual way.
    #[must_use]
    pub const fn new(family: Family, start: Start, target: usize, replica: usize) -> Self {
        Self { family, start, target, training: Training::All, replica }
    }

    /// The same trained on something else.
    #[must_use]
    pub const fn on(self, training: Training) -> Self {
        Self { training, ..self }
    }

    /// For a reader, the target by name.
    #[must_use]
    pub fn in_words(&self, target: &str) -> String {
        let Self { family, start, replica, .. } = self;
        let from = match start {
            Start::Source { epochs: Some(epochs) } => format!(" from epoch {epochs} of the source"),
            _ => String::new(),
        };
        let training = match self.training {
            Training::All => String::new(),
            Training::Plain { blocks: None } => ", images as they are".to_owned(),
            Training::Plain { blocks: Some(Blocks { side, seed }) } => format!(", blocks of {side} shuffled ({seed})"),
            Training::Part { rate: None } => ", a fifth held out".to_owned(),
            Training::Part { rate: Some(rate) } => format!(", rate {}", rate_of(rate)),
        };
        format!("{}{from} on {target}, {}, replica {}{training}", start.trained(), family.in_words(), replica + 1)
    }
}

/// A rate from its name in whole hundred-thousandths.
#[must_use]
pub fn rate_of(rate: u32) -> f64 {
    f64::from(rate) / 1e5
}
