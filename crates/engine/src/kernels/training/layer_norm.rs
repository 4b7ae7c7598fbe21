//! Layer normalisation in training. Mean and deviation of a row are computed again from the row, so nothing has to be kept.
//!
//! With `u = (x - mean) / deviation` and `g = dy * weight`, the gradient of a row is
//! `(g - mean(g) - u * mean(g * u)) / deviation`.

use rayon::prelude::*;

use super::super::norm::{four, layer_norm, load_or, total};
use super::super::simd::{Kernel, Simd, dispatch};
use super::super::{Isa, Rows, RowsMut, Scratch, Stored, StoredMut, bf16_layer_norm};
use super::batch_norm::AffineGradient;
use super::tasks::{TASK, each_chunk, each_run};

/// Rows whose sums are held in `f32`.
const TERMS: usize = 128;

/// [`layer_norm`] of `values` `[rows, weight.len()]` into `to`.
pub fn layer_norm_forward<'a>(
    isa: Isa,
    values: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f64,
    to: impl Into<StoredMut<'a>>,
) {
    let (channels, to) = (weight.len(), to.into());
    assert_eq!(values.len(), to.len(), "values of a layer norm");
    let to = match to {
        StoredMut::F32(to) => to,
        StoredMut::Bf16(to) => return rounded(isa, values, weight, bias, epsilon, to),
    };
    each_run(to, channels, |rows, to| {
        layer_norm(isa, Rows::new(values, channels), rows, weight, bias, epsilon, RowsMut::new(to, channels));
    });
}

/// The same in halves.
fn rounded(isa: Isa, values: &[f32], weight: &[f32], bias: &[f32], epsilon: f64, to: &mut [u16]) {
    let channels = weight.len();
    let piece = (TASK / channels.max(1)).max(1) * channels.max(1);
    to.par_chunks_mut(piece).zip(values.par_chunks(piece)).for_each(|(to, values)| {
        let rows = to.len() / channels.max(1);
        let parameters = (weight, bias, epsilon);
        bf16_layer_norm(isa, Rows::new(values, channels), rows, parameters, to, &mut Scratch::default());
    });
}

/// The gradient of a layer norm, in one pass over `x` and `dy`.
#[derive(Debug, Clone, Copy)]
pub struct LayerNormGradient<'a> {
    /// Instruction set.
    pub isa: Isa,
    /// The input `x` of the forward pass, `[rows, channels]`.
    pub values: &'a [f32],
    /// Factor per channel.
    pub weight: &'a [f32],
    /// Added to the variance.
    pub epsilon: f64,
    /// Added to the gradient of the input, `[rows, channels]`.
    pub add: Option<&'a [f32]>,
}

impl LayerNormGradient<'_> {
    /// Writes the gradient of the input to `dx` and returns those of the parameters; `dy` and `dx` are `[rows, channels]`.
    pub fn run<'b>(&self, dy: impl Into<Stored<'b>>, dx: &mut [f32]) -> AffineGradient {
        let dy = dy.into();
        assert_eq!(dy.len(), dx.len(), "gradients of a layer norm");
        self.chunks(Some(dy), dx)
    }

    /// Like [`LayerNormGradient::run`], from `dy` into itself.
    pub fn run_in_place(&self, gradient: &mut [f32]) -> AffineGradient {
        self.chunks(None, gradient)
    }

    fn chunks(&self, dy: Option<Stored<'_>>, dx: &mut [f32]) -> AffineGradient {
        let channels = self.weight.len();
        assert!(
            self.values.len() == dx.len() && self.add.is_none_or(|add| add.len() == dx.len()),
            "{} values and {} of their gradient",
            self.values.len(),
            dx.len()
        );
        let [weight, bias] = each_chunk(dx, channels, |rows, dx| {
            let range = rows.start * channels..rows.end * channels;
            let mut sums = [vec![0.0; channels], vec![0.0; channels]];
            dispatch(
                self.isa,
                Chunk {
                    values: &self.values[range.clone()],
                    weight: self.weight,
                    epsilon: self.epsilon,
                    dy: dy.map(|dy| dy.part(range.clone())),
                    add: self.add.map(|add| &add[range]),
                    dx,
                    sums: &mut sums,
                },
            );
            sums
        });
        let single = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
        AffineGradient { weight: single(weight), bias: single(bias) }
    }
}

/// Some rows.
struct Chunk<'a> {
    values: &'a [f32],
    weight: &'a [f32],
    epsilon: f64,
    /// Where it is none, `dx` holds it.
    dy: Option<Stored<'a>>,
    add: Option<&'a [f32]>,
    dx: &'a mut [f32],
    sums: &'a mut [Vec<f64>; 2],
}

impl Kernel for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.weight.len();
        let mut held = [vec![0.0; channels], vec![0.0; channels]];
        let mut copy = vec![0.0; channels];
        let mut terms = 0;
        for (index, dx) in self.dx.chunks_exact_mut(channels).enumerate() {
            let at = index * channels..(index + 1) * channels;
            let dy = match self.dy {
                Some(Stored::F32(dy)) => &dy[at.clone()],
                Some(Stored::Bf16(dy)) => {
                    for (halves, to) in dy[at.clone()].chunks(S::LANES).zip(copy.chunks_mut(S::LANES)) {
                        simd.store(to, simd.load_halves(halves));
                    }
                    copy.as_slice()
                }
                None => {
                    copy.copy_from_slice(dx);
                    copy.as_slice()
                }
            };
            row(simd, &self.values[at.clone()], self.weight, self.epsilon, dy, dx, &mut held);
            if let Some(add) = self.add {
                for (dx, add) in dx.chunks_mut(S::LANES).zip(add[at].chunks(S::LANES)) {
                    let sum = simd.add(simd.load(dx), simd.load(add));
                    simd.store(dx, sum);
                }
            }
            terms += 1;
            if terms == TERMS {
                flush(&mut held, self.sums);
                terms = 0;
            }
        }
        flush(&mut held, self.sums);
    }
}

/// Moves the sums so far into double precision.
#[inline(always)]
fn flush(held: &mut [Vec<f32>; 2], sums: &mut [Vec<f64>; 2]) {
    for (held, sums) in held.iter_mut().zip(sums) {
        for (held, sum) in held.iter_mut().zip(sums.iter_mut()) {
            *sum += f64::from(*held);
            *held = 0.0;
        }
    }
}

/// Gradient of one row; adds those of the parameters to `held`.
#[inline(always)]
fn row<S: Simd>(
    simd: S,
    x: &[f32],
    weight: &[f32],
    epsilon: f64,
    dy: &[f32],
    dx: &mut [f32],
    [weights, biases]: &mut [Vec<f32>; 2],
) {
    let channels = x.len();
    let mean = total(simd, x) / channels as f32;
    let centre = simd.splat(mean);
    let zero = simd.splat(0.0);
    // Squares of the deviations, `g`, and `g` times the deviation.
    let mut sums = [[zero; 4]; 3];
    for (step, column) in (0..channels).step_by(S::LANES).enumerate() {
        let end = channels.min(column + S::LANES);
        // Lanes beyond the row hold the mean, so they add nothing.
        let deviation = simd.subtract(load_or(simd, &x[column..end], mean), centre);
        let g = simd.multiply(simd.load(&dy[column..end]), simd.load(&weight[column..end]));
        let slot = step % 4;
        sums[0][slot] = simd.multiply_add(deviation, deviation, sums[0][slot]);
        sums[1][slot] = simd.add(sums[1][slot], g);
        sums[2][slot] = simd.multiply_add(g, deviation, sums[2][slot]);
    }
    let mut means = [0.0; 3];
    for (mean, sums) in means.iter_mut().zip(sums) {
        *mean = f64::from(simd.sum(four(simd, sums))) / channels as f64;
    }
    let [variance, g, product] = means;
    let inverse = 1.0 / (variance + epsilon).sqrt();
    let factor = simd.splat(inverse as f32);
    let slope = simd.splat((-inverse * inverse * inverse * product) as f32);
    let offset = simd.splat((-inverse * g) as f32);
    for column in (0..channels).step_by(S::LANES) {
        let at = column..channels.min(column + S::LANES);
        let deviation = simd.subtract(simd.load(&x[at.clone()]), centre);
        let dy = simd.load(&dy[at.clone()]);
        let g = simd.multiply(dy, simd.load(&weight[at.clone()]));
        simd.store(&mut dx[at.clone()], simd.multiply_add(g, factor, simd.multiply_add(deviation, slope, offset)));
        let term = simd.multiply_add(dy, simd.multiply(deviation, factor), simd.load(&weights[at.clone()]));
        simd.store(&mut weights[at.clone()], term);
        let term = simd.add(dy, simd.load(&biases[at.clone()]));
        simd.store(&mut biases[at], term);
    }
}
