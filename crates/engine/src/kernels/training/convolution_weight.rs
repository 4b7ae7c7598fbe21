//! The weight gradient of a convolution or a linear layer.
//!
//! `dW[n, c, tap] = sum over pixels p of X[p at the tap, c] * dY[p, n]`, for each tap a product of a transposed matrix with a
//! matrix, both read in place. Windows over very few channels are gathered first, so that a register tile has enough rows.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::TrainingScratch;
use super::convolution_layout::Layout;
use super::convolution_weight_steps::{BLOCK, Blocks, Steps};
use super::convolution_weight_tile::{Operands, Step, Tiles};
use super::scratch::Shared;
use crate::Padding;
use crate::kernels::gather::Patches;
use crate::kernels::gemm::{LONGEST_BLOCK, ROW_STRIDE};
use crate::kernels::matmul::{Gather, Scratch};
use crate::kernels::simd::dispatch;
use crate::kernels::{Isa, Window};

/// Chunks of the pixels that are summed apart, at most.
const CHUNKS: usize = 16;
/// Pixels for which it pays to sum a chunk apart.
const CHUNK_PIXELS: usize = 1024;
/// Values of all chunks' sums together, at most (but one chunk may be larger).
const CHUNK_VALUES: usize = 2 << 20;
/// Channels below which windows are gathered.
const FEW_CHANNELS: usize = 8;
/// Rows and columns that a task works on together, so that a block of both operands stays in the second-level cache.
const TASK_ROWS: usize = LONGEST_BLOCK;
const TASK_COLUMNS: usize = 320;
/// Tasks to aim for.
const TASKS: usize = 16;

/// Computes weight gradients of one shape.
#[derive(Debug, Clone)]
pub(super) struct WeightGradient {
    isa: Isa,
    window: Window,
    input: usize,
    output: usize,
    groups: usize,
    /// Whether windows are gathered.
    gathered: bool,
    /// Whether rows are output channels.
    swapped: bool,
    layout: Layout,
    blocks: Blocks,
}

/// What a task sums: everything or a part of the weight, over one chunk of the pixels.
#[derive(Debug, Clone)]
struct Task {
    chunk: usize,
    taps: Range<usize>,
    rows: Range<usize>,
    columns: Range<usize>,
}

/// The operands of one group of channels, whole batch.
#[derive(Clone, Copy)]
struct Pair<'a> {
    input: &'a [f32],
    gradient: &'a [f32],
    images: usize,
    group: usize,
}

impl WeightGradient {
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        let pixel = Window::new([1, 1], [1, 1], [1, 1], Padding::NONE, [1, 1], false);
        let window = pixel.filter(|_| window.is_pointwise()).unwrap_or(window);
        let tiles = Tiles::of(isa);
        let (kernel, channels, width) = (window.kernel[0] * window.kernel[1], input / groups, output / groups);
        let gathered = channels < FEW_CHANNELS && kernel > 1;
        let swapped = !gathered && cost(&tiles, width, channels) < cost(&tiles, channels, width);
        let (taps, rows, columns) = match (gathered, swapped) {
            (true, _) => (1, kernel * channels, width),
            (_, true) => (kernel, width, channels),
            _ => (kernel, channels, width),
        };
        let layout = Layout { lanes: tiles.lanes, taps, rows, columns };
        let blocks = Blocks::new(&window);
        Self { isa, window, input, output, groups, gathered, swapped, layout, blocks }
    }

    /// Values of the weight.
    pub const fn len(&self) -> usize {
        self.output * (self.input / self.groups) * self.window.kernel[0] * self.window.kernel[1]
    }

    /// Overwrites `to`, `[output, input / groups, height, width]`.
    pub fn run(&self, input: &[f32], gradient: &[f32], to: &mut [f32], scratch: &mut TrainingScratch) {
        let images = gradient.len() / (self.window.output_pixels() * self.output).max(1);
        assert_eq!(input.len(), images * self.window.input_pixels() * self.input, "input of {images} images");
        assert_eq!(gradient.len(), images * self.window.output_pixels() * self.output, "gradient of {images} images");
        assert_eq!(to.len(), self.len(), "weight {} -> {} in {} groups", self.input, self.output, self.groups);
        if to.is_empty() || images == 0 {
            return to.fill(0.0);
        }
        let mut steps = std::mem::take(&mut scratch.steps);
        let mut sums = std::mem::take(&mut scratch.sums);
        let chunks = self.chunks(images);
        sums.grow(chunks * self.layout.len());
        let table = self.steps(&mut steps);
        for (group, to) in to.chunks_exact_mut(self.len() / self.groups).enumerate() {
            let pair = Pair { input, gradient, images, group };
            self.sum(pair, chunks, &table, Shared(sums.as_mut_ptr()), scratch);
            self.finish(chunks, &mut sums, to);
        }
        (scratch.steps, scratch.sums) = (steps, sums);
    }

    fn steps<'a>(&self, steps: &'a mut Vec<Step>) -> Steps<'a> {
        if self.gathered {
            steps.clear();
            let step = |pixel: usize| Step { row: (pixel * ROW_STRIDE) as u32, column: (pixel * self.output) as u32 };
            steps.extend((0..BLOCK).map(step));
            return Steps::one_block(steps);
        }
        let pixels = self.blocks.images * self.window.input_pixels().max(self.window.output_pixels());
        assert!(pixels * self.input.max(self.output) <= u32::MAX as usize, "maps of {:?} are too large", self.window);
        Steps::new(&self.window, self.blocks, [self.input, self.output], self.swapped, steps)
    }

    /// Blocks of a batch.
    fn block_count(&self, images: usize) -> usize {
        if self.gathered { (images * self.window.output_pixels()).div_ceil(BLOCK) } else { self.blocks.count(images) }
    }

    /// Chunks of a batch, by shape alone.
    fn chunks(&self, images: usize) -> usize {
        let pixels = images * self.window.output_pixels();
        CHUNKS
            .min(pixels / CHUNK_PIXELS)
            .min(CHUNK_VALUES / self.layout.len().max(1))
            .min(self.block_count(images))
            .max(1)
    }

    /// Cuts the work into parts. How does not change a bit: every sum is in one part, but for the chunks.
    fn tasks(&self, chunks: usize) -> Vec<Task> {
        let Layout { lanes, taps, rows, columns } = self.layout;
        let taps_each = if 2 * chunks >= TASKS { taps } else { 1 };
        let row_parts = rows.div_ceil(TASK_ROWS);
        let others = chunks * (taps / taps_each) * row_parts;
        let mut columns_each = TASK_COLUMNS;
        while others * columns.div_ceil(columns_each) < TASKS / 2 && columns_each > 2 * lanes {
            columns_each = (columns_each / 2).next_multiple_of(2 * lanes);
        }
        let mut tasks = Vec::new();
        for chunk in 0..chunks {
            for tap in (0..taps).step_by(taps_each) {
                for part in 0..row_parts {
                    for column in (0..columns).step_by(columns_each) {
                        tasks.push(Task {
                            chunk,
                            taps: tap..tap + taps_each,
                            rows: part * rows / row_parts..(part + 1) * rows / row_parts,
                            columns: column..columns.min(column + columns_each),
                        });
                    }
                }
            }
        }
        tasks
    }

    /// Sums every chunk of one group.
    fn sum(&self, pair: Pair<'_>, chunks: usize, steps: &Steps<'_>, sums: Shared, scratch: &TrainingScratch) {
        let blocks = self.block_count(pair.images);
        self.tasks(chunks).par_iter().with_max_len(1).for_each(|task| {
            scratch.lend(|worker| {
                let sums = sums.at(task.chunk * self.layout.len());
                let blocks = task.chunk * blocks / chunks..(task.chunk + 1) * blocks / chunks;
                for block in blocks.clone() {
                    let continues = block > blocks.start;
                    if self.gathered {
                        self.gathered_block(pair, task, block, steps, sums, continues, &mut worker.kernels);
                    } else {
                        self.block(pair, task, block, steps, sums, continues);
                    }
                }
            });
        });
    }

    /// Adds the products of a block's pixels.
    fn block(&self, pair: Pair<'_>, task: &Task, block: usize, steps: &Steps<'_>, sums: *mut f32, continues: bool) {
        let (group, band) = (block / self.blocks.bands, block % self.blocks.bands);
        let first = group * self.blocks.images;
        let images = self.blocks.images.min(pair.images - first);
        let input = &pair.input[first * self.window.input_pixels() * self.input..];
        let gradient = &pair.gradient[first * self.window.output_pixels() * self.output..];
        let input = input.as_ptr().wrapping_add(pair.group * (self.input / self.groups));
        let gradient = gradient.as_ptr().wrapping_add(pair.group * (self.output / self.groups));
        let (rows, columns) = if self.swapped { (gradient, input) } else { (input, gradient) };
        for tap in task.taps.clone() {
            let rows = rows.wrapping_add(task.rows.start);
            // SAFETY: the steps are those of whole maps of this window, of which the slices hold `images` from `first` on, and
            // rows and columns are channels of the group.
            unsafe { self.product(task, tap, rows, columns, steps.of(tap, band, images), sums, continues) };
        }
    }

    /// As [`Self::block`], with the pixels' windows gathered first.
    fn gathered_block(
        &self,
        pair: Pair<'_>,
        task: &Task,
        block: usize,
        steps: &Steps<'_>,
        sums: *mut f32,
        continues: bool,
        scratch: &mut Scratch,
    ) {
        let pixels = pair.images * self.window.output_pixels();
        let range = block * BLOCK..pixels.min((block + 1) * BLOCK);
        let (count, width) = (self.input / self.groups, self.output / self.groups);
        let (channels, first) = (self.input, pair.group * count);
        let source = Patches { input: pair.input, channels, window: &self.window, first, count };
        scratch.rows.grow(BLOCK * ROW_STRIDE);
        dispatch(self.isa, Gather(&source, range.clone(), task.rows.clone(), &mut scratch.rows));
        let columns = pair.gradient[range.start * self.output..].as_ptr().wrapping_add(pair.group * width);
        let steps = &steps.of(0, 0, 1)[..range.len()];
        // SAFETY: as many rows were gathered as there are steps; the gradient holds these pixels, and the columns are channels of
        // the group.
        unsafe { self.product(task, 0, scratch.rows.as_ptr(), columns, steps, sums, continues) };
    }

    /// The sums of one tap over some pixels.
    ///
    /// # Safety
    /// For every step, `rows` holds the values of the task's rows and `columns` those of all columns; `sums` is writable for the
    /// whole layout, initialised where `continues`, and no other thread touches the task's part.
    unsafe fn product(
        &self,
        task: &Task,
        tap: usize,
        rows: *const f32,
        columns: *const f32,
        steps: &[Step],
        sums: *mut f32,
        continues: bool,
    ) {
        let (layout, tiles) = (&self.layout, Tiles::of(self.isa));
        for column in task.columns.clone().step_by(2 * layout.lanes) {
            let width = layout.width(column);
            let held = (layout.columns - column).min(width);
            let last = held + layout.lanes - width;
            let parts = task.rows.len().div_ceil(tiles.rows(width));
            for part in 0..parts {
                let start = part * task.rows.len() / parts;
                let end = (part + 1) * task.rows.len() / parts;
                let operands = Operands {
                    rows: rows.wrapping_add(start),
                    columns: columns.wrapping_add(column),
                    steps: steps.as_ptr(),
                    count: steps.len(),
                    last,
                    sums: sums.wrapping_add(layout.offset(column, tap, task.rows.start + start)),
                    continues,
                };
                // SAFETY: as the caller promises; a tile's sums are contiguous in the layout.
                unsafe { tiles.kernel(end - start, width, held == width)(operands) };
            }
        }
    }

    /// Adds the chunks in order and moves the sums to the checkpoint's layout.
    fn finish(&self, chunks: usize, sums: &mut [f32], to: &mut [f32]) {
        let len = self.layout.len();
        let (first, others) = sums[..chunks * len].split_at_mut(len);
        if chunks > 1 {
            const PIECE: usize = 4096;
            first.par_chunks_mut(PIECE).enumerate().for_each(|(index, piece)| {
                for chunk in others.chunks_exact(len) {
                    let values = &chunk[index * PIECE..][..piece.len()];
                    piece.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            });
        }
        let kernel = self.window.kernel[0] * self.window.kernel[1];
        if self.swapped {
            self.layout.unpack_by_input(first, to);
        } else {
            let layout = Layout { taps: kernel, rows: self.input / self.groups, ..self.layout };
            layout.unpack_by_output(first, to);
        }
    }
}

/// About how many half cycles a pixel's products take: as many multiply-adds or loads, and the latency of a chain.
fn cost(tiles: &Tiles, rows: usize, columns: usize) -> usize {
    const LATENCY: usize = 8;
    let vectors = columns.div_ceil(tiles.lanes);
    let panel = |vectors: usize| {
        let parts = rows.div_ceil(tiles.rows(vectors * tiles.lanes)).max(1);
        let each = rows.div_ceil(parts);
        parts * (each * vectors).max(each + vectors).max(LATENCY)
    };
    vectors / 2 * panel(2) + vectors % 2 * panel(1)
}
