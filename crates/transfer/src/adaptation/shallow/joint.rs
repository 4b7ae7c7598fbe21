//! Joint distribution adaptation (Long, Wang, Ding, Sun, Yu 2013, Transfer feature learning with joint distribution adaptation): TCA
//! that brings the means of every class together as well, the target's classes by pseudo-labels that each round makes anew.
//!
//! ```text
//! M = M_0 + sum over c of M_c,   M_c from e_c = 1/n_s^c on source rows of class c, -1/n_t^c on target rows said to be of class c
//! ```
//!
//! The first round knows no pseudo-labels and is TCA.

use super::discrepancy::Discrepancy;
use super::kernel::parted;
use super::projection::project;
use super::{AdaptationError, Domains, Samples, ShallowOptions, ShallowResult};

/// Labels by the nearest source row under the projection of the last round.
pub(super) fn label(
    domains: &Domains<'_>,
    options: &ShallowOptions,
    stopped: &dyn Fn() -> bool,
) -> Result<ShallowResult, AdaptationError> {
    let rows = options.kernel.rows(domains);
    rounds(domains, &rows, options, stopped, |pseudo| {
        let between = Discrepancy::default().with_domains(1.0, domains);
        Ok(match pseudo {
            None => between,
            Some(pseudo) => between.with_classes(1.0, domains, pseudo, |_| [1.0, 1.0]),
        })
    })
}

/// Rounds of projecting and labelling; `between` says what is brought together, from the pseudo-labels of the round before.
pub(super) fn rounds(
    domains: &Domains<'_>,
    rows: &Samples,
    options: &ShallowOptions,
    stopped: &dyn Fn() -> bool,
    mut between: impl FnMut(Option<&[usize]>) -> Result<Discrepancy, AdaptationError>,
) -> Result<ShallowResult, AdaptationError> {
    let (mut found, mut changed) = (None::<ShallowResult>, Vec::new());
    for _ in 0..options.rounds.max(1) {
        if stopped() {
            return Err(AdaptationError::Stopped);
        }
        let before = found.as_ref().map(|result| result.labels.as_slice());
        let embedded = project(rows, &between(before)?, options.lambda, options.dimension)?;
        let [source, target] = parted(&embedded, domains.source.rows());
        let result = ShallowResult::nearest(domains, source, target)?;
        let others = |before: &[usize]| before.iter().zip(&result.labels).filter(|(old, new)| old != new).count();
        changed.push(before.map_or(result.labels.len(), others));
        found = Some(result);
    }
    let needed = AdaptationError::Setting { setting: "rounds", value: "0".to_owned(), range: "at least 1 is needed" };
    Ok(ShallowResult { changed, ..found.ok_or(needed)? })
}
