//! Learning rates, chosen for each architecture, start and target on held-out training images; test images take no part.

use heirloom_data::augment::{Draws, Key};
use heirloom_data::{Split, Table};

use super::{Run, Start, Study, StudyError, Training, rate_of};

/// One of so many training images of a class is held out.
const HELD_OUT: usize = 5;

/// The training rows of a table, a fifth of each class marked as test rows; its own test rows are gone.
pub(in crate::study) fn held_out(table: &Table, seed: u64) -> Table {
    let mut part = table.clone();
    part.rows.retain(|row| row.split != Some(Split::Test));
    let mut by_class = vec![Vec::new(); table.classes.len()];
    for (at, row) in part.rows.iter().enumerate() {
        if let Some(rows) = row.label.and_then(|label| by_class.get_mut(label)) {
            rows.push(at);
        }
    }
    for (class, mut rows) in by_class.into_iter().enumerate() {
        let mut draws = Draws::of_image(Key { seed, epoch: 0, row: class });
        for last in (1..rows.len()).rev() {
            rows.swap(last, draws.below(last + 1));
        }
        let held = rows.len() / HELD_OUT;
        rows.iter().take(held).for_each(|row| part.rows[*row].split = Some(Split::Test));
    }
    part
}

impl Study<'_> {
    /// Runs that try the rates for a run; all replicas and all changes of the images share what is chosen.
    pub fn trials(&self, run: &Run) -> Vec<Run> {
        let start = if run.start.is_source() { Start::SOURCE } else { Start::RANDOM };
        let first = Run { start, replica: 0, ..*run };
        self.options.rates.iter().map(|rate| first.on(Training::Part { rate: Some(*rate) })).collect()
    }

    /// The rate of a run: the one it tries, or the best one tried, the first of equals.
    pub fn rate(&self, run: &Run) -> Result<f64, StudyError> {
        if let Training::Part { rate: Some(rate) } = run.training {
            return Ok(rate_of(rate));
        }
        let (mut best, mut highest) = (0.0, f64::NEG_INFINITY);
        for trial in self.trials(run) {
            let trained = self.trained(&trial)?;
            let accuracy = trained.judged.last().copied().unwrap_or(0.0);
            if accuracy > highest {
                (best, highest) = (trained.rate, accuracy);
            }
        }
        Ok(best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_every_class_is_held_out_and_no_test_row_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let size =
            heirloom_data::HalvesSize { side: 16, source_train: 10, source_test: 3, target_train: 1, target_test: 1 };
        heirloom_data::Halves::new(1, size).source.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &heirloom_data::TableOptions::default()).unwrap();
        let part = held_out(&table, 7);
        let classes = table.classes.len();
        let held: Vec<_> = part.rows.iter().filter(|row| row.split == Some(Split::Test)).collect();
        assert_eq!((part.rows.len(), held.len()), (10 * classes, 2 * classes));
        for class in 0..classes {
            assert_eq!(held.iter().filter(|row| row.label == Some(class)).count(), 2);
        }
        let own_test = |row: &heirloom_data::Row| {
            table.rows.iter().any(|other| other.locator == row.locator && other.split == Some(Split::Test))
        };
        assert!(!part.rows.iter().any(own_test));
        assert_ne!(held_out(&table, 8).rows, part.rows);
    }
}
