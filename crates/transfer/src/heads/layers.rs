//! Which layers a head that selects columns took them from.

use serde::{Deserialize, Serialize};

use super::{Head, Method};
use crate::Features;

/// What a selection took of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerShare {
    /// Name of the tap.
    pub tap: String,
    /// Its columns after pooling.
    pub columns: usize,
    /// Those that the head reads.
    pub kept: usize,
}

impl Head {
    /// Of every layer that stood to choose from at the head's pooling, how many columns it reads: in the order of `depth`, then in
    /// that of the features. Empty for methods that select none, and where the last layer alone was taken as it is.
    ///
    /// `features` are those that the head was fitted on.
    #[must_use]
    pub fn layers(&self, features: &Features, depth: &[String]) -> Vec<LayerShare> {
        let (Method::Head2Toe, Some(first)) = (self.method, self.inputs.first()) else { return Vec::new() };
        if first.columns.is_none() {
            return Vec::new();
        }
        let blocks = features.blocks.iter().filter(|block| block.pooling == first.pooling);
        let kept = |tap: &str| self.inputs.iter().find(|input| input.tap == tap).map_or(0, super::Input::count);
        let mut layers: Vec<LayerShare> = blocks
            .map(|block| LayerShare { tap: block.tap.clone(), columns: block.width, kept: kept(&block.tap) })
            .collect();
        layers.sort_by_key(|layer| depth.iter().position(|tap| *tap == layer.tap).unwrap_or(depth.len()));
        layers
    }
}

#[cfg(test)]
mod tests {
    use heirloom_engine::Shape;

    use super::super::{Input, Normalizer, Rule};
    use super::*;
    use crate::{Block, ClassTokenMode, Pooling};

    fn block(tap: &str, target: usize, width: usize) -> Block {
        let pooling = Pooling { target, class_token: ClassTokenMode::Normal };
        Block { tap: tap.into(), shape: Shape::Vector { channels: width }, pooling, width, values: vec![0.0; width] }
    }

    /// Layers without a column and the order of depth are kept; blocks of another pooling are not counted.
    #[test]
    fn every_layer_of_the_chosen_pooling_is_counted_by_depth() {
        let blocks = vec![block("c", 1, 6), block("c", 8, 24), block("a", 8, 16), block("b", 8, 8)];
        let input = |at: usize, columns: Vec<u32>| Input { columns: Some(columns), ..Input::whole(&blocks[at]) };
        let inputs = vec![input(1, vec![0, 5, 9]), input(2, vec![1])];
        let features = Features { rows: 1, blocks: blocks.clone() };
        let head = |method, inputs| {
            Head::new(method, 2, inputs, Normalizer::None, Rule::affine(2, vec![0.0; 8], vec![0.0; 2]))
        };
        let depth = ["a", "b", "c"].map(str::to_string);
        let found = head(Method::Head2Toe, inputs.clone()).layers(&features, &depth);
        let expected = [("a", 16, 1), ("b", 8, 0), ("c", 24, 3)];
        let expected = expected.map(|(tap, columns, kept)| LayerShare { tap: tap.into(), columns, kept });
        assert_eq!(found, expected);
        assert_eq!(head(Method::Linear, inputs).layers(&features, &depth), []);
        assert_eq!(head(Method::Head2Toe, vec![Input::whole(&blocks[0])]).layers(&features, &depth), []);
    }
}
