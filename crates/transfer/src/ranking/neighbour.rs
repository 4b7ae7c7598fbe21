//! The accuracy of each row's nearest other row: the simplest baseline there is, and a strong one.

use heirloom_matrix::{Mat, product};

use super::Sample;
use super::shared::Shared;

/// Products place distances to within this share of the longest row's square; those as near as that to the least are computed exactly.
const SLACK: f64 = 1e-9;

/// Share of rows whose nearest other row, the first of equals, has their class.
pub(super) fn score(shared: &Shared<'_>, sample: &Sample<'_>) -> f64 {
    let centred = shared.centred();
    let products = product(centred.as_ref(), centred.transpose());
    let lengths: Vec<f64> = (0..products.nrows()).map(|row| products[(row, row)]).collect();
    let slack = SLACK * lengths.iter().copied().fold(0.0, f64::max);
    let right = (0..lengths.len()).filter(|&own| {
        // A column of the symmetric products is in one piece.
        let near = lengths.iter().zip(products.col_as_slice(own)).map(|(length, product)| length - 2.0 * product);
        nearest(sample.features, own, &near.collect::<Vec<f64>>(), slack)
            .is_some_and(|other| sample.labels[other] == sample.labels[own])
    });
    right.count() as f64 / lengths.len().max(1) as f64
}

/// The nearest other row, from squared distances less a constant that are known up to `slack`.
fn nearest(features: &Mat<f64>, own: usize, near: &[f64], slack: f64) -> Option<usize> {
    let others = || (0..near.len()).filter(|other| *other != own);
    let least = others().map(|other| near[other]).fold(f64::INFINITY, f64::min);
    let mut close = others().filter(|other| near[*other] <= least + slack).peekable();
    let first = close.next()?;
    if close.peek().is_none() {
        return Some(first);
    }
    let distance = |other: usize| -> f64 {
        (0..features.ncols()).map(|column| (features[(own, column)] - features[(other, column)]).powi(2)).sum()
    };
    let exact = std::iter::once(first).chain(close).map(|other| (distance(other), other));
    exact.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As comparing every row with every other one by one, equal rows included.
    #[test]
    fn the_nearest_row_is_that_of_all_distances() {
        let mut draws = heirloom_data::augment::Draws::of_epoch(5, 0);
        let drawn = Mat::from_fn(40, 5, |_, _| draws.normal());
        // Every third row is a copy of an earlier one.
        let features = Mat::from_fn(60, 5, |row, column| {
            100.0 + drawn[(if row % 3 == 2 { row / 3 } else { row * 2 / 3 }, column)]
        });
        let labels: Vec<usize> = (0..60).map(|row| row * 7 % 4).collect();
        let sample = Sample {
            features: &features,
            labels: &labels,
            classes: 4,
            source: Err(&crate::ranking::RankingError::NoSource),
            seed: 0,
        };
        let distance =
            |a: usize, b: usize| -> f64 { (0..5).map(|at| (features[(a, at)] - features[(b, at)]).powi(2)).sum() };
        let right = (0..60).filter(|own| {
            let others = (0..60).filter(|other| other != own).map(|other| (distance(*own, other), other));
            let nearest = others.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).unwrap();
            labels[nearest.1] == labels[*own]
        });
        assert_eq!(score(&Shared::new(&features), &sample), right.count() as f64 / 60.0);
    }
}
