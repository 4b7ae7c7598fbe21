//! Which rows a cell is fitted on and which it is judged on.
//!
//! With test rows in the data, every draw is judged on all of them and fitted on another stratified part of the training rows.
//! Without, draws are the folds of a cross-validation, and of a second one with other folds after the fifth draw, so five draws judge
//! every row once. Groups of the table and copies of an image never stand on both sides, nor in two folds.

use heirloom_data::SplitInput;

use crate::fit::FitError;

/// Folds of the cross-validation, and of the one inside every draw that settings are chosen by.
pub(super) const FOLDS: usize = 5;

/// Rows by place among the used ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draw {
    /// Rows to fit and choose on, rising.
    pub train: Vec<usize>,
    /// Fold of each of them for choosing settings.
    pub folds: Vec<usize>,
    /// Rows to judge, rising.
    pub test: Vec<usize>,
}

/// What draws are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// Class of every used row.
    pub labels: &'a [usize],
    /// Group of every used row.
    pub groups: &'a [usize],
    /// Places of the data's own test rows; empty where there are none.
    pub test: &'a [usize],
}

/// `count` draws. `train_rows` limits the rows of each; by default a draw holds all rows of the other folds, or, with test rows in the
/// data, four fifths of the training rows (all of them for a single draw).
pub(super) fn draws(rows: Rows<'_>, count: usize, train_rows: Option<usize>, seed: u64) -> Result<Vec<Draw>, FitError> {
    let mut is_test = vec![false; rows.labels.len()];
    rows.test.iter().for_each(|place| is_test[*place] = true);
    let pool: Vec<usize> = (0..rows.labels.len()).filter(|place| !is_test[*place]).collect();
    (0..count)
        .map(|number| {
            let draw_seed = seed.wrapping_add(number as u64);
            let (train, test) = if rows.test.is_empty() {
                let partition = seed.wrapping_add((number / FOLDS) as u64);
                let (train, test) = fold(rows, &pool, number % FOLDS, partition)?;
                (part(rows, train, train_rows, draw_seed)?, test)
            } else {
                let four_fifths = (count > 1).then_some(pool.len() * 4 / 5);
                (part(rows, pool.clone(), train_rows.or(four_fifths), draw_seed)?, rows.test.to_vec())
            };
            let folds = inner_folds(rows, &train, draw_seed)?;
            Ok(Draw { train, folds, test })
        })
        .collect()
}

fn of(values: &[usize], places: &[usize]) -> Vec<usize> {
    places.iter().map(|place| values[*place]).collect()
}

/// One fold of `pool` held out.
fn fold(rows: Rows<'_>, pool: &[usize], fold: usize, seed: u64) -> Result<(Vec<usize>, Vec<usize>), FitError> {
    let (labels, groups) = (of(rows.labels, pool), of(rows.groups, pool));
    let made = heirloom_data::folds(SplitInput { labels: &labels, groups: Some(&groups), keys: None }, FOLDS, seed)?;
    let (held, kept) = made.rows(fold);
    Ok((of(pool, &kept), of(pool, &held)))
}

/// About `wanted` rows of `pool`, stratified, groups whole; all of them where no fewer are wanted.
fn part(rows: Rows<'_>, pool: Vec<usize>, wanted: Option<usize>, seed: u64) -> Result<Vec<usize>, FitError> {
    let Some(wanted) = wanted.filter(|wanted| *wanted < pool.len()) else { return Ok(pool) };
    let (labels, groups) = (of(rows.labels, &pool), of(rows.groups, &pool));
    let input = SplitInput { labels: &labels, groups: Some(&groups), keys: None };
    let split = heirloom_data::hold_out(input, wanted as f64 / pool.len() as f64, seed)?;
    Ok(of(&pool, &split.held_out))
}

fn inner_folds(rows: Rows<'_>, train: &[usize], seed: u64) -> Result<Vec<usize>, FitError> {
    let (labels, groups) = (of(rows.labels, train), of(rows.groups, train));
    let mut distinct = groups.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(FitError::TooFewGroups { rows: train.len(), groups: distinct.len(), needed: 2 });
    }
    let input = SplitInput { labels: &labels, groups: Some(&groups), keys: None };
    Ok(heirloom_data::folds(input, FOLDS.min(distinct.len()), seed)?.fold_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels() -> Vec<usize> {
        (0..100).map(|row| row % 4).collect()
    }

    #[test]
    fn five_draws_without_test_rows_judge_every_row_once() {
        let (labels, groups) = (labels(), (0..100).map(|row| row / 2).collect::<Vec<_>>());
        let rows = Rows { labels: &labels, groups: &groups, test: &[] };
        let made = draws(rows, 5, None, 3).unwrap();
        let mut judged: Vec<usize> = made.iter().flat_map(|draw| draw.test.clone()).collect();
        judged.sort_unstable();
        assert_eq!(judged, (0..100).collect::<Vec<_>>());
        for draw in &made {
            assert_eq!(draw.train.len() + draw.test.len(), 100);
            assert!(draw.train.iter().all(|row| !draw.test.contains(&(row ^ 1))), "a group was torn apart");
        }
        assert_ne!(draws(rows, 6, None, 3).unwrap()[5], made[0], "a second round has other folds");
    }

    #[test]
    fn draws_beside_test_rows_are_stratified_parts_of_the_training_rows() {
        let (labels, groups) = (labels(), (0..100).collect::<Vec<_>>());
        let test: Vec<usize> = (80..100).collect();
        let rows = Rows { labels: &labels, groups: &groups, test: &test };
        let made = draws(rows, 3, None, 0).unwrap();
        for draw in &made {
            assert_eq!((draw.train.len(), &draw.test), (64, &test));
            assert!((0..4).all(|class| draw.train.iter().filter(|row| labels[**row] == class).count() == 16));
            assert!(draw.train.iter().all(|row| *row < 80));
        }
        assert_ne!(made[0], made[1]);
        assert_eq!(draws(rows, 1, None, 0).unwrap()[0].train.len(), 80);
        assert_eq!(draws(rows, 2, Some(20), 0).unwrap()[1].train.len(), 20);
    }

    #[test]
    fn labels_of_test_rows_change_no_draw() {
        let (mut labels, groups) = (labels(), (0..100).collect::<Vec<_>>());
        let test: Vec<usize> = (80..100).collect();
        let before = draws(Rows { labels: &labels, groups: &groups, test: &test }, 3, None, 0).unwrap();
        labels[80..].reverse();
        assert_eq!(draws(Rows { labels: &labels, groups: &groups, test: &test }, 3, None, 0).unwrap(), before);
    }
}
