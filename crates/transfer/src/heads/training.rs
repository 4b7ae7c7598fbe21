//! The training part of a problem, checked once: which rows, their labels, their folds. Rows outside are never read.

use super::{HeadError, Input};
use crate::{Features, Pooling};

/// What a head is fitted on. `labels` and `folds` have one entry per row of `features`; only the entries of `rows` are read.
///
/// A fold is a set of rows that are held out together while a setting is chosen; rows of one group (the same person,
/// near-duplicate images) must share a fold. Any distinct numbers name the folds.
#[derive(Debug, Clone, Copy)]
pub struct Training<'a> {
    /// Features of all rows.
    pub features: &'a Features,
    /// Class of each row, below `classes`.
    pub labels: &'a [usize],
    /// Rows to fit on; a set, its order does not matter.
    pub rows: &'a [usize],
    /// Fold of each row.
    pub folds: &'a [usize],
    /// Number of classes, those without a training row included.
    pub classes: usize,
}

/// The training rows in ascending order with their labels and folds.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    /// Rows of the features.
    pub rows: Vec<usize>,
    /// Class of each of them.
    pub labels: Vec<usize>,
    /// Fold of each of them, renumbered from 0.
    pub folds: Vec<usize>,
    /// Number of folds.
    pub fold_count: usize,
    /// Number of classes.
    pub classes: usize,
}

impl Checked {
    /// Positions (into `rows`) outside and inside a fold.
    pub fn split(&self, fold: usize) -> (Vec<usize>, Vec<usize>) {
        (0..self.rows.len()).partition(|&position| self.folds[position] != fold)
    }

    /// Refuses cross-validation with a single fold.
    pub fn needs_folds(&self) -> Result<(), HeadError> {
        if self.fold_count < 2 {
            return Err(HeadError::TooFewFolds { rows: self.rows.len(), folds: self.fold_count });
        }
        Ok(())
    }
}

impl Training<'_> {
    /// Checks lengths, ranges and classes.
    pub(crate) fn check(&self) -> Result<Checked, HeadError> {
        let count = self.features.rows;
        for (what, found) in [("labels", self.labels.len()), ("folds", self.folds.len())] {
            if found != count {
                return Err(HeadError::Length { what, found, rows: count });
            }
        }
        let mut rows = self.rows.to_vec();
        rows.sort_unstable();
        let mut labels = Vec::with_capacity(rows.len());
        for &row in &rows {
            let label = *self.labels.get(row).ok_or(HeadError::RowOutside { row, rows: count })?;
            if label >= self.classes {
                return Err(HeadError::LabelOutside { row, label, classes: self.classes });
            }
            labels.push(label);
        }
        let first = *labels.first().ok_or(HeadError::NoRows)?;
        if labels.iter().all(|&label| label == first) {
            return Err(HeadError::OneClass { rows: rows.len(), class: first });
        }
        let (folds, fold_count) = renumber(rows.iter().map(|&row| self.folds[row]).collect());
        Ok(Checked { rows, labels, folds, fold_count, classes: self.classes })
    }

    /// The whole blocks that a method reads: the only block, or that of `penultimate` at pooling target 1.
    pub(crate) fn penultimate(&self, penultimate: &str) -> Result<Vec<Input>, HeadError> {
        let blocks = &self.features.blocks;
        let block = match blocks.as_slice() {
            [only] => only,
            _ => blocks
                .iter()
                .find(|block| block.tap == penultimate && block.pooling == Pooling::MEAN)
                .ok_or_else(|| super::missing_block(self.features, penultimate, 1))?,
        };
        Ok(vec![Input::whole(block)])
    }
}

fn renumber(folds: Vec<usize>) -> (Vec<usize>, usize) {
    let mut names = folds.clone();
    names.sort_unstable();
    names.dedup();
    let folds = folds.iter().map(|fold| names.partition_point(|name| name < fold)).collect();
    (folds, names.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_be_wrong_is_named() {
        let features = Features { rows: 4, blocks: vec![] };
        let base =
            Training { features: &features, labels: &[0, 1, 0, 9], rows: &[2, 0, 1], folds: &[7, 3, 7, 0], classes: 2 };
        let checked = base.check().unwrap();
        assert_eq!((checked.rows, checked.labels, checked.folds), (vec![0, 1, 2], vec![0, 1, 0], vec![1, 0, 1]));
        assert_eq!(
            Training { rows: &[3], ..base }.check().unwrap_err(),
            HeadError::LabelOutside { row: 3, label: 9, classes: 2 }
        );
        assert_eq!(Training { rows: &[4], ..base }.check().unwrap_err(), HeadError::RowOutside { row: 4, rows: 4 });
        assert_eq!(Training { rows: &[0, 2], ..base }.check().unwrap_err(), HeadError::OneClass { rows: 2, class: 0 });
        assert_eq!(Training { rows: &[], ..base }.check().unwrap_err(), HeadError::NoRows);
        assert!(matches!(Training { labels: &[0], ..base }.check(), Err(HeadError::Length { what: "labels", .. })));
    }
}
