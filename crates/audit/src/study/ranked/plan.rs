//! What the study would compute.

use super::{RankedNetwork, RankedOptions};
use crate::study::Set;

/// What a network would go through, were nothing in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankedPlan {
    /// The network.
    pub network: String,
    /// Cells: sets that it is scored on, and fine-tuning runs.
    pub cells: [usize; 2],
    /// Images that go through it for scores and frozen heads, and for fine-tuning, a training step counted three times.
    pub images: [usize; 2],
}

/// What every network would go through.
#[must_use]
pub fn ranked_plan(networks: &[RankedNetwork], sets: &[Set], options: &RankedOptions) -> Vec<RankedPlan> {
    let frozen: usize = sets.iter().map(|set| set.table.rows.len()).sum();
    let epochs = usize::try_from(options.epochs).unwrap_or(usize::MAX);
    let trained = |set: &Set| {
        let [train, test] = set.split().map(|rows| rows.len());
        (3 * train * epochs + train + test) * options.seeds
    };
    let tuned: usize = options.fine_tuned.iter().filter_map(|set| sets.get(*set)).map(trained).sum();
    let plan = |network: &RankedNetwork| RankedPlan {
        network: network.backbone.name.clone(),
        cells: [sets.len(), options.fine_tuned.len() * options.seeds],
        images: [frozen, tuned],
    };
    networks.iter().map(plan).collect()
}
