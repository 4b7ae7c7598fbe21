//! One network of the study: where it begins, and what it is trained on.

use heirloom_data::labels::{Corruption, CorruptionError};
use serde::{Deserialize, Serialize};

/// Which source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// The network that was given.
    Given,
    /// One that was trained here on a part of the source's images.
    Own {
        /// Number of the part.
        part: usize,
        /// Number of the checkpoint.
        checkpoint: usize,
    },
}

/// Where a network begins, and what of it is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "origin", rename_all = "kebab-case")]
pub enum Start {
    /// The source, whose features stay as they are: a linear head on them.
    Frozen(Origin),
    /// The source, all of it trained on.
    Tuned(Origin),
    /// Random weights, all of them trained.
    Scratch,
}

/// How wrong labels come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// Drawn anew from all classes alike.
    Uniform,
    /// Each class is taken for one other.
    Flip,
}

/// What is done about wrong labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Correction {
    /// Nothing.
    None,
    /// The first stage of the gold loss correction: nothing, and trusted rows are left out.
    Silver,
    /// The gold loss correction (Hendrycks et al. 2018): a tenth of the rows is trusted.
    Gold,
}

/// What it is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    /// Images as they are.
    Rows {
        /// Of each class; all where `None`.
        each: Option<usize>,
        /// Epochs; the usual ones where `None`.
        epochs: Option<u64>,
    },
    /// All images, labels made wrong.
    Noise {
        /// How.
        noise: Noise,
        /// How strongly, in tenths.
        tenths: u8,
        /// What is done about it.
        correction: Correction,
    },
    /// Classes of different size.
    Uneven {
        /// The exponent by which sizes fall, in tenths.
        tenths: u8,
        /// Whether every class has the same part in the loss.
        balanced: bool,
    },
    /// All images, changed against the network in one step.
    Adversarial,
}

/// A network of the study.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// Number of the target.
    pub target: usize,
    /// Where it begins.
    pub start: Start,
    /// What it is trained on.
    pub task: Task,
    /// The rate that is tried, in hundred-thousandths, on four fifths of the training rows; the best of those where `None`.
    pub trial: Option<u32>,
    /// Fixes the training rows that are drawn, the output layer, the order of images, and random weights.
    pub seed: usize,
}

impl Noise {
    /// How often each class is given each label.
    ///
    /// # Errors
    /// Fewer than two classes.
    pub fn corruption(self, classes: usize, tenths: u8, seed: u64) -> Result<Corruption, CorruptionError> {
        let strength = f64::from(tenths) / 10.0;
        match self {
            Self::Uniform => Corruption::uniform(classes, strength),
            Self::Flip => Corruption::flip(classes, strength, seed),
        }
    }

    /// For a reader.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Uniform => "drawn anew",
            Self::Flip => "flipped",
        }
    }
}

impl Start {
    /// A head on the frozen features of the given source.
    pub const FROZEN: Self = Self::Frozen(Origin::Given);
    /// The given source, trained on.
    pub const TUNED: Self = Self::Tuned(Origin::Given);

    /// Where weights come from; nowhere for random ones.
    #[must_use]
    pub const fn origin(self) -> Option<Origin> {
        match self {
            Self::Frozen(origin) | Self::Tuned(origin) => Some(origin),
            Self::Scratch => None,
        }
    }

    /// For a reader.
    #[must_use]
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Frozen(_) => "frozen features",
            Self::Tuned(_) => "fine-tuned",
            Self::Scratch => "from scratch",
        }
    }
}

impl Task {
    /// All images as they are, for the usual epochs.
    pub const ALL: Self = Self::Rows { each: None, epochs: None };

    /// So many images of each class.
    #[must_use]
    pub const fn few(each: usize) -> Self {
        Self::Rows { each: Some(each), epochs: None }
    }

    /// The task that rates are tried on for this one: rates are not chosen anew for every length, strength of noise or correction.
    #[must_use]
    pub(super) const fn tried(self) -> Self {
        match self {
            Self::Rows { each, .. } => Self::Rows { each, epochs: None },
            Self::Noise { .. } => Self::Noise { noise: Noise::Uniform, tenths: 4, correction: Correction::None },
            Self::Uneven { .. } | Self::Adversarial => Self::ALL,
        }
    }

    /// For a reader.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Rows { each: None, epochs: None } => "all images".to_owned(),
            Self::Rows { each: None, epochs: Some(epochs) } => format!("all images, {epochs} epochs"),
            Self::Rows { each: Some(each), .. } => format!("{each} images a class"),
            Self::Noise { noise, tenths, correction } => {
                let correction = match correction {
                    Correction::None => "",
                    Correction::Silver => ", trusted rows left out",
                    Correction::Gold => ", gold loss correction",
                };
                format!("{} % of labels {}{correction}", 10 * u32::from(tenths), noise.in_words())
            }
            Self::Uneven { tenths, balanced } => {
                let balanced = if balanced { ", loss balanced" } else { "" };
                format!("uneven classes, exponent {:.1}{balanced}", f64::from(tenths) / 10.0)
            }
            Self::Adversarial => "adversarial".to_owned(),
        }
    }
}

impl Run {
    /// A run with the rate that is best for it.
    #[must_use]
    pub const fn new(target: usize, start: Start, task: Task, seed: usize) -> Self {
        Self { target, start, task, trial: None, seed }
    }

    /// For a reader, the target by name.
    #[must_use]
    pub fn in_words(&self, target: &str) -> String {
        let trial = self.trial.map_or_else(String::new, |rate| format!(", rate {}", f64::from(rate) / 1e5));
        let origin = match self.start.origin() {
            Some(Origin::Own { part, checkpoint }) => format!(" (source {}.{})", part + 1, checkpoint + 1),
            _ => String::new(),
        };
        let (start, task) = (self.start.in_words(), self.task.in_words());
        format!("{target}, {task}, {start}{origin}, seed {}{trial}", self.seed + 1)
    }
}
