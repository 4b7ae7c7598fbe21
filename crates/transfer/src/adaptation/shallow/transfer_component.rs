//! Transfer component analysis (Pan, Tsang, Kwok, Yang 2011, Domain adaptation via transfer component analysis, section III): a
//! projection that keeps variance and brings the means of both domains together.
//!
//! ```text
//! leading eigenvectors of (X^T M_0 X + l I)^-1 X^T H X,   M_0 = e e^T,   e = 1/n_s on source rows, -1/n_t on target rows
//! ```

use super::discrepancy::Discrepancy;
use super::kernel::parted;
use super::projection::project;
use super::{AdaptationError, Domains, ShallowOptions, ShallowResult};

/// Labels by the nearest source row under the projection.
pub(super) fn label(domains: &Domains<'_>, options: &ShallowOptions) -> Result<ShallowResult, AdaptationError> {
    let rows = options.kernel.rows(domains);
    let between = Discrepancy::default().with_domains(1.0, domains);
    let embedded = project(&rows, &between, options.lambda, options.dimension)?;
    let [source, target] = parted(&embedded, domains.source.rows());
    ShallowResult::nearest(domains, source, target)
}
