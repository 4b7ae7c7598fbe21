//! How weights lie while kernels work on them, and the way from and to the checkpoint's layout `[output, input, taps]`.
//!
//! Panels of columns, as in [`PackedMatrix`](crate::kernels::PackedMatrix): all taps and rows of one panel, then the next panel. The
//! last panel may have fewer vectors than the others.

use rayon::prelude::*;

/// `[panel, tap, row, width]`. Either the rows are input channels and the columns output channels, or the other way round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Values in a vector.
    pub lanes: usize,
    /// Vectors in a panel.
    pub vectors: usize,
    pub taps: usize,
    pub rows: usize,
    pub columns: usize,
}

/// Rows of a panel that are moved together, so that what is read and what is written stay in the first-level cache.
const TOGETHER: usize = 16;

impl Layout {
    /// Values, the padding of the last panel included.
    pub const fn len(&self) -> usize {
        self.taps * self.rows * self.columns.next_multiple_of(self.lanes)
    }

    /// Columns that the panel from `column` on holds, padding included.
    pub const fn width(&self, column: usize) -> usize {
        let (rest, most) = ((self.columns - column).next_multiple_of(self.lanes), self.panel_width());
        if rest < most { rest } else { most }
    }

    /// Columns of a panel that is not the last.
    pub const fn panel_width(&self) -> usize {
        self.vectors * self.lanes
    }

    /// Where the values of a panel begin, for a tap and a row.
    pub const fn offset(&self, column: usize, tap: usize, row: usize) -> usize {
        column * self.taps * self.rows + (tap * self.rows + row) * self.width(column)
    }

    /// Values of a panel that is not the last.
    const fn panel_len(&self) -> usize {
        self.panel_width() * self.taps * self.rows
    }

    /// Copies the weight `[columns, rows, kernel]` to the panels: columns are output channels.
    pub fn pack_by_output(&self, weight: &[f32], panels: &mut [f32]) {
        let Self { taps, rows, .. } = *self;
        if self.len() == 0 {
            return;
        }
        let together = (TOGETHER * 9 / taps).max(1);
        let move_panel = |(panel, values): (usize, &mut [f32])| {
            let (column, width) = self.place(panel);
            let held = (self.columns - column).min(width);
            // Columns lie far apart, often by a power of two: their part is brought together first.
            let mut near = vec![0.0; held * together * taps];
            for first in (0..rows).step_by(together) {
                let count = together.min(rows - first);
                let len = count * taps;
                for (n, near) in near.chunks_exact_mut(len).take(held).enumerate() {
                    near.copy_from_slice(&weight[((column + n) * rows + first) * taps..][..len]);
                }
                for tap in 0..taps {
                    let to = &mut values[(tap * rows + first) * width..][..count * width];
                    for (row, to) in to.chunks_exact_mut(width).enumerate() {
                        let from = near[row * taps + tap..].iter().step_by(len);
                        to[..held].iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                    }
                }
            }
        };
        panels[..self.len()].par_chunks_mut(self.panel_len()).enumerate().for_each(move_panel);
    }

    /// Copies the panels to the weight `[columns, rows, kernel]`: columns are output channels.
    pub fn unpack_by_output(&self, panels: &[f32], weight: &mut [f32]) {
        let Self { taps, rows, .. } = *self;
        if self.len() == 0 {
            return;
        }
        let together = (TOGETHER * 9 / taps).max(1);
        let move_panel = |(panel, weight): (usize, &mut [f32])| {
            let (column, width) = self.place(panel);
            let held = (self.columns - column).min(width);
            let values = &panels[self.offset(column, 0, 0)..][..width * taps * rows];
            let mut near = vec![0.0; held * together * taps];
            for first in (0..rows).step_by(together) {
                let count = together.min(rows - first);
                let len = count * taps;
                for tap in 0..taps {
                    let from = &values[(tap * rows + first) * width..][..count * width];
                    for (row, from) in from.chunks_exact(width).enumerate() {
                        let to = near[row * taps + tap..].iter_mut().step_by(len);
                        to.zip(&from[..held]).for_each(|(to, from)| *to = *from);
                    }
                }
                for (n, near) in near.chunks_exact(len).take(held).enumerate() {
                    weight[(n * rows + first) * taps..][..len].copy_from_slice(near);
                }
            }
        };
        weight.par_chunks_mut(self.panel_width() * rows * taps).enumerate().for_each(move_panel);
    }

    /// Copies taps `chosen` of the weight `[rows, columns, kernel]` to the panels: columns are input channels.
    pub fn pack_by_input(&self, weight: &[f32], kernel: usize, chosen: &[usize], panels: &mut [f32]) {
        let Self { rows, columns, .. } = *self;
        if self.len() == 0 {
            return;
        }
        let move_panel = |(panel, values): (usize, &mut [f32])| {
            let (column, width) = self.place(panel);
            let held = (columns - column).min(width);
            for first in (0..rows).step_by(TOGETHER) {
                for (tap, source) in chosen.iter().enumerate() {
                    for row in first..rows.min(first + TOGETHER) {
                        let from = &weight[(row * columns + column) * kernel..][..held * kernel];
                        let to = &mut values[(tap * rows + row) * width..][..held];
                        if kernel == 1 {
                            to.copy_from_slice(from);
                        } else {
                            let from = from[*source..].iter().step_by(kernel);
                            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
            }
        };
        panels[..self.len()].par_chunks_mut(self.panel_len()).enumerate().for_each(move_panel);
    }

    /// Copies the panels to the weight `[rows, columns, kernel]`: columns are input channels.
    pub fn unpack_by_input(&self, panels: &[f32], weight: &mut [f32]) {
        let Self { taps, rows, columns, .. } = *self;
        if self.len() == 0 {
            return;
        }
        let move_rows = |(group, weight): (usize, &mut [f32])| {
            let first = group * TOGETHER;
            for column in (0..columns).step_by(self.panel_width()) {
                let held = (columns - column).min(self.panel_width());
                for tap in 0..taps {
                    for row in first..rows.min(first + TOGETHER) {
                        let from = &panels[self.offset(column, tap, row)..][..held];
                        let to = &mut weight[((row - first) * columns + column) * taps..][..held * taps];
                        if taps == 1 {
                            to.copy_from_slice(from);
                        } else {
                            let to = to[tap..].iter_mut().step_by(taps);
                            to.zip(from).for_each(|(to, from)| *to = *from);
                        }
                    }
                }
            }
        };
        weight.par_chunks_mut(TOGETHER * columns * taps).enumerate().for_each(move_rows);
    }

    /// Copies the panels to the weight `[rows, channels, taps, width]`: columns are the window's pixels of a row with their
    /// `channels`, taps the window's rows.
    pub fn unpack_by_window(&self, panels: &[f32], channels: usize, weight: &mut [f32]) {
        let (taps, width) = (self.taps, self.columns / channels);
        for (row, weight) in weight.chunks_exact_mut(self.columns * taps).enumerate() {
            for column in 0..self.columns {
                let start = column - column % self.panel_width();
                let (pixel, channel) = (column / channels, column % channels);
                for tap in 0..taps {
                    weight[(channel * taps + tap) * width + pixel] =
                        panels[self.offset(start, tap, row) + column - start];
                }
            }
        }
    }

    /// First column and width of a panel.
    const fn place(&self, panel: usize) -> (usize, usize) {
        let column = panel * self.panel_width();
        (column, self.width(column))
    }
}
