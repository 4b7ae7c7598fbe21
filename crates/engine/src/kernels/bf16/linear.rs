//! Fully connected layers in bf16.

use super::maps::{BEYOND, ChannelRows};
use super::matrix::TileMatrix;
use super::product::{Positions, Product};
use super::rounding::{round_into, rounded};
use super::stored::{Stored, StoredRowsMut};
use super::tile::{DEPTH, Run};
use crate::kernels::rows::check_rows;
use crate::kernels::{Isa, Linear, Rows, Scratch, Stage};

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
            let matrix = TileMatrix::new(&[input], output, weight, |k| k);
            Weights::Tiles(ChannelRows::new(input), matrix)
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

    /// Computes all `rows` rows of the output; row `r` of the input starts at value `r * stride`.
    ///
    /// ```
    /// use heirloom_engine::kernels::{Bf16Linear, Isa, RowsMut, Scratch, Stage, Stored};
    /// let layer = Bf16Linear::new(Isa::best_for_bf16(), &[1.0, 2.0, 3.0, 4.0], 2, 2);
    /// let mut output = [0.0; 2];
    /// // 1.001 has no place in eight bits of significand: it is taken for 1.
    /// let input = (Stored::F32(&[1.001, 10.0]), 2);
    /// layer.run(input, 1, RowsMut::new(&mut output, 2).into(), &mut [Stage::Bias(&[0.5, 0.0])], &mut Scratch::default());
    /// assert_eq!(output, [21.5, 43.0]);
    /// ```
    pub fn run(
        &self,
        (input, stride): (Stored<'_>, usize),
        rows: usize,
        output: StoredRowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        match &self.weights {
            Weights::Tiles(layout, matrix) => {
                check_rows(input.len(), stride, rows, layout.count);
                let from = ChannelSource {
                    input,
                    starts: (0..rows).map(|row| row * stride),
                    contiguous: stride == layout.count,
                };
                channel_rows(self.isa, layout, from, matrix, (output, stages), 0..matrix.columns, scratch);
            }
            Weights::Rounded(linear) => {
                let (depth, input) = (linear.weight().depth(), input.f32());
                check_rows(input.len(), stride, rows, depth);
                let mut copy = std::mem::take(&mut scratch.rounded);
                copy.grow(rows * depth);
                for (row, to) in copy.chunks_exact_mut(depth.max(1)).take(rows).enumerate() {
                    round_into(&input[row * stride..][..depth], to);
                }
                linear.run(Rows::new(&copy, depth), 0..rows, output.f32(), stages, scratch);
                scratch.rounded = copy;
            }
        }
    }
}

/// Rows of channels, one for every row of the output.
pub(super) struct ChannelSource<'a, I> {
    pub input: Stored<'a>,
    /// Where each row starts.
    pub starts: I,
    /// Whether the rows lie one after the other.
    pub contiguous: bool,
}

/// Rows of channels times the matrix, to channels `columns` of the output.
pub(super) fn channel_rows<I: ExactSizeIterator<Item = usize>>(
    isa: Isa,
    layout: &ChannelRows,
    ChannelSource { input, mut starts, contiguous }: ChannelSource<'_, I>,
    matrix: &TileMatrix,
    (output, stages): (StoredRowsMut<'_>, &mut [Stage<'_>]),
    columns: std::ops::Range<usize>,
    scratch: &mut Scratch,
) {
    let rows = starts.len();
    if rows == 0 || matrix.columns == 0 {
        return;
    }
    // Whole tiles of halves are read where they lie.
    let in_place = match input {
        Stored::Bf16(halves) if contiguous && layout.step == layout.count => Some(halves),
        _ => None,
    };
    scratch.rows.grow(layout.halves(layout.height.min(rows)).div_ceil(2));
    let runs = [Run { offset: 0, blocks: layout.step / DEPTH }];
    let mut product = Product::new(isa, output, stages, rows, columns.end);
    for row in (0..rows).step_by(layout.height) {
        let valid = layout.height.min(rows - row);
        let there = if in_place.is_some() { valid / BEYOND * BEYOND } else { 0 };
        layout.copy(isa, input, starts.by_ref().take(valid).skip(there), scratch.rows.halves_mut());
        let copied = scratch.rows.halves();
        let halves = in_place.unwrap_or_default().get(row * layout.count..).unwrap_or_default();
        let positions =
            |copy, row, valid| Positions { copy, step: layout.step, runs: &runs, width: valid, valid, height: 1, row };
        let parts = [positions(halves, row, there), positions(copied, row + there, valid - there)];
        let whole = if there == 0 { 1 } else { 0 }..if there == valid { 1 } else { 2 };
        product.run(&parts[whole], matrix, columns.start);
    }
}
