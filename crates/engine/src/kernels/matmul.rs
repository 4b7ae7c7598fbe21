//! The blocked product behind convolutions, linear layers and attention: rows are gathered into a block that stays in the
//! second-level cache, multiplied panel by panel, and completed tile by tile.
//!
//! The depth is cut into blocks by the operator's shape alone, and each block continues the sums of the one before, so an
//! element is one chain of multiply-adds whatever the range of rows.
#![allow(unsafe_code)]

use std::ops::Range;

use super::epilogue::{self, Block, Place, Stage, Target};
use super::gemm::{LONGEST_BLOCK, ROW_STRIDE};
use super::gemm_tiles::TileShape;
use super::packed::{PackedView, panels};
use super::simd::{Kernel, Simd, dispatch};
use super::{AlignedBuffer, RowsMut};

/// Tiles of rows that are gathered together.
const TILES: usize = 8;
/// Columns whose sums are held between two blocks of the depth.
const HELD_COLUMNS: usize = 512;

/// Memory that kernels work in; grows to what they need and is reused from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) rows: AlignedBuffer,
    pub(crate) tiles: AlignedBuffer,
    pub(crate) panels: AlignedBuffer,
    pub(crate) values: AlignedBuffer,
}

/// Where the rows of the left-hand matrix come from.
pub(crate) trait Source {
    /// Copies the values `depth` of each row of `rows` to `to`, rows [`ROW_STRIDE`] apart.
    fn gather<S: Simd>(&self, simd: S, rows: Range<usize>, depth: Range<usize>, to: &mut [f32]);
}

struct Gather<'a, A>(&'a A, Range<usize>, Range<usize>, &'a mut [f32]);

impl<A: Source> Kernel for Gather<'_, A> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        self.0.gather(simd, self.1, self.2, self.3);
    }
}

/// Where the product goes: channels `column..` of the output, through the stages.
pub(crate) struct Destination<'a, 'b> {
    pub output: RowsMut<'a>,
    pub column: usize,
    pub stages: &'a mut [Stage<'b>],
}

/// The blocks into which `depth` is cut: equal but for the last, multiples of 16.
fn depth_blocks(depth: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let length = depth.div_ceil(depth.div_ceil(LONGEST_BLOCK).max(1)).next_multiple_of(16).max(16);
    (0..depth).step_by(length).map(move |start| start..(start + length).min(depth))
}

/// `output[r, column + n] = stages(sum over k of source[r, k] * matrix[k, n])` for the rows of the range.
pub(crate) fn multiply<A: Source>(
    source: &A,
    range: Range<usize>,
    matrix: PackedView<'_>,
    destination: Destination<'_, '_>,
    scratch: &mut Scratch,
) {
    let Destination { output, column, stages } = destination;
    epilogue::check(&output, stages, &range, column + matrix.columns);
    let target = Target { values: output.values.as_mut_ptr(), stride: output.stride };
    let shape = TileShape::of(matrix.isa);
    let tile_len = shape.rows * 2 * shape.lanes;
    let block_rows = TILES * shape.rows;
    scratch.rows.grow(block_rows * ROW_STRIDE);
    scratch.tiles.grow(TILES * tile_len * HELD_COLUMNS.div_ceil(2 * shape.lanes));
    let one_block = matrix.depth <= LONGEST_BLOCK;
    let held = if one_block { usize::MAX } else { HELD_COLUMNS };

    for first in range.clone().step_by(block_rows) {
        let rows = first..(first + block_rows).min(range.end);
        for columns in chunks(matrix.columns, held) {
            for depth in depth_blocks(matrix.depth.max(1)) {
                let depth = depth.start..depth.end.min(matrix.depth);
                dispatch(matrix.isa, Gather(source, rows.clone(), depth.clone(), &mut scratch.rows));
                let panels = panels(matrix.isa, matrix.depth, matrix.columns);
                for (index, panel) in
                    panels.skip_while(|p| p.column < columns.start).take_while(|p| p.column < columns.end).enumerate()
                {
                    for (tile, start) in (0..rows.len()).step_by(shape.rows).enumerate() {
                        let count = shape.rows.min(rows.len() - start);
                        let slot = if one_block { 0 } else { index * TILES + tile };
                        let sums = &mut scratch.tiles[slot * tile_len..][..tile_len];
                        let b = &matrix.values[panel.offset + depth.start * panel.width..][..depth.len() * panel.width];
                        let a = &scratch.rows[start * ROW_STRIDE..][..(count - 1) * ROW_STRIDE + depth.len()];
                        // SAFETY: the slices hold `count` rows of the block, `depth.len()` rows of the panel, and a whole tile;
                        // the sums were written by the previous block of the depth where there is one. `shape` is clamped.
                        unsafe {
                            shape.kernel(count, panel.width)(
                                a.as_ptr(),
                                b.as_ptr(),
                                depth.len(),
                                sums.as_mut_ptr(),
                                depth.start > 0,
                            )
                        };
                        if depth.end == matrix.depth {
                            let place = Place {
                                row: rows.start - range.start + start,
                                range_start: range.start,
                                column: column + panel.column,
                            };
                            let columns = panel.width.min(matrix.columns - panel.column);
                            let source = sums.as_ptr();
                            let block =
                                Block { source, stride: panel.width, rows: count, columns, place, target, stages };
                            // SAFETY: the output and the stages were checked for the whole range and all columns; the sums
                            // hold `count` rows of `panel.width` values.
                            unsafe { block.complete(matrix.isa) };
                        }
                    }
                }
            }
        }
    }
}

/// `0..len` in pieces of `size`.
fn chunks(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(size).map(move |start| start..start.saturating_add(size).min(len))
}
