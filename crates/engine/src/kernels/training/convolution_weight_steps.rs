//! Which pixels a weight gradient multiplies: for each tap of the window, the output pixels whose window lies on the map there.

use std::ops::Range;

use super::convolution_weight_tile::Step;
use crate::kernels::Window;

/// Output pixels whose products are summed in registers before the sum goes to memory.
pub(super) const BLOCK: usize = 192;

/// How the pixels of a batch are cut into blocks, by the window alone: some rows of a map, or several small maps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// Maps in a block.
    pub images: usize,
    /// Rows of the output in a block of one map.
    pub rows: usize,
    /// Blocks of a map.
    pub bands: usize,
}

impl Blocks {
    pub fn new(window: &Window) -> Self {
        let [height, width] = window.output;
        let images = (BLOCK / (height * width).max(1)).max(1);
        let bands = if images > 1 { 1 } else { (height * width).div_ceil(BLOCK).clamp(1, height.max(1)) };
        let rows = height.div_ceil(bands).max(1);
        Self { images, rows, bands: height.div_ceil(rows).max(1) }
    }

    /// Blocks of a batch.
    pub const fn count(&self, images: usize) -> usize {
        images.div_ceil(self.images) * self.bands
    }
}

/// The steps of every tap and block, of which all groups of `blocks.images` maps share one list.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    steps: &'a [Step],
    /// Where the steps of tap `t`, band `b` begin: `starts[t * bands + b]`.
    starts: Vec<usize>,
    blocks: Blocks,
}

impl<'a> Steps<'a> {
    /// Lists the steps in `to`. `channels` are those of an input and of an output pixel; the input's values are the rows, the
    /// output's the columns, or the other way round where `swapped`.
    pub fn new(window: &Window, blocks: Blocks, channels: [usize; 2], swapped: bool, to: &'a mut Vec<Step>) -> Self {
        to.clear();
        let mut starts = Vec::new();
        for ky in 0..window.kernel[0] {
            for kx in 0..window.kernel[1] {
                for band in 0..blocks.bands {
                    starts.push(to.len());
                    let rows = band * blocks.rows..((band + 1) * blocks.rows).min(window.output[0]);
                    for image in 0..blocks.images {
                        push_steps(window, image, [ky, kx], rows.clone(), channels, swapped, to);
                    }
                }
            }
        }
        starts.push(to.len());
        Self { steps: to, starts, blocks }
    }

    /// The steps of a tap in a block of `images` maps.
    pub fn of(&self, tap: usize, band: usize, images: usize) -> &'a [Step] {
        let index = tap * self.blocks.bands + band;
        let steps = &self.steps[self.starts[index]..self.starts[index + 1]];
        &steps[..steps.len() / self.blocks.images * images]
    }
}

/// The steps of one tap for some output rows of one map.
fn push_steps(
    window: &Window,
    image: usize,
    tap: [usize; 2],
    rows: Range<usize>,
    channels: [usize; 2],
    swapped: bool,
    to: &mut Vec<Step>,
) {
    let at = |axis: usize, output: usize| {
        (output * window.stride[axis] + tap[axis] * window.dilation[axis]).wrapping_sub(window.before[axis])
    };
    for y in rows {
        let row = at(0, y);
        if row >= window.input[0] {
            continue;
        }
        for x in 0..window.output[1] {
            let column = at(1, x);
            if column < window.input[1] {
                let input = ((image * window.input[0] + row) * window.input[1] + column) * channels[0];
                let output = ((image * window.output[0] + y) * window.output[1] + x) * channels[1];
                let (row, column) = if swapped { (output, input) } else { (input, output) };
                to.push(Step { row: row as u32, column: column as u32 });
            }
        }
    }
}
