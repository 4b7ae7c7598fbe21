//! Batch spectral shrinkage against the specification, its slope and its invariances.

use proptest::prelude::*;

use super::*;

const PLAIN: BssSettings = BssSettings { singular_values: 1, strength: 1.0 };

/// Reference values: `spec/regularisers-and-adaptation.md` TV3.
#[test]
fn the_values_of_the_specification() {
    let features = [1.0, 0.0, 2.0, 0.0, 1.0, 1.0, 2.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    let expected = [
        [0.597_348_080_835, -1.017_628_041_361, 0.050_050_102_842],
        [-0.828_707_784_943, 1.411_766_953_154, -0.069_435_076_788],
        [0.151_654_687_363, -0.258_355_333_206, 0.012_706_716_473],
        [-0.317_093_179_854, 0.540_192_430_338, -0.026_568_338_915],
    ];
    let found = penalty(&features, 4, 3, PLAIN).unwrap();
    assert!((found.value - 1.140_632_557_986).abs() < 1e-11, "{}", found.value);
    for (found, expected) in found.gradient.iter().zip(expected.as_flattened()) {
        assert!((f64::from(*found) - expected).abs() < 1e-7, "{found}, expected {expected}");
    }
    let sigma = [3.263_190_920_644_f64, 1.791_913_071_954, 1.068_004_006_540];
    for (count, expected) in [(2, sigma[1].powi(2) + sigma[2].powi(2)), (3, 16.0 - 1.0), (9, 15.0)] {
        let settings = BssSettings { singular_values: count, strength: 0.1 };
        let found = penalty(&features, 4, 3, settings).unwrap();
        assert!((found.value - 0.1 * expected).abs() < 1e-10, "{count}: {}, expected {expected}", found.value);
    }
    // The transpose has the same singular values, and is reduced along its other side.
    let transposed: Vec<f32> = (0..12).map(|index| features[index % 4 * 3 + index / 4]).collect();
    let other = penalty(&transposed, 3, 4, PLAIN).unwrap();
    assert!((other.value - 1.140_632_557_986).abs() < 1e-11);
    for (index, &gradient) in other.gradient.iter().enumerate() {
        assert!((gradient - found.gradient[index % 4 * 3 + index / 4]).abs() < 1e-6);
    }
}

#[test]
fn features_without_full_rank_cost_nothing() {
    let found = penalty(&[1.0, 2.0, 2.0, 4.0, 3.0, 6.0], 3, 2, PLAIN).unwrap();
    assert!(found.value < 1e-12);
    assert!(found.gradient.iter().all(|value| value.abs() < 1e-6), "{:?}", found.gradient);
    assert_eq!(penalty(&[0.0; 6], 2, 3, PLAIN).unwrap(), Penalty { value: 0.0, gradient: vec![0.0; 6] });
}

#[test]
fn what_does_not_fit_is_refused() {
    let refused = |features: &[f32], rows, columns, settings| penalty(features, rows, columns, settings).unwrap_err();
    assert!(matches!(refused(&[1.0; 5], 2, 3, PLAIN), RegularizerError::Length { found: 5, expected: 6, .. }));
    assert!(matches!(refused(&[], 0, 3, PLAIN), RegularizerError::Setting { .. }));
    let settings = BssSettings { singular_values: 0, ..PLAIN };
    assert!(matches!(refused(&[1.0; 6], 2, 3, settings), RegularizerError::Setting { .. }));
    let settings = BssSettings { strength: f64::NAN, ..PLAIN };
    assert!(matches!(refused(&[1.0; 6], 2, 3, settings), RegularizerError::Setting { .. }));
    for value in [f32::NAN, f32::INFINITY] {
        let error = refused(&[1.0, value, 0.0, 1.0], 2, 2, PLAIN);
        assert_eq!(error, RegularizerError::NoSingularValues { rows: 2, columns: 2 });
    }
}

fn features() -> impl Strategy<Value = (usize, usize, Vec<f32>)> {
    (1_usize..7, 1_usize..7).prop_flat_map(|(rows, columns)| {
        (Just(rows), Just(columns), prop::collection::vec(-3_f32..3.0, rows * columns))
    })
}

proptest! {
    #[test]
    fn rotations_change_nothing((rows, columns, features) in features(), angle in 0.0_f64..6.3) {
        let settings = BssSettings { singular_values: 2, strength: 1.0 };
        let before = penalty(&features, rows, columns, settings).unwrap();
        let mut rotated = features.clone();
        let (sine, cosine) = (angle.sin(), angle.cos());
        for row in rotated.chunks_mut(columns).filter(|row| row.len() > 1) {
            let (a, b) = (f64::from(row[0]), f64::from(row[columns - 1]));
            row[0] = (cosine * a - sine * b) as f32;
            row[columns - 1] = (sine * a + cosine * b) as f32;
        }
        for column in 0..if rows > 1 { columns } else { 0 } {
            let (a, b) = (f64::from(rotated[column]), f64::from(rotated[(rows - 1) * columns + column]));
            rotated[column] = (cosine * a - sine * b) as f32;
            rotated[(rows - 1) * columns + column] = (sine * a + cosine * b) as f32;
        }
        let after = penalty(&rotated, rows, columns, settings).unwrap();
        // Rounding the rotated features to single precision moves every singular value by about 1e-6 at most.
        prop_assert!((before.value - after.value).abs() < 1e-5 * (1.0 + before.value), "{} {}", before.value, after.value);
    }

    #[test]
    fn the_gradient_is_the_slope((rows, columns, features) in features(), count in 1_usize..3) {
        let settings = BssSettings { singular_values: count, strength: 1.0 };
        let found = penalty(&features, rows, columns, settings).unwrap();
        let direction: Vec<f64> = (0..features.len()).map(|index| ((index * 7 + 3) % 5) as f64 - 2.0).collect();
        let moved = |distance: f64| -> Vec<f32> {
            features.iter().zip(&direction).map(|(&value, step)| (f64::from(value) + distance * step) as f32).collect()
        };
        let (left, right) = (moved(-1e-3), moved(1e-3));
        let value = |features: &[f32]| penalty(features, rows, columns, settings).unwrap().value;
        let all = BssSettings { singular_values: count + 1, ..settings };
        let next = penalty(&features, rows, columns, all).unwrap().value - found.value;
        // Where the last singular value that is shrunk meets the next, the penalty has a kink.
        let last = found.value - if count == 1 { 0.0 } else { penalty(&features, rows, columns, PLAIN).unwrap().value };
        let simple = count >= rows.min(columns) || next - last > 0.5;
        prop_assume!(simple);
        let expected: f64 = (0..features.len())
            .map(|index| f64::from(found.gradient[index]) * (f64::from(right[index]) - f64::from(left[index])))
            .sum();
        let change = value(&right) - value(&left);
        prop_assert!((change - expected).abs() < 1e-6 + 1e-3 * expected.abs(), "{} {}", change, expected);
    }
}
