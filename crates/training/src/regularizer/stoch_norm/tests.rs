//! Stochastic normalisation against the specification.

use super::*;
use crate::random::generator;

/// Reference values: `spec/regularisers-and-adaptation.md` TV4.
#[test]
fn the_values_of_the_specification() {
    let rows = [[1.0_f64, 10.0], [2.0, 12.0], [3.0, 14.0], [6.0, 20.0]];
    let mean: Vec<f64> = (0..2).map(|c| rows.iter().map(|row| row[c]).sum::<f64>() / 4.0).collect();
    let variance = |c: usize| rows.iter().map(|row| (row[c] - mean[c]).powi(2)).sum::<f64>() / 4.0;
    let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect::<Vec<f32>>();
    let batch = Statistics { mean: single(mean.clone()), variance: single(vec![variance(0), variance(1)]) };
    let running = Statistics { mean: vec![2.0, 10.0], variance: vec![1.0, 4.0] };
    let chosen = statistics(&batch, &running, &[false, true]).unwrap();
    let expected = [
        [-0.999_995_000_037, -1.069_044_585_848],
        [0.0, -0.534_522_292_924],
        [0.999_995_000_037, 0.0],
        [3.999_980_000_150, 1.603_566_878_772],
    ];
    for (row, expected) in rows.iter().zip(expected) {
        for channel in 0..2 {
            let root = (f64::from(chosen.variance[channel]) + 1e-5).sqrt();
            let found = (row[channel] - f64::from(chosen.mean[channel])) / root;
            assert!((found - expected[channel]).abs() < 1e-9, "{found}, expected {}", expected[channel]);
        }
    }
}

#[test]
fn the_extremes_are_plain_batch_norm_and_running_statistics() {
    let batch = Statistics { mean: vec![1.0; 50], variance: vec![2.0; 50] };
    let running = Statistics { mean: vec![3.0; 50], variance: vec![4.0; 50] };
    let mut random = generator(1, "test", &[]);
    for (probability, expected) in [(1.0, &batch), (0.0, &running)] {
        let branches = branches(&mut random, probability, 50);
        assert_eq!(&statistics(&batch, &running, &branches).unwrap(), expected);
    }
    let taken = branches(&mut random, 0.5, 10_000).into_iter().filter(|&from_batch| from_batch).count();
    assert!((4800..5200).contains(&taken), "{taken}");
    assert!(statistics(&batch, &running, &[true]).is_err());
}
