//! What a table must hold before something is fitted on it, and what is odd about it in any use.

use std::collections::BTreeSet;

use super::{Split, Table, TableError, TableWarning};

/// Adds the warnings that concern labels, splits and what images carry.
pub(super) fn describe(table: &mut Table) {
    table.warnings.extend(interventions(table));
    if table.classes.is_empty() {
        return;
    }
    let totals = table.class_counts(|_| true);
    let empty = table.classes.iter().zip(&totals).filter(|(_, count)| **count == 0);
    let empty: Vec<_> = empty.map(|(class, _)| TableWarning::EmptyClass { class: class.clone() }).collect();
    table.warnings.extend(empty);
    let unseen = table.unseen();
    table.warnings.extend(unseen.into_iter().map(|(class, split, rows)| TableWarning::UnseenClass {
        class: table.classes[class].clone(),
        split,
        rows,
    }));
    table.warnings.extend(torn_groups(table));
}

fn interventions(table: &Table) -> Option<TableWarning> {
    let mut carried = table.rows.iter().filter_map(|row| row.intervention.as_ref());
    let first = carried.next()?.to_string();
    Some(TableWarning::Interventions { rows: carried.count() + 1, all: table.rows.len(), first })
}

/// Groups with rows to train on and rows to test on.
fn torn_groups(table: &Table) -> Option<TableWarning> {
    let trained = |split: Option<Split>| matches!(split, None | Some(Split::Train));
    let of =
        |side: bool| table.rows.iter().filter(move |row| trained(row.split) == side).filter_map(|r| r.group.as_deref());
    let training: BTreeSet<&str> = of(true).collect();
    let torn: Vec<&str> = of(false).filter(|group| training.contains(group)).collect();
    let groups = torn.iter().collect::<BTreeSet<_>>().len();
    let first = torn.first().map(|group| (*group).to_owned())?;
    Some(TableWarning::TornGroups { groups, rows: torn.len(), first })
}

impl Table {
    /// Refuses a table that nothing can be fitted on: rows without a label, one class only, or a class that appears in
    /// the test or validation split and not in the training split.
    ///
    /// # Errors
    /// The first of these, with its figures.
    pub fn check_for_training(&self) -> Result<(), TableError> {
        let path = self.source.clone();
        let unlabelled = self.rows.iter().filter(|row| row.label.is_none()).count();
        if unlabelled > 0 {
            return Err(TableError::Unlabelled { path, rows: unlabelled, total: self.rows.len() });
        }
        if let Some((class, split, rows)) = self.unseen().into_iter().next() {
            return Err(TableError::UnseenClass { path, class: self.classes[class].clone(), split, rows });
        }
        let counts = self.class_counts(|_| true);
        let mut present = (0..counts.len()).filter(|class| counts[*class] > 0);
        match (present.next(), present.next()) {
            (_, Some(_)) => Ok(()),
            (Some(only), None) => {
                Err(TableError::OneClass { path, class: self.classes[only].clone(), rows: counts[only] })
            }
            (None, None) => Err(TableError::NoRows { path, skipped: self.skipped.len() }),
        }
    }

    /// Classes with rows in the test or validation split and none to train on: `(class, split, rows)`. Without a training
    /// split every row may be trained on, and there are none.
    fn unseen(&self) -> Vec<(usize, Split, usize)> {
        if !self.rows.iter().any(|row| row.split == Some(Split::Train)) {
            return Vec::new();
        }
        let trained = self.class_counts(|row| matches!(row.split, None | Some(Split::Train)));
        let mut unseen = Vec::new();
        for split in [Split::Validation, Split::Test] {
            let counts = self.class_counts(|row| row.split == Some(split));
            unseen.extend(
                (0..counts.len()).filter(|c| counts[*c] > 0 && trained[*c] == 0).map(|c| (c, split, counts[c])),
            );
        }
        unseen
    }
}
