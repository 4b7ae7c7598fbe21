//! What a run is trained on: rows of the target, with labels that may have been made wrong. No test row is among them, nor does a test label
//! decide anything.

use std::collections::BTreeSet;

use heirloom_data::labels::{trusted, uneven_sizes};
use heirloom_data::{Row, Split, Table};

use super::{Correction, Run, Study, StudyError, Task};
use crate::balanced;
use crate::study::transferred::held_out;

/// Share of rows that are trusted.
const TRUSTED: f64 = 0.1;
/// How many times as many images the largest class has as the smallest.
const RATIO: usize = 20;

/// Rows to train on.
#[derive(Debug, Clone)]
pub(super) struct TrainingRows {
    /// The training rows, and as test rows what is held out of them where rates are tried.
    pub table: Table,
    /// Their numbers in the target's table.
    pub rows: Vec<usize>,
    /// Places of the trusted ones in `table`.
    pub trusted: BTreeSet<usize>,
    /// Share of labels that are not the image's.
    pub wrong: f64,
}

impl Study<'_> {
    /// The rows of a run.
    pub fn training_rows(&self, run: &Run) -> Result<TrainingRows, StudyError> {
        let set = self.target(run.target)?;
        let [train, _] = set.split();
        let labels: Vec<usize> = train.iter().map(|row| set.table.rows[*row].label.unwrap_or(0)).collect();
        let seed = self.seed(run.seed);
        let kept = self.kept_rows(run, &labels)?;
        let labels: Vec<usize> = kept.iter().map(|at| labels[*at]).collect();
        let given = self.given(run, &labels)?;
        let is_trusted = match run.task {
            Task::Noise { correction: Correction::Silver | Correction::Gold, .. } => trusted(&labels, TRUSTED, seed),
            _ => vec![false; labels.len()],
        };
        let silver = matches!(run.task, Task::Noise { correction: Correction::Silver, .. });
        let shown = |at: &usize| !(silver && is_trusted[*at]);
        let places: Vec<usize> = (0..kept.len()).filter(shown).collect();
        let label = |at: usize| if is_trusted[at] { labels[at] } else { given[at] };
        let row = |at: &usize| Row { label: Some(label(*at)), ..set.table.rows[train[kept[*at]]].clone() };
        let mut table = set.table.clone();
        table.rows = places.iter().map(row).collect();
        let wrong = places.iter().filter(|at| label(**at) != labels[**at]).count() as f64 / places.len().max(1) as f64;
        let trusted = (0..places.len()).filter(|place| is_trusted[places[*place]]).collect();
        let rows = places.iter().map(|at| train[kept[*at]]).collect();
        if run.trial.is_some() {
            table = held_out(&table, seed);
        }
        Ok(TrainingRows { table, rows, trusted, wrong })
    }

    /// Places of the training rows that a run uses.
    fn kept_rows(&self, run: &Run, labels: &[usize]) -> Result<Vec<usize>, StudyError> {
        let classes = self.target(run.target)?.table.classes.len();
        match run.task {
            Task::Rows { each: Some(each), .. } => Ok(balanced(labels, each * classes, self.seed(run.seed))),
            Task::Uneven { tenths, .. } => {
                let mut left = self.uneven(run.target, tenths, run.seed)?;
                let mut order = crate::halves::in_turn(labels, self.seed(run.seed));
                order.retain(|at| {
                    let left = &mut left[labels[*at]];
                    let take = *left > 0;
                    *left -= usize::from(take);
                    take
                });
                order.sort_unstable();
                Ok(order)
            }
            _ => Ok((0..labels.len()).collect()),
        }
    }

    /// Size of each class, which class is large drawn from the seed.
    pub fn uneven(&self, target: usize, tenths: u8, seed: usize) -> Result<Vec<usize>, StudyError> {
        let set = self.target(target)?;
        let [train, _] = set.split();
        let mut counts = vec![0_usize; set.table.classes.len()];
        train.iter().filter_map(|row| set.table.rows[*row].label).for_each(|label| counts[label] += 1);
        let largest = counts.iter().min().copied().unwrap_or(0);
        let refuse = |reason: String| StudyError::Data { set: set.name.clone(), reason };
        let sizes = uneven_sizes(counts.len(), largest, (largest / RATIO).max(1), f64::from(tenths) / 10.0);
        let sizes = sizes.map_err(|error| refuse(error.to_string()))?;
        let mut order: Vec<usize> = (0..counts.len()).collect();
        heirloom_data::augment::Draws::of_batch(self.seed(seed), 1, tenths.into()).shuffle(&mut order);
        let mut of_class = vec![0; sizes.len()];
        order.iter().zip(sizes).for_each(|(class, size)| of_class[*class] = size);
        Ok(of_class)
    }

    /// The labels that rows are given.
    fn given(&self, run: &Run, labels: &[usize]) -> Result<Vec<usize>, StudyError> {
        let Task::Noise { noise, tenths, .. } = run.task else { return Ok(labels.to_vec()) };
        let set = self.target(run.target)?;
        let corruption = noise.corruption(set.table.classes.len(), tenths, self.seed(run.seed));
        let corruption =
            corruption.map_err(|error| StudyError::Data { set: set.name.clone(), reason: error.to_string() })?;
        Ok(corruption.given(labels, self.seed(run.seed)))
    }
}

/// Rows of a table that are held out.
pub(super) fn held_out_rows(table: &Table) -> Vec<usize> {
    (0..table.rows.len()).filter(|row| table.rows[*row].split == Some(Split::Test)).collect()
}
