//! The nearest source row: the plainest way to label a target.

use rayon::prelude::*;

use super::means::check;
use super::samples::squared_distance;
use super::{AdaptationError, Samples};

/// Label of the source row at the smallest Euclidean distance of each target row, the first of equals.
///
/// # Errors
/// No source row, labels that are not one per row, different columns.
pub fn nearest_neighbour(source: &Samples, labels: &[usize], target: &Samples) -> Result<Vec<usize>, AdaptationError> {
    check(source, labels, usize::MAX)?;
    let (source_columns, target_columns) = (source.columns(), target.columns());
    if source_columns != target_columns {
        return Err(AdaptationError::Columns { source_columns, target_columns });
    }
    if source.rows() == 0 {
        return Err(AdaptationError::TooFewRows { domain: "source", rows: 0, needed: 1 });
    }
    let nearest = |row: usize| {
        let distance = |at: usize| squared_distance(target.row(row), source.row(at));
        let first = (0, distance(0));
        let closer = |best: (usize, f64), at: usize| {
            let found = distance(at);
            if found < best.1 { (at, found) } else { best }
        };
        labels[(1..source.rows()).fold(first, closer).0]
    };
    Ok((0..target.rows()).into_par_iter().map(nearest).collect())
}
