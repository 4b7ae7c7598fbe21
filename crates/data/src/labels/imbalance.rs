//! Classes whose sizes fall by a power law (`spec/robustness.md` section 2.1, after Hendrycks, Lee, Mazeika 2019).
//!
//! ```text
//! size(c) = a / (b + c^gamma),  c = 1 .. K        b = (K^gamma - r) / (r - 1),  a = largest (b + 1),  r = largest / smallest
//! ```
//!
//! A smaller exponent gives fewer images in all, and is the harder case.

/// Sizes that no such law has.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{classes} classes cannot fall from {largest} to {smallest} rows by a power of {gamma}")]
pub struct ImbalanceError {
    classes: usize,
    largest: usize,
    smallest: usize,
    gamma: f64,
}

/// Size of each class, the largest first, each rounded.
///
/// ```
/// use heirloom_data::labels::uneven_sizes;
///
/// assert_eq!(uneven_sizes(10, 5000, 250, 1.0)?, [5000, 1607, 957, 682, 529, 433, 366, 317, 280, 250]);
/// # Ok::<(), heirloom_data::labels::ImbalanceError>(())
/// ```
///
/// # Errors
/// Fewer than two classes, sizes that do not fall, an exponent that is not positive.
pub fn uneven_sizes(classes: usize, largest: usize, smallest: usize, gamma: f64) -> Result<Vec<usize>, ImbalanceError> {
    if classes < 2 || smallest == 0 || largest <= smallest || gamma <= 0.0 || !gamma.is_finite() {
        return Err(ImbalanceError { classes, largest, smallest, gamma });
    }
    let (a, b) = coefficients(classes, largest, smallest, gamma);
    Ok((1..=classes).map(|class| (a / (b + (class as f64).powf(gamma))).round() as usize).collect())
}

fn coefficients(classes: usize, largest: usize, smallest: usize, gamma: f64) -> (f64, f64) {
    let ratio = largest as f64 / smallest as f64;
    let b = ((classes as f64).powf(gamma) - ratio) / (ratio - 1.0);
    (largest as f64 * (b + 1.0), b)
}

/// Classes with fewer rows than the mean.
#[must_use]
pub fn minority(sizes: &[usize]) -> Vec<usize> {
    let mean = sizes.iter().sum::<usize>() as f64 / sizes.len().max(1) as f64;
    (0..sizes.len()).filter(|class| (sizes[*class] as f64) < mean).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn vector_tv3() {
        let near = |found: (f64, f64), a: f64, b: f64| {
            assert!((found.0 - a).abs() < 1e-5 * a && (found.1 - b).abs() < 1e-5 * b.abs(), "{found:?}");
        };
        near(coefficients(10, 5000, 250, 0.2), 153.919, -0.969_216);
        near(coefficients(10, 5000, 250, 1.0), 2368.42, -0.526_316);
        near(coefficients(10, 5000, 250, 2.0), 26052.6, 4.210_53);
        near(coefficients(100, 500, 25, 1.0), 2605.26, 4.210_53);
        let sizes = uneven_sizes(100, 500, 25, 1.0).unwrap();
        assert_eq!([1, 2, 3, 10, 50, 100].map(|class: usize| sizes[class - 1]), [500, 419, 361, 183, 48, 25]);
        let minorities = [0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0]
            .map(|gamma| minority(&uneven_sizes(10, 5000, 250, gamma).unwrap()).len());
        assert_eq!(minorities, [9, 8, 8, 8, 8, 7, 7]);
        assert!(uneven_sizes(1, 5, 2, 1.0).is_err() && uneven_sizes(3, 2, 2, 1.0).is_err());
        let refused = uneven_sizes(3, 20, 2, 0.0).unwrap_err();
        assert_eq!(refused.to_string(), "3 classes cannot fall from 20 to 2 rows by a power of 0");
    }

    proptest! {
        /// Property 3: never rising, ends exact.
        #[test]
        fn sizes_fall(classes in 2..200_usize, smallest in 1..50_usize, more in 1..2000_usize, gamma in 0.1..3.0_f64) {
            let sizes = uneven_sizes(classes, smallest + more, smallest, gamma).unwrap();
            prop_assert_eq!((sizes[0], sizes[classes - 1]), (smallest + more, smallest));
            prop_assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]));
        }
    }
}
