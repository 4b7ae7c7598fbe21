//! The weight gradient of a convolution or a linear layer.
//!
//! `dW[n, c, tap] = sum over pixels p of X[p at the tap, c] * dY[p, n]`, for each tap a product of a transposed matrix with a
//! matrix, both read in place. Over few channels a whole row of the window is one tap, so that register tiles have enough
//! rows: its pixels are contiguous, once the map is padded with zeros.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::TrainingScratch;
use super::convolution_layout::Layout;
use super::convolution_weight_steps::{Blocks, Steps};
use super::convolution_weight_tile::{Operands, Step, Tiles};
use super::scratch::Shared;
use crate::Padding;
use crate::kernels::padded::Padded;
use crate::kernels::{AlignedBuffer, Isa, Window};

/// Chunks of the pixels that are summed apart, at most.
const CHUNKS: usize = 16;
/// Pixels for which it pays to sum a chunk apart.
const CHUNK_PIXELS: usize = 1024;
/// Values of all chunks' sums together, at most (but one chunk may be larger).
const CHUNK_VALUES: usize = 2 << 20;
/// Channels up to which a whole row of the window is one tap.
const FEW_CHANNELS: usize = 16;
/// Rows and columns that a task works on together, so that a block of both operands stays in the second-level cache.
const TASK_ROWS: usize = 336;
const TASK_COLUMNS: usize = 320;
/// Rows from which it pays to copy columns together.
const NEAR_ROWS: usize = 64;
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
    /// The window whose taps are summed: [`Self::window`], or its rows over padded maps.
    taps: Window,
    /// Whether maps are padded first.
    padded: bool,
    /// Whether a panel's columns are copied together first: worth it for many rows, of single pixels.
    near: bool,
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
        let (taps, padded) = taps(&window, if groups == 1 { input } else { usize::MAX });
        let channels = input / groups * (window.kernel[1] / taps.kernel[1].max(1));
        let (layout, swapped) = layout(&Tiles::of(isa), taps.kernel[0] * taps.kernel[1], channels, output / groups);
        let blocks = Blocks::new(&window);
        let near = groups == 1 && window.input_pixels() == 1 && window.is_pointwise() && layout.rows >= NEAR_ROWS;
        Self { isa, window, input, output, groups, taps, padded, near, swapped, layout, blocks }
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
        let pixels = self.blocks.images * self.taps.input_pixels().max(self.taps.output_pixels());
        assert!(pixels * self.input.max(self.output) <= u32::MAX as usize, "maps of {:?} are too large", self.window);
        let channels = match (self.near, self.swapped) {
            (false, _) => [self.input, self.output],
            (true, false) => [self.input, self.layout.panel_width()],
            (true, true) => [self.layout.panel_width(), self.output],
        };
        Steps::new(&self.taps, self.blocks, channels, self.swapped, steps)
    }

    /// Chunks of a batch, by shape alone.
    fn chunks(&self, images: usize) -> usize {
        let pixels = images * self.window.output_pixels();
        CHUNKS
            .min(pixels / CHUNK_PIXELS)
            .min(CHUNK_VALUES / self.layout.len().max(1))
            .min(self.blocks.count(images))
            .max(1)
    }

    /// Cuts the work into parts. How does not change a bit: every sum is in one part, but for the chunks.
    fn tasks(&self, chunks: usize) -> Vec<Task> {
        let Layout { taps, rows, columns, .. } = self.layout;
        let panel = self.layout.panel_width();
        let taps_each = if 2 * chunks >= TASKS { taps } else { 1 };
        let row_parts = rows.div_ceil(TASK_ROWS);
        let others = chunks * (taps / taps_each) * row_parts;
        let mut columns_each = TASK_COLUMNS.next_multiple_of(panel);
        while others * columns.div_ceil(columns_each) < TASKS / 2 && columns_each > panel {
            columns_each = (columns_each / 2).next_multiple_of(panel);
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
        let blocks = self.blocks.count(pair.images);
        self.tasks(chunks).par_iter().with_max_len(1).for_each(|task| {
            scratch.lend(|worker| {
                let sums = sums.at(task.chunk * self.layout.len());
                let blocks = task.chunk * blocks / chunks..(task.chunk + 1) * blocks / chunks;
                for block in blocks.clone() {
                    self.block(pair, task, block, steps, sums, block > blocks.start, &mut worker.values);
                }
            });
        });
    }

    /// Adds the products of a block's pixels.
    fn block(
        &self,
        pair: Pair<'_>,
        task: &Task,
        block: usize,
        steps: &Steps<'_>,
        sums: *mut f32,
        continues: bool,
        copy: &mut AlignedBuffer,
    ) {
        let (group, band) = (block / self.blocks.bands, block % self.blocks.bands);
        let first = group * self.blocks.images;
        let images = self.blocks.images.min(pair.images - first);
        let input = &pair.input[first * self.window.input_pixels() * self.input..];
        let gradient = &pair.gradient[first * self.window.output_pixels() * self.output..];
        if self.near {
            return self.near_block(task, [input, gradient], images, steps, sums, continues, copy);
        }
        let input = if self.padded { self.pad(input, images, band, copy) } else { input.as_ptr() };
        let input = input.wrapping_add(pair.group * (self.input / self.groups));
        let gradient = gradient.as_ptr().wrapping_add(pair.group * (self.output / self.groups));
        let (rows, columns) = if self.swapped { (gradient, input) } else { (input, gradient) };
        for tap in task.taps.clone() {
            let rows = rows.wrapping_add(task.rows.start);
            // SAFETY: the steps are those of whole maps of the taps' window, of which the slices hold `images` from `first` on,
            // or the copy what the band reads; rows and columns are channels of the group, or of a row of the window.
            unsafe { self.product(task, tap, rows, columns, steps.of(tap, band, images), sums, continues) };
        }
    }

    /// As [`Self::block`] for single pixels, with the columns of each panel copied together, where they do not share the few
    /// sets of the first-level cache that a distance of a power of two leaves them.
    fn near_block(
        &self,
        task: &Task,
        [input, gradient]: [&[f32]; 2],
        pixels: usize,
        steps: &Steps<'_>,
        sums: *mut f32,
        continues: bool,
        copy: &mut AlignedBuffer,
    ) {
        let (rows, columns, stride) =
            if self.swapped { (gradient, input, self.input) } else { (input, gradient, self.output) };
        let width = self.layout.panel_width();
        copy.grow(self.blocks.images * width);
        for column in task.columns.clone().step_by(width) {
            let held = (self.layout.columns - column).min(width);
            for (to, from) in copy.chunks_exact_mut(width).zip(columns.chunks_exact(stride)).take(pixels) {
                let from = &from[column..column + held];
                match (from.first_chunk::<32>(), to.first_chunk_mut::<32>()) {
                    (Some(from), Some(to)) if held == 32 => *to = *from,
                    _ => to[..held].copy_from_slice(from),
                }
            }
            let panel = Task { columns: column..column + held, ..task.clone() };
            let (rows, columns) = (rows.as_ptr().wrapping_add(task.rows.start), copy.as_ptr().wrapping_sub(column));
            // SAFETY: the steps are those of single pixels, of which the rows hold `pixels` and the copy as many, from the panel's
            // first column on.
            unsafe { self.product(&panel, 0, rows, columns, steps.of(0, 0, pixels), sums, continues) };
        }
    }

    /// Copies the padded rows that a band reads; returns where the padded maps would begin.
    fn pad(&self, input: &[f32], images: usize, band: usize, copy: &mut AlignedBuffer) -> *const f32 {
        let padded = Padded { window: &self.window, channels: self.input };
        let outputs = band * self.blocks.rows..((band + 1) * self.blocks.rows).min(self.window.output[0]);
        let first = outputs.start * self.window.stride[0];
        let rows = first..first + padded.reach(0, outputs.len());
        let (len, image_len) = (rows.len() * padded.row_len(), self.window.input_pixels() * self.input);
        copy.grow(images * len);
        for (image, to) in input.chunks_exact(image_len).zip(copy.chunks_exact_mut(len)).take(images) {
            padded.copy(image, rows.clone(), to);
        }
        copy.as_ptr().wrapping_sub(first * padded.row_len())
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
        for column in task.columns.clone().step_by(layout.panel_width()) {
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
        match (self.swapped, self.taps == self.window) {
            (true, true) => self.layout.unpack_by_input(first, to),
            (true, false) => self.layout.unpack_by_window(first, self.input, to),
            (false, _) => {
                // All taps and channels are rows of one panel, in the same order whatever is a tap.
                let taps = self.window.kernel[0] * self.window.kernel[1];
                Layout { taps, rows: self.input / self.groups, ..self.layout }.unpack_by_output(first, to);
            }
        }
    }
}

/// The window whose taps are summed for maps of `channels` channels, and whether its maps are padded copies.
fn taps(window: &Window, channels: usize) -> (Window, bool) {
    if channels > FEW_CHANNELS || window.kernel[1] == 1 || window.dilation[1] != 1 || window.output_pixels() == 0 {
        return (*window, false);
    }
    let padded = Padded { window, channels };
    let reach = [0, 1].map(|axis| padded.reach(axis, window.output[axis]));
    let inside = window.before == [0, 0] && reach[0] <= window.input[0] && reach[1] <= window.input[1];
    let input = if inside { window.input } else { reach };
    (Window { input, kernel: [window.kernel[0], 1], before: [0, 0], after: [0, 0], ..*window }, !inside)
}

/// The fastest layout for `taps` products of so many channels of the input and the output, and whether its rows are output
/// channels.
fn layout(tiles: &Tiles, taps: usize, input: usize, output: usize) -> (Layout, bool) {
    let mut best = (usize::MAX, Layout { lanes: tiles.lanes, vectors: 2, taps, rows: input, columns: output }, false);
    // Swapped first: where both are as fast, that layout is nearer to the checkpoint's.
    for (rows, columns, swapped) in [(output, input, true), (input, output, false)] {
        for vectors in [2, 3] {
            let cost = cost(tiles, rows, columns, vectors);
            if cost < best.0 {
                best = (cost, Layout { lanes: tiles.lanes, vectors, taps, rows, columns }, swapped);
            }
        }
    }
    (best.1, best.2)
}

/// About how many half cycles a pixel's products take: as many multiply-adds or loads, and the latency of a chain.
fn cost(tiles: &Tiles, rows: usize, columns: usize, vectors: usize) -> usize {
    const LATENCY: usize = 8;
    let panel = |vectors: usize| {
        let parts = rows.div_ceil(tiles.rows(vectors * tiles.lanes)).max(1);
        let each = rows.div_ceil(parts);
        parts * (each * vectors).max(each + vectors + 1).max(LATENCY)
    };
    let all = columns.div_ceil(tiles.lanes);
    let rest = all % vectors;
    all / vectors * panel(vectors) + if rest > 0 { panel(rest) } else { 0 }
}
