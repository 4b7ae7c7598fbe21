//! DELTA against the specification and its slope.

use proptest::prelude::*;

use super::*;

/// Channels first, as in the specification, to channels last.
fn channels_last(maps: [[f32; 4]; 2]) -> Vec<f32> {
    (0..4).flat_map(|position| maps.map(|map| map[position])).collect()
}

fn map(values: &[f32]) -> FeatureMap<'_> {
    FeatureMap { values, images: 1, positions: 4, channels: 2 }
}

/// Reference values: `spec/regularisers-and-adaptation.md` TV2.
#[test]
fn the_values_of_the_specification() {
    let source = channels_last([[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 2.0, 2.0]]);
    let current = channels_last([[1.5, 2.0, 0.0, 0.5], [0.2, 0.0, 2.0, 1.0]]);
    let plain = penalty(map(&current), &source, None, 1.0).unwrap();
    assert!((plain.value - 0.1925).abs() < 1e-8, "{}", plain.value);
    let weights = attention(&[0.10, 0.02]);
    for (found, expected) in weights.iter().zip([1.007_999_829_338, 0.992_000_170_662]) {
        assert!((found - expected).abs() < 1e-12, "{weights:?}");
    }
    let weighted = penalty(map(&current), &source, Some(&weights), 1.0).unwrap();
    assert!((weighted.value - 0.191_960_011_520).abs() < 1e-8, "{}", weighted.value);
}

#[test]
fn the_source_costs_nothing() {
    let values = channels_last([[1.0, 2.0, 0.0, 1.0], [0.0, 0.0, 2.0, 2.0]]);
    let found = penalty(map(&values), &values, Some(&[3.0, 0.5]), 0.01).unwrap();
    assert_eq!((found.value, found.gradient), (0.0, vec![0.0; 8]));
}

#[test]
fn what_does_not_fit_is_refused() {
    let values = [0.0; 8];
    assert!(matches!(penalty(map(&values), &values, None, -1.0), Err(RegularizerError::Setting { .. })));
    assert!(matches!(penalty(map(&values[..7]), &values, None, 1.0), Err(RegularizerError::Length { .. })));
    assert!(matches!(penalty(map(&values), &values[..4], None, 1.0), Err(RegularizerError::Length { .. })));
    assert!(matches!(penalty(map(&values), &values, Some(&[1.0]), 1.0), Err(RegularizerError::Length { .. })));
    let empty = FeatureMap { values: &[], images: 0, positions: 4, channels: 2 };
    assert!(matches!(penalty(empty, &[], None, 1.0), Err(RegularizerError::Length { .. })));
}

proptest! {
    #[test]
    fn attention_has_mean_one(increases in prop::collection::vec(-100.0..100.0, 1..50)) {
        let weights = attention(&increases);
        let mean = weights.iter().sum::<f64>() / weights.len() as f64;
        prop_assert!((mean - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_gradient_is_the_slope(
        values in prop::collection::vec(-4_f32..4.0, 24),
        source in prop::collection::vec(-4_f32..4.0, 24),
        attention in prop::collection::vec(0.0..3.0, 2),
    ) {
        let value = |values: &[f32]| {
            let current = FeatureMap { values, images: 3, positions: 4, channels: 2 };
            penalty(current, &source, Some(&attention), 0.5).unwrap()
        };
        let gradient = value(&values).gradient;
        for index in 0..values.len() {
            let moved = |distance: f32| {
                let mut values = values.clone();
                values[index] += distance;
                (f64::from(values[index]), value(&values).value)
            };
            let ((left, low), (right, high)) = (moved(-0.01), moved(0.01));
            let slope = (high - low) / (right - left);
            prop_assert!((slope - f64::from(gradient[index])).abs() < 1e-6, "{} {}", slope, gradient[index]);
        }
    }
}
