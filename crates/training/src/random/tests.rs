//! Streams are fixed, apart from each other, and have the distributions that they claim.

use super::*;

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

#[test]
fn streams_depend_on_every_counter_and_nothing_else() {
    let bits = |generator: Generator| generator.clone().bits();
    let streams = [
        bits(row_generator(1, 2, 3)),
        bits(row_generator(0, 2, 3)),
        bits(row_generator(1, 0, 3)),
        bits(row_generator(1, 2, 0)),
        bits(batch_generator(1, 2, 3)),
        bits(generator(1, "rows", &[2, 3])),
        bits(generator(1, "row", &[2, 3, 0])),
    ];
    for (index, stream) in streams.iter().enumerate() {
        assert!(!streams[..index].contains(stream), "stream {index}");
    }
    assert_eq!(bits(row_generator(1, 2, 3)), streams[0]);
}

#[test]
fn streams_never_change_between_versions() {
    // Stored on the day the streams were defined: a change breaks every resumed run.
    assert_eq!(permutation(0, 0, 8), PERMUTATION);
    assert_eq!(row_generator(1, 2, 3).bits(), BITS);
}

const PERMUTATION: [usize; 8] = [5, 1, 0, 4, 3, 2, 6, 7];
const BITS: u64 = 14_055_242_780_084_318_454;

#[test]
fn permutations_hold_every_row_once() {
    for rows in [0, 1, 2, 100] {
        let mut order = permutation(3, 4, rows);
        assert!(rows < 100 || order != permutation(3, 5, rows));
        order.sort_unstable();
        assert_eq!(order, (0..rows).collect::<Vec<_>>());
    }
    // All six orders of three rows come up equally often: 3000 draws, standard deviation about 20.
    let mut counts = std::collections::BTreeMap::new();
    (0..3000).for_each(|epoch| *counts.entry(permutation(9, epoch, 3)).or_insert(0) += 1);
    assert_eq!(counts.len(), 6);
    assert!(counts.values().all(|count| (400..600).contains(count)), "{counts:?}");
}

#[test]
fn uniform_and_normal_numbers_have_their_moments() {
    let mut random = generator(5, "test", &[]);
    let uniform: Vec<f64> = (0..20_000).map(|_| random.uniform()).collect();
    assert!(uniform.iter().all(|value| (0.0..1.0).contains(value)));
    assert!((mean(uniform.iter().copied()) - 0.5).abs() < 0.01);
    let normal: Vec<f64> = (0..20_000).map(|_| random.normal()).collect();
    assert!(mean(normal.iter().copied()).abs() < 0.03);
    assert!((mean(normal.iter().map(|value| value * value)) - 1.0).abs() < 0.05);
    assert!((mean(normal.iter().map(|value| value.powi(4))) - 3.0).abs() < 0.3);
    assert_eq!((0..100).filter(|_| random.below(1) != 0).count(), 0);
    assert_eq!(random.below(0), 0);
    assert!((mean((0..20_000).map(|_| random.below(10) as f64)) - 4.5).abs() < 0.1);
    assert!((mean((0..20_000).map(|_| f64::from(random.chance(0.3)))) - 0.3).abs() < 0.015);
}

/// Beta(a, a) has mean 1/2 and variance 1 / (4 (2a + 1)).
#[test]
fn mixup_shares_follow_the_beta_distribution() {
    for alpha in [1e-3, 0.1, 0.2, 0.7, 1.0, 3.0, 50.0] {
        let mut random = generator(6, "test", &[]);
        let shares: Vec<f64> = (0..20_000).map(|_| random.mixup_share(alpha)).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)), "alpha {alpha}");
        let (average, expected) = (mean(shares.iter().copied()), 0.25 / (2.0 * alpha + 1.0));
        assert!((average - 0.5).abs() < 0.015, "alpha {alpha}: mean {average}");
        let variance = mean(shares.iter().map(|share| (share - 0.5).powi(2)));
        assert!((variance - expected).abs() < 0.03 * expected, "alpha {alpha}: {variance}, expected {expected}");
    }
    let mut random = generator(6, "test", &[]);
    assert_eq!([0.0, -1.0, f64::NAN].map(|alpha| random.mixup_share(alpha)), [1.0; 3]);
}
