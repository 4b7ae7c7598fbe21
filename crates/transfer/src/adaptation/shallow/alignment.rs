//! Subspace alignment (Fernando, Habrard, Sebban, Tuytelaars 2013, Unsupervised visual domain adaptation using subspace alignment): the
//! principal directions of the source are turned onto those of the target.
//!
//! ```text
//! X_s -> X_s P_s P_s^T P_t        X_t -> X_t P_t        P the leading principal directions of a domain, [columns, dimension]
//! ```

use heirloom_matrix::product;

use super::{AdaptationError, Domains, Samples, ShallowOptions, ShallowResult};
use crate::adaptation::Covariance;

/// Labels by the nearest source row among turned ones.
pub(super) fn label(domains: &Domains<'_>, options: &ShallowOptions) -> Result<ShallowResult, AdaptationError> {
    let from = Covariance::of(domains.source, "source")?.leading(options.dimension);
    let to = Covariance::of(domains.target, "target")?.leading(options.dimension);
    let turn = product(from.transpose(), to.as_ref());
    let along = product(domains.source.centred().view(), from.as_ref());
    let source = Samples::of_matrix(&product(along.as_ref(), turn.as_ref()));
    let target = Samples::of_matrix(&product(domains.target.centred().view(), to.as_ref()));
    ShallowResult::nearest(domains, source, target)
}
