//! Shallow adaptation on features (`spec/regularisers-and-adaptation.md` section C2): a projection, a kernel or a rotation in closed form
//! under which source and target look alike, then the label of the nearest source row.
//!
//! ```text
//! TCA, JDA, BDA    one projection of both domains: means together, variance kept    -> nearest source row
//! GFK              the path from the source's principal subspace to the target's    -> nearest source row
//! subspace alignment    the source's principal directions turned onto the target's  -> nearest source row
//! KMM              source rows weigh as much as the target looks like them          -> weighted least squares
//! ```
//!
//! Rows are preprocessed by whoever gives them (on counts as in [`Preprocessing::EASYTL`](super::Preprocessing::EASYTL)). Everything is
//! transductive: the unlabelled target takes part, its labels never do, since no function takes them.

mod alignment;
mod balanced;
mod discrepancy;
mod flow;
mod importance;
mod joint;
mod kernel;
mod projection;
#[cfg(test)]
mod tests;
mod transfer_component;

use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::deep::check;
use super::{AdaptationError, RowScaling, Samples, nearest_neighbour};

pub use balanced::Balance;
pub use flow::FlowKernel;
pub use kernel::Kernel;

/// A shallow way to bring domains together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShallowMethod {
    /// Transfer component analysis: means of the domains together (Pan, Tsang, Kwok, Yang 2011).
    Tca,
    /// Joint distribution adaptation: means of the domains and of every class, by pseudo-labels (Long et al. 2013).
    Jda,
    /// Balanced distribution adaptation: domains and classes weighed against each other (Wang et al. 2017).
    Bda,
    /// The same with each class counted by its share of either domain (W-BDA, Wang et al. 2017).
    WeightedBda,
    /// The geodesic flow kernel (Gong, Shi, Sha, Grauman 2012).
    Gfk,
    /// Subspace alignment (Fernando, Habrard, Sebban, Tuytelaars 2013).
    SubspaceAlignment,
    /// Kernel mean matching: a classifier of source rows that weigh as much as the target looks like them (Huang et al. 2007).
    MeanMatching,
}

impl ShallowMethod {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Tca, Self::Jda, Self::Bda, Self::WeightedBda, Self::Gfk, Self::SubspaceAlignment, Self::MeanMatching];

    /// Its name in a report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tca => "TCA",
            Self::Jda => "JDA",
            Self::Bda => "BDA",
            Self::WeightedBda => "W-BDA",
            Self::Gfk => "GFK",
            Self::SubspaceAlignment => "subspace alignment",
            Self::MeanMatching => "KMM",
        }
    }
}

/// Settings of the shallow methods; each reads those it has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShallowOptions {
    /// Columns of the projection, or of a subspace; fewer where the rows vary in fewer directions.
    pub dimension: usize,
    /// `lambda` of TCA, JDA, BDA and KMM: times the identity, against a projection or a classifier that follows noise.
    pub lambda: f64,
    /// Rounds of pseudo-labels of JDA and BDA.
    pub rounds: usize,
    /// How BDA weighs domains against classes.
    pub balance: Balance,
    /// What TCA, JDA and BDA project: the columns themselves, or a kernel's; what KMM's classifier reads.
    pub kernel: Kernel,
}

impl Default for ShallowOptions {
    /// `dimension` 30, `lambda` 1, 10 rounds, on the columns themselves: the setting of the figures in the spec.
    fn default() -> Self {
        Self { dimension: 30, lambda: 1.0, rounds: 10, balance: Balance::ByDistance, kernel: Kernel::Primal }
    }
}

/// What a shallow method says of a target.
#[derive(Debug, Clone, PartialEq)]
pub struct ShallowResult {
    /// Class of each target row.
    pub labels: Vec<usize>,
    /// Source rows where they were compared, `[source rows, dimension]`; twice as many columns for GFK.
    pub source: Samples,
    /// Target rows where they were compared.
    pub target: Samples,
    /// Target rows whose pseudo-label each round changed; one round, and all rows, where there are no pseudo-labels.
    pub changed: Vec<usize>,
    /// Weight of the classes against the domains in each round, 0 to 1; BDA alone.
    pub balance: Vec<f64>,
    /// Principal angles between the subspaces in radians, ascending; GFK alone.
    pub angles: Vec<f64>,
    /// Weight of each source row; KMM alone.
    pub weights: Vec<f64>,
}

/// Both domains with the source's labels, checked.
#[derive(Clone, Copy)]
struct Domains<'a> {
    source: &'a Samples,
    labels: &'a [usize],
    target: &'a Samples,
    classes: usize,
}

/// Labels an unlabelled target.
///
/// ```
/// use heirloom_transfer::adaptation::{Samples, ShallowMethod, ShallowOptions, label_shallow};
/// let source = Samples::new(4, 2, vec![2., 1., 2.2, 1.1, 1., 2., 1.1, 2.2])?;
/// let target = Samples::new(3, 2, vec![2.5, 0.9, 2.4, 1.0, 0.8, 2.4])?;
/// let options = ShallowOptions { dimension: 2, ..ShallowOptions::default() };
/// let result = label_shallow(ShallowMethod::Jda, &source, &[0, 0, 1, 1], &target, 2, &options, None)?;
/// assert_eq!(result.labels, [0, 0, 1]);
/// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
/// ```
///
/// # Errors
/// Domains that do not fit together, fewer than two rows of either, a label past the number of classes, a setting outside its range, an
/// eigendecomposition that fails, or the flag to stop.
pub fn label_shallow(
    method: ShallowMethod,
    source: &Samples,
    labels: &[usize],
    target: &Samples,
    classes: usize,
    options: &ShallowOptions,
    cancel: Option<&AtomicBool>,
) -> Result<ShallowResult, AdaptationError> {
    check(source, labels, target, classes)?;
    options.check()?;
    let domains = Domains { source, labels, target, classes };
    let stopped = || cancel.is_some_and(|flag| flag.load(Ordering::Relaxed));
    if stopped() {
        return Err(AdaptationError::Stopped);
    }
    match method {
        ShallowMethod::Tca => transfer_component::label(&domains, options),
        ShallowMethod::Jda => joint::label(&domains, options, &stopped),
        ShallowMethod::Bda => balanced::label(&domains, options, false, &stopped),
        ShallowMethod::WeightedBda => balanced::label(&domains, options, true, &stopped),
        ShallowMethod::Gfk => flow::label(&domains, options),
        ShallowMethod::SubspaceAlignment => alignment::label(&domains, options),
        ShallowMethod::MeanMatching => importance::label(&domains, options),
    }
}

impl ShallowOptions {
    /// Refuses settings that no method can work with.
    fn check(&self) -> Result<(), AdaptationError> {
        let refused = |setting, value: String, range| Err(AdaptationError::Setting { setting, value, range });
        if self.dimension == 0 {
            return refused("dimension", "0".to_owned(), "at least 1 is needed");
        }
        if self.rounds == 0 {
            return refused("rounds", "0".to_owned(), "at least 1 is needed");
        }
        if !(self.lambda > 0.0 && self.lambda.is_finite()) {
            return refused("lambda", self.lambda.to_string(), "a positive number is needed");
        }
        match self.balance {
            Balance::Given(weight) if !(0.0..=1.0).contains(&weight) => {
                refused("balance", weight.to_string(), "0 to 1 is allowed")
            }
            _ => Ok(()),
        }
    }
}

impl ShallowResult {
    /// The nearest source rows label the target; what else a method has to say is added by it.
    fn nearest(domains: &Domains<'_>, source: Samples, target: Samples) -> Result<Self, AdaptationError> {
        let labels = nearest_neighbour(&source, domains.labels, &target)?;
        let changed = vec![labels.len()];
        Ok(Self { labels, source, target, changed, balance: Vec::new(), angles: Vec::new(), weights: Vec::new() })
    }
}
