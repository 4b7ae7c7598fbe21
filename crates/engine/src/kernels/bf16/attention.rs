//! Multi-head softmax attention in bf16: queries, keys, values and probabilities are rounded, scores and the softmax are `f32`.

use super::maps::ChannelRows;
use super::matrix::{halves, panels, place};
use super::product::{Positions, Product};
use super::rounding::round_into;
use super::stored::{Stored, StoredRowsMut};
use super::tile::{DEPTH, Run, SIDE};
use crate::kernels::attention::probabilities;
use crate::kernels::rows::check_rows;
use crate::kernels::{Attention, Isa, RowsMut, Scratch};

/// Query rows whose scores are held at a time.
const QUERIES: usize = 64;

/// Softmax attention on rows of queries, keys and values, one after the other, heads inside each.
#[derive(Debug, Clone, Copy)]
pub struct Bf16Attention {
    isa: Isa,
    tokens: usize,
    channels: usize,
    heads: usize,
}

impl Bf16Attention {
    /// Attention over `tokens` tokens of `channels` channels per image; `heads` divides the channels.
    #[must_use]
    pub fn new(isa: Isa, tokens: usize, channels: usize, heads: usize) -> Self {
        assert!(heads > 0 && channels.is_multiple_of(heads), "{channels} channels in {heads} heads");
        Self { isa, tokens, channels, heads }
    }

    /// Computes all tokens of `images` images. `input` is `[images * tokens, 3 * channels]`, `output` `[images * tokens, channels]`.
    pub fn run(&self, input: Stored<'_>, images: usize, mut output: StoredRowsMut<'_>, scratch: &mut Scratch) {
        let len = self.tokens * 3 * self.channels;
        assert!(input.len() >= images * len, "{images} images of {} tokens", self.tokens);
        check_rows(output.values.len(), output.stride, images * self.tokens, self.channels);
        if !self.isa.has_tiles() {
            let mut copy = std::mem::take(&mut scratch.rounded);
            copy.grow(images * len);
            round_into(&input.f32()[..images * len], &mut copy);
            let attention = Attention::new(self.isa, self.tokens, self.channels, self.heads).with_rounded_probabilities();
            attention.run(&copy[..images * len], 0..images * self.tokens, output.f32(), scratch);
            scratch.rounded = copy;
            return;
        }
        for image in 0..images {
            for head in 0..self.heads {
                self.head(input.from(image * len), image, head, &mut output, scratch);
            }
        }
    }

    /// One head of one image.
    fn head(
        &self,
        image: Stored<'_>,
        index: usize,
        head: usize,
        output: &mut StoredRowsMut<'_>,
        scratch: &mut Scratch,
    ) {
        let (tokens, width, stride) = (self.tokens, self.channels / self.heads, 3 * self.channels);
        let part = |part: usize| image.from(part * self.channels + head * width);
        let queries = ChannelRows { count: width, step: width.next_multiple_of(DEPTH), height: QUERIES };
        let weights = ChannelRows { count: tokens, step: tokens.next_multiple_of(DEPTH), height: QUERIES };
        let key_blocks = queries.step / DEPTH;
        let value_blocks = weights.step / DEPTH;
        let (keys_len, values_len) = (halves(key_blocks, tokens), halves(value_blocks, width));
        scratch.panels.grow((keys_len + values_len).div_ceil(2));
        scratch.rows.grow(queries.halves(QUERIES).max(weights.halves(QUERIES)).div_ceil(2));
        scratch.values.grow(QUERIES * tokens);
        let (keys, values) = scratch.panels.halves_mut()[..keys_len + values_len].split_at_mut(keys_len);
        self.pack_keys(part(1), stride, width, keys);
        self.pack_values(part(2), stride, width, values);
        let (keys, values) = scratch.panels.halves()[..keys_len + values_len].split_at(keys_len);
        let factor = 1.0 / (width as f32).sqrt();
        for first in (0..tokens).step_by(QUERIES) {
            let rows = QUERIES.min(tokens - first);
            let starts = (first..first + rows).map(|token| token * stride);
            queries.copy(self.isa, part(0), starts, scratch.rows.halves_mut());
            let scores = RowsMut::new(&mut scratch.values, tokens).into();
            multiply(self.isa, scratch.rows.halves(), &queries, (keys, key_blocks, tokens), scores, (0..rows, 0));
            probabilities(self.isa, &mut scratch.values[..rows * tokens], tokens, factor);
            let starts = (0..rows).map(|row| row * tokens);
            weights.copy(self.isa, Stored::F32(&scratch.values), starts, scratch.rows.halves_mut());
            let to = (index * tokens + first..index * tokens + first + rows, head * width);
            let matrix = (values, value_blocks, width);
            multiply(self.isa, scratch.rows.halves(), &weights, matrix, output.reborrow(), to);
        }
    }

    /// Packs the transpose of the keys: depth is the width of a head, columns are tokens.
    fn pack_keys(&self, from: Stored<'_>, stride: usize, width: usize, to: &mut [u16]) {
        to.fill(0);
        let blocks = width.div_ceil(DEPTH);
        let mut row = vec![0; width];
        for token in 0..self.tokens {
            from.copy(self.isa, token * stride, &mut row);
            for (block, values) in row.chunks(DEPTH).enumerate() {
                let start = place(blocks, self.tokens, block, 0, token);
                for (pair, to) in values.chunks(2).zip(to[start..].chunks_mut(DEPTH)) {
                    to[..pair.len()].copy_from_slice(pair);
                }
            }
        }
    }

    /// Packs the values: depth is tokens, columns are the width of a head.
    fn pack_values(&self, from: Stored<'_>, stride: usize, width: usize, to: &mut [u16]) {
        to.fill(0);
        let blocks = self.tokens.div_ceil(DEPTH);
        let mut row = vec![0; width];
        for token in 0..self.tokens {
            from.copy(self.isa, token * stride, &mut row);
            for (tile, values) in row.chunks(SIDE).enumerate() {
                let start = place(blocks, width, token / DEPTH, token % DEPTH, tile * SIDE);
                for (value, to) in values.iter().zip(to[start..].iter_mut().step_by(2)) {
                    *to = *value;
                }
            }
        }
    }
}

/// Copied rows times a packed matrix `(values, blocks, columns)`, to rows `rows` and channels from `first` on.
fn multiply(
    isa: Isa,
    copy: &[u16],
    layout: &ChannelRows,
    (values, blocks, columns): (&[u16], usize, usize),
    output: StoredRowsMut<'_>,
    (rows, first): (std::ops::Range<usize>, usize),
) {
    let (runs, valid) = ([Run { offset: 0, blocks }], rows.len());
    let at = Positions { copy, step: layout.step, runs: &runs, width: valid, valid, height: 1, row: rows.start };
    let mut product = Product::new(isa, output, &mut [], rows.end, first + columns);
    for panel in panels(values, blocks, columns) {
        product.panel(&at, panel, first);
    }
}
