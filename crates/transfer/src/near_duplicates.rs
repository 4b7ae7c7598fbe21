//! Whether images that look alike are the same picture: the perceptual hash proposes pairs, the features decide.

use crate::Features;
use crate::features::dot;

/// Default least cosine of two pictures' features to call them the same one.
pub const SAME_PICTURE: f32 = 0.95;

/// A pair of rows and the cosine of their features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicate {
    /// The lower row of the features.
    pub first: usize,
    /// The higher one.
    pub second: usize,
    /// Cosine of the two rows of features, -1 to 1.
    pub cosine: f32,
}

/// The pairs of `candidates` (rows of `features`) whose features have a cosine of at least `least`, in the order of the
/// candidates. All blocks count together; a row of zeros is like no other. Pairs with a row that does not exist are left out.
#[must_use]
pub fn confirm_near_duplicates(features: &Features, candidates: &[(usize, usize)], least: f32) -> Vec<NearDuplicate> {
    let exists = |(first, second): &&(usize, usize)| first != second && (*first).max(*second) < features.rows;
    let pair = |(a, b): &(usize, usize)| {
        let (first, second) = (*a.min(b), *a.max(b));
        NearDuplicate { first, second, cosine: cosine(features, first, second) }
    };
    candidates.iter().filter(exists).map(pair).filter(|pair| pair.cosine >= least).collect()
}

/// Cosine of two rows over all blocks.
fn cosine(features: &Features, first: usize, second: usize) -> f32 {
    let (mut product, mut squares) = (0.0_f64, [0.0_f64; 2]);
    for block in &features.blocks {
        let row = |row: usize| &block.values[row * block.width..(row + 1) * block.width];
        let (first, second) = (row(first), row(second));
        product += f64::from(dot(first, second));
        squares[0] += f64::from(dot(first, first));
        squares[1] += f64::from(dot(second, second));
    }
    let lengths = (squares[0] * squares[1]).sqrt();
    if lengths > 0.0 { (product / lengths) as f32 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;

    use super::*;
    use crate::{Block, Pooling};

    #[test]
    fn only_pairs_with_the_same_direction_stay() {
        let shape = Shape::Vector { channels: 3 };
        let values = vec![1.0, 2.0, 2.0, 2.0, 4.0, 4.1, 2.0, -2.0, 1.0, 0.0, 0.0, 0.0];
        let block = Block { tap: "pre_logits".into(), shape, pooling: Pooling::MEAN, width: 3, values };
        let features = Features { rows: 4, blocks: vec![block] };
        let found = confirm_near_duplicates(&features, &[(1, 0), (0, 2), (3, 3), (0, 3), (0, 9)], SAME_PICTURE);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].first, found[0].second), (0, 1));
        assert!(found[0].cosine > 0.999 && found[0].cosine < 1.0);
        assert_eq!(confirm_near_duplicates(&features, &[(0, 3)], 0.0)[0].cosine, 0.0);
    }
}
