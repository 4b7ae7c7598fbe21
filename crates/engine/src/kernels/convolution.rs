//! Convolutions as products of gathered patches with packed weights, dense or in groups; depthwise ones go to their own kernel.

use std::ops::Range;

use super::bands::convolve;
use super::gather::Patches;
use super::matmul::{Destination, multiply};
use super::{Depthwise, Isa, PackedMatrix, Rows, RowsMut, Scratch, Stage, Window};

/// A convolution over maps of one size, with packed weights; a bias is a [`Stage`].
#[derive(Debug, Clone)]
pub struct Convolution {
    pub(super) window: Window,
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) weights: Weights,
}

#[derive(Debug, Clone)]
pub(super) enum Weights {
    /// One matrix per group.
    Groups(Vec<PackedMatrix>),
    Depthwise(Depthwise),
}

impl Convolution {
    /// Packs the weight `[output, input / groups, height, width]`. `groups` divides both numbers of channels.
    #[must_use]
    pub fn new(isa: Isa, window: Window, weight: &[f32], output: usize, input: usize, groups: usize) -> Self {
        assert!(
            groups > 0 && input.is_multiple_of(groups) && output.is_multiple_of(groups),
            "{input} -> {output} channels in {groups} groups"
        );
        let (group_input, group_output) = (input / groups, output / groups);
        let len = group_output * group_input * window.kernel[0] * window.kernel[1];
        assert_eq!(
            weight.len(),
            groups * len,
            "weight of a convolution {input} -> {output} in {groups} groups, {window:?}"
        );
        let weights = if groups > 1 && group_input == 1 && group_output == 1 {
            Weights::Depthwise(Depthwise::new(isa, window, weight, input))
        } else {
            let pack =
                |group: &[f32]| PackedMatrix::from_convolution(isa, group, group_output, group_input, window.kernel);
            Weights::Groups(weight.chunks_exact(len.max(1)).map(pack).collect())
        };
        Self { window, input, output, weights }
    }

    /// The window.
    #[must_use]
    pub const fn window(&self) -> &Window {
        &self.window
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Groups(groups) => groups.iter().map(PackedMatrix::bytes).sum(),
            Weights::Depthwise(depthwise) => depthwise.bytes(),
        }
    }

    /// Computes output pixels `rows`, counted over the batch. `input` is the whole batch, NHWC; `output` and the stages hold the
    /// rows of the range.
    pub fn run(
        &self,
        input: &[f32],
        rows: Range<usize>,
        output: RowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        let groups = match &self.weights {
            Weights::Depthwise(depthwise) => return depthwise.run(input, rows, output, stages),
            Weights::Groups(groups) => groups,
        };
        let images = self.window.images(input.len(), self.input);
        assert!(
            rows.end <= images * self.window.output_pixels(),
            "rows {rows:?} of {images} images, {:?}",
            self.window
        );
        if let ([weight], true) = (groups.as_slice(), self.window.is_pointwise()) {
            let source = Rows::new(input, self.input);
            return multiply(&source, rows, weight.view(), Destination { output, column: 0, stages }, scratch);
        }
        let (count, width) = (self.input / groups.len(), self.output / groups.len());
        for (group, weight) in groups.iter().enumerate() {
            let source = Patches { input, channels: self.input, window: &self.window, first: group * count, count };
            let output = RowsMut::new(&mut *output.values, output.stride);
            convolve(
                &source,
                rows.clone(),
                weight.view(),
                Destination { output, column: group * width, stages },
                scratch,
            );
        }
    }
}
