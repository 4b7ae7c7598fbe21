//! The weight gradient of a convolution or a linear layer in tiles.
//!
//! `dW[n, c, tap] = sum over positions p of X[p + shift(tap), c] * dY[p, n]`: the depth of the product are the positions. The input is
//! copied as in the forward pass, padded and dealt out to planes, and turned, one row of positions for each channel, so that a
//! tap is a shift along the rows; the output's gradient is woven into pairs of positions, with zeros at the positions between
//! maps. Some images, or some rows of large maps, are a block whose copies stay in the second-level cache; every element is one chain
//! of sums over the blocks of a chunk, and chunks are added in order, so the bits depend on the batch alone.
#![allow(unsafe_code)]

use rayon::prelude::*;

use super::geometry::{Block, Geometry};
use super::shuffle::{PairRows, positions_to_rows};
use crate::kernels::bf16::rounding::convert;
use crate::kernels::bf16::stored::Stored;
use crate::kernels::bf16::tile::{self, DEPTH, Operands, Run, SIDE, TILE};
use crate::kernels::bf16::unit::Tiles;
use crate::kernels::training::TrainingScratch;
use crate::kernels::{AlignedBuffer, Isa, Window};

/// Chunks that are summed apart, at most.
const CHUNKS: usize = 16;
/// Values of all chunks' sums together, at most (but one chunk may be larger).
const CHUNK_VALUES: usize = 2 << 20;
/// Sums of a tile of rows and two tiles of columns.
const SUMS: usize = SIDE * 2 * SIDE;
/// Tiles of rows that a task multiplies with a panel, at least.
const TASK_ROWS: usize = 16;
/// Blocks of the depth after which the sums are put away: rows and panel of as many stay in the first-level cache.
const NEAR: usize = 12;

/// Computes weight gradients of one shape.
#[derive(Debug, Clone)]
pub(super) struct WeightGradient {
    isa: Isa,
    geometry: Geometry,
    window: Window,
    input: usize,
    output: usize,
    groups: usize,
}

/// The operands, whole batch, of one group of channels.
#[derive(Clone, Copy)]
struct Pair<'a> {
    input: Stored<'a>,
    gradient: Stored<'a>,
    group: usize,
}

impl WeightGradient {
    pub fn new(isa: Isa, window: Window, output: usize, input: usize, groups: usize) -> Self {
        Self { isa, geometry: Geometry::new(window, input, output, groups), window, input, output, groups }
    }

    /// Overwrites `to`, `[output, input / groups, height, width]`.
    pub fn run(&self, input: Stored<'_>, gradient: Stored<'_>, to: &mut [f32], scratch: &mut TrainingScratch) {
        let images = gradient.len() / (self.window.output_pixels() * self.output).max(1);
        let taps = self.window.kernel[0] * self.window.kernel[1];
        assert_eq!(input.len(), images * self.window.input_pixels() * self.input, "input of {images} images");
        assert_eq!(gradient.len(), images * self.window.output_pixels() * self.output, "gradient of {images} images");
        assert_eq!(
            to.len(),
            self.output * (self.input / self.groups) * taps,
            "weight {} -> {}",
            self.input,
            self.output
        );
        if to.is_empty() || images == 0 {
            return to.fill(0.0);
        }
        let blocks = self.geometry.blocks(images);
        let (len, mut sums) = (self.sums(), std::mem::take(&mut scratch.sums));
        let chunks = CHUNKS.min(CHUNK_VALUES / len).min(blocks.len()).max(1);
        sums.grow(chunks * len);
        for (group, to) in to.chunks_exact_mut(to.len() / self.groups).enumerate() {
            let pair = Pair { input, gradient, group };
            sums[..chunks * len].par_chunks_mut(len).enumerate().with_max_len(1).for_each(|(chunk, sums)| {
                let blocks = &blocks[chunk * blocks.len() / chunks..(chunk + 1) * blocks.len() / chunks];
                scratch.lend(|worker| self.chunk(pair, blocks, &mut worker.copies, sums));
            });
            add_chunks(&mut sums[..chunks * len], len);
            self.unpack(&sums[..len], to);
        }
        scratch.sums = sums;
    }

    /// Channels of the output in a group.
    const fn columns(&self) -> usize {
        self.output / self.groups
    }

    /// Values of a chunk's sums: for each panel of columns its tiles of rows.
    fn sums(&self) -> usize {
        self.columns().div_ceil(2 * SIDE) * self.geometry.tiles.len() * SUMS
    }

    /// Sums over some blocks.
    fn chunk(
        &self,
        pair: Pair<'_>,
        blocks: &[Block],
        [padded, rows, gradient]: &mut [AlignedBuffer; 3],
        sums: &mut [f32],
    ) {
        for (at, block) in blocks.iter().enumerate() {
            let depth = block.positions.div_ceil(DEPTH);
            self.turn(pair, block, padded, rows);
            self.weave(pair, block, depth, padded, gradient);
            let panel_len = self.geometry.tiles.len() * SUMS;
            let panels = sums.par_chunks_mut(panel_len).zip(gradient.halves().par_chunks(2 * TILE * depth));
            panels.enumerate().for_each(|(panel, (sums, gradient))| {
                let tiles = (self.columns() - panel * 2 * SIDE).div_ceil(SIDE).min(2);
                let right = Right { values: &gradient[..tiles * TILE * depth], tiles, depth };
                let each = self.geometry.taps * TASK_ROWS.div_ceil(self.geometry.taps);
                sums.par_chunks_mut(each * SUMS).enumerate().for_each(|(task, sums)| {
                    self.multiply(rows.halves(), task * each, right, sums, at > 0);
                });
            });
        }
    }

    /// Copies the input that a block reads, one row of positions for each channel.
    fn turn(&self, pair: Pair<'_>, block: &Block, padded: &mut AlignedBuffer, rows: &mut AlignedBuffer) {
        let Geometry { length, width, ref sources, .. } = self.geometry;
        let (isa, first) = (self.isa, pair.group * self.input / self.groups);
        let padded_width = width.next_multiple_of(SIDE);
        rows.grow((sources.len().max(1) * padded_width * length).div_ceil(2));
        let rows = &mut rows.halves_mut()[..sources.len().max(1) * padded_width * length];
        let Some(maps) = self.geometry.maps(first) else {
            // Positions are pixels.
            let range = block.first * self.input..(block.first + block.positions) * self.input;
            let copy = halves(isa, pair.input.part(range), padded);
            rows.par_chunks_mut(SIDE * length).enumerate().for_each(|(tile, to)| {
                let count = (width - tile * SIDE).min(SIDE);
                positions_to_rows(&copy[first + tile * SIDE..], self.input, block.positions, count, to, length);
                clear(to, length, block.positions, count);
            });
            return;
        };
        let (copy_len, image_len) = (maps.halves(block.height), self.window.input_pixels() * self.input);
        let pitch = maps.plane(block.height) / self.window.stride[1];
        padded.grow((block.images * copy_len).div_ceil(2));
        let copy = &mut padded.halves_mut()[..block.images * copy_len];
        copy.par_chunks_mut(copy_len).enumerate().for_each(|(image, to)| {
            let from = pair.input.part((block.first + image) * image_len..(block.first + image + 1) * image_len);
            maps.copy(isa, from, block.row..block.row + block.height, to);
        });
        let tiles = padded_width / SIDE;
        rows.par_chunks_mut(SIDE * length).enumerate().for_each(|(at, to)| {
            let ([plane, residue], tile) = (sources[at / tiles], at % tiles);
            let start = (plane * maps.plane(block.height) + residue) * self.geometry.count + tile * SIDE;
            let count = (width - tile * SIDE).min(SIDE);
            for (image, copy) in copy.chunks_exact(copy_len).enumerate() {
                positions_to_rows(&copy[start..], maps.step(), pitch, count, &mut to[image * pitch..], length);
            }
            clear(to, length, block.images * pitch, count);
        });
    }

    /// Weaves the output's gradient into the panels of a matrix whose depth are the positions.
    fn weave(&self, pair: Pair<'_>, block: &Block, depth: usize, copy: &mut AlignedBuffer, to: &mut AlignedBuffer) {
        let columns = self.columns();
        let len = columns.div_ceil(SIDE) * TILE * depth;
        to.grow(len.div_ceil(2));
        let (pixels, outputs) = self.geometry.outputs(block, depth * DEPTH);
        let range = pixels.start * self.output..pixels.end * self.output;
        let from = Stored::Bf16(halves(self.isa, pair.gradient.part(range), copy));
        let place = |pixel: usize| (pixel - pixels.start) * self.output + pair.group * columns;
        let start = |block: usize, k: usize| outputs.get(block * DEPTH + k).copied().flatten().map(place);
        let panels = to.halves_mut()[..len].par_chunks_mut(2 * TILE * depth);
        panels.enumerate().for_each(|(panel, to)| {
            let first = panel * 2 * SIDE;
            PairRows { from, start, first, width: (columns - first).min(2 * SIDE), apart: self.output }.pack(depth, to);
        });
    }

    /// Multiplies tiles of rows from `first` on with a panel.
    fn multiply(&self, rows: &[u16], first: usize, right: Right<'_>, sums: &mut [f32], continues: bool) {
        let Geometry { length, ref tiles, .. } = self.geometry;
        let count = sums.len() / SUMS;
        let reach = (SIDE - 1) * length + right.depth * DEPTH;
        assert!(
            right.depth > 0
                && right.values.len() >= right.depth * right.tiles * TILE
                && tiles[first..first + count].iter().all(|start| start + reach <= rows.len()),
            "rows or a panel beyond their memory"
        );
        let configured = Tiles::configure();
        for depth in (0..right.depth).step_by(NEAR) {
            let runs = [Run { offset: 2 * depth * DEPTH, blocks: NEAR.min(right.depth - depth) }];
            for at in (0..count).step_by(2) {
                let pair = (count - at).min(2);
                let [start, second] = [at, at + pair - 1].map(|at| tiles[first + at]);
                let operands = Operands {
                    rows: rows[start..].as_ptr(),
                    stride: 2 * length,
                    below: (2 * second).wrapping_sub(2 * start),
                    runs: runs.as_ptr(),
                    count: 1,
                    panel: right.values[depth * right.tiles * TILE..].as_ptr(),
                    sums: sums[at * SUMS..].as_mut_ptr(),
                    sums_stride: size_of::<f32>() * 2 * SIDE,
                    sums_below: size_of::<f32>() * SUMS,
                    continues: continues || depth > 0,
                };
                // SAFETY: whole tiles of rows and the panel were checked; the sums hold 16 rows of two tiles of columns for each tile
                // of rows, and were written by the block or the depth before where they are continued.
                unsafe { tile::multiply(&configured, [pair, right.tiles], &operands) };
            }
        }
    }

    /// Moves the sums of a group to the checkpoint's layout.
    fn unpack(&self, sums: &[f32], to: &mut [f32]) {
        let row = to.len() / self.columns();
        let places = &self.geometry.places;
        let panels = to.par_chunks_mut(2 * SIDE * row).zip(sums.par_chunks(self.geometry.tiles.len() * SUMS));
        panels.for_each(|(to, sums)| {
            for (n, to) in to.chunks_exact_mut(row).enumerate() {
                to.iter_mut().zip(places).for_each(|(to, place)| *to = sums[place * 2 * SIDE + n]);
            }
        });
    }
}

/// A panel of the right-hand matrix.
#[derive(Clone, Copy)]
struct Right<'a> {
    values: &'a [u16],
    tiles: usize,
    depth: usize,
}

/// Values in halves, where they lie or rounded into a copy.
fn halves<'c>(isa: Isa, from: Stored<'c>, copy: &'c mut AlignedBuffer) -> &'c [u16] {
    /// Values that are worth a task.
    const PIECE: usize = 16 * 1024;
    match from {
        Stored::Bf16(halves) => halves,
        Stored::F32(values) => {
            copy.grow(values.len().div_ceil(2));
            let to = &mut copy.halves_mut()[..values.len()];
            to.par_chunks_mut(PIECE).zip(values.par_chunks(PIECE)).for_each(|(to, from)| convert(isa, from, to));
            to
        }
    }
}

/// Zeros behind the positions of each row: what tiles read there meets zeros, and must be finite.
fn clear(rows: &mut [u16], length: usize, positions: usize, count: usize) {
    rows.chunks_exact_mut(length).take(count).for_each(|row| row[positions..].fill(0));
}

/// Adds all chunks to the first, in order.
fn add_chunks(sums: &mut [f32], len: usize) {
    const PIECE: usize = 4096;
    let (first, others) = sums.split_at_mut(len);
    if others.is_empty() {
        return;
    }
    first.par_chunks_mut(PIECE).enumerate().for_each(|(index, piece)| {
        for chunk in others.chunks_exact(len) {
            let values = &chunk[index * PIECE..][..piece.len()];
            piece.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
    });
}
