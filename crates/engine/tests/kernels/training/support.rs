//! Central differences, comparison and thread pools shared by the tests of training kernels.

use crate::support::bits;

/// Values in double precision.
pub fn double(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// Gradient of a function of `at` by central differences; exact to about 1e-9 for functions of moderate size.
pub fn differences(at: &[f32], function: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut point = double(at);
    let step = 1e-5;
    (0..point.len())
        .map(|index| {
            let value = point[index];
            point[index] = value + step;
            let above = function(&point);
            point[index] = value - step;
            let below = function(&point);
            point[index] = value;
            (above - below) / (2.0 * step)
        })
        .collect()
}

/// Sum of the products: what a gradient `dy` of an output `y` is the gradient of.
pub fn dot(dy: &[f32], y: &[f64]) -> f64 {
    assert_eq!(dy.len(), y.len());
    dy.iter().zip(y).map(|(&dy, &y)| f64::from(dy) * y).sum()
}

/// Panics where a value is off by more than 1e-5 of the largest (in size, and at least 1e-3).
pub fn assert_close(found: &[f32], expected: &[f64], what: &str) {
    assert_within(found, expected, 1e-5, what);
}

/// Panics where a value is off by more than `tolerance` of the largest (in size, and at least 1e-3).
pub fn assert_within(found: &[f32], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3, |largest: f64, value| largest.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= tolerance * largest, "{what}: [{index}] {found} instead of {expected}, largest {largest}");
    }
}

/// The result of `work`, which must have the same bits on 1, 2 and 5 threads.
#[allow(clippy::unwrap_used)]
pub fn on_threads(work: impl Fn() -> Vec<Vec<f32>> + Sync) -> Vec<Vec<f32>> {
    let on = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&work);
    let results = on(1);
    for threads in [2, 5] {
        for (index, (one, many)) in results.iter().zip(on(threads)).enumerate() {
            assert!(bits(one) == bits(&many), "result {index} differs on {threads} threads");
        }
    }
    results
}
