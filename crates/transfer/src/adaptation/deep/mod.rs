//! Deep adaptation on frozen features (`spec/regularisers-and-adaptation.md` section C): a bottleneck and a linear head are trained on the
//! labelled source, with something that draws the bottleneck's values of both domains together.
//!
//! ```text
//! features --linear, ReLU--> bottleneck f --linear--> logits        loss on the source: cross-entropy
//! f of both domains --> covariances | kernel means | domain adversary | two heads that disagree | (target alone) information
//! ```
//!
//! The published methods train the network below, too, have a batch norm in the bottleneck and wider adversaries; here features are
//! frozen and standardised by whoever gives them, and adversaries have two hidden layers as wide as the bottleneck. Target labels never
//! take part: no function takes them.

mod adversary;
pub(crate) mod batches;
pub(crate) mod coral;
mod disagreement;
mod information;
mod kernel;
pub(crate) mod layer;
mod network;
mod step;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};

use heirloom_matrix::Mat;
use serde::{Deserialize, Serialize};

use super::{AdaptationError, Samples};
use network::Network;
use step::Trainer;

/// A way to draw domains together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeepMethod {
    /// None: the control.
    SourceOnly,
    /// Covariances (Sun, Saenko 2016).
    DeepCoral,
    /// Means in the space of several kernels (Long et al. 2015).
    Dan,
    /// An adversary that tells domains apart (Ganin et al. 2016).
    Dann,
    /// The same, told what the head says, sure rows first (Long et al. 2018, CDAN+E).
    Cdan,
    /// Two heads that disagree on the target (Saito et al. 2018).
    Mcd,
    /// Information and pseudo-labels on the target, the source no longer there (Liang et al. 2020).
    Shot,
}

impl DeepMethod {
    /// All, the control first.
    pub const ALL: [Self; 7] =
        [Self::SourceOnly, Self::DeepCoral, Self::Dan, Self::Dann, Self::Cdan, Self::Mcd, Self::Shot];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SourceOnly => "source only",
            Self::DeepCoral => "Deep CORAL",
            Self::Dan => "DAN",
            Self::Dann => "DANN",
            Self::Cdan => "CDAN+E",
            Self::Mcd => "MCD",
            Self::Shot => "SHOT",
        }
    }
}

/// How long, how wide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeepOptions {
    /// Steps on the source; `Shot` takes as many again on the target, at most.
    pub steps: usize,
    /// Rows of each domain in a batch.
    pub batch: usize,
    /// Columns of the bottleneck.
    pub bottleneck: usize,
    /// Seed of everything that is drawn.
    pub seed: u64,
}

impl Default for DeepOptions {
    fn default() -> Self {
        Self { steps: 1000, batch: 36, bottleneck: 256, seed: 0 }
    }
}

/// Labels an unlabelled target.
///
/// ```
/// use heirloom_transfer::adaptation::{DeepMethod, DeepOptions, Samples, label_deep};
/// let source = Samples::new(4, 2, vec![1., 0., 1.2, 0., -1., 0., -1.2, 0.1])?;
/// let target = Samples::new(2, 2, vec![0.9, 0.1, -0.8, 0.1])?;
/// let options = DeepOptions { steps: 60, bottleneck: 8, ..DeepOptions::default() };
/// let labels = label_deep(DeepMethod::Dann, &source, &[0, 0, 1, 1], &target, 2, &options, None)?;
/// assert_eq!(labels, [0, 1]);
/// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
/// ```
///
/// # Errors
/// Domains that do not fit together, fewer than two rows of either, a label past the number of classes, a training that diverges, or the
/// flag to stop.
pub fn label_deep(
    method: DeepMethod,
    source: &Samples,
    labels: &[usize],
    target: &Samples,
    classes: usize,
    options: &DeepOptions,
    cancel: Option<&AtomicBool>,
) -> Result<Vec<usize>, AdaptationError> {
    check(source, labels, target, classes)?;
    let network = Network::new(source.columns(), options.bottleneck.max(1), classes, method, options.seed);
    let mut trainer = Trainer { network, source: matrix(source), labels, target: matrix(target), method, options };
    let stopped = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
    for step in 0..options.steps {
        if stopped() {
            return Err(AdaptationError::Stopped);
        }
        trainer.step(step);
    }
    if method == DeepMethod::Shot {
        information::adapt(&mut trainer, &stopped)?;
    }
    let (_, logits) = trainer.network.logits(trainer.target.as_ref());
    let row = |row: usize| (0..classes).map(|class| logits[(row, class)]).collect::<Vec<f64>>();
    let rows: Vec<Vec<f64>> = (0..target.rows()).map(row).collect();
    if rows.iter().flatten().any(|logit| !logit.is_finite()) {
        return Err(AdaptationError::Diverged { method: method.name() });
    }
    let largest = |row: &Vec<f64>| (0..classes).fold(0, |best, at| if row[at] > row[best] { at } else { best });
    Ok(rows.iter().map(largest).collect())
}

/// Refuses domains that do not fit together.
pub(super) fn check(
    source: &Samples,
    labels: &[usize],
    target: &Samples,
    classes: usize,
) -> Result<(), AdaptationError> {
    if source.columns() != target.columns() {
        let (source_columns, target_columns) = (source.columns(), target.columns());
        return Err(AdaptationError::Columns { source_columns, target_columns });
    }
    for (domain, rows) in [("source", source.rows()), ("target", target.rows())] {
        if rows < 2 {
            return Err(AdaptationError::TooFewRows { domain, rows, needed: 2 });
        }
    }
    if labels.len() != source.rows() {
        let (expected, found) = (source.rows(), labels.len());
        return Err(AdaptationError::Length { what: "the list of labels", expected, found });
    }
    match labels.iter().position(|label| *label >= classes) {
        Some(row) => Err(AdaptationError::LabelOutside { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

/// The distance that Deep CORAL makes small.
pub(super) fn coral_distance(source: &Samples, target: &Samples) -> f64 {
    coral::loss(&matrix(source), &matrix(target)).0
}

/// The distance that DAN makes small.
pub(super) fn kernel_distance(source: &Samples, target: &Samples) -> f64 {
    kernel::loss(&matrix(source), &matrix(target)).0
}

fn matrix(samples: &Samples) -> Mat<f64> {
    let (columns, values) = (samples.columns(), samples.values());
    Mat::from_fn(samples.rows(), columns, |row, column| values[row * columns + column])
}
