//! Balanced distribution adaptation (Wang, Chen, Hao, Feng, Shen 2017, arXiv 1807.00516): JDA in which domains and classes are weighed
//! against each other, and in the weighted form every class by its share of either domain.
//!
//! ```text
//! M = (1 - mu) M_0 + mu sum over c of M_c
//! W-BDA:  e_c = sqrt(p_s^c) / n_s^c on source rows of class c,  -sqrt(p_t^c) / n_t^c on target rows said to be of it
//! ```
//!
//! Since `M` is divided by its norm, `mu = 1/2` is JDA. `mu` may be estimated each round from proxy A-distances, as Wang et al. 2018
//! (arXiv 1807.07258, section 3.3) do: `mu = d_c / (d_0 + d_c)` with `d_0` between the domains and `d_c` the mean over classes.

use serde::{Deserialize, Serialize};

use super::discrepancy::Discrepancy;
use super::joint::rounds;
use super::{AdaptationError, Domains, Samples, ShallowOptions, ShallowResult};
use crate::adaptation::proxy_distance;

/// Rows of a class in either domain below which no distance of it is taken.
const FEWEST: usize = 2;

/// How BDA weighs classes against domains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// The weight `mu` of the classes, 0 (TCA) to 1.
    Given(f64),
    /// From proxy A-distances, each round anew.
    ByDistance,
}

/// Labels by the nearest source row under the projection of the last round.
pub(super) fn label(
    domains: &Domains<'_>,
    options: &ShallowOptions,
    weighted: bool,
    stopped: &dyn Fn() -> bool,
) -> Result<ShallowResult, AdaptationError> {
    let rows = options.kernel.rows(domains);
    let of_domains = match options.balance {
        Balance::Given(_) => 0.0,
        Balance::ByDistance => proxy_distance(domains.source, domains.target)?.distance,
    };
    let mut used = Vec::new();
    let found = rounds(domains, &rows, options, stopped, |pseudo| {
        let Some(pseudo) = pseudo else { return Ok(Discrepancy::default().with_domains(1.0, domains)) };
        let weight = match options.balance {
            Balance::Given(weight) => weight,
            Balance::ByDistance => estimate(domains, pseudo, of_domains)?,
        };
        used.push(weight);
        let scale = |shares: [f64; 2]| if weighted { shares.map(f64::sqrt) } else { [1.0, 1.0] };
        let between = Discrepancy::default().with_domains(1.0 - weight, domains);
        Ok(between.with_classes(weight, domains, pseudo, scale))
    })?;
    Ok(ShallowResult { balance: used, ..found })
}

/// `d_c / (d_0 + d_c)`; a half where nothing lies apart.
fn estimate(domains: &Domains<'_>, pseudo: &[usize], of_domains: f64) -> Result<f64, AdaptationError> {
    let mut distances = Vec::new();
    for class in 0..domains.classes {
        let (own, other) = (of_class(domains.source, domains.labels, class), of_class(domains.target, pseudo, class));
        if own.rows() >= FEWEST && other.rows() >= FEWEST {
            distances.push(proxy_distance(&own, &other)?.distance);
        }
    }
    let of_classes = distances.iter().sum::<f64>() / distances.len().max(1) as f64;
    let sum = of_domains + of_classes;
    Ok(if sum > 0.0 { of_classes / sum } else { 0.5 })
}

/// Rows of one class.
fn of_class(samples: &Samples, labels: &[usize], class: usize) -> Samples {
    let members: Vec<usize> = (0..labels.len()).filter(|row| labels[*row] == class).collect();
    let mut rows = Samples::zeros(members.len(), samples.columns());
    members.iter().enumerate().for_each(|(at, row)| rows.row_mut(at).copy_from_slice(samples.row(*row)));
    rows
}
