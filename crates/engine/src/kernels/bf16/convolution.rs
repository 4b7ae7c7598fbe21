//! Convolutions in bf16, dense or in groups; depthwise ones stay in `f32`, where memory is the limit and not the sums.

use super::linear::{ChannelSource, channel_rows};
use super::maps::{ChannelRows, Maps};
use super::matrix::TileMatrix;
use super::product::{Positions, Product};
use super::rounding::{round_into, rounded};
use super::stored::{Stored, StoredRowsMut};
use super::tile::{DEPTH, Run};
use crate::kernels::rows::check_rows;
use crate::kernels::{Convolution, Isa, Scratch, Stage, Window};

/// Bytes of several images' copies that are multiplied with a panel before the next.
const TOGETHER: usize = 1024 * 1024;

/// A convolution over maps of one size, with packed weights; a bias is a [`Stage`].
#[derive(Debug, Clone)]
pub struct Bf16Convolution {
    isa: Isa,
    window: Window,
    input: usize,
    output: usize,
    weights: Weights,
}

#[derive(Debug, Clone)]
enum Weights {
    /// A window of one pixel: channels first, layout and matrix of every group.
    Pixels(Vec<(ChannelRows, TileMatrix)>),
    Maps(Vec<(Maps, TileMatrix)>),
    Rounded(Box<Convolution>),
}

impl Bf16Convolution {
    /// Packs the weight `[output, input / groups, height, width]`. `groups` divides both numbers of channels.
    #[must_use]
    pub fn new(isa: Isa, window: Window, weight: &[f32], output: usize, input: usize, groups: usize) -> Self {
        let weights = if isa.has_tiles() {
            tiles(&window, weight, output, input, groups)
        } else {
            let weight: Vec<f32> = weight.iter().map(|value| rounded(*value)).collect();
            Weights::Rounded(Box::new(Convolution::new(isa, window, &weight, output, input, groups)))
        };
        Self { isa, window, input, output, weights }
    }

    /// Bytes of the packed weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match &self.weights {
            Weights::Pixels(groups) => groups.iter().map(|(_, matrix)| matrix.bytes()).sum(),
            Weights::Maps(groups) => groups.iter().map(|(_, matrix)| matrix.bytes()).sum(),
            Weights::Rounded(convolution) => convolution.bytes(),
        }
    }

    /// The packed weights of each group, where they are tiles.
    pub(super) fn matrices_mut(&mut self) -> impl Iterator<Item = &mut TileMatrix> {
        let (pixels, maps) = match &mut self.weights {
            Weights::Pixels(groups) => (Some(groups), None),
            Weights::Maps(groups) => (None, Some(groups)),
            Weights::Rounded(_) => (None, None),
        };
        let pixels = pixels.into_iter().flatten().map(|(_, matrix)| matrix);
        pixels.chain(maps.into_iter().flatten().map(|(_, matrix)| matrix))
    }

    /// The convolution of rounded operands, where there are no tiles.
    pub(super) fn rounded_mut(&mut self) -> Option<&mut Convolution> {
        if let Weights::Rounded(convolution) = &mut self.weights { Some(convolution) } else { None }
    }

    /// The window it is for.
    pub(super) const fn window(&self) -> &Window {
        &self.window
    }

    /// Channels of a pixel of the output.
    pub(super) const fn output(&self) -> usize {
        self.output
    }

    /// Channels of a pixel of the input.
    pub(super) const fn input(&self) -> usize {
        self.input
    }

    /// Computes all output pixels of the batch `input`, NHWC.
    pub fn run(
        &self,
        input: Stored<'_>,
        mut output: StoredRowsMut<'_>,
        stages: &mut [Stage<'_>],
        scratch: &mut Scratch,
    ) {
        let images = self.window.images(input.len(), self.input);
        let rows = images * self.window.output_pixels();
        match &self.weights {
            Weights::Pixels(groups) => {
                let width = self.output / groups.len();
                for (group, (layout, matrix)) in groups.iter().enumerate() {
                    let first = group * layout.count;
                    let starts = (0..rows).map(|row| self.pixel(row) * self.input + first);
                    let contiguous = groups.len() == 1 && self.window.stride == [1, 1];
                    let from = ChannelSource { input, starts, contiguous };
                    let columns = group * width..(group + 1) * width;
                    let output = (output.reborrow(), &mut *stages);
                    channel_rows(self.isa, layout, from, matrix, output, columns, scratch);
                }
            }
            Weights::Maps(groups) => {
                for (group, (maps, matrix)) in groups.iter().enumerate() {
                    let first = group * self.output / groups.len();
                    let product = Product::new(self.isa, output.reborrow(), stages, rows, first + matrix.columns);
                    self.maps((maps, matrix), first, input, product, scratch);
                }
            }
            Weights::Rounded(convolution) => {
                let (input, output) = (input.f32(), output.f32());
                check_rows(output.values.len(), output.stride, rows, self.output);
                let mut copy = std::mem::take(&mut scratch.rounded);
                copy.grow(input.len());
                round_into(input, &mut copy);
                convolution.run(&copy[..input.len()], 0..rows, output, stages, scratch);
                scratch.rounded = copy;
            }
        }
    }

    /// The input pixel, counted over the batch, of an output pixel of a window of one pixel.
    fn pixel(&self, row: usize) -> usize {
        if self.window.stride == [1, 1] {
            return row;
        }
        let (image, y, x) = self.window.place(row);
        (image * self.window.input[0] + y * self.window.stride[0]) * self.window.input[1] + x * self.window.stride[1]
    }

    /// One group of channels: bands of large maps one by one, small maps several together.
    fn maps(
        &self,
        (maps, matrix): (&Maps, &TileMatrix),
        first: usize,
        input: Stored<'_>,
        mut product: Product<'_, '_>,
        scratch: &mut Scratch,
    ) {
        let [height, width] = self.window.output;
        let image_len = self.window.input_pixels() * self.input;
        let bands: Vec<(usize, usize)> = (0..self.window.images(input.len(), self.input))
            .flat_map(|image| (0..height).step_by(maps.height).map(move |y| (image, y)))
            .collect();
        let region = maps.halves(maps.height).next_multiple_of(DEPTH);
        let together = (TOGETHER / (2 * region)).max(1);
        scratch.rows.grow((region * together.min(bands.len())).div_ceil(2));
        for bands in bands.chunks(together) {
            for (at, &(image, y)) in bands.iter().enumerate() {
                let pixels = input.from(image * image_len);
                let to = &mut scratch.rows.halves_mut()[at * region..][..region];
                maps.copy(self.isa, pixels, y..height.min(y + maps.height), to);
            }
            let copies = scratch.rows.halves();
            let runs: Vec<Vec<Run>> = bands.iter().map(|&(_, y)| maps.runs(maps.height.min(height - y))).collect();
            let positions = |at: usize| Positions {
                copy: &copies[at * region..][..region],
                step: maps.step(),
                runs: &runs[at],
                width: maps.width(),
                valid: width,
                height: maps.height.min(height - bands[at].1),
                row: (bands[at].0 * height + bands[at].1) * width,
            };
            for panel in matrix.panels() {
                (0..bands.len()).for_each(|at| product.panel(&positions(at), panel, first));
            }
        }
    }
}

fn tiles(window: &Window, weight: &[f32], output: usize, input: usize, groups: usize) -> Weights {
    assert!(
        groups > 0 && input.is_multiple_of(groups) && output.is_multiple_of(groups),
        "{input} -> {output} channels in {groups} groups"
    );
    let (count, columns) = (input / groups, output / groups);
    let taps = window.kernel[0] * window.kernel[1];
    assert_eq!(weight.len(), output * count * taps, "weight of a convolution {input} -> {output}, {window:?}");
    let group = |group: usize| &weight[group * columns * count * taps..][..columns * count * taps];
    let everywhere = window.stride != [1, 1] || window.input == window.output;
    if taps == 1 && everywhere && window.before == [0, 0] && window.after == [0, 0] {
        let packed = (0..groups).map(|at| {
            let matrix = TileMatrix::new(&[count], columns, group(at), |k| k);
            (ChannelRows::new(count), matrix)
        });
        return Weights::Pixels(packed.collect());
    }
    let runs = Maps::run_lengths(window, count);
    let packed = (0..groups).map(|at| {
        // The depth is ordered (height, width, input) whether a run is one pixel or a row of them.
        let order = |k: usize| k % count * taps + k / count;
        (Maps::new(*window, input, at * count, count), TileMatrix::new(&runs, columns, group(at), order))
    });
    Weights::Maps(packed.collect())
}
