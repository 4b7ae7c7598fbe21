//! How a study that computes for long goes on: what it says, whether it begins anything new, and what it need not compute again.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use heirloom_transfer::compare::Cells;
use heirloom_transfer::fit::Watch;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StudyError;

/// Tells whoever watches what is done now.
pub(super) fn say(watch: Watch<'_>, text: &str) {
    if let Some(stage) = watch.stage {
        stage(text);
    }
}

/// Whether there is time to begin something new; an interrupt ends all.
pub(super) fn go_on(watch: Watch<'_>, started: Instant, budget: Option<Duration>) -> Result<bool, StudyError> {
    if watch.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
        return Err(StudyError::Interrupted);
    }
    Ok(budget.is_none_or(|budget| started.elapsed() < budget))
}

/// A result from the cache, or made and kept there.
pub(super) fn kept<T: Serialize + DeserializeOwned>(
    cells: &Cells,
    name: &str,
    make: impl FnOnce() -> Result<T, StudyError>,
) -> Result<T, StudyError> {
    if let Some(kept) = cells.read::<T>(name)? {
        return Ok(kept);
    }
    let made = make()?;
    cells.write(name, &made)?;
    Ok(made)
}
