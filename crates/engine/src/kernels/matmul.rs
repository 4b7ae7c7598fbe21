//! The blocked product behind convolutions, linear layers and attention: rows are gathered into a block that stays in the
//! second-level cache, multiplied panel by panel, and completed tile by tile.
//!
//! The depth is cut into blocks by the operator's shape alone, and each block continues the sums of the one before, so an
//! element is one chain of multiply-adds whatever the range of rows.
#![allow(unsafe_code)]

use std::ops::Range;

use super::epilogue::{self, Block, Place, Stage, Target};
use super::gemm::{LINE, LONGEST_BLOCK, Operands, ROW_STRIDE};
use super::gemm_tiles::TileShape;
use super::packed::{PackedView, Panel};
use super::simd::{Kernel, Simd, dispatch, prefetch, prefetch_to_write};
use super::{AlignedBuffer, Rows, RowsMut};

/// Tiles of rows that are gathered together.
const TILES: usize = 8;
/// Columns whose sums are held between two blocks of the depth.
const HELD_COLUMNS: usize = 512;
/// Values of a matrix that stays in the second-level cache without being asked for.
const CACHED_MATRIX: usize = 48 * 1024;

/// Memory that kernels work in; grows to what they need and is reused from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(crate) rows: AlignedBuffer,
    pub(crate) tiles: AlignedBuffer,
    pub(crate) panels: AlignedBuffer,
    pub(crate) values: AlignedBuffer,
    pub(crate) rounded: AlignedBuffer,
}

/// Where the rows of the left-hand matrix come from.
pub(crate) trait Source {
    /// Copies the values `depth` of each row of `rows` to `to`, rows [`ROW_STRIDE`] apart.
    fn gather<S: Simd>(&self, simd: S, rows: Range<usize>, depth: Range<usize>, to: &mut [f32]);

    /// The rows as they lie in memory, where the micro-kernel can read them there.
    fn in_place(&self) -> Option<Rows<'_>> {
        None
    }

    /// About where the values of a row begin, and how many values one row brings; only to ask for them ahead.
    fn about(&self, row: usize) -> (*const f32, usize);
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
    if range.is_empty() || matrix.columns == 0 {
        return;
    }
    let shape = TileShape::of(matrix.isa);
    let block_rows = TILES * shape.rows;
    if source.in_place().is_none() {
        scratch.rows.grow(block_rows * ROW_STRIDE);
    }
    let panels: usize = HELD_COLUMNS.div_ceil(2 * shape.lanes);
    scratch.tiles.grow(if matrix.depth <= LONGEST_BLOCK { 1 } else { TILES * panels } * shape.rows * 2 * shape.lanes);
    let target = Target { values: output.values.as_mut_ptr(), stride: output.stride };
    let mut product = Product { source, range: range.clone(), matrix, shape, column, target, stages, scratch };
    for first in range.clone().step_by(block_rows) {
        product.rows(first..(first + block_rows).min(range.end));
    }
}

/// A product at work: everything that does not change from block to block.
struct Product<'a, 'b, A> {
    source: &'a A,
    range: Range<usize>,
    matrix: PackedView<'a>,
    shape: TileShape,
    column: usize,
    target: Target,
    stages: &'a mut [Stage<'b>],
    scratch: &'a mut Scratch,
}

impl<A: Source> Product<'_, '_, A> {
    /// A block of rows, all columns.
    fn rows(&mut self, rows: Range<usize>) {
        let held = if self.matrix.depth <= LONGEST_BLOCK { self.matrix.columns } else { HELD_COLUMNS };
        for columns in chunks(self.matrix.columns, held) {
            for depth in depth_blocks(self.matrix.depth) {
                if self.source.in_place().is_none() {
                    let gather = Gather(self.source, rows.clone(), depth.clone(), &mut self.scratch.rows);
                    dispatch(self.matrix.isa, gather);
                }
                self.panels(&rows, &columns, &depth);
            }
        }
    }

    /// A block of rows and of the depth, some columns.
    fn panels(&mut self, rows: &Range<usize>, columns: &Range<usize>, depth: &Range<usize>) {
        let Self { source, matrix, shape, .. } = *self;
        let one_block = depth.len() == matrix.depth;
        let tile_len = shape.rows * 2 * shape.lanes;
        let tiles = rows.len().div_ceil(shape.rows);
        let (next_rows, values_per_row) = source.about(rows.end);
        // Each tile asks for its share of the panel that follows, or, where the matrix stays in the cache, of the rows.
        let cached = matrix.values.len() <= CACHED_MATRIX;
        let runs = tiles * columns.len().div_ceil(2 * shape.lanes) * depth.len();
        let row_pace = (values_per_row * rows.len()).div_ceil(runs);
        let panel_pace = (2 * shape.lanes).div_ceil(tiles);
        for column in columns.clone().step_by(2 * shape.lanes) {
            let panel = Panel::at(matrix.isa, matrix.depth, matrix.columns, column);
            let b = &matrix.values[panel.offset + depth.start * panel.width..][..depth.len() * panel.width];
            let (ahead, pace) = if cached {
                let done = (column - columns.start) / (2 * shape.lanes) * tiles;
                (next_rows.wrapping_add(done * depth.len() * row_pace), row_pace)
            } else {
                (self.next_panel(panel, columns, depth), panel_pace)
            };
            for (tile, start) in (0..rows.len()).step_by(shape.rows).enumerate() {
                let count = shape.rows.min(rows.len() - start);
                let (a, stride) = match source.in_place() {
                    Some(view) => (&view.values[(rows.start + start) * view.stride + depth.start..], view.stride),
                    None => (&self.scratch.rows[start * ROW_STRIDE..], ROW_STRIDE),
                };
                assert!(a.len() >= (count - 1) * stride + depth.len(), "rows beyond their buffer");
                let place = Place {
                    row: rows.start - self.range.start + start,
                    range_start: self.range.start,
                    column: self.column + column,
                };
                let width = panel.width.min(matrix.columns - column);
                // Sums that nothing follows are held where they belong.
                let direct = self.stages.is_empty() && width == panel.width;
                let slot = if one_block { 0 } else { (column - columns.start) / (2 * shape.lanes) * TILES + tile };
                let (sums, sums_stride) = if direct {
                    let Target { values, stride } = self.target;
                    (values.wrapping_add(place.row * stride + place.column), stride)
                } else {
                    (self.scratch.tiles[slot * tile_len..][..tile_len].as_mut_ptr(), panel.width)
                };
                let operands = Operands {
                    rows: a.as_ptr(),
                    stride,
                    panel: b.as_ptr(),
                    depth: depth.len(),
                    sums,
                    sums_stride,
                    continues: depth.start > 0,
                    ahead: ahead.wrapping_add(tile * depth.len() * pace),
                    pace,
                };
                let last = depth.end == matrix.depth;
                if last || (direct && depth.start == 0) {
                    announce(self.target, self.stages, place, count, width);
                }
                // SAFETY: the slices hold `count` rows, `depth.len()` rows of the panel, and a whole tile, or the output, which was
                // checked for the whole range and all columns, does; the sums were written by the previous block of the depth
                // where there is one. The shape's kernels are those of this processor.
                unsafe { shape.kernel(count, panel.width)(operands) };
                if last && !direct {
                    let stride = sums_stride;
                    let (target, stages) = (self.target, &mut *self.stages);
                    let block = Block { source: sums, stride, rows: count, columns: width, place, target, stages };
                    // SAFETY: the output and the stages were checked for the whole range and all columns; the sums hold `count`
                    // rows of `panel.width` values.
                    unsafe { block.complete(matrix.isa) };
                }
            }
        }
    }

    /// Where the panel that follows begins.
    fn next_panel(&self, panel: Panel, columns: &Range<usize>, depth: &Range<usize>) -> *const f32 {
        let values = self.matrix.values.as_ptr();
        let next = panel.column + panel.width;
        if next < columns.end {
            return values.wrapping_add((panel.column + panel.width) * self.matrix.depth + depth.start * panel.width);
        }
        if depth.end < self.matrix.depth {
            return values.wrapping_add(columns.start * self.matrix.depth + depth.end * 2 * self.shape.lanes);
        }
        values.wrapping_add(if columns.end < self.matrix.columns { columns.end * self.matrix.depth } else { 0 })
    }
}

/// Asks for the lines of the output and of added rows that a tile will need.
pub(super) fn announce(target: Target, stages: &[Stage<'_>], place: Place, rows: usize, columns: usize) {
    lines(target.values, target.stride, place, rows, columns, prefetch_to_write);
    for stage in stages {
        if let Stage::Add(operand) | Stage::Multiply(operand) = stage {
            lines(operand.values.as_ptr(), operand.stride, place, rows, columns, prefetch);
        }
    }
}

/// Calls `ask` with every line of a tile.
#[inline(always)]
fn lines(values: *const f32, stride: usize, place: Place, rows: usize, columns: usize, ask: impl Fn(*const f32)) {
    let mut row = values.wrapping_add(place.row * stride + place.column);
    for _ in 0..rows {
        for column in (0..columns).step_by(LINE) {
            ask(row.wrapping_add(column));
        }
        row = row.wrapping_add(stride);
    }
}

/// `0..len` in pieces of `size`.
fn chunks(len: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(size).map(move |start| start..start.saturating_add(size).min(len))
}
