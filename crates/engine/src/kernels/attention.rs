//! Multi-head softmax attention, one head at a time: keys and values are packed as the micro-kernel reads them, and a block of
//! query rows passes from scores through the softmax to the output without leaving the second-level cache.

use std::ops::Range;

use super::matmul::{Destination, multiply};
use super::packed::{PackedView, packed_len, panels};
use super::simd::{Kernel, Simd, dispatch};
use super::softmax::exponentials;
use super::{Isa, Rows, RowsMut, Scratch, rounded};

/// Query rows whose scores are held at a time.
const QUERIES: usize = 56;

/// Softmax attention on rows of queries, keys and values, one after the other, heads inside each.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    isa: Isa,
    tokens: usize,
    channels: usize,
    heads: usize,
    /// Whether probabilities are rounded to bf16 before they are multiplied.
    rounded: bool,
}

impl Attention {
    /// Attention over `tokens` tokens of `channels` channels per image; `heads` divides the channels.
    #[must_use]
    pub fn new(isa: Isa, tokens: usize, channels: usize, heads: usize) -> Self {
        assert!(heads > 0 && channels.is_multiple_of(heads), "{channels} channels in {heads} heads");
        Self { isa: isa.clamped(), tokens, channels, heads, rounded: false }
    }

    /// The same with probabilities rounded to bf16.
    #[must_use]
    pub(super) const fn with_rounded_probabilities(mut self) -> Self {
        self.rounded = true;
        self
    }

    /// Computes tokens `rows`, counted over the batch. `input` is the whole batch, `[images * tokens, 3 * channels]`; `output`
    /// holds the rows of the range, `[rows, channels]`.
    pub fn run(&self, input: &[f32], rows: Range<usize>, output: RowsMut<'_>, scratch: &mut Scratch) {
        let images = input.len() / (self.tokens * 3 * self.channels).max(1);
        assert!(rows.end <= images * self.tokens, "rows {rows:?} of {images} images of {} tokens", self.tokens);
        output.check(rows.len(), self.channels);
        let mut start = rows.start;
        while start < rows.end {
            let image = start / self.tokens;
            let end = rows.end.min((image + 1) * self.tokens);
            let values = &input[image * self.tokens * 3 * self.channels..][..self.tokens * 3 * self.channels];
            for head in 0..self.heads {
                let output = RowsMut::new(&mut output.values[(start - rows.start) * output.stride..], output.stride);
                self.head(values, head, start - image * self.tokens..end - image * self.tokens, output, scratch);
            }
            start = end;
        }
    }

    /// One head of one image, for query tokens `rows`.
    fn head(&self, image: &[f32], head: usize, rows: Range<usize>, output: RowsMut<'_>, scratch: &mut Scratch) {
        let (width, stride) = (self.channels / self.heads, 3 * self.channels);
        let keys_len = packed_len(self.isa, width, self.tokens);
        let values_len = packed_len(self.isa, self.tokens, width).next_multiple_of(16);
        scratch.panels.grow(keys_len.next_multiple_of(16) + values_len);
        scratch.values.grow(QUERIES * self.tokens);
        let mut packed = std::mem::take(&mut scratch.panels);
        let mut scores = std::mem::take(&mut scratch.values);
        let (keys, values) = packed.split_at_mut(keys_len.next_multiple_of(16));
        let from = |part: usize| &image[part * self.channels + head * width..];
        pack_columns(self.isa, from(1), stride, self.tokens, width, keys);
        pack_rows(self.isa, from(2), stride, self.tokens, width, values);
        let keys = PackedView::new(self.isa, width, self.tokens, keys);
        let values = PackedView::new(self.isa, self.tokens, width, values);
        let queries = Rows::new(from(0), stride);
        for first in rows.clone().step_by(QUERIES) {
            let block = first..rows.end.min(first + QUERIES);
            let destination =
                Destination { output: RowsMut::new(&mut scores, self.tokens), column: 0, stages: &mut [] };
            multiply(&queries, block.clone(), keys, destination, scratch);
            let factor = 1.0 / (width as f32).sqrt();
            probabilities(self.isa, &mut scores[..block.len() * self.tokens], self.tokens, factor);
            if self.rounded {
                scores[..block.len() * self.tokens].iter_mut().for_each(|value| *value = rounded(*value));
            }
            let at = (block.start - rows.start) * output.stride;
            let output = RowsMut::new(&mut output.values[at..], output.stride);
            let destination = Destination { output, column: head * width, stages: &mut [] };
            multiply(&Rows::new(&scores, self.tokens), 0..block.len(), values, destination, scratch);
        }
        scratch.panels = packed;
        scratch.values = scores;
    }
}

/// Packs the transpose of `tokens` rows of `width` values.
pub(crate) fn pack_columns(isa: Isa, from: &[f32], stride: usize, tokens: usize, width: usize, to: &mut [f32]) {
    dispatch(isa, PackColumns { isa, from, stride, tokens, width, to });
}

struct PackColumns<'a> {
    isa: Isa,
    from: &'a [f32],
    stride: usize,
    tokens: usize,
    width: usize,
    to: &'a mut [f32],
}

impl Kernel for PackColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) {
        for panel in panels(self.isa, self.width, self.tokens) {
            let to = &mut self.to[panel.offset..][..self.width * panel.width];
            for n in 0..panel.width {
                let token = panel.column + n;
                let row = if token < self.tokens { &self.from[token * self.stride..][..self.width] } else { &[] };
                for (k, slot) in to.iter_mut().skip(n).step_by(panel.width).enumerate() {
                    *slot = row.get(k).copied().unwrap_or(0.0);
                }
            }
        }
    }
}

/// Packs `tokens` rows of `width` values.
pub(crate) fn pack_rows(isa: Isa, from: &[f32], stride: usize, tokens: usize, width: usize, to: &mut [f32]) {
    for panel in panels(isa, tokens, width) {
        let count = panel.width.min(width - panel.column);
        for (token, row) in to[panel.offset..][..tokens * panel.width].chunks_exact_mut(panel.width).enumerate() {
            row[..count].copy_from_slice(&from[token * stride + panel.column..][..count]);
            row[count..].fill(0.0);
        }
    }
}

/// Replaces rows of `tokens` scores by the softmax of `factor` times them.
pub(crate) fn probabilities(isa: Isa, scores: &mut [f32], tokens: usize, factor: f32) {
    dispatch(isa, Probabilities { scores, tokens, factor });
}

struct Probabilities<'a> {
    scores: &'a mut [f32],
    tokens: usize,
    factor: f32,
}

impl Kernel for Probabilities<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for row in self.scores.chunks_exact_mut(self.tokens) {
            let factor = simd.splat(1.0 / exponentials(simd, row, self.factor));
            for chunk in row.chunks_mut(S::LANES) {
                let scaled = simd.multiply(simd.load(chunk), factor);
                simd.store(chunk, scaled);
            }
        }
    }
}
