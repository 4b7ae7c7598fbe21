//! What several labelled domains teach of another, on the same frozen features (`spec/regularisers-and-adaptation.md` sections D and G).
//!
//! ```text
//! all domains but one, labelled --method, seed--> head --that domain's rows, one by one--> classes      unseen
//! all domains but one, labelled + that domain's rows without labels --combination, seed--> classes      several sources
//! classes --truth, read once--> right or wrong, each row --rows resampled--> accuracy, gain over the control
//! ```
//!
//! Settings are chosen on held-out rows of the labelled domains. What learns is handed those domains alone; the truth of the domain that
//! is judged is read by the measure and by nothing else.

mod measure;
mod several;
#[cfg(test)]
mod tests;
mod unseen;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heirloom_transfer::adaptation::AdaptationError;
use heirloom_transfer::extract::Progress;
use heirloom_transfer::fit::{Share, Watch};
use heirloom_transfer::generalisation::{Combination, GeneralisationMethod, GeneralisationOptions, SELECTION};
use serde::{Deserialize, Serialize};

use super::{Domain, StudyError};
use crate::Difference;

/// How much is done.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneralisedOptions {
    /// How heads are trained and chosen.
    pub training: GeneralisationOptions,
    /// Seeds of splits, settings and batches.
    pub seeds: usize,
}

/// A method on a domain that it never met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnseenRecord {
    /// The method.
    pub method: GeneralisationMethod,
    /// Accuracy on all rows of the domain, mean over seeds.
    pub accuracy: Share,
    /// Accuracy on held-out rows of the training domains, mean over seeds: what settings were chosen by.
    pub validation: f64,
    /// Beyond ERM, rows resampled.
    pub gain: Difference,
}

/// A domain left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnseenTarget {
    /// The domain.
    pub target: String,
    /// Its rows.
    pub rows: usize,
    /// By method.
    pub methods: Vec<UnseenRecord>,
}

/// A way to use several sources on a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeveralRecord {
    /// The way.
    pub combination: Combination,
    /// How much each source counted, mean over seeds, in the order of [`SeveralTarget::sources`].
    pub weights: Vec<f64>,
    /// Accuracy on all rows of the target, mean over seeds.
    pub accuracy: Share,
    /// Beyond all sources pooled, rows resampled.
    pub gain: Difference,
}

/// A target with several sources.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeveralTarget {
    /// The domain without labels.
    pub target: String,
    /// Its rows.
    pub rows: usize,
    /// The domains with labels.
    pub sources: Vec<String>,
    /// By combination.
    pub combinations: Vec<SeveralRecord>,
}

/// A method or a combination on the mean over targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneralisedAverage<Way> {
    /// Which.
    pub way: Way,
    /// Mean accuracy over targets.
    pub accuracy: f64,
    /// Beyond the control, rows of the targets resampled.
    pub gain: Difference,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneralisedStudy {
    /// Seeds.
    pub seeds: usize,
    /// Draws of settings that each choice was made from.
    pub draws: usize,
    /// The rule that settings were chosen by.
    pub selection: String,
    /// Every domain left out.
    pub unseen: Vec<UnseenTarget>,
    /// By method.
    pub unseen_averages: Vec<GeneralisedAverage<GeneralisationMethod>>,
    /// Every domain as the target of all others.
    pub several: Vec<SeveralTarget>,
    /// By combination; single sources and those left out, which differ from target to target, have none.
    pub several_averages: Vec<GeneralisedAverage<Combination>>,
}

/// Learns from all domains but one, for every domain, in every way.
///
/// # Errors
/// Fewer than three domains, domains that do not fit together, or the flag to stop.
pub fn generalisation(
    domains: &[Domain],
    classes: usize,
    options: &GeneralisedOptions,
    watch: Watch<'_>,
) -> Result<GeneralisedStudy, StudyError> {
    if domains.len() < 3 {
        let reason = format!("it has {} domains; two to learn from and one to judge are needed", domains.len());
        return Err(StudyError::Data { set: "the data".to_owned(), reason });
    }
    let seeds = options.seeds.max(1);
    let total =
        seeds * domains.len() * (GeneralisationMethod::ALL.len() + several::combinations(domains.len() - 1).len());
    let counter = Counter { done: AtomicUsize::new(0), total, started: Instant::now(), watch };
    let (unseen, unseen_averages) = unseen::unseen(domains, classes, options, &counter)?;
    let (several, several_averages) = several::several(domains, classes, options, &counter)?;
    let (draws, selection) = (options.training.draws, SELECTION.to_owned());
    Ok(GeneralisedStudy { seeds, draws, selection, unseen, unseen_averages, several, several_averages })
}

/// Tells of every training that is done.
struct Counter<'a> {
    done: AtomicUsize,
    total: usize,
    started: Instant,
    watch: Watch<'a>,
}

impl Counter<'_> {
    fn count(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let images_per_second = done as f64 / self.started.elapsed().as_secs_f64().max(1e-3);
        let state = Progress { done, total: self.total, from_store: 0, skipped: 0, images_per_second };
        self.watch.progress.iter().for_each(|progress| progress(&state));
    }
}

/// The options of one seed.
fn seeded(options: &GeneralisedOptions, seed: usize) -> GeneralisationOptions {
    GeneralisationOptions { seed: options.training.seed.wrapping_add(seed as u64), ..options.training.clone() }
}

/// An error with the domain that it is of.
fn of_target(target: &Domain) -> impl Fn(AdaptationError) -> StudyError {
    let set = format!("all domains but {}", target.name);
    move |error| match error {
        AdaptationError::Stopped => StudyError::Interrupted,
        error => StudyError::Data { set: set.clone(), reason: error.to_string() },
    }
}
