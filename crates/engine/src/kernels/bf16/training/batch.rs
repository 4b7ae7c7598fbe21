//! Convolutions of whole batches, split over the threads of the current pool.

use std::ops::Range;

use crate::Activation;
use crate::kernels::bf16::{Bf16Convolution, Stored, StoredRowsMut};
use crate::kernels::training::TrainingScratch;
use crate::kernels::{Rows, Stage};

/// Maps of one pixel that are worth a task of their own are multiples of this.
const PIXELS: usize = 128;
/// Tasks per thread, so that a thread that was held up can leave some to others.
const TASKS_PER_THREAD: usize = 4;

/// What follows the sums of a whole batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct BatchStages<'a> {
    /// Added to each channel.
    pub bias: Option<&'a [f32]>,
    /// Added to each value; rows like those of the output.
    pub add: Option<Stored<'a>>,
    /// Applied last.
    pub activation: Option<Activation>,
}

impl<'a> BatchStages<'a> {
    /// For rows `rows` of `channels` channels.
    fn of(&self, rows: Range<usize>, channels: usize) -> Vec<Stage<'a>> {
        let mut stages: Vec<Stage<'a>> = self.bias.into_iter().map(Stage::Bias).collect();
        stages.extend(self.add.map(|add| match add.part(rows.start * channels..rows.end * channels) {
            Stored::F32(values) => Stage::Add(Rows::new(values, channels)),
            Stored::Bf16(values) => Stage::AddBf16 { values, stride: channels },
        }));
        stages.extend(self.activation.map(Stage::Activate));
        stages
    }
}

impl Bf16Convolution {
    /// Computes the output of a whole batch, on all threads of the current pool.
    pub(super) fn run_batch(
        &self,
        input: Stored<'_>,
        output: StoredRowsMut<'_>,
        stages: &BatchStages<'_>,
        scratch: &TrainingScratch,
    ) {
        let window = self.window();
        let (images, pixels) = (window.images(input.len(), self.input()), window.output_pixels());
        let block = if pixels == 1 { PIXELS } else { pixels };
        let (rows, tasks) = (images * pixels, TASKS_PER_THREAD * rayon::current_num_threads());
        let grain = rows.div_ceil(tasks).next_multiple_of(block.max(1));
        self.split(input, 0..rows, grain, output, stages, scratch);
    }

    fn split(
        &self,
        input: Stored<'_>,
        rows: Range<usize>,
        grain: usize,
        output: StoredRowsMut<'_>,
        stages: &BatchStages<'_>,
        scratch: &TrainingScratch,
    ) {
        if rows.len() > grain {
            let middle = rows.start + (rows.len() / 2).next_multiple_of(grain);
            let [first, second] = output.split(middle - rows.start);
            rayon::join(
                || self.split(input, rows.start..middle, grain, first, stages, scratch),
                || self.split(input, middle..rows.end, grain, second, stages, scratch),
            );
            return;
        }
        let (pixels, step) = (self.window().output_pixels(), self.window().input_pixels() * self.input());
        let input = input.part(rows.start / pixels * step..rows.end / pixels * step);
        let mut stages = stages.of(rows, output.stride);
        scratch.lend(|worker| self.run(input, output, &mut stages, &mut worker.kernels));
    }
}
