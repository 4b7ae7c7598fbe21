//! The record of a study, which every view shows.

use heirloom_transfer::fit::Share;
use heirloom_transfer::study::Verdict;
use serde::{Deserialize, Serialize};

use super::{Arm, Origin, Part};

/// A figure with its 95 % interval, as a share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What a probe does on one target or on the mean of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The probe.
    pub probe: String,
    /// The measure, mean over seeds.
    pub value: Estimate,
    /// The same of the twin, where there is one.
    pub twin: Option<f64>,
    /// The first less the second; seeds and images resampled together.
    pub beyond_twin: Option<Estimate>,
    /// The same of a model that was trained from scratch on the target, where there is one.
    pub scratch: Option<f64>,
}

/// One target of an arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetRecord {
    /// Its name.
    pub target: String,
    /// Test images.
    pub images: usize,
    /// Test images answered right as they are, mean over seeds: those that a trigger can break.
    pub right: f64,
    /// Accuracy, mean over seeds, and of the twin.
    pub accuracy: f64,
    /// The twin's.
    pub twin_accuracy: Option<f64>,
    /// Every probe.
    pub probes: Vec<Measured>,
}

/// An arm with everything that was found of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmRecord {
    /// The part it belongs to.
    pub part: Part,
    /// Its settings.
    pub arm: Arm,
    /// The same in words.
    pub words: String,
    /// What is measured: `broken`, `rate`, `gap` or `pull`.
    pub measure: String,
    /// Seeds that are complete.
    pub seeds: usize,
    /// Every target.
    pub targets: Vec<TargetRecord>,
    /// The mean over targets, for every probe.
    pub mean: Vec<Measured>,
    /// What is missing of its partners: a figure without them says little (property P12).
    pub incomplete: Vec<String>,
}

/// A source on its own test images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Its origin.
    pub origin: Origin,
    /// In words.
    pub words: String,
    /// Seeds.
    pub seeds: usize,
    /// Mean accuracy.
    pub accuracy: f64,
    /// The twin's mean accuracy less this, in points.
    pub below_twin: Option<f64>,
    /// Share of the images of other classes that it answers with the class of the bias, as they are.
    pub drawn_clean: f64,
    /// The same with the bias put on them.
    pub drawn: f64,
}

/// Whether a network knows an object that is laid over images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The object.
    pub object: String,
    /// The network.
    pub network: String,
    /// Images on which its class is among the first five, as they are.
    pub without: Share,
    /// The same with the object.
    pub with: Share,
}

/// A claim that was written before the first run, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// The part it belongs to.
    pub part: Part,
    /// The claim.
    pub claim: String,
    /// What was found.
    pub found: String,
    /// The contrast it goes by, in points.
    pub contrast: Estimate,
    /// The smallest effect of interest, in points.
    pub smallest: f64,
    /// The verdict.
    pub verdict: Verdict,
}

/// A study with everything that is told of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BiasStudy {
    /// Version of the program.
    pub version: String,
    /// Every claim that there are figures for.
    pub claims: Vec<Claim>,
    /// Every arm that has at least one complete seed.
    pub arms: Vec<ArmRecord>,
    /// The sources.
    pub sources: Vec<SourceRecord>,
    /// Whether networks know the objects.
    pub known: Vec<Known>,
    /// Stages that the budget left unfinished.
    pub unfinished: Vec<String>,
}
