//! Gram matrices of representations and the two ways to centre them (`spec/what-is-transferred.md` section 6). With `K = X X^T` of
//! `X [images, columns]`,
//!
//! ```text
//! biased      H K H                    H = I - 1 1^T / n
//! unbiased    K with zero diagonal, m_i = colsum_i / (n-2) - total / (2 (n-1) (n-2)), K_ij - m_i - m_j off the diagonal, zero on it
//! ```
//!
//! The inner product of two matrices centred alike is `(n-1)^2` times the biased Hilbert-Schmidt independence criterion (Gretton et al.
//! 2005), or `n (n-3)` times the unbiased one (Song et al. 2012).

use heirloom_matrix::{Mat, MatRef, add_gram};
use rayon::prelude::*;

/// Columns that are multiplied at a time.
const COLUMNS: usize = 1024;
/// Columns whose sum one thread makes; sums of these are added in their order.
const PART: usize = 8 * COLUMNS;

/// Share of the largest entry that centring may leave by rounding alone.
const ROUNDING: f64 = 1e-13;

/// Least images that the unbiased criterion is defined on.
pub const LEAST: usize = 4;

/// Inner products of all pairs of images of a batch, `[images, images]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Gram {
    images: usize,
    values: Vec<f64>,
}

/// How a Gram matrix is centred, and with it which criterion is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Centring {
    /// Zero diagonal: no floor where there are few images and many columns.
    Unbiased,
    /// Of all rows and columns, the diagonal included.
    Biased,
}

impl Gram {
    /// The Gram matrix of `rows`, `[images, columns]`; sums are in double precision and do not depend on the number of threads.
    #[must_use]
    pub fn of<T: Copy + Into<f64> + Sync>(rows: &[T], images: usize) -> Self {
        let columns = rows.len() / images.max(1);
        let starts: Vec<usize> = (0..columns).step_by(PART).collect();
        let parts = starts.into_par_iter().map(|start| part(rows, [images, columns], start)).collect::<Vec<_>>();
        let mut values = vec![0.0; images * images];
        for part in &parts {
            for row in 0..images {
                for column in 0..=row {
                    values[row * images + column] += part[(row, column)];
                }
            }
        }
        for row in 0..images {
            for column in 0..row {
                values[column * images + row] = values[row * images + column];
            }
        }
        Self { images, values }
    }

    /// Images of the batch.
    #[must_use]
    pub const fn images(&self) -> usize {
        self.images
    }

    /// The same with the images in another order: image `i` becomes what `order[i]` was.
    #[must_use]
    pub fn permuted(&self, order: &[usize]) -> Self {
        let row = |&row: &usize| order.iter().map(move |&column| self.values[row * self.images + column]);
        Self { images: self.images, values: order.iter().flat_map(row).collect() }
    }

    /// The matrix centred, row by row; zeros where nothing but rounding is left of a representation that is the same for all images.
    #[must_use]
    pub fn centred(&self, centring: Centring) -> Vec<f64> {
        let mut centred = match centring {
            Centring::Unbiased => self.without_diagonal(),
            Centring::Biased => self.double(),
        };
        let largest = |values: &[f64]| values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
        if largest(&centred) <= ROUNDING * largest(&self.values) {
            centred.fill(0.0);
        }
        centred
    }

    fn double(&self) -> Vec<f64> {
        let n = self.images;
        let means: Vec<f64> = self.values.chunks(n.max(1)).map(|row| row.iter().sum::<f64>() / n as f64).collect();
        let mean = means.iter().sum::<f64>() / n as f64;
        let at = |(place, value): (usize, &f64)| value - means[place / n] - means[place % n] + mean;
        self.values.iter().enumerate().map(at).collect()
    }

    fn without_diagonal(&self) -> Vec<f64> {
        let n = self.images;
        let size = n as f64;
        let sum = |row: usize| {
            let entries = self.values[row * n..(row + 1) * n].iter().enumerate();
            entries.filter(|(column, _)| *column != row).map(|(_, value)| value).sum::<f64>()
        };
        let mut shift: Vec<f64> = (0..n).map(|row| sum(row) / (size - 2.0)).collect();
        let total = shift.iter().sum::<f64>() / (2.0 * (size - 1.0));
        shift.iter_mut().for_each(|value| *value -= total);
        let at = |(place, value): (usize, &f64)| {
            let (row, column) = (place / n, place % n);
            if row == column { 0.0 } else { value - shift[row] - shift[column] }
        };
        self.values.iter().enumerate().map(at).collect()
    }
}

/// The lower triangle of the sum over the columns from `start` on.
fn part<T: Copy + Into<f64> + Sync>(rows: &[T], [images, columns]: [usize; 2], start: usize) -> Mat<f64> {
    let mut sum = Mat::zeros(images, images);
    let end = columns.min(start + PART);
    let mut wide = Vec::new();
    for from in (start..end).step_by(COLUMNS) {
        let to = end.min(from + COLUMNS);
        wide.clear();
        let row = |row: usize| rows[row * columns + from..row * columns + to].iter();
        wide.extend((0..images).flat_map(row).map(|&value| -> f64 { value.into() }));
        add_gram(&mut sum, MatRef::from_row_major_slice(&wide, images, to - from));
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows() -> impl Strategy<Value = (usize, Vec<f64>)> {
        (4..9_usize, 1..6_usize)
            .prop_flat_map(|(images, columns)| (Just(images), prop::collection::vec(-3.0..3.0, images * columns)))
    }

    proptest! {
        /// P5: rows of the centred matrices sum to 0.
        #[test]
        fn rows_of_centred_matrices_sum_to_nothing((images, rows) in rows()) {
            let gram = Gram::of(&rows, images);
            for centring in [Centring::Unbiased, Centring::Biased] {
                for row in gram.centred(centring).chunks(images) {
                    prop_assert!(row.iter().sum::<f64>().abs() < 1e-9, "{row:?}");
                }
            }
        }

        /// P5: through features and through Gram matrices, the biased criterion is the same.
        #[test]
        fn the_product_of_gram_matrices_is_that_of_features((images, rows) in rows()) {
            let columns = rows.len() / images;
            let mean = |column: usize| (0..images).map(|row| rows[row * columns + column]).sum::<f64>() / images as f64;
            let centred = |row: usize, column: usize| rows[row * columns + column] - mean(column);
            let cross = |a: usize, b: usize| (0..images).map(|row| centred(row, a) * centred(row, b)).sum::<f64>();
            let features: f64 = (0..columns * columns).map(|at| cross(at / columns, at % columns).powi(2)).sum();
            let gram: f64 = Gram::of(&rows, images).centred(Centring::Biased).iter().map(|value| value * value).sum();
            prop_assert!((gram - features).abs() <= 1e-10 * features.max(1e-6), "{gram} {features}");
        }
    }

    #[test]
    fn long_rows_are_the_sum_of_their_parts() {
        let (images, columns) = (5, 2 * PART + 300);
        let value = |at: usize| ((at * 7919) % 101) as f32 / 101.0;
        let rows: Vec<f32> = (0..images * columns).map(value).collect();
        let gram = Gram::of(&rows, images);
        for a in 0..images {
            for b in 0..images {
                let product = |at: usize| f64::from(rows[a * columns + at]) * f64::from(rows[b * columns + at]);
                let sum: f64 = (0..columns).map(product).sum();
                assert!((gram.values[a * images + b] - sum).abs() < 1e-9 * sum, "{a} {b}");
            }
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(pool.install(|| Gram::of(&rows, images)), gram);
    }
}
