//! What a head that was adapted to a target does to every row before it reads it: the preprocessing of the target, with the statistics
//! of the target that was at hand. Frozen, they serve rows that come one at a time.

use super::{AdaptationError, ColumnStatistics, RowScaling, Samples};
use crate::{Block, Features, Pooling};

/// Preprocessing of the rows of one block, applied in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct Preparation {
    /// Name of the block.
    pub tap: String,
    /// How it is pooled.
    pub pooling: Pooling,
    /// Columns.
    pub width: usize,
    /// What happens to each row.
    pub rows: RowScaling,
    /// Mean and standard deviation of each column; `None` leaves columns as they are.
    pub columns: Option<ColumnStatistics>,
}

impl Preparation {
    /// The features with the block prepared; other blocks are left out, since no adapted head reads them.
    ///
    /// # Errors
    /// The block is missing or has another width, or a value is not finite.
    pub fn apply(&self, features: &Features) -> Result<Features, AdaptationError> {
        let block = features.blocks.iter().find(|block| block.tap == self.tap && block.pooling == self.pooling);
        let found = block.map_or(0, |block| block.width);
        let Some(block) = block.filter(|block| block.width == self.width) else {
            return Err(AdaptationError::Columns { source_columns: self.width, target_columns: found });
        };
        let rows: Vec<usize> = (0..features.rows).collect();
        let mut samples = Samples::of_block(block, &rows)?;
        rows.iter().for_each(|&row| self.rows.apply(samples.row_mut(row)));
        if let Some(columns) = &self.columns {
            columns.apply(&mut samples);
        }
        Ok(Features { rows: features.rows, blocks: vec![samples.to_block(block)] })
    }
}

impl Samples {
    /// A block like `model` with these values.
    pub(crate) fn to_block(&self, model: &Block) -> Block {
        let values = self.values().iter().map(|&value| value as f32).collect();
        Block { tap: model.tap.clone(), shape: model.shape, pooling: model.pooling, width: model.width, values }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adaptation::Preprocessing;

    #[test]
    fn single_rows_are_prepared_as_the_target_was() {
        let values = vec![1.0, 3.0, 0.0, 2.0, 2.0, 0.0, 6.0, 1.0, 1.0, 0.5, 0.25, 4.0];
        let shape = heirloom_engine::Shape::Vector { channels: 3 };
        let block = Block { tap: "t".into(), shape, pooling: Pooling::MEAN, width: 3, values };
        let target = Samples::of_block(&block, &[0, 1, 2, 3]).unwrap();
        let (_, together, columns) = Preprocessing::EASYTL.apply(&target, &target);
        let preparation =
            Preparation { tap: "t".into(), pooling: Pooling::MEAN, width: 3, rows: RowScaling::L1, columns };
        for row in 0..4 {
            let values = block.values[row * 3..row * 3 + 3].to_vec();
            let alone = Features { rows: 1, blocks: vec![Block { values, ..block.clone() }] };
            let prepared = preparation.apply(&alone).unwrap();
            let expected: Vec<f32> = together.row(row).iter().map(|value| *value as f32).collect();
            assert_eq!(prepared.blocks[0].values, expected);
        }
        let wide = Features { rows: 1, blocks: vec![Block { width: 4, values: vec![0.0; 4], ..block }] };
        assert!(matches!(preparation.apply(&wide), Err(AdaptationError::Columns { .. })));
    }
}
