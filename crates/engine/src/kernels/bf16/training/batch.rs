//! Convolutions of whole batches, split over the threads of the current pool.

use crate::kernels::bf16::{Bf16Convolution, Stored};
use crate::kernels::training::{TrainingScratch, split_rows};
use crate::kernels::{RowsMut, Stage};

/// Maps of one pixel that are worth a task of their own are multiples of this.
const PIXELS: usize = 128;

impl Bf16Convolution {
    /// Computes the output of a whole batch, on all threads of the current pool; the stages hold all its rows.
    pub(super) fn run_batch(
        &self,
        input: &[f32],
        output: RowsMut<'_>,
        stages: Vec<Stage<'_>>,
        scratch: &TrainingScratch,
    ) {
        let window = self.window();
        let (images, pixels) = (window.images(input.len(), self.input()), window.output_pixels());
        let step = window.input_pixels() * self.input();
        let block = if pixels == 1 { PIXELS } else { pixels };
        split_rows(images * pixels, block, output, stages, scratch, &|range, output, stages, scratch| {
            let input = &input[range.start / pixels * step..range.end / pixels * step];
            self.run(Stored::F32(input), output.into(), stages, scratch);
        });
    }
}
