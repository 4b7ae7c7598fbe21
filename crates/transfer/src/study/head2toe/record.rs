//! What the study found: the record behind its text, its JSON object and its page.

use serde::{Deserialize, Serialize};

use super::correlation::Correlation;
use super::oracle::Oracle;
use crate::compare::Gap;
use crate::fit::Share;
use crate::study::Verdict;

/// One method on one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The network's name.
    pub network: String,
    /// The method's name.
    pub method: String,
    /// Accuracy, its interval over images and draws.
    pub accuracy: Share,
    /// Accuracy of each draw.
    pub by_draw: Vec<f64>,
    /// Settings chosen in each draw.
    pub choices: Vec<String>,
    /// Operations to adapt.
    pub operations: f64,
    /// Bytes to keep for the task.
    pub stored_bytes: f64,
}

/// Affinity and gain on one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Relation {
    /// The network's name.
    pub network: String,
    /// Accuracy of linear less that of training from scratch; `None` before the latter is there.
    pub affinity: Option<Gap>,
    /// Accuracy of head2toe less that of linear.
    pub gain: Gap,
}

/// Head2Toe on a run of consecutive ranks.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Window {
    /// Ranks left out at the top.
    pub offset: usize,
    /// Accuracy with the ranks that follow.
    pub accuracy: f64,
}

/// What adapting cost, as shares of what fine-tuning cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CostShare {
    /// The network of head2toe.
    pub network: String,
    /// Operations of head2toe, features and search included, over those of `full`.
    pub operations: f64,
    /// Bytes kept for the task by head2toe over those by `full`.
    pub stored: f64,
}

/// Everything of one target.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TargetResult {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// What is in the pictures.
    pub about: String,
    /// Classes.
    pub classes: usize,
    /// Rows that a draw is fitted on.
    pub train: usize,
    /// Rows judged.
    pub test: usize,
    /// Accuracy of always answering the most frequent class.
    pub majority: f64,
    /// Methods and networks.
    pub cells: Vec<Cell>,
    /// Affinity and gain on each network.
    pub relations: Vec<Relation>,
    /// Head2Toe on runs of consecutive ranks, by offset.
    pub windows: Vec<Window>,
    /// One layer beside the last.
    pub oracle: Option<Oracle>,
    /// Against fine-tuning.
    pub cost: Vec<CostShare>,
    /// What could not be fitted, and why.
    pub failed: Vec<String>,
}

/// A claim and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    /// The claim, written before the run.
    pub claim: String,
    /// The figure, in words.
    pub found: String,
    /// Whether it holds.
    pub verdict: Verdict,
}

/// How affinity and gain hang together on one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trend {
    /// The network's name.
    pub network: String,
    /// Rank correlation of affinity and gain.
    pub all_rows: Option<Correlation>,
    /// The same with affinity from one half of the judged images and gain from the other. Both contain the accuracy of linear, whose error
    /// would make them fall together; on halves that do not meet it cannot.
    pub halves: Option<Correlation>,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Head2ToeStudy {
    /// Version of heirloom.
    pub version: String,
    /// Every target, the largest affinity on the first network first.
    pub targets: Vec<TargetResult>,
    /// One for each network of the frozen methods.
    pub trends: Vec<Trend>,
    /// The claims.
    pub claims: Vec<Claim>,
    /// Parts that the budget did not allow: stage and target.
    pub unfinished: Vec<String>,
}

/// A figure that the recipe holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFigure {
    /// The target.
    pub target: String,
    /// The network.
    pub network: String,
    /// The method.
    pub method: String,
    /// Accuracy in per cent.
    pub accuracy: f64,
}
