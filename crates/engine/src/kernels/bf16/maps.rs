//! Rows of the left-hand matrix as tiles read them: some output rows of a map, or some rows of channels, copied once to bf16 with the
//! zeros that the window reads around the map. Windows overlap there: nothing is copied for each output pixel.
//!
//! Rows of the map are dealt out to as many planes as the window's step, so that the pixels under neighbouring output pixels,
//! across the ends of rows, too, are at a constant distance; the positions beyond the end of an output row are computed and left out.

use std::ops::Range;

use super::rounding::pack_rows;
use super::stored::Stored;
use super::tile::{DEPTH, Run};
use crate::kernels::{Isa, Window};

/// Bytes of the copy to aim for: a quarter of the second-level cache of the processors that have the unit.
const COPY: usize = 512 * 1024;
/// The same for rows of channels, which are passed over once for each panel: half of that cache.
const ROWS: usize = 1024 * 1024;
/// Positions that tiles may read beyond the last one: two tiles of rows.
pub(super) const BEYOND: usize = 32;

/// Output rows of a map at work and how their copy lies.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    window: Window,
    /// Channels of a pixel, and the first and number of those that are read.
    channels: usize,
    first: usize,
    count: usize,
    /// Pixels of a padded row, a multiple of the window's step.
    row: usize,
    /// Output rows that are copied together, at most.
    pub height: usize,
}

impl Maps {
    /// For channels `first..first + count` of pixels of `channels`.
    pub fn new(window: Window, channels: usize, first: usize, count: usize) -> Self {
        let maps = Self::whole(window, channels, first, count);
        let bytes_per_output_row = 2 * maps.row * count * window.stride[0];
        Self { height: (COPY / bytes_per_output_row.max(1)).clamp(1, window.output[0]), ..maps }
    }

    /// The same with all output rows copied together.
    pub fn whole(window: Window, channels: usize, first: usize, count: usize) -> Self {
        let reach = (window.output[1] - 1) * window.stride[1] + (window.kernel[1] - 1) * window.dilation[1] + 1;
        let row = reach.next_multiple_of(window.stride[1]);
        Self { window, channels, first, count, row, height: window.output[0] }
    }

    /// Lengths of the runs of the depth, in values.
    pub fn run_lengths(window: &Window, count: usize) -> Vec<usize> {
        let [height, width] = window.kernel;
        if joined(window) { vec![width * count; height] } else { vec![count; height * width] }
    }

    /// Runs for a copy of `height` output rows.
    pub fn runs(&self, height: usize) -> Vec<Run> {
        let Window { kernel, stride, dilation, .. } = self.window;
        let plane = self.plane(height);
        let row = |y: usize| (y % stride[0] * plane + y / stride[0] * self.row) * self.count;
        let columns = if joined(&self.window) { 1 } else { kernel[1] };
        let blocks = (kernel[1] / columns * self.count).div_ceil(DEPTH);
        let run =
            |y: usize, x: usize| Run { offset: 2 * (row(y * dilation[0]) + x * dilation[1] * self.count), blocks };
        (0..kernel[0]).flat_map(|y| (0..columns).map(move |x| (y, x))).map(|(y, x)| run(y, x)).collect()
    }

    /// Positions from the start of an output row to that of the next.
    pub const fn width(&self) -> usize {
        self.row / self.window.stride[1]
    }

    /// Halves between the addresses of neighbouring positions.
    pub const fn step(&self) -> usize {
        self.window.stride[1] * self.count
    }

    /// Halves of a copy of `height` output rows, with what tiles read beyond it.
    pub fn halves(&self, height: usize) -> usize {
        self.window.stride[0] * self.plane(height) * self.count + BEYOND * self.step() + DEPTH
    }

    /// Pixels of a plane of a copy of `height` output rows.
    pub fn plane(&self, height: usize) -> usize {
        self.read(height).div_ceil(self.window.stride[0]) * self.row
    }

    /// Rows of the padded map that `height` output rows read.
    fn read(&self, height: usize) -> usize {
        (height - 1) * self.window.stride[0] + (self.window.kernel[0] - 1) * self.window.dilation[0] + 1
    }

    /// Copies what output rows `rows` of an image read.
    pub fn copy(&self, isa: Isa, image: Stored<'_>, rows: Range<usize>, to: &mut [u16]) {
        let (height, stride) = (rows.len(), self.window.stride[0]);
        let (plane, row_len) = (self.plane(height), self.row * self.count);
        let read = self.read(height);
        for at in 0..read.next_multiple_of(stride) {
            let start = (at % stride * plane + at / stride * self.row) * self.count;
            let row = (rows.start * stride + at).wrapping_sub(self.window.before[0]);
            let row = if at < read { row } else { usize::MAX };
            self.copy_row(isa, image, row, &mut to[start..start + row_len]);
        }
        // Runs are filled up to whole blocks by what follows them; the weights there are zeros, and this must be finite.
        let end = stride * plane * self.count;
        to[end..end + DEPTH].fill(0);
    }

    /// One row of the padded map; zeros where it is outside.
    fn copy_row(&self, isa: Isa, image: Stored<'_>, row: usize, to: &mut [u16]) {
        let Window { input, before, .. } = self.window;
        if row >= input[0] {
            to.fill(0);
            return;
        }
        // A negative padding is a start after the first pixel.
        let skipped = if before[1] as isize >= 0 { 0 } else { before[1].wrapping_neg().min(input[1]) };
        let left = before[1].wrapping_add(skipped).min(self.row);
        let columns = (input[1] - skipped).min(self.row - left);
        let from = (row * input[1] + skipped) * self.channels + self.first;
        to[..left * self.count].fill(0);
        to[(left + columns) * self.count..].fill(0);
        let to = &mut to[left * self.count..][..columns * self.count];
        if self.count == self.channels {
            image.copy(isa, from, to);
            return;
        }
        for (pixel, to) in to.chunks_exact_mut(self.count).enumerate() {
            image.copy(isa, from + pixel * self.channels, to);
        }
    }
}

/// Whether the pixels under a row of the window are one run.
pub(super) fn joined(window: &Window) -> bool {
    window.dilation[1] == 1 || window.kernel[1] == 1
}

/// Rows of channels, each filled up with zeros to whole blocks of the depth.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelRows {
    pub count: usize,
    /// Halves from row to row.
    pub step: usize,
    /// Rows that are copied together, at most.
    pub height: usize,
}

impl ChannelRows {
    /// For rows of `count` channels.
    pub fn new(count: usize) -> Self {
        let step = count.next_multiple_of(DEPTH);
        Self { count, step, height: (ROWS / (2 * step).max(1) / BEYOND * BEYOND).max(BEYOND) }
    }

    /// Halves of a copy of `rows` rows, with what tiles read beyond it.
    pub const fn halves(&self, rows: usize) -> usize {
        (rows + BEYOND) * self.step
    }

    /// Copies the rows that start at `starts` in `from`.
    pub fn copy(&self, isa: Isa, from: Stored<'_>, starts: impl Iterator<Item = usize>, to: &mut [u16]) {
        debug_assert!(isa.has_tiles());
        let _ = isa;
        pack_rows(from, starts, self.count, to.chunks_exact_mut(self.step));
    }
}
