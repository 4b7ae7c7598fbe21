//! Copies of channels and pixels in training: concatenation, zero channels, every n-th pixel.

use std::ops::Range;

use rayon::prelude::*;

use super::pooling::start;
use super::tasks::each_run;

/// Concatenation over channels: inputs `[rows, channels]`, each with its number of channels, into `to` `[rows, sum of the channels]`.
pub fn concat_forward(inputs: &[(&[f32], usize)], to: &mut [f32]) {
    let total: usize = inputs.iter().map(|(_, channels)| channels).sum();
    let rows = to.len() / total.max(1);
    assert!(
        inputs.iter().all(|(values, channels)| values.len() == rows * channels) && to.len() == rows * total,
        "{rows} rows of {total} channels"
    );
    each_run(to, total, |rows, to| {
        let mut first = 0;
        for &(values, channels) in inputs {
            let from = values[rows.start * channels..rows.end * channels].chunks_exact(channels.max(1));
            for (to, from) in to.chunks_exact_mut(total).zip(from) {
                to[first..first + channels].copy_from_slice(from);
            }
            first += channels;
        }
    });
}

/// Channels `range` of `values` `[rows, channels]` (plus `add`), as `to` `[rows, range.len()]`: the gradient of one input of a
/// concatenation, or of what was padded by zero channels.
pub fn take_channels(values: &[f32], channels: usize, range: Range<usize>, add: Option<&[f32]>, to: &mut [f32]) {
    let columns = range.len();
    assert!(
        range.end <= channels && values.len() * columns == to.len() * channels,
        "channels {range:?} of {channels}, {} of {} values",
        to.len(),
        values.len()
    );
    assert!(add.is_none_or(|add| add.len() == to.len()), "a summand of another size");
    each_run(to, columns, |rows, to| {
        let from = values[rows.start * channels..rows.end * channels].chunks_exact(channels.max(1));
        for (to, from) in to.chunks_exact_mut(columns.max(1)).zip(from) {
            to.copy_from_slice(&from[range.clone()]);
        }
        if let Some(add) = add {
            to.iter_mut().zip(&add[rows.start * columns..]).for_each(|(to, &add)| *to += add);
        }
    });
}

/// `values` `[rows, channels]` between zero channels, `before` and after, as `to` of `[rows, total]`.
pub fn pad_channels_forward(values: &[f32], channels: usize, before: usize, total: usize, to: &mut [f32]) {
    assert!(
        before + channels <= total && values.len() * total == to.len() * channels,
        "{channels} channels after {before} of {total}"
    );
    each_run(to, total, |rows, to| {
        let from = values[rows.start * channels..rows.end * channels].chunks_exact(channels.max(1));
        for (to, from) in to.chunks_exact_mut(total.max(1)).zip(from) {
            to.fill(0.0);
            to[before..before + channels].copy_from_slice(from);
        }
    });
}

/// Maps of which every `stride`-th pixel is taken, from the first.
#[derive(Debug, Clone, Copy)]
pub struct Subsampling {
    /// Height and width.
    pub size: [usize; 2],
    /// Step.
    pub stride: [usize; 2],
    /// Channels.
    pub channels: usize,
}

impl Subsampling {
    /// Rows and columns that are taken.
    fn output(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.stride[axis].max(1)))
    }

    /// Calls `work` with each output row: its first value and that of the input row it comes from, in one image.
    fn each_row(&self, mut work: impl FnMut(usize, usize)) {
        let [rows, columns] = self.output();
        for y in 0..rows {
            work(y * columns * self.channels, y * self.stride[0] * self.size[1] * self.channels);
        }
    }

    /// Values of an image before and after; panics where the batches do not match.
    fn check(&self, before: &[f32], after: &[f32]) -> [usize; 2] {
        let [rows, columns] = self.output();
        let lens = [self.size[0] * self.size[1] * self.channels, rows * columns * self.channels];
        let images = before.len() / lens[0].max(1);
        assert!(
            before.len() == images * lens[0] && after.len() == images * lens[1],
            "{} and {} values, {self:?}",
            before.len(),
            after.len()
        );
        lens
    }

    /// The pixels taken: `values` is `[images, height, width, channels]`, `to` holds the sides divided by the stride, rounded up.
    pub fn forward(&self, values: &[f32], to: &mut [f32]) {
        let [before, after] = self.check(values, to);
        let (columns, step) = (self.output()[1], self.stride[1] * self.channels);
        to.par_chunks_mut(after.max(1)).enumerate().for_each(|(image, to)| {
            let values = &values[image * before..][..before];
            self.each_row(|row, source| {
                for x in 0..columns {
                    let pixel = &values[source + x * step..][..self.channels];
                    to[row + x * self.channels..][..self.channels].copy_from_slice(pixel);
                }
            });
        });
    }

    /// Zeros (or `add`) but for the pixels taken; `dy` has the shape of the output, `add` and `dx` that of the input.
    pub fn gradient(&self, dy: &[f32], add: Option<&[f32]>, dx: &mut [f32]) {
        let [before, after] = self.check(dx, dy);
        let (columns, step) = (self.output()[1], self.stride[1] * self.channels);
        dx.par_chunks_mut(before.max(1)).enumerate().for_each(|(image, dx)| {
            start(add.map(|add| &add[image * before..][..before]), dx);
            let dy = &dy[image * after..][..after];
            self.each_row(|row, target| {
                for x in 0..columns {
                    let gradient = &dy[row + x * self.channels..][..self.channels];
                    let pixel = &mut dx[target + x * step..][..self.channels];
                    pixel.iter_mut().zip(gradient).for_each(|(dx, &dy)| *dx += dy);
                }
            });
        });
    }
}
