//! Cross-entropies against PyTorch and against central differences.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn singles(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|number| number as f32).collect()
}

#[test]
fn losses_are_those_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/losses.json");
    let reference: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (logits, shares) = (singles(&reference["logits"]), singles(&reference["soft"]));
    let labels: Vec<usize> = numbers(&reference["labels"]).into_iter().map(|label| label as usize).collect();
    let counts: Vec<usize> = numbers(&reference["counts"]).into_iter().map(|count| count as usize).collect();
    let (labels, shares) = (Targets::Labels(&labels), Targets::Shares(&shares));
    let weights = || Some(numbers(&reference["weights"]));
    let smoothed = |label_smoothing| CrossEntropy { label_smoothing, ..CrossEntropy::default() };
    let cases = [
        ("labels", labels, CrossEntropy::default()),
        ("smoothed", labels, smoothed(0.1)),
        ("weighted", labels, CrossEntropy { class_weights: weights(), ..smoothed(0.0) }),
        ("weighted_smoothed", labels, CrossEntropy { class_weights: weights(), ..smoothed(0.1) }),
        ("soft", shares, CrossEntropy::default()),
        ("soft_smoothed", shares, smoothed(0.2)),
        ("balanced_softmax", labels, CrossEntropy { log_prior: Some(log_prior(&counts).unwrap()), ..smoothed(0.0) }),
    ];
    assert_eq!(reference["cases"].as_object().unwrap().len(), cases.len());
    for (case, targets, settings) in cases {
        let expected = &reference["cases"][case];
        let loss = settings.loss(&logits, 4, targets).unwrap();
        let mean = expected["loss"].as_f64().unwrap();
        assert!((loss.mean - mean).abs() <= 1e-6 * mean, "{case}: {}, expected {mean}", loss.mean);
        for (&found, expected) in loss.gradient.iter().zip(numbers(&expected["gradient"])) {
            assert!((f64::from(found) - expected).abs() <= 1e-6, "{case}: {found}, expected {expected}");
        }
    }
}

#[test]
fn the_kernel_of_the_engine_agrees() {
    use heirloom_engine::kernels::{Isa, training};
    let (classes, rows) = (37, 19);
    let logits: Vec<f32> = (0..rows * classes).map(|index| ((index * 31) % 97) as f32 / 9.0 - 5.0).collect();
    let labels: Vec<usize> = (0..rows).map(|row| (row * 5) % classes).collect();
    let partners: Vec<usize> = (0..rows).rev().collect();
    let shares = mixed_targets(&labels, &partners, 0.3, classes).unwrap();
    let prior = log_prior(&(1..=classes).collect::<Vec<_>>()).unwrap();
    let shift: Vec<f32> = prior.iter().map(|&value| value as f32).collect();
    for (label_smoothing, prior, shift) in [(0.0, None, None), (0.1, Some(prior), Some(shift.as_slice()))] {
        let settings = CrossEntropy { label_smoothing, class_weights: None, log_prior: prior };
        let isa = Isa::detect();
        let label_smoothing = label_smoothing as f32;
        let kernel = training::CrossEntropy { isa, classes, row_weights: None, shift, label_smoothing };
        for (targets, same) in [
            (Targets::Labels(&labels), training::Targets::Labels(&labels)),
            (Targets::Shares(&shares), training::Targets::Soft(&shares)),
        ] {
            let (mut losses, mut gradient) = (vec![0.0; rows], vec![0.0; logits.len()]);
            kernel.run(&logits, same, &mut losses, &mut gradient);
            let loss = settings.loss(&logits, classes, targets).unwrap();
            let mean = losses.iter().map(|&loss| f64::from(loss)).sum::<f64>() / rows as f64;
            assert!((loss.mean - mean).abs() < 1e-5, "{} {mean}", loss.mean);
            for (a, b) in loss.gradient.iter().zip(&gradient) {
                assert!((a - b / rows as f32).abs() < 1e-6, "{a} {b}");
            }
        }
    }
}

/// Reference value: `spec/regularisers-and-adaptation.md` TV16.
#[test]
fn smoothing_spreads_a_tenth_over_four_classes() {
    // At equal logits the gradient is 1/4 less the smoothed target.
    let settings = CrossEntropy { label_smoothing: 0.1, ..CrossEntropy::default() };
    let gradient = settings.loss(&[0.0; 4], 4, Targets::Labels(&[0])).unwrap().gradient;
    let target: Vec<f32> = gradient.iter().map(|value| 0.25 - value).collect();
    for (found, expected) in target.iter().zip([0.925, 0.025, 0.025, 0.025]) {
        assert!((found - expected).abs() < 1e-7, "{target:?}");
    }
}

#[test]
fn every_class_has_the_same_part_under_balanced_weights() {
    let labels = [0, 0, 0, 0, 0, 0, 1, 1, 2];
    let counts = class_counts(&labels, 3).unwrap();
    assert_eq!(counts, [6, 2, 1]);
    let weights = balanced_class_weights(&counts);
    assert_eq!(weights, [0.5, 1.5, 3.0]);
    for (count, weight) in counts.iter().zip(&weights) {
        assert_eq!(*count as f64 * weight, 3.0);
    }
    // A class without rows has no part, and its weight is not infinite.
    assert_eq!(balanced_class_weights(&[4, 0]), [0.5, 0.0]);
    assert_eq!(log_prior(&[4, 0]), Err(LossError::EmptyClass { class: 1 }));
    assert_eq!(class_counts(&[0, 3], 3), Err(LossError::Label { row: 1, label: 3, classes: 3 }));
}

#[test]
fn huge_logits_neither_overflow_nor_vanish() {
    let loss = CrossEntropy::default().loss(&[1e30, -1e30, 0.0], 3, Targets::Labels(&[0])).unwrap();
    assert_eq!((loss.mean, loss.gradient), (0.0, vec![0.0; 3]));
    let loss = CrossEntropy::default().loss(&[1000.0, 0.0], 2, Targets::Labels(&[1])).unwrap();
    assert_eq!((loss.mean, loss.gradient), (1000.0, vec![1.0, -1.0]));
}

#[test]
fn mixed_targets_hold_both_labels() {
    let targets = mixed_targets(&[0, 2, 2], &[1, 0, 2], 0.75, 3).unwrap();
    assert_eq!(targets, [0.75, 0.0, 0.25, 0.25, 0.0, 0.75, 0.0, 0.0, 1.0]);
    let refused = |partners: &[usize], share, classes| mixed_targets(&[0, 2, 2], partners, share, classes).unwrap_err();
    assert_eq!(refused(&[1, 0, 3], 0.5, 3), LossError::Partner { row: 2, partner: 3, rows: 3 });
    assert_eq!(refused(&[1, 0, 2], 0.5, 2), LossError::Label { row: 1, label: 2, classes: 2 });
    assert_eq!(refused(&[1, 0], 0.5, 3), LossError::Length { what: "partners", found: 2, expected: 3 });
    assert!(matches!(refused(&[1, 0, 2], f64::NAN, 3), LossError::Setting { .. }));
    assert_eq!(refused(&[1, 0, 2], 0.5, 0), LossError::Label { row: 0, label: 0, classes: 0 });
}

#[test]
fn bad_input_is_refused() {
    let plain = CrossEntropy::default();
    fn refused(settings: &CrossEntropy, logits: &[f32], classes: usize, targets: Targets<'_>) -> LossError {
        settings.loss(logits, classes, targets).unwrap_err()
    }
    let labels = Targets::Labels(&[0, 1]);
    assert_eq!(
        refused(&plain, &[0.0; 4], 2, Targets::Labels(&[0, 2])),
        LossError::Label { row: 1, label: 2, classes: 2 }
    );
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let error = refused(&plain, &[0.0, 0.0, value, 0.0], 2, labels);
        assert!(matches!(error, LossError::Divergence { row: 1, class: 0, .. }), "{error}");
    }
    assert_eq!(refused(&plain, &[], 2, Targets::Labels(&[])), LossError::NoRows);
    assert_eq!(refused(&plain, &[0.0; 3], 2, labels), LossError::Length { what: "logits", found: 3, expected: 4 });
    assert_eq!(
        refused(&plain, &[0.0; 4], 2, Targets::Shares(&[0.5; 3])),
        LossError::Length { what: "target shares", found: 3, expected: 4 }
    );
    for shares in [[0.5, 0.4], [1.5, -0.5], [f32::NAN, 1.0]] {
        assert!(matches!(refused(&plain, &[0.0; 2], 2, Targets::Shares(&shares)), LossError::Shares { row: 0, .. }));
    }
    let settings =
        |label_smoothing, class_weights, log_prior| CrossEntropy { label_smoothing, class_weights, log_prior };
    for bad in [
        settings(1.0, None, None),
        settings(f64::NAN, None, None),
        settings(0.0, Some(vec![1.0, -1.0]), None),
        settings(0.0, Some(vec![1.0, f64::NAN]), None),
        settings(0.0, None, Some(vec![0.0, f64::NEG_INFINITY])),
    ] {
        assert!(matches!(refused(&bad, &[0.0; 4], 2, labels), LossError::Setting { .. }), "{bad:?}");
    }
    let error = refused(&settings(0.0, Some(vec![1.0; 3]), None), &[0.0; 4], 2, labels);
    assert_eq!(error, LossError::Length { what: "class weights", found: 3, expected: 2 });
    let error = refused(&settings(0.0, Some(vec![0.0, 1.0]), None), &[0.0; 4], 2, Targets::Labels(&[0, 0]));
    assert_eq!(error, LossError::NoWeight { rows: 2 });
    assert!(matches!(refused(&plain, &[], 0, Targets::Labels(&[])), LossError::Setting { .. }));
}

fn problem() -> impl Strategy<Value = (usize, Vec<f32>, Vec<usize>)> {
    (2_usize..6, 1_usize..6).prop_flat_map(|(classes, rows)| {
        let logits = prop::collection::vec(-8_f32..8.0, rows * classes);
        (Just(classes), logits, prop::collection::vec(0..classes, rows))
    })
}

proptest! {
    #[test]
    fn one_hot_shares_are_labels((classes, logits, labels) in problem(), smoothing in 0.0..0.5) {
        let partners = vec![0; labels.len()];
        let shares = mixed_targets(&labels, &partners, 1.0, classes).unwrap();
        let settings = CrossEntropy {
            label_smoothing: smoothing,
            class_weights: Some((0..classes).map(|class| 0.5 + class as f64).collect()),
            log_prior: None,
        };
        let a = settings.loss(&logits, classes, Targets::Labels(&labels)).unwrap();
        let b = settings.loss(&logits, classes, Targets::Shares(&shares)).unwrap();
        prop_assert_eq!(a, b);
    }

    #[test]
    fn gradients_are_the_slope((classes, logits, labels) in problem(), smoothing in 0.0..0.5) {
        let settings = CrossEntropy {
            label_smoothing: smoothing,
            class_weights: Some((0..classes).map(|class| 0.5 + class as f64).collect()),
            log_prior: Some((0..classes).map(|class| -(class as f64)).collect()),
        };
        let loss = |logits: &[f32]| settings.loss(logits, classes, Targets::Labels(&labels)).unwrap();
        let gradient = loss(&logits).gradient;
        for index in 0..logits.len() {
            let moved = |distance: f32| {
                let mut logits = logits.clone();
                logits[index] += distance;
                (f64::from(logits[index]), loss(&logits).mean)
            };
            let ((left, low), (right, high)) = (moved(-1e-3), moved(1e-3));
            let slope = (high - low) / (right - left);
            prop_assert!((slope - f64::from(gradient[index])).abs() < 1e-5, "{} {}", slope, gradient[index]);
        }
        // Logits of a row may all be moved together.
        for row in gradient.chunks(classes) {
            prop_assert!(row.iter().sum::<f32>().abs() < 1e-6);
        }
    }
}

/// TV10 of `spec/robustness.md`.
#[test]
fn labels_that_may_be_wrong() {
    let corruption = [0.7, 0.2, 0.1, 0.1, 0.8, 0.1, 0.25, 0.25, 0.5];
    let given = |labels: &'static [usize]| Targets::Given { labels, corruption: &corruption, trusted: &[false] };
    let loss = |targets| CrossEntropy::default().loss(&[1.0, 0.0, -1.0], 3, targets).unwrap().mean;
    assert!((loss(given(&[2])) - 1.995_010_476_2).abs() < 1e-9);
    assert!((loss(given(&[0])) - 0.668_163_567_5).abs() < 1e-9);
    let weighted = CrossEntropy { class_weights: Some(vec![1.0, 1.0, 3.0]), ..CrossEntropy::default() };
    let both = |settings: &CrossEntropy| {
        let targets = Targets::Given { labels: &[2, 0], corruption: &corruption, trusted: &[false; 2] };
        settings.loss(&[1.0, 0.0, -1.0, 1.0, 0.0, -1.0], 3, targets).unwrap().mean
    };
    assert!((both(&weighted) - (3.0 * 1.995_010_476_2 + 0.668_163_567_5) / 4.0).abs() < 1e-9);
}

proptest! {
    #[test]
    fn the_gradient_of_labels_that_may_be_wrong_is_that_of_the_loss(
        logits in proptest::collection::vec(-3.0_f32..3.0, 6),
        raw in proptest::collection::vec(0.01_f64..1.0, 9),
        labels in proptest::collection::vec(0..3_usize, 2),
    ) {
        let sums: Vec<f64> = raw.chunks(3).map(|row| row.iter().sum()).collect();
        let corruption: Vec<f64> = raw.iter().enumerate().map(|(at, share)| share / sums[at / 3]).collect();
        let settings = CrossEntropy { class_weights: Some(vec![0.5, 1.0, 2.0]), ..CrossEntropy::default() };
        let trusted = [false, true];
        let of = |logits: &[f32]| {
            let targets = Targets::Given { labels: &labels, corruption: &corruption, trusted: &trusted };
            settings.loss(logits, 3, targets).unwrap()
        };
        let found = of(&logits);
        for at in 0..6 {
            let moved = |by: f32| {
                let mut moved = logits.clone();
                moved[at] += by;
                (of(&moved).mean, f64::from(moved[at]))
            };
            let ((up, right), (down, left)) = (moved(1e-2), moved(-1e-2));
            prop_assert!((f64::from(found.gradient[at]) - (up - down) / (right - left)).abs() < 1e-4);
        }
        // Nothing is ever taken for anything else: the usual loss; and the same where all rows are trusted.
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let usual = settings.loss(&logits, 3, Targets::Labels(&labels)).unwrap();
        for (corruption, trusted) in [(&identity[..], [false; 2]), (&corruption[..], [true; 2])] {
            let same = settings.loss(&logits, 3, Targets::Given { labels: &labels, corruption, trusted: &trusted }).unwrap();
            prop_assert!((same.mean - usual.mean).abs() < 1e-9);
        }
    }
}

#[test]
fn labels_that_may_be_wrong_are_checked() {
    let refused = |corruption: &[f64], trusted: &[bool], label_smoothing: f64| {
        let settings = CrossEntropy { label_smoothing, ..CrossEntropy::default() };
        settings.loss(&[0.0; 2], 2, Targets::Given { labels: &[0], corruption, trusted }).unwrap_err().to_string()
    };
    assert!(refused(&[1.0; 3], &[false], 0.0).contains("shares of the corruption"));
    assert!(refused(&[0.5; 4], &[], 0.0).contains("trusted"));
    assert!(refused(&[0.5; 4], &[true], 0.1).contains("label smoothing"));
}
