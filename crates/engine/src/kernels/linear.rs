//! Fully connected layers, and convolutions of one pixel, which are the same.

use std::ops::Range;

use super::matmul::{Destination, multiply};
use super::{Isa, PackedMatrix, Rows, RowsMut, Scratch, Stage};

/// A linear layer with packed weights; a bias is a [`Stage`].
#[derive(Debug, Clone)]
pub struct Linear {
    pub(super) weight: PackedMatrix,
}

impl Linear {
    /// Packs the weight `[output, input]`.
    #[must_use]
    pub fn new(isa: Isa, weight: &[f32], output: usize, input: usize) -> Self {
        Self { weight: PackedMatrix::from_linear(isa, weight, output, input) }
    }

    /// The packed weight.
    #[must_use]
    pub const fn weight(&self) -> &PackedMatrix {
        &self.weight
    }

    /// Computes rows `rows` of the output. `input` holds the rows of the whole batch, `output` and the stages those of the range.
    ///
    /// ```
    /// use heirloom_engine::kernels::{Isa, Linear, Rows, RowsMut, Scratch, Stage};
    /// let layer = Linear::new(Isa::detect(), &[1.0, 2.0, 3.0, 4.0], 2, 2);
    /// let mut output = [0.0; 2];
    /// layer.run(Rows::new(&[1.0, 10.0], 2), 0..1, RowsMut::new(&mut output, 2), &mut [Stage::Bias(&[0.5, 0.0])], &mut Scratch::default());
    /// assert_eq!(output, [21.5, 43.0]);
    /// ```
    pub fn run(
        &self,
        input: Rows<'_>,
        rows: Range<usize>,
        output: RowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        input.check(rows.end, self.weight.depth());
        multiply(&input, rows, self.weight.view(), Destination { output, column: 0, stages }, scratch);
    }
}
