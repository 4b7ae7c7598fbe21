//! The maximum mean discrepancy under the kernel `x . y`: `‖m_s − m_t‖²` (Gretton et al. 2012, section 2).

use super::Samples;
use crate::adaptation::samples::squared_distance;

pub(super) fn distance(source: &Samples, target: &Samples) -> f64 {
    squared_distance(&source.column_means(), &target.column_means())
}
