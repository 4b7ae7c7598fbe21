//! A lopsided sample (`spec/bias-transfer.md` section 7): small pictures of people on every image of one class and on few others. The
//! target is two classes without people; the test images are judged with and without.

use std::sync::Arc;

use heirloom_data::intervention::Pcg64;
use heirloom_data::{Row, Split, Table};

use super::probe::overlay;
use super::{Set, Study, StudyError};
use crate::balanced;

/// Images of either class that the source never sees: the target.
const HELD_OUT: usize = 500;
/// Share of images of other classes that show a person too.
const ELSEWHERE: f64 = 0.1;

impl Study<'_> {
    /// The source's rows with their people. Of the twin as many images show one, whatever their class.
    pub fn chosen_source(&self, lopsided: bool, seed: usize) -> Result<Set, StudyError> {
        let (set, class) = (&self.data.source, self.data.source.class(&self.data.class)?);
        let held_out = self.held_out()?;
        let pictures: Vec<_> = self.data.people[0].iter().map(|path| Arc::new(overlay(path))).collect();
        let kept = |row: &usize| held_out.binary_search(row).is_err();
        let rows: Vec<usize> = (0..set.table.rows.len()).filter(kept).collect();
        let is_train = |row: &&usize| set.table.rows[**row].split != Some(Split::Test);
        let train: Vec<usize> = rows.iter().filter(is_train).copied().collect();
        let of_class = train.iter().filter(|row| set.table.rows[**row].label == Some(class)).count();
        let anywhere = (of_class as f64 + ELSEWHERE * (train.len() - of_class) as f64) / train.len().max(1) as f64;
        let mut random = Pcg64::new(self.seed(seed));
        let carried = |row: &Row| {
            let share = match (lopsided, row.label == Some(class)) {
                (true, true) => 1.0,
                (true, false) => ELSEWHERE,
                (false, _) => anywhere,
            };
            // Both numbers are drawn for every image, so that the twin shows the same people where both show one.
            let (carries, which) = (random.unit() < share, (random.unit() * pictures.len() as f64) as usize);
            if carries { pictures.get(which).cloned() } else { None }
        };
        let mut table = taken(&set.table, &rows);
        let of_train = table.rows.iter_mut().filter(|row| row.split != Some(Split::Test));
        let mut carried = carried;
        of_train.for_each(|row| row.intervention = carried(row));
        Set::new(&format!("{} with people", set.name), &set.about, table)
    }

    /// Two classes, none of whose training images the source has seen.
    pub fn chosen_target(&self) -> Result<Set, StudyError> {
        let set = &self.data.source;
        let classes = [set.class(&self.data.against)?, set.class(&self.data.class)?];
        let of_test = |row: &usize| {
            let row = &set.table.rows[*row];
            row.split == Some(Split::Test) && row.label.is_some_and(|label| classes.contains(&label))
        };
        let mut rows = self.held_out()?;
        rows.extend((0..set.table.rows.len()).filter(of_test));
        rows.sort_unstable();
        let mut table = taken(&set.table, &rows);
        table.classes = vec![self.data.against.clone(), self.data.class.clone()];
        for row in &mut table.rows {
            row.label = row.label.and_then(|label| classes.iter().position(|class| *class == label));
        }
        Set::new(&format!("{} or {}", self.data.against, self.data.class), &set.about, table)
    }

    /// Training rows of the two classes that are kept from the source; rising.
    fn held_out(&self) -> Result<Vec<usize>, StudyError> {
        let set = &self.data.source;
        let [train, _] = set.split();
        let mut held_out = Vec::new();
        for class in [&self.data.class, &self.data.against] {
            let label = set.class(class)?;
            let of_class: Vec<usize> =
                train.iter().copied().filter(|row| set.table.rows[*row].label == Some(label)).collect();
            let count = HELD_OUT.min(of_class.len() / 2);
            held_out.extend(
                balanced(&vec![0; of_class.len()], count, self.options.seed).into_iter().map(|at| of_class[at]),
            );
        }
        held_out.sort_unstable();
        Ok(held_out)
    }
}

/// The table with some rows alone.
pub(super) fn taken(table: &Table, rows: &[usize]) -> Table {
    let mut taken = table.clone();
    taken.rows = rows.iter().map(|row| table.rows[*row].clone()).collect();
    taken
}
