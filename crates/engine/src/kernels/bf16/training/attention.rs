//! Softmax attention of whole batches in bf16, and its gradient in tiles.
//!
//! The formulas are those of `kernels/training/attention.rs`. Queries, keys, values, `dY`, the probabilities and the gradient of the scores
//! are rounded where they are operands of a product; the softmax and its slope are `f32`. A head's probabilities and slopes are kept as
//! halves, `[tokens, tokens]`, and turned once for the two products whose depth are the queries.

use rayon::prelude::*;

use super::shuffle::{PairRows, positions_to_rows, rows_to_tile};
use crate::kernels::bf16::maps::ChannelRows;
use crate::kernels::bf16::matrix::{halves, panels};
use crate::kernels::bf16::product::{Positions, Product};
use crate::kernels::bf16::tile::{DEPTH, Run, SIDE, TILE};
use crate::kernels::bf16::{Bf16Attention, Stored, StoredMut, StoredRowsMut};
use crate::kernels::simd::{Kernel, Simd, dispatch_rounding};
use crate::kernels::softmax::exponentials;
use crate::kernels::training::{AttentionGradient, TrainingScratch, dot, sum_forward};
use crate::kernels::{AlignedBuffer, Isa, RowsMut};

/// Query rows whose scores are held at a time.
const QUERIES: usize = 64;

/// Attention of a whole batch in bf16 and its gradient; `input` is `[images, tokens, 3 * channels]`: queries, keys, values, heads inside
/// each.
#[derive(Debug, Clone, Copy)]
pub struct Bf16AttentionTraining {
    isa: Isa,
    tokens: usize,
    channels: usize,
    heads: usize,
}

impl Bf16AttentionTraining {
    /// Attention over `tokens` tokens of `channels` channels per image; `heads` divides the channels.
    #[must_use]
    pub fn new(isa: Isa, tokens: usize, channels: usize, heads: usize) -> Self {
        assert!(heads > 0 && channels.is_multiple_of(heads), "{channels} channels in {heads} heads");
        Self { isa, tokens, channels, heads }
    }

    /// Computes the output, `[images, tokens, channels]`.
    pub fn forward<'a>(&self, input: impl Into<Stored<'a>>, to: impl Into<StoredMut<'a>>, scratch: &TrainingScratch) {
        let (input, to) = (input.into(), to.into());
        let image = (self.tokens * self.channels).max(1);
        assert_eq!(input.len(), 3 * to.len(), "queries, keys and values of {} channels", self.channels);
        let operator = Bf16Attention::new(self.isa, self.tokens, self.channels, self.heads);
        if let (false, Stored::Bf16(_)) = (self.isa.has_tiles(), input) {
            let mut values = vec![0.0; input.len()];
            input.widen_to(&mut values);
            return self.forward(&values, to, scratch);
        }
        if let (false, StoredMut::Bf16(_)) = (self.isa.has_tiles(), &to) {
            let mut values = vec![0.0; to.len()];
            self.forward(input, &mut values, scratch);
            return sum_forward(self.isa, &values, None, None, to);
        }
        let run = |index: usize, to: StoredMut<'_>| {
            let input = input.part(3 * index * image..3 * (index + 1) * image);
            let to = StoredRowsMut::new(to, self.channels);
            scratch.lend(|worker| operator.run(input, 1, to, &mut worker.kernels));
        };
        match to {
            StoredMut::F32(to) => {
                to.par_chunks_mut(image).enumerate().for_each(|(index, to)| run(index, StoredMut::F32(to)));
            }
            StoredMut::Bf16(to) => {
                to.par_chunks_mut(image).enumerate().for_each(|(index, to)| run(index, StoredMut::Bf16(to)));
            }
        }
    }

    /// Writes the gradient of queries, keys and values, laid out as the input; `dy` is laid out as the output.
    pub fn gradient<'a>(
        &self,
        input: impl Into<Stored<'a>>,
        dy: impl Into<Stored<'a>>,
        dx: impl Into<StoredMut<'a>>,
        scratch: &mut TrainingScratch,
    ) {
        let (input, dy, dx) = (input.into(), dy.into(), dx.into());
        let image = (self.tokens * self.channels).max(1);
        assert!(
            dy.len().is_multiple_of(image) && input.len() == 3 * dy.len() && dx.len() == input.len(),
            "{} values, {} gradients of {} tokens of {} channels",
            input.len(),
            dy.len(),
            self.tokens,
            self.channels
        );
        if !self.isa.has_tiles() {
            let mut copies = std::mem::take(&mut scratch.rounded);
            let [first, second] = &mut copies;
            let plain = AttentionGradient::new(self.isa, self.tokens, self.channels, self.heads);
            let plain = plain.with_rounded_products();
            let (input, dy) = (super::round(input, first), super::round(dy, second));
            match dx {
                StoredMut::F32(dx) => plain.run(input, dy, dx, scratch),
                halves @ StoredMut::Bf16(_) => {
                    let mut values = vec![0.0; halves.len()];
                    plain.run(input, dy, &mut values, scratch);
                    sum_forward(self.isa, &values, None, None, halves);
                }
            }
            scratch.rounded = copies;
            return;
        }
        let run = |index: usize, mut dx: StoredMut<'_>| {
            let input = input.part(3 * index * image..3 * (index + 1) * image);
            let dy = dy.part(index * image..(index + 1) * image);
            scratch.lend(|worker| {
                (0..self.heads).for_each(|head| self.head(input, dy, head, dx.reborrow(), &mut worker.copies));
            });
        };
        match dx {
            StoredMut::F32(dx) => {
                dx.par_chunks_mut(3 * image).enumerate().for_each(|(index, dx)| run(index, StoredMut::F32(dx)));
            }
            StoredMut::Bf16(dx) => {
                dx.par_chunks_mut(3 * image).enumerate().for_each(|(index, dx)| run(index, StoredMut::Bf16(dx)));
            }
        }
    }

    /// One head of one image.
    fn head(
        &self,
        input: Stored<'_>,
        dy: Stored<'_>,
        head: usize,
        mut dx: StoredMut<'_>,
        memory: &mut [AlignedBuffer; 3],
    ) {
        let Self { tokens, channels, .. } = *self;
        let (width, stride) = (channels / self.heads, 3 * channels);
        let [rows, matrices, scores] = memory;
        let (short, long) = (ChannelRows::new(width), ChannelRows::new(tokens));
        let [narrow, wide] = [short.halves(tokens), long.halves(tokens)].map(|len| len.next_multiple_of(DEPTH));
        let [queries, keys, values, slopes, weights, gradients, turned] =
            pieces(rows, [narrow, narrow, narrow, narrow, wide, wide, wide]);
        let starts = |stride: usize, first: usize| (0..tokens).map(move |token| token * stride + first);
        for (part, to) in [&mut *queries, &mut *keys, &mut *values].into_iter().enumerate() {
            short.copy(self.isa, input, starts(stride, part * channels + head * width), to);
        }
        short.copy(self.isa, dy, starts(channels, head * width), slopes);

        let (across, down) = (short.step / DEPTH, long.step / DEPTH);
        let [tall, flat] = [halves(across, tokens), halves(down, width)];
        let [by_key, by_value, of_keys, of_queries, of_slopes] = pieces(matrices, [tall, tall, flat, flat, flat]);
        self.columns(keys, &short, by_key);
        self.columns(values, &short, by_value);
        for (from, to) in [(&*keys, &mut *of_keys), (&*queries, &mut *of_queries), (&*slopes, &mut *of_slopes)] {
            self.rows(from, &short, width, to);
        }
        let [by_key, by_value] = [by_key, by_value].map(|values| Right { values, blocks: across, columns: tokens });
        let [of_keys, of_queries, of_slopes] =
            [of_keys, of_queries, of_slopes].map(|values| Right { values, blocks: down, columns: width });

        scores.grow(2 * QUERIES * tokens);
        let (scores, products) = scores.split_at_mut(QUERIES * tokens);
        let factor = 1.0 / (width as f32).sqrt();
        for first in (0..tokens).step_by(QUERIES) {
            let count = QUERIES.min(tokens - first);
            for (from, right, to) in [(&*queries, by_key, &mut *scores), (&*slopes, by_value, &mut *products)] {
                let to = RowsMut::new(&mut to[..count * tokens], tokens);
                self.multiply(&from[first * short.step..], short.step, count, right, (to.into(), 0));
            }
            let range = first * long.step..(first + count) * long.step;
            dispatch_rounding(Slopes {
                scores: &mut scores[..count * tokens],
                products: &mut products[..count * tokens],
                tokens,
                factor,
                layout: long,
                weights: &mut weights[range.clone()],
                gradients: &mut gradients[range],
            });
        }
        let mut give = |from: &[u16], right: Right<'_>, part: usize| {
            let to = (StoredRowsMut::new(dx.reborrow(), stride), part * channels + head * width);
            self.multiply(from, long.step, tokens, right, to);
        };
        give(gradients, of_keys, 0);
        self.turn(gradients, &long, turned);
        give(turned, of_queries, 1);
        self.turn(weights, &long, turned);
        give(turned, of_slopes, 2);
    }

    /// Packs the transpose of rows of a head: columns are tokens.
    fn columns(&self, from: &[u16], layout: &ChannelRows, to: &mut [u16]) {
        let blocks = layout.step / DEPTH;
        for (tile, first) in (0..self.tokens).step_by(SIDE).enumerate() {
            let count = (self.tokens - first).min(SIDE);
            // Panels hold two tiles of columns, the last one or two.
            let panel = tile / 2 * 2;
            let tiles = (self.tokens.div_ceil(SIDE) - panel).min(2);
            for block in 0..blocks {
                let place = panel * blocks * TILE + (block * tiles + tile % 2) * TILE;
                let rows = &from[first * layout.step + block * DEPTH..];
                rows_to_tile(rows, layout.step, count, DEPTH, &mut to[place..place + TILE]);
            }
        }
    }

    /// Packs rows of a head: the depth are tokens.
    fn rows(&self, from: &[u16], layout: &ChannelRows, width: usize, to: &mut [u16]) {
        let blocks = self.tokens.div_ceil(DEPTH);
        let start = |block: usize, k: usize| {
            let token = block * DEPTH + k;
            (token < self.tokens).then_some(token * layout.step)
        };
        for (panel, to) in to.chunks_mut(2 * TILE * blocks).enumerate().take(width.div_ceil(2 * SIDE)) {
            let first = panel * 2 * SIDE;
            let rows = PairRows {
                from: Stored::Bf16(from),
                start,
                first,
                width: (width - first).min(2 * SIDE),
                apart: layout.step,
            };
            rows.pack(blocks, to);
        }
    }

    /// Turns a matrix `[tokens, tokens]`.
    fn turn(&self, from: &[u16], layout: &ChannelRows, to: &mut [u16]) {
        let (tokens, step) = (self.tokens, layout.step);
        for first in (0..tokens).step_by(SIDE) {
            let count = (tokens - first).min(SIDE);
            let to = &mut to[first * step..(first + count) * step];
            positions_to_rows(&from[first..], step, tokens, count, to, step);
            to.chunks_exact_mut(step).for_each(|row| row[tokens..].fill(0));
        }
    }

    /// `count` rows of halves times a packed matrix, to channels from the given one on.
    fn multiply(
        &self,
        from: &[u16],
        step: usize,
        count: usize,
        right: Right<'_>,
        (to, first): (StoredRowsMut<'_>, usize),
    ) {
        let runs = [Run { offset: 0, blocks: right.blocks }];
        let at = Positions { copy: from, step, runs: &runs, width: count, valid: count, height: 1, row: 0 };
        let mut product = Product::new(self.isa, to, &mut [], count, first + right.columns);
        panels(right.values, right.blocks, right.columns).for_each(|panel| product.panel(&at, panel, first));
    }
}

/// A packed matrix.
#[derive(Clone, Copy)]
struct Right<'a> {
    values: &'a [u16],
    blocks: usize,
    columns: usize,
}

/// A buffer cut into pieces of so many halves.
fn pieces<const N: usize>(buffer: &mut AlignedBuffer, lens: [usize; N]) -> [&mut [u16]; N] {
    buffer.grow(lens.iter().sum::<usize>().div_ceil(2));
    let mut rest = buffer.halves_mut();
    lens.map(|len| {
        let (piece, others) = std::mem::take(&mut rest).split_at_mut(len);
        rest = others;
        piece
    })
}

/// From rows of scores and of the gradient of the probabilities to rows of the layout: of the probabilities, and of the gradient of the
/// scores before they are scaled, both rounded.
struct Slopes<'a> {
    scores: &'a mut [f32],
    products: &'a mut [f32],
    tokens: usize,
    factor: f32,
    layout: ChannelRows,
    weights: &'a mut [u16],
    gradients: &'a mut [u16],
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scores, products, tokens, factor, layout, weights, gradients } = self;
        let rows = scores.chunks_exact_mut(tokens).zip(products.chunks_exact(tokens));
        let to = weights.chunks_exact_mut(layout.step).zip(gradients.chunks_exact_mut(layout.step));
        for ((scores, products), (weights, gradients)) in rows.zip(to) {
            let share = 1.0 / exponentials(simd, scores, factor);
            let mean = simd.splat(share * dot(simd, scores, products));
            let (share, factor) = (simd.splat(share), simd.splat(factor));
            let lanes = scores.chunks(S::LANES).zip(products.chunks(S::LANES));
            let to = weights[..tokens].chunks_mut(S::LANES).zip(gradients[..tokens].chunks_mut(S::LANES));
            for ((score, product), (weight, gradient)) in lanes.zip(to) {
                let probability = simd.multiply(simd.load(score), share);
                let slope = simd.subtract(simd.load(product), mean);
                simd.store_halves(weight, probability);
                simd.store_halves(gradient, simd.multiply(simd.multiply(probability, factor), slope));
            }
            weights[tokens..].fill(0);
            gradients[tokens..].fill(0);
        }
    }
}
