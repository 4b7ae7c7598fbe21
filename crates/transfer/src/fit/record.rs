//! The record of one fit: everything that the terminal table, the JSON object and the HTML page show. They compute nothing
//! of their own, so they cannot disagree.

use std::time::{Duration, Instant};

use heirloom_engine::Precision;
use heirloom_training::trainer::EpochReport;
use serde::{Deserialize, Serialize};

use super::trained::{BlockGradient, Movement};
use crate::adaptation::{Alignment, Coverage, Preprocessing};
use crate::calibration::Calibration;
use crate::extract::Parity;
use crate::heads::{Certificate, LayerShare};

/// How the accuracy was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// The data came with test rows; each was used once.
    TestSplit,
    /// A stratified fifth of the rows was held out.
    HoldOut,
    /// Every row was predicted by a head that was fitted, and chosen, on other folds.
    NestedCv,
    /// The rows of a target domain whose labels took no part; its features may have.
    TargetDomain,
}

impl Protocol {
    /// The name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TestSplit => "test-split",
            Self::HoldOut => "hold-out",
            Self::NestedCv => "nested-cv",
            Self::TargetDomain => "target-domain",
        }
    }

    /// One sentence for a reader.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            Self::TestSplit => "measured once on the test rows that came with the data",
            Self::HoldOut => "measured once on a held-out stratified fifth of the rows",
            Self::TargetDomain => {
                "measured once on the labelled rows of the target domain, whose labels took no part before"
            }
            Self::NestedCv => {
                "nested 5-fold cross-validation: each row was predicted by a model fitted and chosen without it"
            }
        }
    }
}

/// A share with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The share, 0 to 1.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Rows it was measured on.
    pub n: usize,
}

impl Share {
    /// `part` of `n` with its interval by Wilson's score (Wilson 1927), which holds for small counts and shares near 0 or 1; all of
    /// 0 to 1 for nothing.
    #[must_use]
    pub fn of(part: usize, n: usize) -> Self {
        Self::rate(part as f64 / n.max(1) as f64, n)
    }

    /// The same for a share known as a number, as the mean over several models judged on the same `n` rows is.
    #[must_use]
    pub fn rate(value: f64, n: usize) -> Self {
        const Z: f64 = 1.959_963_984_540_054;
        if n == 0 {
            return Self { value: 0.0, low: 0.0, high: 1.0, n };
        }
        let count = n as f64;
        let scale = 1.0 + Z * Z / count;
        let middle = (value + Z * Z / (2.0 * count)) / scale;
        let half = Z * (value * (1.0 - value) / count + Z * Z / (4.0 * count * count)).sqrt() / scale;
        Self { value, low: (middle - half).max(0.0), high: (middle + half).min(1.0), n }
    }
}

/// How many rows went where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowCounts {
    /// Rows the written model was fitted on.
    pub train: usize,
    /// Rows the accuracy was measured on.
    pub test: usize,
    /// Rows left out because their image could not be used.
    pub skipped: usize,
}

/// Scores over the evaluated rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Share of rows whose most probable class is theirs.
    pub accuracy: Share,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: f64,
    /// Mean negative logarithm (natural) of the probability given to the true class, after calibration; a probability below
    /// 1e-15 counts as that.
    pub log_loss: f64,
    /// Mean squared distance of the calibrated probabilities from the true class's indicator, summed over classes (Brier 1950): 0
    /// when certain and right, 2 when certain and wrong.
    pub brier: f64,
    /// Accuracy of always answering the most frequent class of the training rows.
    pub majority: f64,
    /// Expected calibration error in fifteen ranges: mean distance between stated confidence and share that is right.
    pub calibration_error: f64,
    /// Root mean square of that distance in groups of equally many rows.
    #[serde(default)]
    pub adaptive_calibration_error: f64,
    /// The figures with a temperature of 1.
    #[serde(default)]
    pub before_calibration: Calibration,
}

/// One class among the evaluated rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassScore {
    /// Its name.
    pub class: String,
    /// Its evaluated rows.
    pub rows: usize,
    /// Share of its rows that are recognised.
    pub recall: Share,
    /// Share of the rows called so that are so; `None` when no row was called so.
    pub precision: Option<f64>,
}

/// Evaluated rows whose stated confidence lies in one range.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower end of the range, 0 to 1.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Share of its rows that are right; 0 when it is empty.
    pub accuracy: f64,
    /// Its rows.
    pub rows: usize,
}

/// One row as judged by a head that was not fitted on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Row of the table.
    pub row: usize,
    /// Where the image is.
    pub locator: String,
    /// Its class.
    pub label: usize,
    /// The class it was given.
    pub predicted: usize,
    /// Calibrated probability of the class it was given.
    pub confidence: f64,
    /// Calibrated probability of its own class.
    pub label_probability: f64,
}

/// Rows that show the same or nearly the same image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DuplicateGroup {
    /// Whether the encoded bytes are equal, not only the pictures alike.
    pub exact: bool,
    /// Where the images are.
    pub locators: Vec<String>,
    /// Whether the group has rows on both sides of the data's own train/test border.
    pub crosses_split: bool,
    /// Whether its rows have different labels.
    pub labels_differ: bool,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedRow {
    /// Where the image is.
    pub locator: String,
    /// Why.
    pub reason: String,
}

/// One line of the table from which a setting was chosen, on training rows alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The method.
    pub method: String,
    /// Its setting.
    pub setting: String,
    /// Mean log loss of training rows outside the folds it was fitted on, in nats; lower is better.
    pub log_loss: f64,
    /// Standard error of its difference from the best one's log loss: paired over folds among the settings of one method, over
    /// rows among methods.
    pub standard_error: f64,
    /// Share of those rows that it classified correctly.
    pub accuracy: f64,
    /// Whether it was taken.
    pub chosen: bool,
}

/// Accuracy with so many training rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurveRow {
    /// Training rows.
    pub rows: usize,
    /// Accuracy on rows outside them.
    pub accuracy: Share,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Reading, decoding and the network, or reading features from the cache.
    pub extract: f64,
    /// Choosing, fitting and evaluating heads.
    pub fit: f64,
    /// Everything from the start of the command.
    pub total: f64,
}

impl Seconds {
    /// The times of a fit that began at `started` and had its features after `extract`.
    pub(super) fn since(started: Instant, extract: Duration) -> Self {
        let (total, extract) = (started.elapsed().as_secs_f64(), extract.as_secs_f64());
        Self { extract, fit: total - extract, total }
    }
}

/// The backbone by name and content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackboneRecord {
    /// Its name.
    pub name: String,
    /// Its architecture.
    pub architecture: String,
    /// BLAKE3 digest of its weights.
    pub digest: String,
    /// Licence of the weights, where stated.
    pub licence: Option<String>,
    /// Where the weights come from, where stated.
    pub source: Option<String>,
    /// How an image becomes its input.
    pub preprocess: String,
}

impl From<&heirloom_zoo::Backbone> for BackboneRecord {
    fn from(backbone: &heirloom_zoo::Backbone) -> Self {
        Self {
            name: backbone.name.clone(),
            architecture: backbone.architecture.clone(),
            digest: backbone.weights_digest.clone(),
            licence: backbone.licence.clone(),
            source: backbone.source.clone(),
            preprocess: backbone.preprocess.describe(),
        }
    }
}

/// From one domain to another, and what was used of the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptationRecord {
    /// Column that names the domains.
    pub column: String,
    /// Domains whose labels were used.
    pub sources: Vec<String>,
    /// The domain that was labelled.
    pub target: String,
    /// Rows of the sources.
    pub source_rows: usize,
    /// Rows of the target, those without a label included.
    pub target_rows: usize,
    /// What happened to rows and columns.
    pub preprocessing: Preprocessing,
    /// How the source was aligned.
    pub alignment: Alignment,
    /// Target rows that each class had to get; `None` for other methods than EasyTL.
    pub coverage: Option<Coverage>,
    /// Whether anything of the unlabelled target took part.
    pub transductive: bool,
    /// What of the unlabelled target took part in the model that is written, in words.
    pub target_used_for: Vec<String>,
    /// Target rows that the coverage took from their nearest class.
    pub moved: usize,
    /// Target rows by the class they were given.
    pub target_counts: Vec<usize>,
    /// Accuracy of the same method with nothing of the target used: columns by statistics of the source, no alignment, no coverage.
    pub without_target: Share,
    /// Whether the source is used at all, where that was left to the labelled rows of the target.
    #[serde(default)]
    pub safe: Option<crate::safe::SafeChoice>,
}

/// What must be repeated to get the same again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Version of heirloom.
    pub version: String,
    /// The data set as it was typed.
    pub data: String,
    /// BLAKE3 over the content digests of the used rows, in order; `None` when one could not be read again.
    pub data_digest: Option<String>,
    /// Seed of folds and splits.
    pub seed: u64,
    /// Kernels that ran the network.
    pub isa: String,
    /// Precision of the network's products.
    #[serde(default)]
    pub precision: Precision,
    /// What the check of bf16 found, where it decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
    /// What features were rounded to before they were used.
    #[serde(default)]
    pub feature_storage: Precision,
    /// Taps and pooling targets that were read.
    pub features: Vec<String>,
    /// Settings of the fit, by name.
    pub settings: serde_json::Value,
}

/// The record of one fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitReport {
    /// The method of the written model.
    pub method: String,
    /// The method that was asked for; `auto` chooses among several.
    pub requested: String,
    /// What was chosen, in words.
    pub choice: String,
    /// The table it was chosen from, on training rows alone.
    pub candidates: Vec<Candidate>,
    /// Accuracy as the released code of Head2Toe counts it, in batches of 50 of which a shorter last one counts as whole; where asked for.
    #[serde(default)]
    pub batched_accuracy: Option<f64>,
    /// What `head2toe` kept of each layer at the pooled width that was chosen, by depth; empty for other methods, and where it took the last
    /// layer alone.
    #[serde(default)]
    pub layers: Vec<LayerShare>,
    /// How close to its optimum the group lasso of `head2toe`, or the head of `all-l1` and `all-l21`, was brought.
    #[serde(default)]
    pub certificate: Option<Certificate>,
    /// The backbone; `None` for a table of features.
    pub backbone: Option<BackboneRecord>,
    /// Class names, in the order of every list by class.
    pub classes: Vec<String>,
    /// How the accuracy was measured.
    pub protocol: Protocol,
    /// Whether the written model was fitted again on all rows, those it was measured on included.
    pub refitted: bool,
    /// How many rows went where.
    pub rows: RowCounts,
    /// Scores over the evaluated rows.
    pub scores: Scores,
    /// Scores by class.
    pub per_class: Vec<ClassScore>,
    /// Evaluated rows by true class and predicted class.
    pub confusion: Vec<Vec<usize>>,
    /// Stated confidence against the share that is right.
    pub reliability: Vec<ReliabilityBin>,
    /// Evaluated rows, the most confidently wrong first.
    pub evaluated: Vec<Evaluated>,
    /// Rows whose label is probably a mistake, by a head that was not fitted on them, the most suspect first.
    pub suspects: Vec<Evaluated>,
    /// Groups of equal or nearly equal images.
    pub duplicates: Vec<DuplicateGroup>,
    /// Rows that were left out, and why.
    pub skipped: Vec<SkippedRow>,
    /// Accuracy against the number of training rows.
    pub learning_curve: Vec<CurveRow>,
    /// From which domain to which, where the fit was one from domain to domain.
    #[serde(default)]
    pub adaptation: Option<AdaptationRecord>,
    /// Training by epoch; held-out figures are those of the rows that choose the epoch. Empty for heads on frozen features.
    #[serde(default)]
    pub epochs: Vec<EpochReport>,
    /// How far training moved the weights of each module; `None` for heads on frozen features.
    #[serde(default)]
    pub movement: Option<Movement>,
    /// How hard each block was pulled at, where the one that was trained was chosen so; the largest was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub block_gradients: Vec<BlockGradient>,
    /// What the reader should know before trusting the figures.
    pub warnings: Vec<String>,
    /// Where the time went.
    pub seconds: Seconds,
    /// Images through the network a second; `None` when all features came from the cache.
    pub images_per_second: Option<f64>,
    /// How to repeat it.
    pub run: RunRecord,
}
