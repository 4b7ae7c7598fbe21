//! Rows of a map with the zeros that a window reads around it, so that a loop over pixels has no edges and the pixels under one
//! row of the window are contiguous.

use std::ops::Range;

use super::Window;

/// The pixels that a window reads, padding included: row and column 0 are the first that the first output pixel reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Padded<'a> {
    pub window: &'a Window,
    pub channels: usize,
}

impl Padded<'_> {
    /// Pixels read along an axis by `count > 0` neighbouring output pixels.
    pub const fn reach(&self, axis: usize, count: usize) -> usize {
        let Window { kernel, stride, dilation, .. } = self.window;
        (count - 1) * stride[axis] + (kernel[axis] - 1) * dilation[axis] + 1
    }

    /// Values of a padded row.
    pub const fn row_len(&self) -> usize {
        self.reach(1, self.window.output[1]) * self.channels
    }

    /// Copies padded rows `rows` of an image to `to`.
    pub fn copy(&self, image: &[f32], rows: Range<usize>, to: &mut [f32]) {
        let Window { input, before, .. } = self.window;
        let (len, map_row) = (self.row_len(), input[1] * self.channels);
        // A negative padding starts inside the map.
        let start = before[1].wrapping_neg() as isize;
        let left = (start.min(0).unsigned_abs() * self.channels).min(len);
        let from = (start.max(0).unsigned_abs() * self.channels).min(map_row);
        let count = (len - left).min(map_row - from);
        for (row, to) in rows.zip(to.chunks_exact_mut(len)) {
            let row = row.wrapping_sub(before[0]);
            if row >= input[0] {
                to.fill(0.0);
                continue;
            }
            to[..left].fill(0.0);
            to[left..left + count].copy_from_slice(&image[row * map_row + from..][..count]);
            to[left + count..].fill(0.0);
        }
    }
}
