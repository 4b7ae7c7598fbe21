//! Gradients of depthwise convolutions: one window per channel.

use rayon::prelude::*;

use super::TrainingScratch;
use super::convolution_input::{PhaseAxis, phase_axes, phase_taps, phase_window};
use super::depthwise_weight::{Band, SumImages};
use super::split_rows::split_rows;
use crate::kernels::gemm_tiles::TileShape;
use crate::kernels::simd::dispatch;
use crate::kernels::{Depthwise, Isa, Rows, RowsMut, Stage, Window};

/// Chunks of images that are summed apart, at most.
const CHUNKS: usize = 16;

/// Gradients of a depthwise convolution over maps of one size.
#[derive(Debug, Clone)]
pub(super) struct DepthwiseGradient {
    isa: Isa,
    window: Window,
    channels: usize,
    phases: Vec<Phase>,
}

/// The input's pixels of one residue modulo the stride: a depthwise convolution of stride 1 over the output's maps.
#[derive(Debug, Clone)]
struct Phase {
    first: [usize; 2],
    taps: Vec<usize>,
    operator: Depthwise,
}

impl DepthwiseGradient {
    pub fn new(isa: Isa, window: Window, channels: usize) -> Self {
        let (rows, columns) = (phase_axes(&window, 0), phase_axes(&window, 1));
        let phase = |axes: [&PhaseAxis; 2]| {
            let taps = phase_taps(&window, axes);
            let operator =
                Depthwise::new(isa, phase_window(&window, axes), &vec![0.0; taps.len() * channels], channels);
            Phase { first: axes.map(|axis| axis.first), taps, operator }
        };
        let phases = rows.iter().flat_map(|y| columns.iter().map(move |x| [y, x])).map(phase).collect();
        Self { isa, window, channels, phases }
    }

    /// Packs the weight `[channels, 1, height, width]`.
    pub fn pack(&mut self, weight: &[f32]) {
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        assert_eq!(weight.len(), self.channels * kernel, "weight of {} channels, {:?}", self.channels, self.window);
        for phase in &mut self.phases {
            phase.operator.repack_taps(weight, kernel, &phase.taps);
        }
    }

    /// Images of a batch whose input has `values` values; panics where the gradient holds another number.
    fn images(&self, values: usize, gradient: usize) -> usize {
        let images = gradient / (self.window.output_pixels() * self.channels).max(1);
        assert_eq!(gradient, images * self.window.output_pixels() * self.channels, "gradient of {images} images");
        assert_eq!(values, images * self.window.input_pixels() * self.channels, "input of {images} images");
        images
    }

    /// Overwrites `to` with the input's gradient, plus `add`.
    pub fn input(&self, gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &mut TrainingScratch) {
        let images = self.images(to.len(), gradient.len());
        assert!(add.is_none_or(|add| add.len() == to.len()), "a second gradient of another size");
        let stages = |start: usize, stride: usize| -> Vec<Stage<'_>> {
            add.map(|add| Stage::Add(Rows::new(&add[start..], stride))).into_iter().collect()
        };
        if let ([phase], [1, 1]) = (self.phases.as_slice(), self.window.stride) {
            let rows = images * self.window.input_pixels();
            let output = RowsMut::new(to, self.channels);
            return split_rows(rows, output, stages(0, self.channels), scratch, &|range, output, stages, _| {
                phase.operator.run(gradient, range, output, stages);
            });
        }
        let image_len = self.window.input_pixels() * self.channels;
        to.par_chunks_exact_mut(image_len.max(1)).enumerate().for_each(|(image, to)| {
            for phase in &self.phases {
                self.phase(phase, gradient, image, to, &|start, stride| stages(image * image_len + start, stride));
            }
        });
    }

    /// The pixels of one phase of one image, row by row.
    fn phase<'a>(
        &self,
        phase: &Phase,
        gradient: &[f32],
        image: usize,
        to: &mut [f32],
        stages: &dyn Fn(usize, usize) -> Vec<Stage<'a>>,
    ) {
        let [height, width] = phase.operator.window().output;
        let step = self.window.stride[1] * self.channels;
        for y in 0..height {
            let row = phase.first[0] + y * self.window.stride[0];
            let start = (row * self.window.input[1] + phase.first[1]) * self.channels;
            let first = (image * height + y) * width;
            let output = RowsMut::new(&mut to[start..], step);
            phase.operator.run(gradient, first..first + width, output, &mut stages(start, step));
        }
    }

    /// Overwrites `to`, `[channels, 1, height, width]`, with the weight's gradient.
    pub fn weight(&self, input: &[f32], gradient: &[f32], to: &mut [f32], scratch: &mut TrainingScratch) {
        let images = self.images(input.len(), gradient.len());
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        assert_eq!(to.len(), self.channels * kernel, "weight of {} channels, {:?}", self.channels, self.window);
        let chunks = CHUNKS.min(images).max(1);
        let lanes = TileShape::of(self.isa).lanes;
        let len = kernel * self.channels.next_multiple_of(lanes);
        let mut sums = std::mem::take(&mut scratch.sums);
        sums.grow(chunks * len);
        sums[..chunks * len].par_chunks_exact_mut(len.max(1)).with_max_len(1).enumerate().for_each(|(chunk, sums)| {
            let (first, end) = (chunk * images / chunks, (chunk + 1) * images / chunks);
            let input = &input[first * self.window.input_pixels() * self.channels..];
            let gradient = &gradient[first * self.window.output_pixels() * self.channels..];
            let (window, channels, band) = (&self.window, self.channels, Band::new(&self.window));
            scratch.lend(|worker| {
                let (values, images) = (&mut worker.values, end - first);
                dispatch(self.isa, SumImages { window, band, channels, images, input, gradient, sums, values });
            });
        });
        self.finish(lanes, &sums[..chunks * len], to);
        scratch.sums = sums;
    }

    /// Adds the chunks `[vector of channels, tap, lane]` in order and moves the sums to the checkpoint's layout.
    fn finish(&self, lanes: usize, sums: &[f32], to: &mut [f32]) {
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        let len = kernel * self.channels.next_multiple_of(lanes);
        for (channel, to) in to.chunks_exact_mut(kernel.max(1)).enumerate() {
            for (tap, value) in to.iter_mut().enumerate() {
                let at = (channel / lanes * kernel + tap) * lanes + channel % lanes;
                *value = sums[at..].iter().step_by(len).sum();
            }
        }
    }
}
