//! The exact test of McNemar (1947): whether one of two models is right more often than the other on the same images
//! (`spec/robustness.md` sections 7.1 and 8).

/// Probability, where neither model is better, of images on which only one is right being shared out at least as unevenly as `first` and
/// `second`; 1 where there are none. Two-sided, by the binomial distribution, so that it holds for few images.
///
/// ```
/// assert!((heirloom_audit::mcnemar(9, 3) - 0.145_996_093_8).abs() < 1e-9);
/// ```
#[must_use]
pub fn mcnemar(first: usize, second: usize) -> f64 {
    let (fewer, n) = (first.min(second), first + second);
    // Logarithms of binomial coefficients, each from the one before: no sum overflows.
    let mut coefficient = 0.0_f64;
    let mut tail = 0.0;
    for k in 0..=fewer {
        if k > 0 {
            coefficient += ((n - k + 1) as f64).ln() - (k as f64).ln();
        }
        tail += (coefficient - n as f64 * std::f64::consts::LN_2).exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// TV12.
    #[test]
    fn vector_tv12() {
        assert!((mcnemar(9, 3) - 0.145_996_093_8).abs() < 1e-9);
        assert!((mcnemar(0, 10) - 2.0 / 1024.0).abs() < 1e-12);
        assert_eq!(mcnemar(0, 0), 1.0);
        // Far beyond the range of powers of two.
        assert!(mcnemar(3000, 2000) < 1e-40 && mcnemar(3000, 2999) > 0.9);
    }

    proptest! {
        /// Property 12.
        #[test]
        fn either_way_round_and_no_difference(first in 0..400_usize, second in 0..400_usize) {
            prop_assert_eq!(mcnemar(first, second), mcnemar(second, first));
            prop_assert!((mcnemar(first, first) - 1.0).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&mcnemar(first, second)));
        }
    }
}
