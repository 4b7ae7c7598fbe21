//! Several labelled sources for one target without labels (`spec/regularisers-and-adaptation.md` section G): all of them, all weighed by
//! how near they are, the nearest alone, or all but one.
//!
//! ```text
//! w_d = e_d / sum of e       e the share of rows of source d that a linear classifier takes for the target's (proxy A-distance)
//! w_d = (1/m_d) / sum of 1/m      m the maximum mean discrepancy
//! ```
//!
//! Every domain, the target too, is standardised by itself, so that the target takes part as a whole without its labels. Settings of the
//! head are chosen on held-out rows of the sources.

use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::trial::{self, Prepared};
use super::{Candidate, GeneralisationMethod, GeneralisationOptions, Labelled};
use crate::adaptation::{AdaptationError, ColumnScaling, DomainDistance, Preprocessing, Samples, proxy_distance};

/// What nearness is measured by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Similarity {
    /// Proxy A-distance.
    ProxyDistance,
    /// Maximum mean discrepancy under five Gaussian kernels.
    Mmd,
}

/// Which sources count, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Combination {
    /// All, every row the same.
    Pooled,
    /// All, by how near they are.
    Weighted(Similarity),
    /// The one nearest by proxy A-distance, the first of equals: the best single source, as far as can be told without labels.
    Nearest,
    /// One of them, by its place.
    Single(usize),
    /// All but one, by its place, every row the same.
    Without(usize),
}

/// What several sources say of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct Combined {
    /// Class of each target row.
    pub labels: Vec<usize>,
    /// How much each source counted, of sum 1.
    pub weights: Vec<f64>,
    /// Settings chosen, with their accuracy on held-out rows of the sources.
    pub choice: Candidate,
}

/// Labels a target from several sources.
///
/// # Errors
/// What [`super::generalise`] refuses of the sources, a target of other columns or fewer than two rows, a place past the last source, or
/// the only source left out.
pub fn combine(
    combination: Combination,
    sources: &[Labelled<'_>],
    target: &Samples,
    classes: usize,
    options: &GeneralisationOptions,
    cancel: Option<&AtomicBool>,
) -> Result<Combined, AdaptationError> {
    trial::check(sources, classes)?;
    let own: Vec<Samples> = sources.iter().map(|source| by_itself(source.samples, options)).collect();
    let target = by_itself(target, options);
    let weights = weights(combination, &own, &target)?;
    let counted: Vec<usize> = (0..sources.len()).filter(|at| weights[*at] > 0.0).collect();
    let prepared = |at: &usize| Prepared::split(&own[*at], sources[*at].labels, options.seed);
    let domains: Vec<Prepared> = counted.iter().map(prepared).collect::<Result<_, _>>()?;
    let shares: Vec<f64> = counted.iter().map(|at| weights[*at]).collect();
    let best = trial::best(GeneralisationMethod::Erm, &domains, &shares, classes, options, cancel)?;
    Ok(Combined { labels: best.head.label(&target), weights, choice: best.candidates[best.chosen] })
}

/// Rows scaled, columns standardised by the domain itself.
fn by_itself(samples: &Samples, options: &GeneralisationOptions) -> Samples {
    Preprocessing { rows: options.rows, columns: ColumnScaling::DomainZScore }.apply(samples, samples).1
}

/// How much each source counts, of sum 1.
pub(super) fn weights(
    combination: Combination,
    sources: &[Samples],
    target: &Samples,
) -> Result<Vec<f64>, AdaptationError> {
    let rows = |at: usize| sources[at].rows() as f64;
    let errors = || -> Result<Vec<f64>, AdaptationError> {
        sources.iter().map(|source| Ok(proxy_distance(source, target)?.error)).collect()
    };
    let count = sources.len();
    let raw: Vec<f64> = match combination {
        Combination::Pooled => (0..count).map(rows).collect(),
        Combination::Weighted(Similarity::ProxyDistance) => errors()?,
        Combination::Weighted(Similarity::Mmd) => {
            let apart = |source| DomainDistance::Mmd.between(source, target);
            let near = |distance: f64| 1.0 / distance.max(f64::EPSILON);
            sources.iter().map(|source| apart(source).map(near)).collect::<Result<_, _>>()?
        }
        Combination::Nearest => {
            let errors = errors()?;
            let nearest = (1..count).fold(0, |best, at| if errors[at] > errors[best] { at } else { best });
            (0..count).map(|at| f64::from(u8::from(at == nearest))).collect()
        }
        Combination::Single(place) => (0..count).map(|at| f64::from(u8::from(at == place))).collect(),
        Combination::Without(place) => (0..count).map(|at| if at == place { 0.0 } else { rows(at) }).collect(),
    };
    match combination {
        Combination::Single(place) | Combination::Without(place) if place >= count || raw.iter().all(|w| *w == 0.0) => {
            let range = "the place of a source is needed, and another one where it is left out";
            Err(AdaptationError::Setting { setting: "source", value: place.to_string(), range })
        }
        _ => Ok(shares(raw)),
    }
}

/// Divided by their sum; all alike where that is 0, as where no source is near.
fn shares(raw: Vec<f64>) -> Vec<f64> {
    let sum: f64 = raw.iter().sum();
    let even = 1.0 / raw.len().max(1) as f64;
    raw.into_iter().map(|value| if sum > 0.0 { value / sum } else { even }).collect()
}
