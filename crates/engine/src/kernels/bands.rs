//! Convolutions of few channels on padded rows: gathering each pixel's patch would cost about as much as multiplying it, so a
//! band of padded rows is copied instead, where the patches overlap, and the micro-kernel reads the window row by row.
//!
//! The chain of every output value is that of the blocked product, so which of the two runs changes no bit.
#![allow(unsafe_code)]

use std::ops::Range;

use super::band_tiles::{Operands, Tiles};
use super::epilogue::{self, Block, Place, Target};
use super::gather::Patches;
use super::matmul::{Destination, Scratch, announce, multiply};
use super::packed::{PackedView, Panel};
use super::padded::Padded;

/// Values of a patch up to which bands are the faster way.
const DEPTH: usize = 384;
/// Output pixels in a row from which tiles are long enough.
const WIDTH: usize = 8;
/// Values of a band's copy to aim for.
const BAND: usize = 8 * 1024;
/// Values of a panel that stay in the first-level cache beside the pixels.
const PANEL: usize = 4 * 1024;

/// The product of the patches with the packed weights: by bands where that is faster, else with the patches gathered.
pub(super) fn convolve(
    source: &Patches<'_>,
    range: Range<usize>,
    matrix: PackedView<'_>,
    destination: Destination<'_, '_>,
    scratch: &mut Scratch,
) {
    let window = source.window;
    let fits = source.count == source.channels && window.dilation[1] == 1 && window.kernel[0] * window.kernel[1] > 1;
    if fits && window.output[1] >= WIDTH && matrix.depth <= DEPTH {
        bands(source, range, matrix, destination, scratch);
    } else {
        multiply(source, range, matrix, destination, scratch);
    }
}

fn bands(
    source: &Patches<'_>,
    range: Range<usize>,
    matrix: PackedView<'_>,
    destination: Destination<'_, '_>,
    scratch: &mut Scratch,
) {
    let Destination { output, column, stages } = destination;
    epilogue::check(&output, stages, &range, column + matrix.columns);
    let target = Target { values: output.values.as_mut_ptr(), stride: output.stride };
    let window = source.window;
    let padded = Padded { window, channels: source.channels };
    let step = window.stride[0] * padded.row_len();
    let height = (BAND.saturating_sub(padded.reach(0, 1) * padded.row_len()) / step + 1).min(window.output[0]);
    scratch.rows.grow(padded.reach(0, height) * padded.row_len());
    let tiles = Tiles::of(matrix.isa);
    scratch.tiles.grow(height * window.output[1].next_multiple_of(tiles.pixels(tiles.lanes)) * 2 * tiles.lanes);
    let image_len = window.input_pixels() * source.channels;
    let mut row = range.start;
    while row < range.end {
        let (image, y, x) = window.place(row);
        let rows = height.min(window.output[0] - y);
        let end = (row - x + rows * window.output[1]).min(range.end);
        let first = y * window.stride[0];
        let pixels = &source.input[image * image_len..][..image_len];
        padded.copy(pixels, first..first + padded.reach(0, rows), &mut scratch.rows);
        let place = Place { row: row - range.start, range_start: range.start, column };
        let mut band = Band { padded, matrix, tiles, pixels: row..end, x, place, target, stages, scratch };
        for panel in (0..matrix.columns).step_by(2 * tiles.lanes) {
            band.panel(Panel::at(matrix.isa, matrix.depth, matrix.columns, panel));
        }
        row = end;
    }
}

/// Some rows of one map, the first from column `x` on, with what they read in the scratch's rows.
struct Band<'a, 'b> {
    padded: Padded<'a>,
    matrix: PackedView<'a>,
    tiles: Tiles,
    pixels: Range<usize>,
    x: usize,
    place: Place,
    target: Target,
    stages: &'a mut [super::Stage<'b>],
    scratch: &'a mut Scratch,
}

impl Band<'_, '_> {
    /// All pixels, some output channels.
    fn panel(&mut self, panel: Panel) {
        let window = self.padded.window;
        let len = window.kernel[1] * self.padded.channels;
        // So many rows of the window that their part of the panel is read from the first-level cache.
        let together = (PANEL / (len * panel.width)).max(1);
        for first in (0..window.kernel[0]).step_by(together) {
            let rows = first..window.kernel[0].min(first + together);
            let (mut start, mut y, mut x) = (self.pixels.start, 0, self.x);
            while start < self.pixels.end {
                let end = (start + window.output[1] - x).min(self.pixels.end);
                self.row(&panel, &rows, start..end, y, x);
                (start, y, x) = (end, y + 1, 0);
            }
        }
    }

    /// Neighbouring pixels of one row of the map, in tiles of about the same size.
    fn row(&mut self, panel: &Panel, rows: &Range<usize>, pixels: Range<usize>, y: usize, x: usize) {
        let window = self.padded.window;
        let (len, row_len) = (window.kernel[1] * self.padded.channels, self.padded.row_len());
        let parts = pixels.len().div_ceil(self.tiles.pixels(panel.width));
        let values =
            &self.matrix.values[panel.offset + rows.start * len * panel.width..][..rows.len() * len * panel.width];
        for part in 0..parts {
            let (start, end) = (part * pixels.len() / parts, (part + 1) * pixels.len() / parts);
            let at = pixels.start + start - self.pixels.start;
            let count = end - start;
            let columns = panel.width.min(self.matrix.columns - panel.column);
            let place = Place { row: self.place.row + at, column: self.place.column + panel.column, ..self.place };
            // Sums that nothing follows are held where they belong.
            let direct = self.stages.is_empty() && columns == panel.width;
            let (sums, sums_stride) = if direct {
                let Target { values, stride } = self.target;
                (values.wrapping_add(place.row * stride + place.column), stride)
            } else {
                (self.scratch.tiles[at * panel.width..][..count * panel.width].as_mut_ptr(), panel.width)
            };
            let from = (y * window.stride[0] + rows.start * window.dilation[0]) * row_len
                + (x + start) * window.stride[1] * self.padded.channels;
            let distance = window.dilation[0] * row_len;
            let stride = window.stride[1] * self.padded.channels;
            let reads = (rows.len() - 1) * distance + (count - 1) * stride + len;
            let operands = Operands {
                pixels: self.scratch.rows[from..][..reads].as_ptr(),
                stride,
                rows: rows.len(),
                len,
                distance,
                panel: values.as_ptr(),
                sums,
                sums_stride,
                continues: rows.start > 0,
            };
            let last = rows.end == window.kernel[0];
            if last || (direct && rows.start == 0) {
                announce(self.target, self.stages, place, count, columns);
            }
            // SAFETY: the slices hold what the tile reads and writes, or the output, which was checked for the whole range and all
            // columns, does; the sums were written with the window's rows before these.
            unsafe { self.tiles.kernel(count, panel.width)(operands) };
            if last && !direct {
                let block = Block {
                    source: sums,
                    stride: sums_stride,
                    rows: count,
                    columns,
                    place,
                    target: self.target,
                    stages: &mut *self.stages,
                };
                // SAFETY: the output and the stages were checked for the whole range and all columns; the sums hold `count` rows.
                unsafe { block.complete(self.matrix.isa) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Padding;
    use crate::kernels::{Isa, PackedMatrix, RowsMut, Stage, Window};

    fn values(len: usize) -> Vec<f32> {
        (0..len).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    #[test]
    fn bands_have_the_bits_of_gathered_patches() {
        for (side, channels, output, kernel, stride, padding) in [
            (13, 3, 20, 3, 1, 1),
            (30, 16, 16, 3, 1, 1),
            (31, 3, 40, 7, 2, 3),
            (11, 40, 33, 3, 1, 2),
            (12, 5, 4, 5, 3, 0),
        ] {
            let window =
                Window::new([side; 2], [kernel; 2], [stride; 2], Padding::all(padding), [1, 1], false).unwrap();
            let (input, bias) = (values(3 * side * side * channels), values(output));
            let source = Patches { input: &input, channels, window: &window, first: 0, count: channels };
            let rows = 3 * window.output_pixels();
            for isa in Isa::available() {
                let weight = values(output * channels * kernel * kernel);
                let matrix = PackedMatrix::from_convolution(isa, &weight, output, channels, [kernel; 2]);
                for range in [0..rows, 5..rows - 3, 17..18] {
                    let run = |by_bands: bool| {
                        let mut found = vec![f32::NAN; range.len() * output];
                        let mut stages = [Stage::Bias(&bias)];
                        let destination =
                            Destination { output: RowsMut::new(&mut found, output), column: 0, stages: &mut stages };
                        let scratch = &mut Scratch::default();
                        if by_bands {
                            bands(&source, range.clone(), matrix.view(), destination, scratch);
                        } else {
                            multiply(&source, range.clone(), matrix.view(), destination, scratch);
                        }
                        found.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
                    };
                    assert_eq!(run(true), run(false), "{isa} {range:?} {window:?}");
                }
            }
        }
    }
}
