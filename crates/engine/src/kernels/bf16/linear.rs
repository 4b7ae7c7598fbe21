//! Fully connected layers in bf16.

use super::maps::ChannelRows;
use super::matrix::TileMatrix;
use super::product::{Positions, Product};
use super::rounding::{round_into, rounded};
use super::tile::{DEPTH, Run};
use crate::kernels::{Isa, Linear, Rows, RowsMut, Scratch, Stage};

/// A linear layer with packed weights; a bias is a [`Stage`].
#[derive(Debug, Clone)]
pub struct Bf16Linear {
    isa: Isa,
    weights: Weights,
}

#[derive(Debug, Clone)]
enum Weights {
    Tiles(ChannelRows, TileMatrix),
    Rounded(Linear),
}

impl Bf16Linear {
    /// Packs the weight `[output, input]`.
    #[must_use]
    pub fn new(isa: Isa, weight: &[f32], output: usize, input: usize) -> Self {
        assert_eq!(weight.len(), output * input, "weight of a linear layer [{output}, {input}]");
        let weights = if isa.has_tiles() {
            let matrix = TileMatrix::new(&[input], output, |k, n| weight[n * input + k]);
            Weights::Tiles(ChannelRows::new(input, output, matrix.bytes()), matrix)
        } else {
            let weight: Vec<f32> = weight.iter().map(|value| rounded(*value)).collect();
            Weights::Rounded(Linear::new(isa, &weight, output, input))
        };
        Self { isa, weights }
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Tiles(_, matrix) => matrix.bytes(),
            Weights::Rounded(linear) => linear.weight().bytes(),
        }
    }

    /// Computes all `rows` rows of the output.
    ///
    /// ```
    /// use heirloom_engine::kernels::{Bf16Linear, Isa, Rows, RowsMut, Scratch, Stage};
    /// let layer = Bf16Linear::new(Isa::best_for_bf16(), &[1.0, 2.0, 3.0, 4.0], 2, 2);
    /// let mut output = [0.0; 2];
    /// // 1.001 has no place in eight bits of significand: it is taken for 1.
    /// layer.run(Rows::new(&[1.001, 10.0], 2), 1, RowsMut::new(&mut output, 2), &mut [Stage::Bias(&[0.5, 0.0])], &mut Scratch::default());
    /// assert_eq!(output, [21.5, 43.0]);
    /// ```
    pub fn run(&self, input: Rows<'_>, rows: usize, output: RowsMut<'_>, stages: &mut [Stage<'_>], scratch: &mut Scratch) {
        match &self.weights {
            Weights::Tiles(layout, matrix) => {
                input.check(rows, layout.count);
                let starts = (0..rows).map(|row| row * input.stride);
                channel_rows(self.isa, layout, (input.values, starts), matrix, (output, stages), 0..matrix.columns, scratch);
            }
            Weights::Rounded(linear) => {
                let depth = linear.weight().depth();
                input.check(rows, depth);
                let mut copy = std::mem::take(&mut scratch.rounded);
                copy.grow(rows * depth);
                for (row, to) in copy.chunks_exact_mut(depth.max(1)).take(rows).enumerate() {
                    round_into(&input.values[row * input.stride..][..depth], to);
                }
                linear.run(Rows::new(&copy, depth), 0..rows, output, stages, scratch);
                scratch.rounded = copy;
            }
        }
    }
}

/// Rows of channels that start at `starts`, one for every row of the output, times the matrix, to channels `columns` of the output.
pub(super) fn channel_rows(
    isa: Isa,
    layout: &ChannelRows,
    (input, starts): (&[f32], impl ExactSizeIterator<Item = usize>),
    matrix: &TileMatrix,
    (output, stages): (RowsMut<'_>, &mut [Stage<'_>]),
    columns: std::ops::Range<usize>,
    scratch: &mut Scratch,
) {
    let rows = starts.len();
    if rows == 0 || matrix.columns == 0 {
        return;
    }
    scratch.rows.grow(layout.halves(layout.height.min(rows)).div_ceil(2));
    let runs = [Run { offset: 0, blocks: layout.step / DEPTH }];
    let mut product = Product::new(isa, output, stages, rows, columns.end);
    let mut starts = starts;
    for row in (0..rows).step_by(layout.height) {
        let valid = layout.height.min(rows - row);
        layout.copy(isa, input, starts.by_ref().take(valid), scratch.rows.halves_mut());
        let copy = scratch.rows.halves();
        let at = Positions { copy, step: layout.step, runs: &runs, width: valid, valid, height: 1, row };
        for panel in matrix.panels() {
            product.panel(&at, panel, columns.start);
        }
    }
}
