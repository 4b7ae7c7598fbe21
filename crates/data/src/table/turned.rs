//! Images as a task without labels: by how much was each turned?

use std::sync::Arc;

use super::{Row, Table};
use crate::intervention::{Intervention, Turn};

/// The four ways an image can lie.
const WAYS: [&str; 4] = ["upright", "a quarter to the left", "upside down", "a quarter to the right"];

impl Table {
    /// Every image four times, upright and turned by one, two and three quarters of a circle, with the turn as its class: what a network is
    /// trained on where there are no labels (Gidaris, Singh, Komodakis 2018). Labels that the table has are not looked at. The four stand
    /// together, in the order of the rows, in the split and the group of their image; a row that carries an intervention keeps it only
    /// upright, and is left out turned.
    ///
    /// ```no_run
    /// let table = heirloom_data::Table::open("photos".as_ref(), &Default::default())?.turned();
    /// assert_eq!(table.classes.len(), 4);
    /// # Ok::<(), heirloom_data::TableError>(())
    /// ```
    #[must_use]
    pub fn turned(mut self) -> Self {
        let of_row = |row: Row| {
            let ways = if row.intervention.is_some() { 1 } else { WAYS.len() };
            (0..ways).map(move |quarters| {
                let turn = (quarters > 0).then(|| Arc::new(Intervention::Turn(Turn { quarters: quarters as u8 })));
                Row { label: Some(quarters), intervention: turn.or_else(|| row.intervention.clone()), ..row.clone() }
            })
        };
        self.rows = std::mem::take(&mut self.rows).into_iter().flat_map(of_row).collect();
        self.classes = WAYS.map(str::to_owned).to_vec();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Split, TableOptions, World};

    #[test]
    fn every_image_is_there_four_times_in_its_split_without_its_label() {
        let folder = tempfile::tempdir().unwrap();
        World { side: 16, train: 2, test: 1, ..World::default() }.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        let (rows, turned) = (table.rows.clone(), table.turned());
        assert_eq!(turned.rows.len(), 4 * rows.len());
        for (four, row) in turned.rows.chunks(4).zip(&rows) {
            assert!(four.iter().all(|one| one.locator == row.locator && one.split == row.split));
            assert_eq!(four.iter().map(|one| one.label.unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert_eq!(four[0].intervention, None);
            assert_eq!(four[3].intervention.as_ref().unwrap().to_string(), "turn:quarters=3");
        }
        assert_eq!(turned.class_counts(|row| row.split == Some(Split::Test)), [rows.len() / 3; 4]);
    }
}
