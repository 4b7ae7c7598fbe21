//! Rows of a table by what they are for.

use heirloom_data::Table;

use super::super::copies::Copies;
use super::super::{FitError, Protocol, Rows, arrange, check, protocol};

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
        let (validation, train): (Vec<usize>, Vec<usize>) =
            rows.train.iter().partition(|place| rows.folds[**place] == 1);
        let of_table = |places: &[usize]| places.iter().map(|place| rows.table[*place]).collect();
        Ok(Self { protocol, train: of_table(&train), validation: of_table(&validation), rows })
    }
}
