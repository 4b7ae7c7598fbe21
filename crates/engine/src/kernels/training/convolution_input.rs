//! The input gradient of a convolution: the transposed convolution of the output's gradient.
//!
//! `dX[i] = sum over taps k with (i + before - k * dilation) divisible by stride of dY[(i + before - k * dilation) / stride] * W[k]`
//! on each axis. Which taps take part depends on `(i + before) mod stride` alone: the input's pixels fall into phases, and each
//! phase is a convolution of stride 1 over the output's maps with the taps of that phase, last tap first. No product with an
//! inserted zero is ever formed.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::TrainingScratch;
use super::convolution_layout::Layout;
use super::scratch::{Shared, Worker};
use super::split_rows::split_rows;
use crate::kernels::bands::convolve;
use crate::kernels::gather::Patches;
use crate::kernels::gemm_tiles::TileShape;
use crate::kernels::matmul::{Destination, multiply};
use crate::kernels::{Isa, PackedMatrix, Rows, RowsMut, Scratch, Stage, Window};

/// Pixels of a phase that are computed together.
const BLOCK: usize = 224;

/// The pixels `first, first + stride, ..` of one axis, and how they read the output's gradient.
#[derive(Debug, Clone)]
pub(in crate::kernels) struct PhaseAxis {
    pub first: usize,
    pub count: usize,
    /// Taps in the order in which they read.
    pub taps: Vec<usize>,
    /// Distance of the positions that two taps read.
    pub dilation: usize,
    /// Position that the first tap reads for the first pixel.
    pub start: isize,
}

/// The phases of one axis that have pixels.
pub(in crate::kernels) fn phase_axes(window: &Window, axis: usize) -> Vec<PhaseAxis> {
    let (stride, dilation, before) = (window.stride[axis], window.dilation[axis], window.before[axis]);
    let phase = |residue: usize| {
        let first = (residue + stride - before % stride) % stride;
        let count = window.input[axis].checked_sub(first)?.div_ceil(stride);
        let taps: Vec<usize> =
            (0..window.kernel[axis]).rev().filter(|tap| tap * dilation % stride == residue).collect();
        let distance = taps.windows(2).next().map_or(1, |pair| (pair[0] - pair[1]) * dilation / stride);
        let last = taps.first().map_or(0, |tap| tap * dilation);
        // Divisible: `first + before` and `last` have the same residue.
        let start = ((first + before) as isize - last as isize) / stride as isize;
        (count > 0).then_some(PhaseAxis { first, count, taps, dilation: distance, start })
    };
    (0..stride).filter_map(phase).collect()
}

/// The convolution of stride 1 over the output's maps that a phase is.
pub(in crate::kernels) fn phase_window(window: &Window, [y, x]: [&PhaseAxis; 2]) -> Window {
    // A start after the first position is a negative padding; kernels take the field's two's complement.
    Window {
        input: window.output,
        output: [y.count, x.count],
        kernel: [y.taps.len(), x.taps.len()],
        stride: [1, 1],
        before: [y.start.wrapping_neg() as usize, x.start.wrapping_neg() as usize],
        after: [0, 0],
        dilation: [y.dilation, x.dilation],
    }
}

/// The taps of a phase as places in the kernel, in the order in which they read.
pub(in crate::kernels) fn phase_taps(window: &Window, [y, x]: [&PhaseAxis; 2]) -> Vec<usize> {
    y.taps.iter().flat_map(|ky| x.taps.iter().map(move |kx| ky * window.kernel[1] + kx)).collect()
}

/// Computes input gradients of one shape.
#[derive(Debug, Clone)]
pub(super) struct InputGradient {
    window: Window,
    input: usize,
    output: usize,
    groups: usize,
    phases: Vec<Phase>,
}

#[derive(Debug, Clone)]
struct Phase {
    first: [usize; 2],
    window: Window,
    taps: Vec<usize>,
    /// One matrix `[taps * output channels, input channels]` per group.
    matrices: Vec<PackedMatrix>,
}

impl InputGradient {
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        let (rows, columns) = (phase_axes(&window, 0), phase_axes(&window, 1));
        let phase = |axes: [&PhaseAxis; 2]| {
            let taps = phase_taps(&window, axes);
            let matrix = PackedMatrix::new(isa, taps.len() * output / groups, input / groups, |_, _| 0.0);
            let first = axes.map(|axis| axis.first);
            Phase { first, window: phase_window(&window, axes), taps, matrices: vec![matrix; groups] }
        };
        let phases = rows.iter().flat_map(|y| columns.iter().map(move |x| [y, x])).map(phase).collect();
        Self { window, input, output, groups, phases }
    }

    /// Packs the weight `[output, input / groups, height, width]`.
    pub fn pack(&mut self, weight: &[f32]) {
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        let (rows, columns) = (self.output / self.groups, self.input / self.groups);
        assert_eq!(weight.len(), self.output * columns * kernel, "weight of {:?}", self.window);
        for phase in &mut self.phases {
            for (matrix, weight) in phase.matrices.iter_mut().zip(weight.chunks_exact((rows * columns * kernel).max(1)))
            {
                let lanes = TileShape::of(matrix.isa()).lanes;
                let layout = Layout { lanes, vectors: 2, taps: phase.taps.len(), rows, columns };
                layout.pack_by_input(weight, kernel, &phase.taps, matrix.values_mut());
            }
        }
    }

    /// Overwrites `to` with the gradient, plus `add`.
    pub fn run(&self, gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &mut TrainingScratch) {
        let images = to.len() / (self.window.input_pixels() * self.input).max(1);
        assert_eq!(to.len(), images * self.window.input_pixels() * self.input, "gradient of {images} images' input");
        assert_eq!(gradient.len(), images * self.window.output_pixels() * self.output, "gradient of {images} images");
        assert!(add.is_none_or(|add| add.len() == to.len()), "a second gradient of another size");
        match self.phases.as_slice() {
            [phase] if self.window.stride == [1, 1] && !phase.taps.is_empty() => {
                self.dense(phase, gradient, to, add, scratch);
            }
            _ => self.phases(images, gradient, to, add, scratch),
        }
    }

    /// Stride 1: all pixels are one phase.
    fn dense(
        &self,
        phase: &Phase,
        gradient: &[f32],
        to: &mut [f32],
        add: Option<&[f32]>,
        scratch: &mut TrainingScratch,
    ) {
        let rows = to.len() / self.input.max(1);
        let stages = add.map(|add| Stage::Add(Rows::new(add, self.input))).into_iter().collect();
        split_rows(rows, RowsMut::new(to, self.input), stages, scratch, &|range, output, stages, scratch| {
            self.multiply(phase, gradient, range, output, stages, scratch);
        });
    }

    /// Some pixels of a phase, counted over the batch.
    fn multiply(
        &self,
        phase: &Phase,
        gradient: &[f32],
        range: Range<usize>,
        output: RowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        if let ([matrix], true) = (phase.matrices.as_slice(), self.window.is_pointwise()) {
            let source = Rows::new(gradient, self.output);
            return multiply(&source, range, matrix.view(), Destination { output, column: 0, stages }, scratch);
        }
        let (count, width) = (self.output / self.groups, self.input / self.groups);
        for (group, matrix) in phase.matrices.iter().enumerate() {
            let first = group * count;
            let source = Patches { input: gradient, channels: self.output, window: &phase.window, first, count };
            let output = RowsMut::new(&mut *output.values, output.stride);
            let destination = Destination { output, column: group * width, stages };
            convolve(&source, range.clone(), matrix.view(), destination, scratch);
        }
    }

    /// Larger strides: phase by phase, some pixels at a time, each moved to its place.
    fn phases(
        &self,
        images: usize,
        gradient: &[f32],
        to: &mut [f32],
        add: Option<&[f32]>,
        scratch: &mut TrainingScratch,
    ) {
        let ranges = |phase: &'_ Phase| {
            let rows = images * phase.window.output_pixels();
            (0..rows).step_by(BLOCK).map(move |start| start..rows.min(start + BLOCK))
        };
        let tasks: Vec<_> =
            self.phases.iter().flat_map(|phase| ranges(phase).map(move |range| (phase, range))).collect();
        let target = Shared(to.as_mut_ptr());
        tasks.par_iter().with_max_len(1).for_each(|(phase, range)| {
            scratch.lend(|worker| {
                let Worker { kernels, values, .. } = worker;
                values.grow(BLOCK * self.input);
                if phase.taps.is_empty() {
                    values[..range.len() * self.input].fill(0.0);
                } else {
                    let output = RowsMut::new(&mut *values, self.input);
                    self.multiply(phase, gradient, range.clone(), output, &mut [], kernels);
                }
                for (index, pixel) in range.clone().enumerate() {
                    let from = &values[index * self.input..][..self.input];
                    let start = self.place(phase, pixel) * self.input;
                    // SAFETY: the pixel lies in the batch, whose length was checked; it belongs to this phase and range alone.
                    let to = unsafe { std::slice::from_raw_parts_mut(target.at(start), self.input) };
                    match add {
                        Some(add) => {
                            let add = &add[start..start + self.input];
                            to.iter_mut().zip(from).zip(add).for_each(|((to, from), add)| *to = from + add);
                        }
                        None => to.copy_from_slice(from),
                    }
                }
            });
        });
    }

    /// The batch's pixel that is pixel `pixel` of the phase.
    fn place(&self, phase: &Phase, pixel: usize) -> usize {
        let (image, y, x) = phase.window.place(pixel);
        let row = image * self.window.input[0] + phase.first[0] + y * self.window.stride[0];
        row * self.window.input[1] + phase.first[1] + x * self.window.stride[1]
    }
}
