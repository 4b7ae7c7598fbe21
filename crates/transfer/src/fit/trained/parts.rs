//! Rows of a table by what they are for.

use std::collections::BTreeSet;

use heirloom_data::Table;

use super::super::copies::Copies;
use super::super::{FitError, Protocol, Rows, arrange, check, protocol};

/// The fold that chooses the epoch and trains nothing.
pub(super) const VALIDATION: usize = 1;

/// Rows of the table by what they are for.
pub(super) struct Parts {
    pub rows: Rows,
    pub protocol: Protocol,
    pub train: Vec<usize>,
    pub validation: Vec<usize>,
}

impl Parts {
    pub fn of(table: &Table, used: Vec<usize>, seed: u64) -> Result<Self, FitError> {
        let protocol = match protocol(table, &used) {
            Protocol::TestSplit => Protocol::TestSplit,
            _ => Protocol::HoldOut,
        };
        // Copies are found on features, of which there are none yet: equal bytes still share a fold by the table's groups.
        let mut rows = arrange(table, &used, &Copies::default(), protocol, seed)?;
        if protocol == Protocol::HoldOut {
            (rows.test, rows.train) = rows.train.iter().partition(|place| rows.folds[**place] == 0);
        }
        check(table, &rows, 0)?;
        for place in never_trained(&rows) {
            rows.folds[place] = if protocol == Protocol::TestSplit { 0 } else { 2 };
        }
        let (validation, train): (Vec<usize>, Vec<usize>) =
            rows.train.iter().partition(|place| rows.folds[**place] == VALIDATION);
        let of_table = |places: &[usize]| places.iter().map(|place| rows.table[*place]).collect();
        Ok(Self { protocol, train: of_table(&train), validation: of_table(&validation), rows })
    }
}

/// Validation rows of classes that have no others, as a class of one image may be: they are trained on, or the network could never
/// learn the class, and its log loss would choose the epoch.
fn never_trained(rows: &Rows) -> Vec<usize> {
    let is_validation = |place: &usize| rows.folds[*place] == VALIDATION;
    let trained: BTreeSet<usize> =
        rows.train.iter().filter(|place| !is_validation(place)).map(|&place| rows.labels[place]).collect();
    let validation = rows.train.iter().copied().filter(is_validation);
    validation.filter(|&place| !trained.contains(&rows.labels[place])).collect()
}
