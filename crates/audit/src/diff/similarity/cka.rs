//! Centred kernel alignment of every representation of one network with every representation of another (Kornblith et al. 2019,
//! arXiv 1905.00414; over batches: Nguyen, Raghu, Kornblith 2021, arXiv 2010.15327; `spec/what-is-transferred.md` section 6).
//!
//! ```text
//! CKA = mean_b <K_b, L_b> / sqrt(mean_b <K_b, K_b> mean_b <L_b, L_b>)         centred Gram matrices of batch b
//! ```
//!
//! Numerator and denominators are averaged first and divided then. Batches of one size are needed for the constants to cancel.

use heirloom_matrix::{MatRef, product};
use rayon::prelude::*;

/// Entries of flattened matrices that one thread multiplies; sums of these are added in their order.
const PART: usize = 1 << 13;

/// Inner products of the centred Gram matrices of two lists of representations, batch by batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Alignment {
    left: usize,
    right: usize,
    batches: Vec<Products>,
}

/// Of one batch.
#[derive(Debug, Clone, PartialEq)]
struct Products {
    /// `[left, right]`.
    cross: Vec<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
}

impl Alignment {
    /// Nothing yet, of `left` and `right` representations.
    #[must_use]
    pub const fn new(left: usize, right: usize) -> Self {
        Self { left, right, batches: Vec::new() }
    }

    /// Adds a batch: the centred Gram matrices of the representations of either side, one after the other.
    pub fn add(&mut self, left: &[f64], right: &[f64]) {
        let length = left.len() / self.left.max(1);
        self.batches.push(Products {
            cross: cross(left, right, [self.left, self.right], length),
            left: squares(left, length),
            right: squares(right, length),
        });
    }

    /// Batches so far.
    #[must_use]
    pub const fn batches(&self) -> usize {
        self.batches.len()
    }

    /// The alignment of two representations; `None` where one of them is the same for all images. The unbiased one can be a little
    /// below 0 or above 1.
    #[must_use]
    pub fn value(&self, left: usize, right: usize) -> Option<f64> {
        self.without(left, right, None)
    }

    /// Its standard error over batches, by leaving out one at a time (jackknife, Efron 1982); `None` for a single batch.
    #[must_use]
    pub fn standard_error(&self, left: usize, right: usize) -> Option<f64> {
        let count = self.batches.len();
        if count < 2 {
            return None;
        }
        let values = (0..count).map(|batch| self.without(left, right, Some(batch)));
        let values = values.collect::<Option<Vec<f64>>>()?;
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Some((squares * (count - 1) as f64 / count as f64).sqrt())
    }

    fn without(&self, left: usize, right: usize, batch: Option<usize>) -> Option<f64> {
        let (mut cross, mut own, mut other) = (0.0, 0.0, 0.0);
        for (_, products) in self.batches.iter().enumerate().filter(|(at, _)| Some(*at) != batch) {
            cross += products.cross.get(left * self.right + right)?;
            own += products.left.get(left)?;
            other += products.right.get(right)?;
        }
        let scale = (own * other).sqrt();
        (scale.is_finite() && scale > 0.0).then(|| cross / scale)
    }
}

fn squares(matrices: &[f64], length: usize) -> Vec<f64> {
    matrices.par_chunks(length.max(1)).map(|matrix| matrix.iter().map(|value| value * value).sum()).collect()
}

/// `left right^T` of `[count, length]` matrices.
fn cross(left: &[f64], right: &[f64], counts: [usize; 2], length: usize) -> Vec<f64> {
    let starts: Vec<usize> = (0..length).step_by(PART).collect();
    let part = |start: usize| {
        let columns = PART.min(length - start);
        let of = |matrices, count| MatRef::from_row_major_slice(matrices, count, length).subcols(start, columns);
        product(of(left, counts[0]), of(right, counts[1]).transpose())
    };
    let parts: Vec<_> = starts.into_par_iter().map(part).collect();
    let mut sums = vec![0.0; counts[0] * counts[1]];
    for part in &parts {
        for (at, sum) in sums.iter_mut().enumerate() {
            *sum += part[(at / counts[1], at % counts[1])];
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::gram::{Centring, Gram};
    use super::*;

    fn aligned(batches: &[(&[f64], &[f64], usize)], centring: Centring) -> Alignment {
        let mut alignment = Alignment::new(1, 1);
        for (left, right, images) in batches {
            alignment.add(&Gram::of(left, *images).centred(centring), &Gram::of(right, *images).centred(centring));
        }
        alignment
    }

    fn one(left: &[f64], right: &[f64], images: usize, centring: Centring) -> f64 {
        aligned(&[(left, right, images)], centring).value(0, 0).unwrap()
    }

    /// The criterion itself, of the pair and of either with itself.
    fn criteria(alignment: &Alignment, images: usize, centring: Centring) -> [f64; 3] {
        let n = images as f64;
        let scale = match centring {
            Centring::Unbiased => n * (n - 3.0),
            Centring::Biased => (n - 1.0) * (n - 1.0),
        };
        let mean = |of: fn(&Products) -> f64| {
            alignment.batches.iter().map(of).sum::<f64>() / (scale * alignment.batches.len() as f64)
        };
        [mean(|one| one.cross[0]), mean(|one| one.left[0]), mean(|one| one.right[0])]
    }

    fn assert_close(found: &[f64], expected: &[f64]) {
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    const X: [f64; 10] = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 2.0, -1.0, 0.0, 0.0];
    const Y: [f64; 15] = [1.0, 2.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0, 3.0, 0.0, -1.0, 1.0, 0.0, 1.0];

    #[test]
    fn vector_t6() {
        let (biased, unbiased) = (Centring::Biased, Centring::Unbiased);
        assert_close(&criteria(&aligned(&[(&X, &Y, 5)], biased), 5, biased), &[2.065, 1.385, 4.11]);
        let expected = [0.6, 0.666_666_666_7, 1.333_333_333_3];
        assert_close(&criteria(&aligned(&[(&X, &Y, 5)], unbiased), 5, unbiased), &expected);
        assert_close(&[one(&X, &Y, 5, biased), one(&X, &Y, 5, unbiased)], &[0.865_514_321_3, 0.636_396_103_1]);
        let stretched: Vec<f64> =
            X.iter().enumerate().map(|(at, x)| if at % 2 == 1 { 0.1 * x } else { 2.0 * x }).collect();
        assert_close(&[one(&stretched, &Y, 5, biased)], &[0.798_845_415_3]);
        let moved: Vec<f64> = X.iter().map(|x| 3.0 * x + 5.0).collect();
        let turned: Vec<f64> = X.chunks(2).flat_map(|x| [0.6 * x[0] - 0.8 * x[1], 0.8 * x[0] + 0.6 * x[1]]).collect();
        assert_close(&[one(&moved, &Y, 5, biased), one(&turned, &Y, 5, biased)], &[0.865_514_321_3; 2]);
    }

    #[test]
    fn vector_t7() {
        let x = [
            0.1, -0.1, 0.6, 0.1, -0.5, 0.4, 1.3, 0.9, -0.7, -1.3, -0.6, 0.0, -2.3, -0.2, -1.2, -0.7, -0.5, -0.3, 0.4,
            1.0, -0.1, 1.4, -0.7, 0.4,
        ];
        let y = [0.7, 0.2, 0.1, -0.6, 0.8, 0.6, -1.6, -0.7, -2.9, -0.6, -0.8, -0.5, 0.2, 0.9, 1.8, -0.1];
        let batches = [(&x[..12], &y[..8], 4), (&x[12..], &y[8..], 4)];
        let (biased, unbiased) = (Centring::Biased, Centring::Unbiased);
        let halves = aligned(&batches, unbiased);
        assert_close(&criteria(&halves, 4, unbiased), &[3.655_241_666_7, 2.625_033_333_3, 5.342_241_666_7]);
        let whole = aligned(&[(&x, &y, 8)], unbiased);
        assert_close(&criteria(&whole, 8, unbiased), &[2.965_634_523_8, 2.265_148_809_5, 4.426_240_476_2]);
        let found = [halves.value(0, 0).unwrap(), whole.value(0, 0).unwrap(), one(&x, &y, 8, biased)];
        assert_close(&found, &[0.976_083_382_8, 0.936_594_831_7, 0.940_400_633_8]);
        assert!(whole.standard_error(0, 0).is_none() && halves.standard_error(0, 0).unwrap() > 0.0);
    }

    fn pair() -> impl Strategy<Value = (usize, Vec<f64>, Vec<f64>)> {
        (5..10_usize).prop_flat_map(|images| {
            let values = |columns: usize| prop::collection::vec(-2.0..2.0, images * columns);
            (Just(images), values(3), values(2))
        })
    }

    proptest! {
        /// P4.
        #[test]
        fn alignment_is_symmetric_and_one_with_itself((images, x, y) in pair()) {
            for centring in [Centring::Biased, Centring::Unbiased] {
                let (there, back) = (one(&x, &y, images, centring), one(&y, &x, images, centring));
                prop_assert!((there - back).abs() < 1e-9);
                prop_assert!((one(&x, &x, images, centring) - 1.0).abs() < 1e-9);
            }
            prop_assert!((-1e-12..=1.0 + 1e-12).contains(&one(&x, &y, images, Centring::Biased)));
        }

        /// P4: the order of the images is nothing, where both sides have the same.
        #[test]
        fn rows_in_another_order_change_nothing((images, x, y) in pair()) {
            let order: Vec<usize> = (0..images).rev().collect();
            let (k, l) = (Gram::of(&x, images), Gram::of(&y, images));
            for centring in [Centring::Biased, Centring::Unbiased] {
                let mut turned = Alignment::new(1, 1);
                turned.add(&k.permuted(&order).centred(centring), &l.permuted(&order).centred(centring));
                prop_assert!((turned.value(0, 0).unwrap() - one(&x, &y, images, centring)).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_constant_representation_has_no_alignment() {
        let constant = [1.0; 10];
        for centring in [Centring::Biased, Centring::Unbiased] {
            assert_eq!(aligned(&[(&X, &constant, 5)], centring).value(0, 0), None);
        }
    }

    #[test]
    fn every_pair_is_that_of_the_two_alone() {
        let (k, l, m) = (Gram::of(&X, 5), Gram::of(&Y, 5), Gram::of(&X.map(|x| x * x), 5));
        let of = |gram: &Gram| gram.centred(Centring::Unbiased);
        let mut all = Alignment::new(2, 3);
        all.add(&[of(&k), of(&l)].concat(), &[of(&l), of(&m), of(&k)].concat());
        let mut alone = Alignment::new(1, 1);
        alone.add(&of(&l), &of(&m));
        assert!((all.value(1, 1).unwrap() - alone.value(0, 0).unwrap()).abs() < 1e-12);
        assert!((all.value(0, 2).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((all.value(2, 0), all.value(0, 3)), (None, None));
    }
}
