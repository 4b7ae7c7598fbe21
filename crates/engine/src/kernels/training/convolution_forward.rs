//! The forward pass of convolutions and linear layers in training: weights are packed anew every step, into the same memory, and
//! the rows of the whole batch are split over the current thread pool.

use super::TrainingScratch;
use super::convolution_layout::Layout;
use super::split_rows::split_rows;
use crate::kernels::convolution::Weights;
use crate::kernels::gemm_tiles::TileShape;
use crate::kernels::{Convolution, Linear, PackedMatrix, Rows, RowsMut, Stage};

impl Convolution {
    /// Packs another weight `[output, input / groups, height, width]` in the memory of the last.
    pub fn repack(&mut self, weight: &[f32]) {
        match &mut self.weights {
            Weights::Depthwise(depthwise) => depthwise.repack(weight),
            Weights::Groups(groups) => {
                let taps = self.window.kernel[0] * self.window.kernel[1];
                let len = weight.len() / groups.len();
                assert_eq!(weight.len(), self.output * self.input / groups.len() * taps, "weight of {:?}", self.window);
                for (matrix, weight) in groups.iter_mut().zip(weight.chunks_exact(len.max(1))) {
                    repack_by_output(matrix, taps, weight);
                }
            }
        }
    }

    /// Computes the output of a whole batch, on all threads of the current pool; the stages hold all its rows.
    pub fn run_batch(&self, input: &[f32], output: RowsMut<'_>, stages: Vec<Stage<'_>>, scratch: &mut TrainingScratch) {
        let rows = self.window.images(input.len(), self.input) * self.window.output_pixels();
        split_rows(rows, output, stages, scratch, &|range, output, stages, scratch| {
            self.run(input, range, output, stages, scratch);
        });
    }
}

impl Linear {
    /// Packs another weight `[output, input]` in the memory of the last.
    pub fn repack(&mut self, weight: &[f32]) {
        let len = self.weight.depth() * self.weight.columns();
        assert_eq!(weight.len(), len, "weight of a linear layer [{}, {}]", self.weight.columns(), self.weight.depth());
        repack_by_output(&mut self.weight, 1, weight);
    }

    /// Computes `rows` rows of the output, on all threads of the current pool; the stages hold all of them.
    pub fn run_batch(
        &self,
        input: Rows<'_>,
        rows: usize,
        output: RowsMut<'_>,
        stages: Vec<Stage<'_>>,
        scratch: &mut TrainingScratch,
    ) {
        split_rows(rows, output, stages, scratch, &|range, output, stages, scratch| {
            self.run(input, range, output, stages, scratch);
        });
    }
}

/// Packs the weight `[columns, rows, kernel]` of which the matrix has all rows and all `taps` taps.
fn repack_by_output(matrix: &mut PackedMatrix, taps: usize, weight: &[f32]) {
    let lanes = TileShape::of(matrix.isa()).lanes;
    let layout = Layout { lanes, vectors: 2, taps, rows: matrix.depth() / taps, columns: matrix.columns() };
    layout.pack_by_output(weight, matrix.values_mut());
}
