//! Which columns a head reads, and the one function that brings rows of features into the form it reads them in.

use serde::{Deserialize, Serialize};

use super::HeadError;
use super::dense::Matrix;
use super::normalization::{Normalization, Normalizer};
use crate::{Block, Features, Pooling};

/// The columns of one tap that a head reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Name of the tap.
    pub tap: String,
    /// How the tap is pooled.
    pub pooling: Pooling,
    /// Columns of the pooled tap.
    pub width: usize,
    /// The columns read, ascending; `None` means all of them.
    pub columns: Option<Vec<u32>>,
}

impl Input {
    /// All columns of a block.
    #[must_use]
    pub fn whole(block: &Block) -> Self {
        Self { tap: block.tap.clone(), pooling: block.pooling, width: block.width, columns: None }
    }

    /// Number of columns read.
    #[must_use]
    pub fn count(&self) -> usize {
        self.columns.as_ref().map_or(self.width, Vec::len)
    }

    fn block<'a>(&self, features: &'a Features) -> Result<&'a Block, HeadError> {
        let block = features
            .blocks
            .iter()
            .find(|block| block.tap == self.tap && block.pooling == self.pooling)
            .ok_or_else(|| missing_block(features, &self.tap, self.pooling.target))?;
        if block.width != self.width {
            let (tap, target) = (self.tap.clone(), self.pooling.target);
            return Err(HeadError::Width { tap, target, expected: self.width, found: block.width });
        }
        check_size(features, block)?;
        Ok(block)
    }

    /// Copies the columns read of one row.
    fn copy(&self, row: &[f32], out: &mut [f32]) {
        match &self.columns {
            None => out.copy_from_slice(row),
            Some(columns) => out.iter_mut().zip(columns).for_each(|(out, &column)| *out = row[column as usize]),
        }
    }

    fn column(&self, position: usize) -> usize {
        self.columns.as_ref().map_or(position, |columns| columns[position] as usize)
    }
}

/// Total number of columns of some inputs.
pub(crate) fn width(inputs: &[Input]) -> usize {
    inputs.iter().map(Input::count).sum()
}

pub(crate) fn missing_block(features: &Features, tap: &str, target: usize) -> HeadError {
    let names: Vec<String> =
        features.blocks.iter().map(|block| format!("`{}` at {}", block.tap, block.pooling.target)).collect();
    let present = if names.is_empty() { "no block at all".to_string() } else { names.join(", ") };
    HeadError::MissingBlock { tap: tap.to_string(), target, present }
}

/// Refuses a block whose values do not fill `rows x width`.
pub(crate) fn check_size(features: &Features, block: &Block) -> Result<(), HeadError> {
    let expected = features.rows * block.width;
    if block.values.len() == expected {
        return Ok(());
    }
    let (tap, found) = (block.tap.clone(), block.values.len());
    Err(HeadError::BlockSize { tap, rows: features.rows, width: block.width, expected, found })
}

/// The columns of `inputs` for some rows as they stand in the features; values that are not finite are refused.
pub(crate) fn gather_raw(features: &Features, inputs: &[Input], rows: &[usize]) -> Result<Matrix, HeadError> {
    let mut out = Matrix::zeros(rows.len(), width(inputs));
    let mut offset = 0;
    for input in inputs {
        let block = input.block(features)?;
        let count = input.count();
        for (position, &row) in rows.iter().enumerate() {
            if row >= features.rows {
                return Err(HeadError::RowOutside { row, rows: features.rows });
            }
            let start = position * out.columns + offset;
            let target = &mut out.values[start..start + count];
            input.copy(&block.values[row * block.width..(row + 1) * block.width], target);
            if let Some(bad) = target.iter().position(|value| !value.is_finite()) {
                return Err(not_finite(block, row, input.column(bad), target[bad]));
            }
        }
        offset += count;
    }
    Ok(out)
}

pub(crate) fn not_finite(block: &Block, row: usize, column: usize, value: f32) -> HeadError {
    HeadError::NotFinite { tap: block.tap.clone(), target: block.pooling.target, row, column, value }
}

/// Learns a normalisation from the training rows and applies it to them.
pub(crate) fn gather_training(
    features: &Features,
    inputs: &[Input],
    rows: &[usize],
    kind: Normalization,
) -> Result<(Matrix, Normalizer), HeadError> {
    let mut raw = gather_raw(features, inputs, rows)?;
    let normalizer = Normalizer::learn(kind, &raw.values, raw.columns);
    normalise(&mut raw, inputs, &normalizer);
    Ok((raw, normalizer))
}

/// The normalised columns of `inputs` for some rows.
pub(crate) fn gather(
    features: &Features,
    inputs: &[Input],
    rows: &[usize],
    normalizer: &Normalizer,
) -> Result<Matrix, HeadError> {
    let mut raw = gather_raw(features, inputs, rows)?;
    normalise(&mut raw, inputs, normalizer);
    Ok(raw)
}

/// Scales raw values in place.
pub(crate) fn normalise(matrix: &mut Matrix, inputs: &[Input], normalizer: &Normalizer) {
    let columns = matrix.columns;
    if columns == 0 {
        return;
    }
    for row in matrix.values.chunks_mut(columns) {
        let mut offset = 0;
        for input in inputs {
            let count = input.count();
            normalizer.apply(&mut row[offset..offset + count], offset);
            offset += count;
        }
    }
}
