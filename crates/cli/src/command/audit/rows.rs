//! Which images an audit judges, and which it may fit a head on: never the same.

use heirloom_audit::balanced;
use heirloom_data::{Groups, Split, SplitInput, Table, hold_out};

use crate::failure::Failure;

/// Images that a head is fitted on, at most.
const FIT: usize = 2000;
/// Share of a table without a split that is judged where a head has to be fitted on the rest.
const HELD_OUT: f64 = 0.5;

/// Rows of a table by their use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    /// Rows to judge, rising.
    pub judged: Vec<usize>,
    /// Rows that a head may be fitted on, rising; empty where none is fitted.
    pub fit: Vec<usize>,
    /// What the judged rows are, for people: `test images`.
    pub what: &'static str,
    /// What has to be said of them.
    pub warning: Option<String>,
}

/// The rows for a model that is fitted already.
pub fn of_fitted(table: &Table, limit: usize, seed: u64) -> Rows {
    let test = table.rows_in(Some(Split::Test));
    let validation = table.rows_in(Some(Split::Validation));
    let (rows, what) = match (test.is_empty(), validation.is_empty()) {
        (false, _) => (test, "test images"),
        (true, false) => (validation, "validation images"),
        (true, true) => ((0..table.rows.len()).collect(), "images"),
    };
    let warning = (what == "images").then(|| {
        "the data have no test images, and which of them the model was fitted on is not known: on those it is right more often, and \
         what breaks its answers shows less"
            .to_owned()
    });
    Rows { judged: limited(table, rows, limit, seed), fit: Vec::new(), what, warning }
}

/// The rows for a backbone whose head is fitted first. Without test rows, half of all rows are held out to be judged; groups stay
/// together.
pub fn of_backbone(table: &Table, limit: usize, seed: u64) -> Result<Rows, Failure> {
    let test = table.rows_in(Some(Split::Test));
    let (fit, judged, what) = if test.is_empty() {
        let all: Vec<usize> = (0..table.rows.len()).collect();
        let labels: Vec<usize> = all.iter().map(|row| label(table, *row)).collect();
        let groups = Groups::of_table(table, &all).ids();
        let input = SplitInput { labels: &labels, groups: Some(&groups), keys: None };
        let parts = hold_out(input, HELD_OUT, seed).map_err(|error| Failure::input(error.to_string()))?;
        (parts.train, parts.held_out, "held-out images")
    } else {
        let fit = (0..table.rows.len()).filter(|row| table.rows[*row].split != Some(Split::Test));
        (fit.collect(), test, "test images")
    };
    let (fit, judged) = (limited(table, fit, FIT, seed), limited(table, judged, limit, seed));
    Ok(Rows { judged, fit, what, warning: None })
}

/// Rows that remedies of a fitted model may be fitted on: all that are neither test rows nor judged, as far as they are labelled.
pub fn to_fit(table: &Table, judged: &[usize], seed: u64) -> Vec<usize> {
    let free = |row: &usize| {
        let entry = &table.rows[*row];
        entry.split != Some(Split::Test) && entry.label.is_some() && judged.binary_search(row).is_err()
    };
    limited(table, (0..table.rows.len()).filter(free).collect(), FIT, seed)
}

fn label(table: &Table, row: usize) -> usize {
    table.rows.get(row).and_then(|row| row.label).unwrap_or(0)
}

/// At most `count` of `rows`, classes in turn.
fn limited(table: &Table, rows: Vec<usize>, count: usize, seed: u64) -> Vec<usize> {
    let labels: Vec<usize> = rows.iter().map(|row| label(table, *row)).collect();
    balanced(&labels, count, seed).into_iter().map(|at| rows[at]).collect()
}

#[cfg(test)]
mod tests {
    use heirloom_data::{TableOptions, World};

    use super::*;

    fn table(train: usize, test: usize) -> (tempfile::TempDir, Table) {
        let folder = tempfile::tempdir().unwrap();
        World { side: 16, train, test, ..World::default() }.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        (folder, table)
    }

    #[test]
    fn test_rows_are_judged_and_never_fitted_on() {
        let (_folder, table) = table(3, 2);
        let rows = of_backbone(&table, 12, 0).unwrap();
        assert_eq!((rows.judged.len(), rows.fit.len(), rows.what), (12, 36, "test images"));
        assert!(rows.judged.iter().all(|row| table.rows[*row].split == Some(Split::Test) && !rows.fit.contains(row)));
        let fitted = of_fitted(&table, 100, 0);
        assert_eq!((fitted.judged.len(), fitted.warning), (24, None));
    }

    #[test]
    fn without_a_split_half_is_held_out_or_it_is_said_that_nothing_is_known() {
        let (_folder, mut table) = table(4, 0);
        table.rows.iter_mut().for_each(|row| row.split = None);
        let rows = of_backbone(&table, 100, 0).unwrap();
        assert_eq!((rows.judged.len(), rows.fit.len(), rows.what), (24, 24, "held-out images"));
        assert!(rows.judged.iter().all(|row| !rows.fit.contains(row)));
        let fitted = of_fitted(&table, 100, 0);
        assert!(fitted.judged.len() == 48 && fitted.warning.unwrap().contains("is not known"));
    }
}
