//! The record of a comparison: what the terminal table, the JSON object, the parquet file and the HTML page show.

use serde::{Deserialize, Serialize};

use super::{Advice, Cost, Gap};
use crate::calibration::Calibration;
use crate::fit::{BackboneRecord, ClassScore, DuplicateGroup, Evaluated, Share, SkippedRow};
use crate::heads::LayerShare;

/// How many rows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Rows that a draw fits on, the mean over draws.
    pub train: usize,
    /// Rows judged, each counted once.
    pub test: usize,
    /// Rows left out because their image could not be used.
    pub skipped: usize,
}

/// One draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrawRecord {
    /// Rows fitted on.
    pub train: usize,
    /// Rows judged.
    pub test: usize,
}

/// Rows of one draw, by their place in the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DrawRows {
    /// Rows fitted on, rising.
    pub train: Vec<usize>,
    /// Fold of each of them.
    pub folds: Vec<usize>,
    /// Rows judged, rising.
    pub test: Vec<usize>,
}

/// One way to adapt one backbone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The method.
    pub method: String,
    /// Whether the backbone's weights stay as they are.
    pub frozen: bool,
    /// Which backbone, by place in [`Comparison::backbones`].
    pub backbone: usize,
    /// Share of judged rows that are right, over all draws; the interval resamples images and draws.
    pub accuracy: Share,
    /// Accuracy of each draw.
    pub by_draw: Vec<f64>,
    /// Standard deviation of those; 0 for a single draw. With test rows in the data it is what the choice of training rows does, else it
    /// holds the choice of judged rows as well.
    pub spread: f64,
    /// Accuracy less that of the most accurate line, paired.
    pub against_best: Gap,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: f64,
    /// How far its probabilities can be trusted.
    pub calibration: Calibration,
    /// The same with a temperature of 1.
    pub before_calibration: Calibration,
    /// What it cost, the mean over draws.
    pub cost: Cost,
    /// Whether no line is as accurate at fewer operations to adapt.
    pub on_frontier: bool,
    /// Settings chosen in each draw, in words.
    pub choices: Vec<String>,
    /// What `head2toe` kept of each layer, by depth, in each draw; draws in which it took the last layer alone are left out. Empty for
    /// other methods.
    #[serde(default)]
    pub layers: Vec<Vec<LayerShare>>,
    /// Scores by class.
    pub per_class: Vec<ClassScore>,
    /// Judged rows by true class and predicted class, over all draws.
    pub confusion: Vec<Vec<usize>>,
    /// The most confident mistakes, each image once.
    pub mistakes: Vec<Evaluated>,
    /// Of the pairs of true and predicted class with the most mistakes, the most confident one of each.
    #[serde(default)]
    pub examples: Vec<Evaluated>,
    /// Place of its entry in what was asked for.
    #[serde(skip)]
    pub entry: usize,
    /// Of each draw, the group of every judged row and whether the answer is right; the same rows in the same order in every line.
    #[serde(skip)]
    pub answers: Vec<Vec<(usize, bool)>>,
}

/// A way to adapt that could not be fitted on some draw, and is therefore no line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The method.
    pub method: String,
    /// Name of the backbone; `None` for a table of features.
    pub backbone: Option<String>,
    /// The first draw it failed on, from 1.
    pub draw: usize,
    /// Why.
    pub reason: String,
}

impl Failed {
    /// `linear on NAME`; the method alone where there is no backbone.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.backbone {
            Some(backbone) => format!("{} on {backbone}", self.method),
            None => self.method.clone(),
        }
    }
}

/// Where judged rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The data's own test rows, by models of different training rows.
    TestSplit,
    /// Folds of a cross-validation.
    CrossValidation,
}

impl Source {
    /// One sentence for a reader.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::TestSplit => {
                "every draw takes another stratified part of the training rows and is judged on all test rows"
            }
            Self::CrossValidation => {
                "every draw holds another stratified fifth of the rows out and is judged on it; five draws judge every row once"
            }
        }
    }
}

/// Ways to adapt beside each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version of heirloom.
    pub version: String,
    /// The data set as it was typed.
    pub data: String,
    /// Class names, in the order of every list by class.
    pub classes: Vec<String>,
    /// The backbones; none for a table of features.
    pub backbones: Vec<BackboneRecord>,
    /// How rows are judged.
    pub protocol: Source,
    /// The draws.
    pub draws: Vec<DrawRecord>,
    /// Their rows.
    #[serde(skip)]
    pub draw_rows: Vec<DrawRows>,
    /// How many rows went where.
    pub rows: Rows,
    /// Accuracy of always answering the most frequent class of the training rows.
    pub majority: f64,
    /// The ways to adapt, the most accurate first.
    pub lines: Vec<Line>,
    /// What could not be fitted.
    pub failed: Vec<Failed>,
    /// Which to take, and why.
    pub advice: Option<Advice>,
    /// Groups of equal or nearly equal images, always on one side.
    pub duplicates: Vec<DuplicateGroup>,
    /// Rows that were left out, and why.
    pub skipped: Vec<SkippedRow>,
    /// What the reader should know before trusting the figures.
    pub warnings: Vec<String>,
    /// Seed of draws, folds and training.
    pub seed: u64,
    /// Seconds of this run; what was there from before cost none.
    pub seconds: f64,
}
