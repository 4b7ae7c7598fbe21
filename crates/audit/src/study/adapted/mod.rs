//! Labels for a domain without any, from every domain to every other, on the same frozen features: closed forms, shallow and deep
//! methods, and the controls without which none means anything (`spec/regularisers-and-adaptation.md` section C, `spec/easytl.md`).
//!
//! ```text
//! source features + labels, target features --way, seed--> target labels --truth, read once--> right or wrong, each row
//! right of a way less right of the source alone, rows and seeds resampled --> gain, pair by pair and on the mean
//! ```
//!
//! Target labels are read by the summary alone: what labels the target is given none.

mod summary;
#[cfg(test)]
mod tests;
mod way;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use heirloom_transfer::adaptation::{AdaptationError, DeepOptions, Samples};
use heirloom_transfer::compare::{Cells, name_of};
use heirloom_transfer::extract::Progress;
use heirloom_transfer::fit::{Share, Watch};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::StudyError;
use crate::Difference;

pub use way::Way;

/// Raised whenever a way does something else with the same features: what is kept of the old one is then not read.
const WAYS: u32 = 2;

/// The rows of one domain.
#[derive(Debug, Clone)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Their features.
    pub samples: Samples,
    /// Their classes.
    pub labels: Vec<usize>,
}

/// How much is done.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptedOptions {
    /// How deep methods are trained.
    pub deep: DeepOptions,
    /// Seeds of each deep method.
    pub seeds: usize,
}

/// A way on one pair of domains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WayRecord {
    /// The way.
    pub way: Way,
    /// Accuracy on all rows of the target, mean over seeds.
    pub accuracy: Share,
    /// Beyond the source alone, rows and seeds resampled together.
    pub gain: Difference,
}

/// One source and one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptedPair {
    /// The domain with labels.
    pub source: String,
    /// The domain that is labelled.
    pub target: String,
    /// Rows of both.
    pub rows: [usize; 2],
    /// By way.
    pub ways: Vec<WayRecord>,
}

/// A way on the mean over pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WayAverage {
    /// The way.
    pub way: Way,
    /// Mean accuracy over pairs.
    pub accuracy: f64,
    /// Beyond the source alone, rows of the targets and seeds resampled together.
    pub gain: Difference,
    /// Beyond EasyTL with CORAL.
    pub beyond_easytl: Difference,
    /// Pairs on which it is worse than the source alone, by the whole of the interval.
    pub harmed: usize,
    /// Pairs on which it is better, by the whole of the interval.
    pub helped: usize,
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AdaptedStudy {
    /// Seeds of each deep method.
    pub seeds: usize,
    /// Every ordered pair of domains.
    pub pairs: Vec<AdaptedPair>,
    /// By way.
    pub averages: Vec<WayAverage>,
}

/// A way from one domain to another with a seed.
#[derive(Debug, Clone, Copy)]
struct Item {
    way: Way,
    source: usize,
    target: usize,
    seed: usize,
}

/// Labels every domain from every other in every way; what was computed before comes from `cells`.
///
/// # Errors
/// Fewer than two domains, domains that cannot be adapted to one another, or the flag to stop; what was computed stays in the cache.
pub fn adaptation(
    domains: &[Domain],
    classes: usize,
    options: &AdaptedOptions,
    cells: &Cells,
    watch: Watch<'_>,
) -> Result<AdaptedStudy, StudyError> {
    if domains.len() < 2 {
        let reason = format!("it has {} domains, and a source and a target are needed", domains.len());
        return Err(StudyError::Data { set: "the data".to_owned(), reason });
    }
    let digests: Vec<String> = domains.iter().map(digest).collect();
    let items = items(domains.len(), options.seeds);
    let (done, started) = (AtomicUsize::new(0), Instant::now());
    let labelled = |item: &Item| {
        let labels = labelled(item, domains, &digests, classes, options, cells, watch)?;
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        let images_per_second = done as f64 / started.elapsed().as_secs_f64().max(1e-3);
        let state = Progress { done, total: items.len(), from_store: 0, skipped: 0, images_per_second };
        watch.progress.iter().for_each(|progress| progress(&state));
        Ok(labels)
    };
    let found: Vec<Vec<usize>> = items.par_iter().map(labelled).collect::<Result<_, StudyError>>()?;
    Ok(summary::summary(domains, options, &items, &found))
}

/// Every way on every pair, deep ones with every seed; those of a target stand together.
fn items(domains: usize, seeds: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for target in 0..domains {
        for source in (0..domains).filter(|source| *source != target) {
            for way in Way::all() {
                let seeds = if way.is_drawn() { seeds.max(1) } else { 1 };
                items.extend((0..seeds).map(|seed| Item { way, source, target, seed }));
            }
        }
    }
    items
}

fn digest(domain: &Domain) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(domain.samples.columns() as u64).to_le_bytes());
    domain.samples.values().iter().for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    domain.labels.iter().for_each(|label| {
        hasher.update(&(*label as u64).to_le_bytes());
    });
    hasher.finalize().to_hex().to_string()
}

fn labelled(
    item: &Item,
    domains: &[Domain],
    digests: &[String],
    classes: usize,
    options: &AdaptedOptions,
    cells: &Cells,
    watch: Watch<'_>,
) -> Result<Vec<usize>, StudyError> {
    let deep = DeepOptions { seed: options.deep.seed.wrapping_add(item.seed as u64), ..options.deep.clone() };
    let version = env!("CARGO_PKG_VERSION");
    let key = ("adaptation", WAYS, version, item.way, &deep, &digests[item.source], &digests[item.target], classes);
    let name = name_of(&key)?;
    if let Some(kept) = cells.read::<Vec<usize>>(&name)? {
        return Ok(kept);
    }
    let (source, target) = (&domains[item.source], &domains[item.target]);
    let labels =
        item.way.label(source, &target.samples, classes, &deep, watch.cancel).map_err(|error| match error {
            StudyError::Adaptation(AdaptationError::Stopped) => StudyError::Interrupted,
            StudyError::Adaptation(error) => {
                let set = format!("{} from {} to {}", item.way.name(), source.name, target.name);
                StudyError::Data { set, reason: error.to_string() }
            }
            other => other,
        })?;
    cells.write(&name, &labels)?;
    Ok(labels)
}
