//! How far two domains lie apart on features (`spec/regularisers-and-adaptation.md` section C): the distances that deep methods make
//! small, in the form of their papers and in that of the Transfer-Learning-Library (TLL), whose figures differ by constants and by terms.
//!
//! | distance | form | the other form |
//! |---|---|---|
//! | CORAL | `‖C_s − C_t‖² / 4 D²` (Sun, Saenko 2016) | TLL: mean over columns and means added, 4 times larger and more |
//! | MMD | five kernels, biased (Long et al. 2015, DeepDA) | TLL: three kernels, unbiased within domains, plus `2 / (n − 1)` |

mod coral;
mod kernel;
mod linear;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use super::deep::{coral_distance, kernel_distance};
use super::{AdaptationError, Samples};

/// A distance between two domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainDistance {
    /// CORAL as published.
    Coral,
    /// CORAL as TLL computes it.
    CoralTll,
    /// Maximum mean discrepancy under five Gaussian kernels, biased.
    Mmd,
    /// Maximum mean discrepancy as TLL computes it, without its constant: below 0 where domains are alike.
    MmdTll,
    /// Maximum mean discrepancy as TLL prints it, `2 / (n - 1)` added, `n` the mean number of rows.
    MmdTllConstant,
    /// Squared distance of the means: the discrepancy under the kernel `x . y`.
    LinearMmd,
}

impl DomainDistance {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::Coral, Self::CoralTll, Self::Mmd, Self::MmdTll, Self::MmdTllConstant, Self::LinearMmd];

    /// The distance between the rows of two domains `[rows, columns]`.
    ///
    /// ```
    /// use heirloom_transfer::adaptation::{DomainDistance, Samples};
    /// let here = Samples::new(2, 1, vec![0.0, 2.0])?;
    /// let there = Samples::new(2, 1, vec![4.0, 4.0])?;
    /// assert_eq!(DomainDistance::LinearMmd.between(&here, &there)?, 9.0);
    /// # Ok::<(), heirloom_transfer::adaptation::AdaptationError>(())
    /// ```
    ///
    /// # Errors
    /// Different columns, or fewer than two rows of either.
    pub fn between(self, source: &Samples, target: &Samples) -> Result<f64, AdaptationError> {
        let (source_columns, target_columns) = (source.columns(), target.columns());
        if source_columns != target_columns {
            return Err(AdaptationError::Columns { source_columns, target_columns });
        }
        for (domain, rows) in [("source", source.rows()), ("target", target.rows())] {
            if rows < 2 {
                return Err(AdaptationError::TooFewRows { domain, rows, needed: 2 });
            }
        }
        Ok(match self {
            Self::Coral => coral_distance(source, target),
            Self::CoralTll => coral::distance(source, target),
            Self::Mmd => kernel_distance(source, target),
            Self::MmdTll => kernel::distance(source, target),
            Self::MmdTllConstant => kernel::distance(source, target) + kernel::constant(source, target),
            Self::LinearMmd => linear::distance(source, target),
        })
    }
}
