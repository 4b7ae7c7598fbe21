//! Heads on some of the training rows, judged.

use heirloom_data::SplitInput;
use heirloom_transfer::heads::{Fitted, Given, Input, LinearSettings, Training, fit_linear_given, probabilities};
use heirloom_transfer::{Block, Features};

use super::{FEWEST, TrainingSetInput};
use crate::predicted::largest;
use crate::{AuditError, AuditWatch};

/// Folds that penalties are chosen on.
const FOLDS: usize = 5;

/// Rows to fit on, each with the label it is given and the row of the features whose fold it shares.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    /// Rows of the features; a row may stand here several times.
    pub rows: Vec<usize>,
    /// The labels.
    pub labels: Vec<usize>,
    /// What each counts; all the same where empty.
    pub weights: Vec<f64>,
    /// For rows made of two, the second and its share.
    pub mixed: Vec<Option<(usize, f64)>>,
}

/// Everything that heads are fitted on and judged by.
pub(super) struct Fits<'a> {
    pub input: &'a TrainingSetInput<'a>,
    pub seed: u64,
    watch: AuditWatch<'a>,
}

impl<'a> Fits<'a> {
    pub fn new(input: &'a TrainingSetInput<'a>, seed: u64, watch: AuditWatch<'a>) -> Result<Self, AuditError> {
        let fits = Self { input, seed, watch };
        let few = fits.sizes().into_iter().chain([input.test.len()]).min().unwrap_or(0);
        if few < FEWEST {
            return Err(AuditError::SmallClasses { rows: few, needed: FEWEST });
        }
        Ok(fits)
    }

    /// Training rows of each class.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.input.classes];
        self.input.train.iter().for_each(|row| sizes[self.input.labels[*row]] += 1);
        sizes
    }

    /// All training rows with the labels that are given in their order, or their own.
    pub fn all(&self, given: Option<Vec<usize>>) -> Rows {
        let own = || self.input.train.iter().map(|row| self.input.labels[*row]).collect();
        Rows { rows: self.input.train.to_vec(), labels: given.unwrap_or_else(own), ..Rows::default() }
    }

    /// A head on some rows of some features; with what is known of their labels.
    pub fn head(&self, features: &Features, rows: &Rows, given: Given<'_>) -> Result<Fitted, AuditError> {
        self.watch.check()?;
        let block = features.blocks.first().ok_or(AuditError::SmallClasses { rows: 0, needed: FEWEST })?;
        let of_row = |(place, row): (usize, &usize)| {
            let own = &block.values[row * block.width..(row + 1) * block.width];
            match rows.mixed.get(place).copied().flatten() {
                None => own.to_vec(),
                Some((other, share)) => {
                    let other = &block.values[other * block.width..(other + 1) * block.width];
                    own.iter().zip(other).map(|(own, other)| own + share as f32 * (other - own)).collect()
                }
            }
        };
        let values = rows.rows.iter().enumerate().flat_map(of_row).collect();
        let some = Features { rows: rows.rows.len(), blocks: vec![Block { values, ..without_values(block) }] };
        let (all, folds) = ((0..some.rows).collect::<Vec<usize>>(), self.folds(rows)?);
        let training =
            Training { features: &some, labels: &rows.labels, rows: &all, folds: &folds, classes: self.input.classes };
        let settings = LinearSettings::default();
        let weights = (!rows.weights.is_empty()).then_some(rows.weights.as_slice());
        let inputs = vec![Input::whole(block)];
        let fitted = fit_linear_given(&training, inputs, &settings, Given { weights, ..given })?;
        self.watch.shown.iter().for_each(|shown| shown(1));
        Ok(fitted)
    }

    /// Folds over distinct rows, so that copies of a row are held out together.
    fn folds(&self, rows: &Rows) -> Result<Vec<usize>, AuditError> {
        let mut distinct: Vec<(usize, usize)> = rows.rows.iter().copied().zip(rows.labels.iter().copied()).collect();
        distinct.sort_unstable();
        distinct.dedup_by_key(|(row, _)| *row);
        let labels: Vec<usize> = distinct.iter().map(|(_, label)| *label).collect();
        let count = FOLDS.min(distinct.len());
        let folds = heirloom_data::folds(SplitInput { labels: &labels, groups: None, keys: None }, count, self.seed)?;
        let place = |row: &usize| distinct.partition_point(|(other, _)| other < row);
        Ok(rows.rows.iter().map(|row| folds.fold_of[place(row)]).collect())
    }

    /// 1 for every judged row that a head answers wrong, else 0.
    pub fn wrong(&self, features: &Features, head: &Fitted) -> Result<Vec<f64>, AuditError> {
        let answers = self.shares(features, head, self.input.test)?;
        let classes = self.input.classes;
        let labels = self.input.test.iter().map(|row| self.input.labels[*row]);
        Ok(answers.chunks(classes).zip(labels).map(|(row, label)| f64::from(u8::from(largest(row) != label))).collect())
    }

    /// What a head says of some rows, `[rows, classes]`.
    pub fn shares(&self, features: &Features, head: &Fitted, rows: &[usize]) -> Result<Vec<f32>, AuditError> {
        Ok(probabilities(&head.head.logits(features, rows)?, self.input.classes, 1.0))
    }
}

fn without_values(block: &Block) -> Block {
    let Block { shape, pooling, width, .. } = *block;
    Block { tap: block.tap.clone(), shape, pooling, width, values: Vec::new() }
}
