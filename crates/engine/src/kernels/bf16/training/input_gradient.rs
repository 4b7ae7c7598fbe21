//! The input gradient of a convolution in tiles: a convolution of stride 1 over the output's gradient for each phase of the input's
//! pixels, as in `f32` (`kernels/training/convolution_input.rs`).

use rayon::prelude::*;

use super::batch::BatchStages;
use super::weights::OrderedWeight;
use crate::kernels::bf16::maps::Maps;
use crate::kernels::bf16::rounding::{convert, widen};
use crate::kernels::bf16::{Bf16Convolution, Stored, StoredMut, StoredRowsMut};
use crate::kernels::training::{TrainingScratch, phase_axes, phase_taps, phase_window, sum_forward};
use crate::kernels::{Isa, RowsMut, Window};

/// Tasks per thread, so that a thread that was held up can leave some to others.
const TASKS_PER_THREAD: usize = 4;

/// Computes input gradients of one shape.
#[derive(Debug, Clone)]
pub(super) struct InputGradient {
    isa: Isa,
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
        Self { isa, window, input, output, groups, phases }
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
    pub fn run(&self, gradient: Stored<'_>, to: StoredMut<'_>, add: Option<Stored<'_>>, scratch: &TrainingScratch) {
        let image = self.window.input_pixels() * self.input;
        let images = to.len() / image.max(1);
        assert_eq!(to.len(), images * image, "gradient of {images} images' input");
        assert_eq!(gradient.len(), images * self.window.output_pixels() * self.output, "gradient of {images} images");
        assert!(add.is_none_or(|add| add.len() == to.len()), "a second gradient of another size");
        if let ([Phase { convolution: Some(convolution), .. }], [1, 1]) = (&self.phases[..], self.window.stride) {
            let stages = BatchStages { add, ..BatchStages::default() };
            return convolution.run_batch(gradient, StoredRowsMut::new(to, self.input), &stages, scratch);
        }
        match (to, add) {
            (StoredMut::F32(to), None) => self.phases::<f32>(gradient, to, None, scratch),
            (StoredMut::F32(to), Some(Stored::F32(add))) => self.phases(gradient, to, Some(add), scratch),
            (StoredMut::Bf16(to), None) => self.phases::<u16>(gradient, to, None, scratch),
            (StoredMut::Bf16(to), Some(Stored::Bf16(add))) => self.phases(gradient, to, Some(add), scratch),
            (to, add) => {
                let mut values = vec![0.0; to.len()];
                self.phases::<f32>(gradient, &mut values, None, scratch);
                sum_forward(self.isa, &values, add, None, to);
            }
        }
    }

    /// Larger strides: some images at a time, phase by phase.
    fn phases<T: Value>(&self, gradient: Stored<'_>, to: &mut [T], add: Option<&[T]>, scratch: &TrainingScratch) {
        let image = self.window.input_pixels() * self.input;
        let together = (to.len() / image.max(1)).div_ceil(TASKS_PER_THREAD * rayon::current_num_threads()).max(1);
        let read = self.window.output_pixels() * self.output;
        to.par_chunks_mut((together * image).max(1)).enumerate().for_each(|(task, to)| {
            let first = task * together;
            let gradient = gradient.part(first * read..(first + to.len() / image) * read);
            let add = add.map(|add| &add[first * image..][..to.len()]);
            self.phases.iter().for_each(|phase| self.phase(phase, gradient, to, add, scratch));
        });
    }

    /// The pixels of one phase of some images, each moved to its place.
    fn phase<T: Value>(
        &self,
        phase: &Phase,
        gradient: Stored<'_>,
        to: &mut [T],
        add: Option<&[T]>,
        scratch: &TrainingScratch,
    ) {
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
                    convolution.run(gradient, output.into(), &mut [], &mut worker.kernels);
                }
                None => values.fill(0.0),
            }
            for (at, from) in values.chunks_exact_mut(row).enumerate() {
                let y = at / height * self.window.input[0] + phase.first[0] + at % height * self.window.stride[0];
                let start = (y * self.window.input[1] + phase.first[1]) * self.input;
                for (x, from) in from.chunks_exact_mut(self.input).enumerate() {
                    let range = start + x * step..start + x * step + self.input;
                    T::write(self.isa, from, add.map(|add| &add[range.clone()]), &mut to[range]);
                }
            }
        });
    }
}

/// How gradients are stored.
trait Value: Copy + Send + Sync {
    /// Writes values plus `add`; what `values` holds afterwards is unspecified.
    fn write(isa: Isa, values: &mut [f32], add: Option<&[Self]>, to: &mut [Self]);
}

impl Value for f32 {
    fn write(_isa: Isa, values: &mut [f32], add: Option<&[Self]>, to: &mut [Self]) {
        match add {
            Some(add) => to.iter_mut().zip(values).zip(add).for_each(|((to, from), add)| *to = *from + add),
            None => to.copy_from_slice(values),
        }
    }
}

impl Value for u16 {
    fn write(isa: Isa, values: &mut [f32], add: Option<&[Self]>, to: &mut [Self]) {
        let add = add.into_iter().flatten();
        values.iter_mut().zip(add).for_each(|(value, add)| *value += widen(*add));
        convert(isa, values, to);
    }
}
