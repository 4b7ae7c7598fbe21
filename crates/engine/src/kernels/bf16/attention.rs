//! Multi-head softmax attention in bf16: queries, keys, values and probabilities are rounded, scores and the softmax are `f32`.

use super::maps::ChannelRows;
use super::matrix::{halves, panels, place};
use super::product::{Positions, Product};
use super::rounding::round_into;
use super::stored::{Stored, StoredRowsMut};
use super::tile::{DEPTH, Run, SIDE};
use crate::kernels::rows::check_rows;
use crate::kernels::simd::{Kernel, Simd, dispatch_rounding};
use crate::kernels::softmax::exponentials;
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
            let attention =
                Attention::new(self.isa, self.tokens, self.channels, self.heads).with_rounded_probabilities();
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
        let (keys, values) = scratch.panels.split_at_mut(keys_len / 2);
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
            let scores = &mut scratch.values[..rows * tokens];
            dispatch_rounding(Probabilities { scores, tokens, factor, layout: weights, to: scratch.rows.halves_mut() });
            let to = (index * tokens + first..index * tokens + first + rows, head * width);
            let matrix = (values, value_blocks, width);
            multiply(self.isa, scratch.rows.halves(), &weights, matrix, output.reborrow(), to);
        }
    }

    /// Packs the transpose of the keys: depth is the width of a head, columns are tokens. Pairs of halves are moved as one `f32`.
    fn pack_keys(&self, from: Stored<'_>, stride: usize, width: usize, to: &mut [f32]) {
        let blocks = width.div_ceil(DEPTH);
        let mut row = vec![0; blocks * DEPTH];
        for token in 0..self.tokens.next_multiple_of(SIDE) {
            if token < self.tokens {
                from.copy(self.isa, token * stride, &mut row[..width]);
            } else {
                row.fill(0);
            }
            for (block, values) in row.chunks_exact(DEPTH).enumerate() {
                let start = place(blocks, self.tokens, block, 0, token) / 2;
                for (pair, to) in values.chunks_exact(2).zip(to[start..].iter_mut().step_by(SIDE)) {
                    *to = both(pair[0], pair[1]);
                }
            }
        }
    }

    /// Packs the values: depth is tokens, columns are the width of a head.
    fn pack_values(&self, from: Stored<'_>, stride: usize, width: usize, to: &mut [f32]) {
        let blocks = self.tokens.div_ceil(DEPTH);
        let columns = width.next_multiple_of(SIDE);
        let (mut even, mut odd) = (vec![0; columns], vec![0; columns]);
        for token in (0..blocks * DEPTH).step_by(2) {
            for (row, token) in [(&mut even, token), (&mut odd, token + 1)] {
                if token < self.tokens {
                    from.copy(self.isa, token * stride, &mut row[..width]);
                } else {
                    row.fill(0);
                }
            }
            for (tile, (even, odd)) in even.chunks_exact(SIDE).zip(odd.chunks_exact(SIDE)).enumerate() {
                let start = place(blocks, width, token / DEPTH, token % DEPTH, tile * SIDE) / 2;
                for ((even, odd), to) in even.iter().zip(odd).zip(&mut to[start..start + SIDE]) {
                    *to = both(*even, *odd);
                }
            }
        }
    }
}

/// Two halves in the place of one `f32`, the first in the lower bits.
fn both(first: u16, second: u16) -> f32 {
    f32::from_bits(u32::from(second) << 16 | u32::from(first))
}

/// Replaces rows of `tokens` scores by rows of the layout, of the softmax of `factor` times them, rounded.
struct Probabilities<'a> {
    scores: &'a mut [f32],
    tokens: usize,
    factor: f32,
    layout: ChannelRows,
    to: &'a mut [u16],
}

impl Kernel for Probabilities<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for (row, to) in self.scores.chunks_exact_mut(self.tokens).zip(self.to.chunks_exact_mut(self.layout.step)) {
            let factor = simd.splat(1.0 / exponentials(simd, row, self.factor));
            for (chunk, to) in row.chunks(S::LANES).zip(to.chunks_mut(S::LANES)) {
                simd.store_halves(&mut to[..chunk.len()], simd.multiply(simd.load(chunk), factor));
            }
            to[self.tokens..].fill(0);
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
