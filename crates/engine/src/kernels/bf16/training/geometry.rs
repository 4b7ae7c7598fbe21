//! Where the values that a weight gradient multiplies lie once they are copied: blocks of positions, planes, shifts.

use std::ops::Range;

use crate::kernels::Window;
use crate::kernels::bf16::maps::{Maps, joined};
use crate::kernels::bf16::tile::{DEPTH, SIDE};

/// Bytes of a block's turned and woven copies to aim for: half of the second-level cache of the processors that have the unit.
const COPIES: usize = 1024 * 1024;
/// Fewest and most positions of a block to aim for: enough for the sums to be worth reading and writing.
const POSITIONS: [usize; 2] = [512, 4096];
/// Blocks to aim for, at least, where each has enough positions.
const BLOCKS: usize = 8;
/// Channels up to which the pixels under a row of the window are rows of one tile.
const FEW_CHANNELS: usize = 8;

/// What is summed together: some images, or some output rows of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    /// First image; where positions are pixels, the first pixel.
    pub first: usize,
    pub images: usize,
    /// First output row, and how many.
    pub row: usize,
    pub height: usize,
    /// Positions from one image to the next.
    pub pitch: usize,
    /// Positions up to the last that is output.
    pub positions: usize,
}

/// How the input of a weight gradient lies once it is turned: for each source the rows of its channels, of `length` positions.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    window: Window,
    channels: usize,
    /// Channels of a group.
    pub count: usize,
    /// Whether positions are pixels of the batch.
    pixels: bool,
    /// Rows of a source: channels, of all pixels under a row of the window where these are few.
    pub width: usize,
    /// Positions of a row, with what tiles read beyond a block.
    pub length: usize,
    /// Plane and column of its first pixel.
    pub sources: Vec<[usize; 2]>,
    /// Taps that are summed apart.
    pub taps: usize,
    /// Where each tile of rows begins.
    pub tiles: Vec<usize>,
    /// For each value `[input, height, width]` of an output channel's weight its row among the rows of all tiles.
    pub places: Vec<usize>,
    /// Output rows, and images, of a block.
    height: usize,
    images: usize,
    /// Pixels of a block where positions are pixels.
    block: usize,
}

impl Geometry {
    pub fn new(window: Window, channels: usize, output: usize, groups: usize) -> Self {
        let count = channels / groups;
        let pixels = window.is_pointwise();
        let row_at_once = joined(&window) && window.kernel[1] > 1 && count <= FEW_CHANNELS;
        let columns = if row_at_once { 1 } else { window.kernel[1] };
        let width = count * window.kernel[1] / columns;
        let Window { stride, dilation, kernel, .. } = window;
        // Plane, column and shift of each tap; taps of the same plane and column share a source.
        let taps: Vec<[usize; 4]> = (0..kernel[0])
            .flat_map(|y| (0..columns).map(move |x| [y * dilation[0], x * dilation[1]]))
            .map(|[y, x]| [y % stride[0], x % stride[1], y / stride[0], x / stride[1]])
            .collect();
        let mut sources: Vec<[usize; 2]> = taps.iter().map(|tap| [tap[0], tap[1]]).collect();
        sources.sort_unstable();
        sources.dedup();
        let halves = sources.len() * width.next_multiple_of(SIDE) + (output / groups).next_multiple_of(SIDE);
        let aim = (COPIES / (2 * halves.max(1))).clamp(POSITIONS[0], POSITIONS[1]);
        let whole = Maps::whole(window, channels, 0, count);
        let pitch = whole.plane(window.output[0]) / stride[1];
        let bands = pitch.div_ceil(aim).clamp(1, window.output[0]);
        let height = window.output[0].div_ceil(bands);
        let images = if bands == 1 { (aim / pitch.max(1)).max(1) } else { 1 };
        let shift = |tap: &[usize; 4]| tap[2] * whole.width() + tap[3];
        let furthest = taps.iter().map(shift).max().unwrap_or(0);
        let positions = if pixels { aim.next_multiple_of(DEPTH) } else { images * whole.plane(height) / stride[1] };
        // An odd number of lines, so that rows spread over the sets of the caches.
        let length = ((positions + furthest).next_multiple_of(DEPTH) + DEPTH) / DEPTH / 2 * 2 * DEPTH + DEPTH;
        let tiles_each = width.div_ceil(SIDE);
        let source = |tap: &[usize; 4]| sources.iter().position(|source| *source == [tap[0], tap[1]]).unwrap_or(0);
        // All taps of some channels before the next, so that the rows they share stay in the first-level cache.
        let tile = |(at, tap): (usize, &[usize; 4])| (source(tap) * tiles_each + at) * SIDE * length + shift(tap);
        let tiles = (0..tiles_each).flat_map(|at| taps.iter().map(move |tap| (at, tap))).map(tile).collect();
        let place = |c: usize, y: usize, x: usize| {
            let (tap, row) = if row_at_once { (y, x * count + c) } else { (y * columns + x, c) };
            (row / SIDE * taps.len() + tap) * SIDE + row % SIDE
        };
        let places = (0..count * kernel[0] * kernel[1])
            .map(|at| place(at / (kernel[0] * kernel[1]), at / kernel[1] % kernel[0], at % kernel[1]))
            .collect();
        Self {
            window,
            channels,
            count,
            pixels,
            width,
            length,
            sources,
            taps: taps.len(),
            tiles,
            places,
            height,
            images,
            block: aim,
        }
    }

    /// The copies of maps, from channel `first` on; none where positions are pixels.
    pub fn maps(&self, first: usize) -> Option<Maps> {
        (!self.pixels).then(|| Maps::whole(self.window, self.channels, first, self.count))
    }

    /// The blocks of a batch.
    pub fn blocks(&self, images: usize) -> Vec<Block> {
        if self.pixels {
            let pixels = images * self.window.output_pixels();
            let each = self.block.min(pixels.div_ceil(BLOCKS).max(POSITIONS[0]));
            let each = pixels.div_ceil(pixels.div_ceil(each)).next_multiple_of(DEPTH);
            let block = |first: usize| {
                let positions = each.min(pixels - first);
                Block { first, images: 1, row: 0, height: 1, pitch: positions, positions }
            };
            return (0..pixels).step_by(each).map(block).collect();
        }
        let maps = Maps::whole(self.window, self.channels, 0, self.count);
        let [height, width] = self.window.output;
        let together = self.images.min(images.div_ceil(BLOCKS)).max(1);
        let block = |first: usize, row: usize| {
            let (images, height) = (together.min(images - first), self.height.min(height - row));
            let pitch = maps.plane(height) / self.window.stride[1];
            let positions = (images - 1) * pitch + (height - 1) * maps.width() + width;
            Block { first, images, row, height, pitch, positions }
        };
        let rows = |first: usize| (0..height).step_by(self.height).map(move |row| block(first, row));
        (0..images).step_by(together).flat_map(rows).collect()
    }

    /// The output's pixels of a block, counted over the batch, and which of them is at each position, up to `len` positions.
    pub fn outputs(&self, block: &Block, len: usize) -> (Range<usize>, Vec<Option<usize>>) {
        let mut pixels = vec![None; len];
        if self.pixels {
            let there = pixels.iter_mut().take(block.positions).enumerate();
            there.for_each(|(at, pixel)| *pixel = Some(block.first + at));
            return (block.first..block.first + block.positions, pixels);
        }
        let [height, width] = self.window.output;
        let row_len = Maps::whole(self.window, self.channels, 0, self.count).width();
        let place = |image: usize, y: usize| ((block.first + image) * height + block.row + y) * width;
        for image in 0..block.images {
            for y in 0..block.height {
                let row = pixels[image * block.pitch + y * row_len..].iter_mut().take(width);
                row.enumerate().for_each(|(x, pixel)| *pixel = Some(place(image, y) + x));
            }
        }
        (place(0, 0)..place(block.images - 1, block.height - 1) + width, pixels)
    }
}
