//! How large the images of a table are, from a few of their headers.

use crate::{Table, stored_size};

/// Images looked at.
const SAMPLE: usize = 64;

/// The median of the shorter side, in pixels, over at most 64 of `rows` spread evenly; `None` when none of them can be read.
pub fn typical_shorter_side(table: &Table, rows: &[usize]) -> Option<usize> {
    let count = rows.len().min(SAMPLE);
    let sample = (0..count).map(|at| rows[at * rows.len() / count]);
    let shorter = |row| {
        let bytes = table.stream(&[row]).next()?.ok()?;
        stored_size(&bytes).ok().map(|(width, height)| width.min(height))
    };
    let mut sides: Vec<usize> = sample.filter_map(shorter).collect();
    sides.sort_unstable();
    sides.get(sides.len() / 2).copied()
}
