//! Multi-head softmax attention in training: forward over whole batches, and the gradient, one head of one image at a time.
//!
//! With `P = softmax(s Q K')`, `Y = P V`, `s = 1 / sqrt(width)` and row sums `m = sum(P * dP)`: `dV = P' dY`, `dP = dY V'`,
//! `dS = s P * (dP - m)`, `dQ = dS K`, `dK = dS' Q`. The probabilities are computed again, so nothing has to be kept.
#![allow(unsafe_code)]

use std::ops::Range;

use rayon::prelude::*;

use super::super::attention::{pack_columns, pack_rows, probabilities};
use super::super::gemm::ROW_STRIDE;
use super::super::matmul::{Destination, Source, multiply};
use super::super::packed::{PackedView, packed_len};
use super::super::simd::{Kernel, Simd, dispatch};
use super::super::{AlignedBuffer, Attention, Isa, Rows, RowsMut, Scratch, round_in_place};
use super::TrainingScratch;
use super::scratch::{Shared, Worker};
use super::softmax::product;

/// Query rows that pass from scores to their gradient together.
const QUERIES: usize = 56;

/// [`Attention`] of a whole batch, split over images: `input` is `[images, tokens, 3 * channels]`, `to` `[images, tokens, channels]`.
pub fn attention_forward(
    isa: Isa,
    tokens: usize,
    channels: usize,
    heads: usize,
    input: &[f32],
    to: &mut [f32],
    scratch: &TrainingScratch,
) {
    assert_eq!(input.len(), 3 * to.len(), "queries, keys and values of {channels} channels");
    let operator = Attention::new(isa, tokens, channels, heads);
    to.par_chunks_mut((tokens * channels).max(1)).enumerate().for_each(|(image, to)| {
        let (rows, to) = (image * tokens..(image + 1) * tokens, RowsMut::new(to, channels));
        scratch.lend(|worker| operator.run(input, rows, to, &mut worker.kernels));
    });
}

/// The gradient of [`Attention`], split over images and heads.
#[derive(Debug, Clone, Copy)]
pub struct AttentionGradient {
    isa: Isa,
    tokens: usize,
    channels: usize,
    heads: usize,
    rounded: bool,
}

impl AttentionGradient {
    /// Attention over `tokens` tokens of `channels` channels per image; `heads` divides the channels.
    #[must_use]
    pub fn new(isa: Isa, tokens: usize, channels: usize, heads: usize) -> Self {
        assert!(heads > 0 && channels.is_multiple_of(heads), "{channels} channels in {heads} heads");
        Self { isa: isa.clamped(), tokens, channels, heads, rounded: false }
    }

    /// The same with probabilities and gradients of scores rounded to bf16 where they are operands of a product.
    #[must_use]
    pub(in crate::kernels) const fn with_rounded_products(self) -> Self {
        Self { rounded: true, ..self }
    }

    /// Writes the gradient of queries, keys and values. `input` and `dx` are `[images, tokens, 3 * channels]`, `dy` is
    /// `[images, tokens, channels]`. Each task works in memory of two matrices `[tokens, tokens]` and a few of one head.
    pub fn run(&self, input: &[f32], dy: &[f32], dx: &mut [f32], scratch: &TrainingScratch) {
        let image_len = self.tokens * self.channels;
        let images = dy.len() / image_len.max(1);
        assert!(
            dy.len() == images * image_len && input.len() == 3 * dy.len() && dx.len() == input.len(),
            "{} values, {} gradients of {} tokens of {} channels",
            input.len(),
            dy.len(),
            self.tokens,
            self.channels
        );
        let target = Shared(dx.as_mut_ptr());
        (0..images * self.heads).into_par_iter().for_each(|task| {
            let (image, head) = (task / self.heads, task % self.heads);
            let input = &input[3 * image * image_len..][..3 * image_len];
            let dy = &dy[image * image_len..][..image_len];
            scratch.lend(|worker| {
                let result = self.head(input, dy, head, worker);
                // SAFETY: the target holds `3 * image_len` values for each image; a task alone writes the channels of its head.
                unsafe { self.hand_over(target.at(3 * image * image_len), head, result) };
            });
        });
    }

    fn width(&self) -> usize {
        self.channels / self.heads
    }

    /// Gradients of one head's queries, keys and values, side by side, `[tokens, 3 * width]`.
    fn head<'w>(&self, image: &[f32], dy: &[f32], head: usize, worker: &'w mut Worker) -> &'w [f32] {
        let Self { isa, tokens, channels, .. } = *self;
        let (width, stride) = (self.width(), 3 * channels);
        let part = |part: usize| &image[part * channels + head * width..];
        let dy = &dy[head * width..];
        let wide = packed_len(isa, width, tokens);
        let tall = packed_len(isa, tokens, width);
        let Worker { kernels: scratch, values, .. } = worker;
        let lens = [tokens * tokens, tokens * tokens, tokens * 3 * width, wide, wide, tall, tall, tall];
        let [weights, slopes, result, keys, values, key_rows, query_rows, dy_rows] = pieces(values, lens);
        pack_columns(isa, part(1), stride, tokens, width, keys);
        pack_columns(isa, part(2), stride, tokens, width, values);
        pack_rows(isa, part(1), stride, tokens, width, key_rows);
        pack_rows(isa, part(0), stride, tokens, width, query_rows);
        pack_rows(isa, dy, channels, tokens, width, dy_rows);
        let [keys, values] = [keys, values].map(|matrix| PackedView::new(isa, width, tokens, matrix));
        let [key_rows, query_rows, dy_rows] =
            [key_rows, query_rows, dy_rows].map(|matrix| PackedView::new(isa, tokens, width, matrix));
        let factor = 1.0 / (width as f32).sqrt();
        for first in (0..tokens).step_by(QUERIES) {
            let block = first..tokens.min(first + QUERIES);
            let range = block.start * tokens..block.end * tokens;
            let (weights, slopes) = (&mut weights[range.clone()], &mut slopes[range]);
            product_of(&Rows::new(part(0), stride), block.clone(), keys, RowsMut::new(weights, tokens), 0, scratch);
            probabilities(isa, weights, tokens, factor);
            product_of(&Rows::new(dy, channels), block.clone(), values, RowsMut::new(slopes, tokens), 0, scratch);
            dispatch(isa, Slopes { probabilities: weights, gradient: slopes, tokens, factor });
            if self.rounded {
                round_in_place(weights);
                round_in_place(slopes);
            }
            let result = RowsMut::new(&mut result[block.start * 3 * width..], 3 * width);
            product_of(&Rows::new(slopes, tokens), 0..block.len(), key_rows, result, 0, scratch);
        }
        for (matrix, right, column) in [(&*slopes, query_rows, width), (&*weights, dy_rows, 2 * width)] {
            let columns = Columns { values: matrix, tokens };
            product_of(&columns, 0..tokens, right, RowsMut::new(result, 3 * width), column, scratch);
        }
        result
    }

    /// Copies a head's gradients to their channels of an image.
    ///
    /// # Safety
    /// `image` points to `tokens * 3 * channels` values, and nobody else reads or writes the channels of this head.
    unsafe fn hand_over(&self, image: *mut f32, head: usize, result: &[f32]) {
        let width = self.width();
        for (row, values) in result.chunks_exact(width).enumerate() {
            let at = row * self.channels + head * width;
            // SAFETY: `row` counts tokens times three, so `at + width` is at most `tokens * 3 * channels`.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), image.add(at), width) };
        }
    }
}

/// A buffer cut into pieces of these lengths, each on a cache line of its own.
fn pieces<const N: usize>(buffer: &mut AlignedBuffer, lens: [usize; N]) -> [&mut [f32]; N] {
    let padded = lens.map(|len| len.next_multiple_of(RUN));
    buffer.grow(padded.iter().sum());
    let mut rest = &mut buffer[..];
    let mut index = 0;
    lens.map(|len| {
        let (piece, others) = std::mem::take(&mut rest).split_at_mut(padded[index]);
        (rest, index) = (others, index + 1);
        &mut piece[..len]
    })
}

/// `output[.., column..] = source * matrix` for some rows of the source.
fn product_of<A: Source>(
    source: &A,
    rows: Range<usize>,
    matrix: PackedView<'_>,
    output: RowsMut<'_>,
    column: usize,
    scratch: &mut Scratch,
) {
    multiply(source, rows, matrix, Destination { output, column, stages: &mut [] }, scratch);
}

/// The columns of a matrix `[tokens, tokens]` as rows.
struct Columns<'a> {
    values: &'a [f32],
    tokens: usize,
}

/// Values of a row that are gathered together: a cache line.
const RUN: usize = 16;

impl Source for Columns<'_> {
    #[inline(always)]
    fn gather<S: Simd>(&self, _simd: S, rows: Range<usize>, depth: Range<usize>, to: &mut [f32]) {
        for first in depth.clone().step_by(RUN) {
            let count = RUN.min(depth.end - first);
            let from = &self.values[first * self.tokens + rows.start..];
            for (index, to) in to.chunks_mut(ROW_STRIDE).take(rows.len()).enumerate() {
                let to = &mut to[first - depth.start..][..count];
                for (k, slot) in to.iter_mut().enumerate() {
                    *slot = from[k * self.tokens + index];
                }
            }
        }
    }

    fn about(&self, row: usize) -> (*const f32, usize) {
        (self.values.as_ptr().wrapping_add(row), 0)
    }
}

/// From the gradient of the probabilities to that of the scores before they are scaled.
struct Slopes<'a> {
    probabilities: &'a [f32],
    gradient: &'a mut [f32],
    tokens: usize,
    factor: f32,
}

impl Kernel for Slopes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.probabilities.chunks_exact(self.tokens).zip(self.gradient.chunks_exact_mut(self.tokens));
        for (weights, gradient) in rows {
            let (mean, factor) = (simd.splat(product(simd, weights, gradient)), simd.splat(self.factor));
            for (weights, gradient) in weights.chunks(S::LANES).zip(gradient.chunks_mut(S::LANES)) {
                let weight = simd.multiply(simd.load(weights), factor);
                let slope = simd.multiply(weight, simd.subtract(simd.load(gradient), mean));
                simd.store(gradient, slope);
            }
        }
    }
}
