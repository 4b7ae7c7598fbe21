//! The product of copied rows with a packed matrix: two by two tiles at a time, each completed by the stages while its sums are in the
//! first-level cache.
#![allow(unsafe_code)]

use super::matrix::{Panel, TileMatrix};
use super::tile::{self, DEPTH, Operands, Run, SIDE};
use super::unit::Tiles;
use crate::kernels::epilogue::{self, Block, Place, Stage, Target};
use crate::kernels::rows::check_rows;
use crate::kernels::simd::{prefetch, prefetch_to_write};
use crate::kernels::{Isa, StoredMut, StoredRowsMut};

/// Sums of two by two tiles, a line apart from row to row so that they spread over the cache's sets.
const SUMS_STRIDE: usize = 2 * SIDE;

/// Sums of the tiles at work.
#[repr(C, align(64))]
struct Sums([f32; 2 * SIDE * SUMS_STRIDE]);

/// Where the sums go: the output and the stages, checked for all rows and columns, and the tiles that compute them.
pub(super) struct Product<'a, 'b> {
    isa: Isa,
    rows: usize,
    columns: usize,
    target: Target,
    /// Where the output is, if it is halves.
    halves: Option<*mut u16>,
    stages: &'a mut [Stage<'b>],
    tiles: Tiles,
    sums: Sums,
}

/// Positions of a copy, and which of them are rows of the output.
#[derive(Clone, Copy)]
pub(super) struct Positions<'a> {
    /// Copy from the first position on, and halves from one to the next.
    pub copy: &'a [u16],
    pub step: usize,
    pub runs: &'a [Run],
    /// Positions from the start of an output row to that of the next, how many of them are output, and how many rows there are.
    pub width: usize,
    pub valid: usize,
    pub height: usize,
    /// Row of the output that the first is.
    pub row: usize,
}

impl Positions<'_> {
    /// Positions up to the last that is output.
    const fn count(&self) -> usize {
        (self.height - 1) * self.width + self.valid
    }
}

/// Calls `ask` with both lines of up to two tiles of columns.
#[inline(always)]
fn lines(row: *const f32, width: usize, ask: impl Fn(*const f32)) {
    ask(row);
    if width > SIDE {
        ask(row.wrapping_add(SIDE));
    }
}

impl<'a, 'b> Product<'a, 'b> {
    /// For `rows` rows of the output, and its channels up to `columns`.
    pub fn new(isa: Isa, output: StoredRowsMut<'a>, stages: &'a mut [Stage<'b>], rows: usize, columns: usize) -> Self {
        check_rows(output.values.len(), output.stride, rows, columns);
        epilogue::check_stages(stages, &(0..rows), columns);
        let (values, halves) = match output.values {
            StoredMut::F32(values) => (values.as_mut_ptr(), None),
            StoredMut::Bf16(halves) => (std::ptr::null_mut(), Some(halves.as_mut_ptr())),
        };
        let target = Target { values, stride: output.stride };
        Self {
            isa,
            rows,
            columns,
            target,
            halves,
            stages,
            tiles: Tiles::configure(),
            sums: Sums([0.0; 2 * SIDE * SUMS_STRIDE]),
        }
    }

    /// All positions and all columns, which go to channels from `first` on: positions outside, so that rows of the output are
    /// written from end to end, where the matrix stays in the cache meanwhile, else panels outside.
    pub fn run(&mut self, parts: &[Positions<'_>], matrix: &TileMatrix, first: usize) {
        if !matrix.stays_cached() {
            matrix.panels().for_each(|panel| parts.iter().for_each(|at| self.panel(at, panel, first)));
            return;
        }
        for at in parts {
            matrix.panels().for_each(|panel| self.check(at, panel, first));
            for start in (0..at.count()).step_by(2 * SIDE) {
                for panel in matrix.panels() {
                    // SAFETY: just checked.
                    unsafe { self.block(at, start, panel, first) };
                }
            }
        }
    }

    /// All positions, the columns of one panel, which go to channels from `first` on.
    pub fn panel(&mut self, at: &Positions<'_>, panel: Panel<'_>, first: usize) {
        self.check(at, panel, first);
        for start in (0..at.count()).step_by(2 * SIDE) {
            // SAFETY: just checked.
            unsafe { self.block(at, start, panel, first) };
        }
    }

    /// Panics where positions or a panel are not all there.
    fn check(&self, at: &Positions<'_>, panel: Panel<'_>, first: usize) {
        let count = at.count();
        let reach = at.runs.iter().map(|run| run.offset / 2 + run.blocks * DEPTH).max().unwrap_or(0);
        let blocks: usize = at.runs.iter().map(|run| run.blocks).sum();
        assert!(
            (count.next_multiple_of(SIDE) - 1) * at.step + reach <= at.copy.len()
                && panel.values.len() >= blocks * panel.tiles * tile::TILE
                && at.runs.iter().all(|run| run.blocks > 0 && run.offset.is_multiple_of(2))
                && at.row + at.height * at.valid <= self.rows
                && first + panel.column + panel.width <= self.columns,
            "positions or a panel beyond their memory"
        );
    }

    /// Two tiles of positions from `start` on, the columns of one panel.
    ///
    /// # Safety
    /// [`Product::check`] passed for the positions and the panel, and `start` is a position.
    unsafe fn block(&mut self, at: &Positions<'_>, start: usize, panel: Panel<'_>, first: usize) {
        let column = first + panel.column;
        let here = (at.count() - start).min(2 * SIDE);
        // The windows of maps have sums enough to wait for: asking ahead there costs more than it brings.
        if at.height == 1 {
            let next = at.row + start + 2 * SIDE;
            self.announce(next..(next + 2 * SIDE).min(at.row + at.valid), column, panel.width);
        }
        let operands = Operands {
            rows: at.copy[start * at.step..].as_ptr(),
            stride: 2 * at.step,
            below: 2 * at.step * SIDE,
            runs: at.runs.as_ptr(),
            count: at.runs.len(),
            panel: panel.values.as_ptr(),
            sums: self.sums.0.as_mut_ptr(),
            sums_stride: size_of::<f32>() * SUMS_STRIDE,
            sums_below: size_of::<f32>() * SUMS_STRIDE * SIDE,
            continues: false,
        };
        // SAFETY: rows of whole tiles up to the last position and the panel's values were checked; the sums hold two by two tiles;
        // there is at least one run, and none is empty.
        unsafe { tile::multiply(&self.tiles, [here.div_ceil(SIDE), panel.tiles], &operands) };
        self.complete(at, start, here, column, panel.width);
    }

    /// Asks for the lines of the output and of added rows that a block of rows will need.
    fn announce(&self, rows: std::ops::Range<usize>, column: usize, width: usize) {
        for row in rows {
            let place = row * self.target.stride + column;
            match self.halves {
                Some(halves) => prefetch_to_write(halves.wrapping_add(place).cast()),
                None => lines(self.target.values.wrapping_add(place).cast_const(), width, prefetch_to_write),
            }
            for stage in &*self.stages {
                match stage {
                    Stage::AddBf16 { values, stride } => {
                        prefetch(values.as_ptr().wrapping_add(row * stride + column).cast());
                    }
                    Stage::Add(rows) => {
                        lines(rows.values.as_ptr().wrapping_add(row * rows.stride + column), width, prefetch);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Sends the sums of `here` positions from `start` on through the stages, output row by output row.
    fn complete(&mut self, at: &Positions<'_>, start: usize, here: usize, column: usize, width: usize) {
        let end = start + here;
        let (mut y, mut position) = (start / at.width, start);
        while position < end {
            let row_end = (y * at.width + at.valid).min(end);
            if position < row_end {
                let row = at.row + y * at.valid + (position - y * at.width);
                let block = Block {
                    source: self.sums.0[(position - start) * SUMS_STRIDE..].as_ptr(),
                    stride: SUMS_STRIDE,
                    rows: row_end - position,
                    columns: width,
                    place: Place { row, range_start: 0, column },
                    target: self.target,
                    stages: &mut *self.stages,
                };
                // SAFETY: `new` checked the output and the stages for rows and columns that hold the block, as `panel` checked;
                // the sums hold the block's rows; where the tiles are, the conversions are, too.
                unsafe { block.complete_stored(self.isa, self.halves) };
            }
            y += 1;
            position = y * at.width;
        }
    }
}
