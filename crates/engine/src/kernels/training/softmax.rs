//! Softmax in training.

use super::super::simd::{Kernel, Simd, dispatch};
use super::super::softmax::softmax;
use super::super::{Isa, RowsMut};
use super::tasks::each_run;

/// Softmax of each row of `values` `[rows, columns]` into `to`, with the bits of [`softmax`].
pub fn softmax_forward(isa: Isa, values: &[f32], columns: usize, to: &mut [f32]) {
    assert_eq!(values.len(), to.len(), "values of a softmax");
    each_run(to, columns, |rows, to| {
        to.copy_from_slice(&values[rows.start * columns..rows.end * columns]);
        softmax(isa, RowsMut::new(to, columns), rows.len(), columns);
    });
}

/// Gradient of a softmax from its output: `dx = y * (dy - sum(dy * y))` for each row; all are `[rows, columns]`.
pub fn softmax_gradient(isa: Isa, output: &[f32], dy: &[f32], columns: usize, dx: &mut [f32]) {
    assert!(output.len() == dx.len() && dy.len() == dx.len(), "gradients of a softmax");
    each_run(dx, columns, |rows, dx| {
        let range = rows.start * columns..rows.end * columns;
        dispatch(isa, Backward { output: &output[range.clone()], dy: &dy[range], columns, dx });
    });
}

struct Backward<'a> {
    output: &'a [f32],
    dy: &'a [f32],
    columns: usize,
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let rows = self.output.chunks_exact(self.columns).zip(self.dy.chunks_exact(self.columns));
        for ((y, dy), dx) in rows.zip(self.dx.chunks_exact_mut(self.columns)) {
            let mean = simd.splat(product(simd, y, dy));
            for ((y, dy), dx) in y.chunks(S::LANES).zip(dy.chunks(S::LANES)).zip(dx.chunks_mut(S::LANES)) {
                simd.store(dx, simd.multiply(simd.load(y), simd.subtract(simd.load(dy), mean)));
            }
        }
    }
}

/// Sum of the products of two rows, in an order fixed by their length.
#[inline(always)]
pub(in crate::kernels) fn product<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [simd.splat(0.0); 2];
    for (step, (a, b)) in a.chunks(S::LANES).zip(b.chunks(S::LANES)).enumerate() {
        sums[step % 2] = simd.multiply_add(simd.load(a), simd.load(b), sums[step % 2]);
    }
    simd.sum(simd.add(sums[0], sums[1]))
}
