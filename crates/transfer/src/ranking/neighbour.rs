//! The accuracy of each row's nearest other row: the simplest baseline there is, and a strong one.

use super::Sample;

/// Share of rows whose nearest other row, the first of equals, has their class.
pub(super) fn score(sample: &Sample<'_>) -> f64 {
    let (rows, columns) = (sample.labels.len(), sample.features.ncols());
    // Row by row in memory: the matrix is kept by columns.
    let flat: Vec<f64> = (0..rows * columns).map(|at| sample.features[(at / columns, at % columns)]).collect();
    let row = |row: usize| &flat[row * columns..(row + 1) * columns];
    let distance = |a: usize, b: usize| row(a).iter().zip(row(b)).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
    let right = (0..rows).filter(|&own| {
        let others = (0..rows).filter(|other| *other != own).map(|other| (distance(own, other), other));
        let nearest = others.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        nearest.is_some_and(|(_, other)| sample.labels[other] == sample.labels[own])
    });
    right.count() as f64 / rows.max(1) as f64
}
