//! The input gradient of a convolution in tiles: a convolution of stride 1 over the output's gradient for each phase of the input's
//! pixels, as in `f32` (`kernels/training/convolution_input.rs`).

use rayon::prelude::*;

use super::weights::OrderedWeight;
use crate::kernels::bf16::maps::Maps;
use crate::kernels::bf16::{Bf16Convolution, Stored};
use crate::kernels::training::{TrainingScratch, phase_axes, phase_taps, phase_window};
use crate::kernels::{Isa, Rows, RowsMut, Stage, Window};

/// Tasks per thread, so that a thread that was held up can leave some to others.
const TASKS_PER_THREAD: usize = 4;

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
    /// Nothing for a phase that no tap reaches.
    convolution: Option<Bf16Convolution>,
}

impl InputGradient {
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        let (rows, columns) = (phase_axes(&window, 0), phase_axes(&window, 1));
        let phase = |[y, x]: [usize; 2]| {
            let axes = [&rows[y], &columns[x]];
            let (taps, phase_window) = (phase_taps(&window, axes), phase_window(&window, axes));
            let weight = vec![0.0; input * (output / groups) * taps.len()];
            let convolution =
                (!taps.is_empty()).then(|| Bf16Convolution::new(isa, phase_window, &weight, input, output, groups));
            Phase { first: axes.map(|axis| axis.first), window: phase_window, taps, convolution }
        };
        let phases = (0..rows.len()).flat_map(|y| (0..columns.len()).map(move |x| [y, x])).map(phase).collect();
        Self { window, input, output, groups, phases }
    }

    pub fn pack(&mut self, weight: &OrderedWeight) {
        let output = self.output / self.groups;
        for Phase { window, taps, convolution, .. } in &mut self.phases {
            let runs = Maps::run_lengths(window, output);
            let matrices = convolution.iter_mut().flat_map(Bf16Convolution::matrices_mut);
            matrices.enumerate().for_each(|(group, matrix)| weight.pack_backward(group, taps, &runs, matrix));
        }
    }

    /// Overwrites `to` with the gradient, plus `add`.
    pub fn run(&self, gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &TrainingScratch) {
        let image = self.window.input_pixels() * self.input;
        let images = to.len() / image.max(1);
        assert_eq!(to.len(), images * image, "gradient of {images} images' input");
        assert_eq!(gradient.len(), images * self.window.output_pixels() * self.output, "gradient of {images} images");
        assert!(add.is_none_or(|add| add.len() == to.len()), "a second gradient of another size");
        if let ([Phase { convolution: Some(convolution), .. }], [1, 1]) = (&self.phases[..], self.window.stride) {
            let stages = add.map(|add| Stage::Add(Rows::new(add, self.input))).into_iter().collect();
            return convolution.run_batch(gradient, RowsMut::new(to, self.input), stages, scratch);
        }
        let together = images.div_ceil(TASKS_PER_THREAD * rayon::current_num_threads()).max(1);
        let read = self.window.output_pixels() * self.output;
        to.par_chunks_mut((together * image).max(1)).enumerate().for_each(|(task, to)| {
            let first = task * together;
            let gradient = &gradient[first * read..][..to.len() / image * read];
            let add = add.map(|add| &add[first * image..][..to.len()]);
            self.phases.iter().for_each(|phase| self.phase(phase, gradient, to, add, scratch));
        });
    }

    /// The pixels of one phase of some images, each moved to its place.
    fn phase(&self, phase: &Phase, gradient: &[f32], to: &mut [f32], add: Option<&[f32]>, scratch: &TrainingScratch) {
        let [height, width] = phase.window.output;
        let images = to.len() / (self.window.input_pixels() * self.input);
        let (row, step) = (width * self.input, self.window.stride[1] * self.input);
        scratch.lend(|worker| {
            let [values, ..] = &mut worker.copies;
            values.grow(images * height * row);
            let values = &mut values[..images * height * row];
            match &phase.convolution {
                Some(convolution) => {
                    let output = RowsMut::new(values, self.input);
                    convolution.run(Stored::F32(gradient), output.into(), &mut [], &mut worker.kernels);
                }
                None => values.fill(0.0),
            }
            for (at, from) in values.chunks_exact(row).enumerate() {
                let y = at / height * self.window.input[0] + phase.first[0] + at % height * self.window.stride[0];
                let start = (y * self.window.input[1] + phase.first[1]) * self.input;
                for (x, from) in from.chunks_exact(self.input).enumerate() {
                    let start = start + x * step;
                    let to = &mut to[start..start + self.input];
                    match add {
                        Some(add) => {
                            let add = &add[start..start + self.input];
                            to.iter_mut().zip(from).zip(add).for_each(|((to, from), add)| *to = from + add);
                        }
                        None => to.copy_from_slice(from),
                    }
                }
            }
        });
    }
}
