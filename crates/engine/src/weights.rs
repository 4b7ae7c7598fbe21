//! Parameter values by checkpoint key.

use std::collections::BTreeMap;

/// A dense tensor of `f32` in row-major order, in the checkpoint's own layout.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tensor {
    /// Length of every axis.
    pub shape: Vec<usize>,
    /// Values, as many as the product of the axes.
    pub values: Vec<f32>,
}

impl Tensor {
    /// A tensor from its parts. `None` when the number of values is not the product of the axes.
    #[must_use]
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Option<Self> {
        (shape.iter().product::<usize>() == values.len()).then_some(Self { shape, values })
    }
}

/// All parameters of a model, by checkpoint key.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    /// Tensors by key.
    pub tensors: BTreeMap<String, Tensor>,
}
