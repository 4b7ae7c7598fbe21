//! What every method must do, whichever it is: one suite, run on all of them.

// A helper of a test may panic as the test itself may.
#![allow(clippy::unwrap_used)]

use heirloom_engine::Shape;
use heirloom_transfer::heads::{
    AdamRecipe, AllSettings, Fitted, Head, Head2ToeSettings, HeadError, LastLayer, Method, Normalization, Scorer,
    Setting, Settings, Solver, Training, fit,
};
use heirloom_transfer::{Block, ClassTokenMode, Features, Pooling};
use proptest::prelude::*;

const ROWS: usize = 60;
const TRAIN: usize = 45;
const CLASSES: usize = 3;

struct World {
    features: Features,
    labels: Vec<usize>,
    folds: Vec<usize>,
    rows: Vec<usize>,
}

/// A reproducible value in [-1, 1).
fn noise(row: usize, column: usize) -> f32 {
    let mut state = (row as u64 * 2_654_435_761 + column as u64 * 40_503 + 12_345).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state ^= state >> 29;
    state = state.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((state >> 40) as f32) / (1_u64 << 23) as f32 - 1.0
}

fn block(tap: &str, target: usize, width: usize, value: impl Fn(usize, usize) -> f32) -> Block {
    let values = (0..ROWS * width).map(|at| value(at / width, at % width)).collect();
    let pooling = Pooling { target, class_token: ClassTokenMode::Normal };
    Block { tap: tap.into(), shape: Shape::Vector { channels: width }, pooling, width, values }
}

fn world() -> World {
    let labels: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
    let value = |row: usize, column: usize| {
        let signal = if column % CLASSES == row % CLASSES && column < 6 { 1.0 } else { 0.0 };
        1.0 + signal + 0.6 * noise(row, column)
    };
    let early = |row: usize, column: usize| value(row, column + 100 - 100 % CLASSES);
    let blocks = vec![
        block("early", 1, 14, early),
        block("pre_logits", 1, 10, value),
        block("early", 64, 28, |row, column| early(row, column % 14) + 0.1 * noise(row, column + 500)),
        block("pre_logits", 64, 10, value),
    ];
    let folds = (0..ROWS).map(|row| (row / CLASSES) % 5).collect();
    World { features: Features { rows: ROWS, blocks }, labels, folds, rows: (0..TRAIN).collect() }
}

impl World {
    fn training(&self) -> Training<'_> {
        let Self { features, labels, folds, rows } = self;
        Training { features, labels, rows, folds, classes: CLASSES }
    }

    fn fit(&self, case: &Case) -> Fitted {
        fit(case.method, &self.training(), &case.settings).unwrap()
    }
}

struct Case {
    name: &'static str,
    method: Method,
    settings: Settings,
}

fn cases() -> Vec<Case> {
    let offered = Head2ToeSettings { fractions: vec![0.1, 0.3, 1.0], ..Head2ToeSettings::default() };
    let small = Head2ToeSettings { last_layer: LastLayer::Never, ..offered.clone() };
    let alone = Head2ToeSettings { last_layer: LastLayer::Alone, ..offered.clone() };
    let adam = AdamRecipe { steps: 40, batch: 16, ..AdamRecipe::default() };
    let replicated =
        Head2ToeSettings { fractions: vec![0.3], solver: Solver::Adam(adam), ..Head2ToeSettings::default() };
    let with = |head2toe: &Head2ToeSettings| Settings { head2toe: head2toe.clone(), ..Settings::default() };
    let mut standardised = with(&small);
    standardised.linear.normalization = Normalization::PerFeature;
    let scored = |scorer: Scorer, normalization: Normalization, rank_offset: usize| {
        with(&Head2ToeSettings { scorer, normalization, rank_offset, ..small.clone() })
    };
    let (unit, each) = (Normalization::UnitVector, Normalization::PerFeature);
    let mut cached = with(&small);
    cached.cache_model.normalization = each;
    cached.cache_model.weights.remove(0);
    let mut all = with(&small);
    all.all = AllSettings { normalization: each, ..AllSettings::default() };
    vec![
        Case { name: "linear", method: Method::Linear, settings: with(&small) },
        Case { name: "linear per feature", method: Method::Linear, settings: standardised },
        Case { name: "ridge", method: Method::Ridge, settings: with(&small) },
        Case { name: "lda", method: Method::Lda, settings: with(&small) },
        Case { name: "svm", method: Method::Svm, settings: with(&small) },
        Case { name: "ncm", method: Method::Ncm, settings: with(&small) },
        Case { name: "knn", method: Method::Knn, settings: with(&small) },
        Case { name: "cache-model", method: Method::CacheModel, settings: with(&small) },
        Case { name: "cache-model per feature", method: Method::CacheModel, settings: cached },
        Case { name: "best-layer", method: Method::BestLayer, settings: with(&small) },
        Case { name: "head2toe", method: Method::Head2Toe, settings: with(&small) },
        Case { name: "head2toe per feature", method: Method::Head2Toe, settings: scored(Scorer::Group, each, 0) },
        Case { name: "head2toe by l2", method: Method::Head2Toe, settings: scored(Scorer::L2, each, 0) },
        Case { name: "head2toe by layer", method: Method::Head2Toe, settings: scored(Scorer::Layer, unit, 1) },
        Case { name: "head2toe by chi2", method: Method::Head2Toe, settings: scored(Scorer::Chi2, unit, 0) },
        Case {
            name: "head2toe by information",
            method: Method::Head2Toe,
            settings: scored(Scorer::MutualInformation, unit, 0),
        },
        Case { name: "all-l1", method: Method::AllL1, settings: with(&small) },
        Case { name: "all-l2", method: Method::AllL2, settings: with(&small) },
        Case { name: "all-l21", method: Method::AllL21, settings: all },
        Case { name: "head2toe or the last layer", method: Method::Head2Toe, settings: with(&offered) },
        Case { name: "head2toe, the last layer", method: Method::Head2Toe, settings: with(&alone) },
        Case { name: "head2toe by Adam", method: Method::Head2Toe, settings: with(&replicated) },
    ]
}

fn test_rows() -> Vec<usize> {
    (TRAIN..ROWS).collect()
}

fn probabilities(head: &Head, features: &Features) -> Vec<f32> {
    head.probabilities(features, &test_rows()).unwrap()
}

fn largest_difference(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn learns_what_is_there_with_probabilities_that_sum_to_one() {
    let world = world();
    for case in cases() {
        let found = probabilities(&world.fit(&case).head, &world.features);
        let right = found.chunks(CLASSES).zip(test_rows()).filter(|(row, at)| {
            assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{}", case.name);
            row.iter().all(|value| *value <= row[world.labels[*at]])
        });
        let right = right.count();
        assert!(right >= 12, "{}: {right} of 15", case.name);
    }
}

#[test]
fn permuting_labels_permutes_probabilities() {
    let world = world();
    let mut turned = self::world();
    turned.labels.iter_mut().for_each(|label| *label = (*label + 1) % CLASSES);
    // The first weights of the Adam recipe are drawn per class, so it is equivariant only for permuted first weights.
    for case in cases().iter().filter(|case| case.name != "head2toe by Adam") {
        let plain = probabilities(&world.fit(case).head, &world.features);
        let turned = probabilities(&turned.fit(case).head, &world.features);
        let back: Vec<f32> = turned.chunks(CLASSES).flat_map(|row| [row[1], row[2], row[0]]).collect();
        let difference = largest_difference(&plain, &back);
        assert!(difference < 5e-3, "{}: {difference}", case.name);
    }
}

#[test]
fn the_order_of_the_row_list_changes_no_bit() {
    let world = world();
    let mut turned = self::world();
    turned.rows.reverse();
    for case in cases() {
        assert_eq!(world.fit(&case), turned.fit(&case), "{}", case.name);
    }
}

#[test]
fn permuting_the_rows_of_the_features_changes_nothing_that_matters() {
    let world = world();
    let order: Vec<usize> = (0..TRAIN).rev().chain(TRAIN..ROWS).collect();
    let mut turned = self::world();
    for block in &mut turned.features.blocks {
        let row = |row: &usize| block.values[row * block.width..(row + 1) * block.width].to_vec();
        block.values = order.iter().flat_map(row).collect();
    }
    turned.labels = order.iter().map(|row| world.labels[*row]).collect();
    turned.folds = order.iter().map(|row| world.folds[*row]).collect();
    // The Adam recipe visits rows in an order that is part of it.
    for case in cases().iter().filter(|case| case.name != "head2toe by Adam") {
        let plain = probabilities(&world.fit(case).head, &world.features);
        let found = probabilities(&turned.fit(case).head, &turned.features);
        let difference = largest_difference(&plain, &found);
        assert!(difference < 5e-3, "{}: {difference}", case.name);
    }
}

#[test]
fn duplicate_rows_are_fitted_like_others() {
    let mut world = world();
    for block in &mut world.features.blocks {
        let first = block.values[..3 * block.width].to_vec();
        block.values[6 * block.width..9 * block.width].copy_from_slice(&first);
        block.values[12 * block.width..15 * block.width].copy_from_slice(&first);
    }
    for case in cases() {
        let found = probabilities(&world.fit(&case).head, &world.features);
        assert!(found.iter().all(|value| value.is_finite()), "{}", case.name);
    }
}

#[test]
fn constant_and_zero_columns_do_no_harm_and_are_never_selected() {
    let mut world = world();
    for block in &mut world.features.blocks {
        for row in block.values.chunks_mut(block.width) {
            (row[1], row[2]) = (0.0, 3.0);
        }
    }
    for case in cases() {
        let fitted = world.fit(&case);
        let found = probabilities(&fitted.head, &world.features);
        assert!(found.iter().all(|value| value.is_finite()), "{}", case.name);
        for columns in fitted.head.columns().iter().filter_map(|input| input.columns.as_ref()) {
            assert!(!columns.contains(&1) && !columns.contains(&2), "{}: {columns:?}", case.name);
        }
    }
}

#[test]
fn a_class_with_one_sample_or_none_is_survived() {
    for kept in [0, 1] {
        let mut world = world();
        let labels = world.labels.clone();
        world.rows.retain(|row| labels[*row] != 2 || *row < 3 * kept);
        for case in cases() {
            let found = probabilities(&world.fit(&case).head, &world.features);
            assert!(found.iter().all(|value| value.is_finite()), "{} with {kept}", case.name);
            if kept == 0 && case.method != Method::Knn {
                assert!(found.chunks(CLASSES).all(|row| row[2] < 1e-3), "{}", case.name);
            }
        }
    }
}

#[test]
fn values_that_are_not_finite_are_refused_by_row_and_tap() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut world = world();
        world.features.blocks[1].values[7 * 10 + 3] = bad;
        for case in cases() {
            let error = fit(case.method, &world.training(), &case.settings).unwrap_err();
            assert!(
                matches!(&error, HeadError::NotFinite { tap, row: 7, column: 3, .. } if tap == "pre_logits"),
                "{}: {error}",
                case.name
            );
        }
    }
    // The same at prediction, in a row that no head was fitted on and that fitting must not look at.
    let mut poisoned = world();
    for block in &mut poisoned.features.blocks {
        block.values[(ROWS - 1) * block.width..].fill(f32::NAN);
    }
    for case in cases() {
        let head = poisoned.fit(&case).head;
        let error = head.logits(&poisoned.features, &[ROWS - 1]).unwrap_err();
        assert!(matches!(error, HeadError::NotFinite { row, .. } if row == ROWS - 1), "{}: {error}", case.name);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let world = world();
    let run = |threads: usize, case: &Case| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| world.fit(case))
    };
    for case in cases() {
        let one = run(1, &case);
        assert_eq!(one, run(2, &case), "{}", case.name);
        assert_eq!(one, run(5, &case), "{}", case.name);
    }
}

#[test]
fn rows_predict_alike_alone_and_together() {
    let world = world();
    for case in cases() {
        let head = world.fit(&case).head;
        let together = head.logits(&world.features, &test_rows()).unwrap();
        for (position, row) in test_rows().into_iter().enumerate() {
            let alone = head.logits(&world.features, &[row]).unwrap();
            assert_eq!(alone, together[position * CLASSES..(position + 1) * CLASSES], "{} row {row}", case.name);
        }
    }
}

#[test]
fn a_stored_head_predicts_the_same_bits() {
    let world = world();
    for case in cases() {
        let head = world.fit(&case).head;
        let stored = head.to_stored().unwrap();
        let text = serde_json::to_string(&stored.description).unwrap();
        let stored = heirloom_transfer::heads::StoredHead {
            tensors: stored.tensors,
            description: serde_json::from_str(&text).unwrap(),
        };
        let back = Head::from_stored(&stored).unwrap();
        assert_eq!(head, back, "{}", case.name);
        assert_eq!(probabilities(&head, &world.features), probabilities(&back, &world.features), "{}", case.name);
        for name in stored.tensors.keys() {
            let mut broken = stored.clone();
            broken.tensors.remove(name);
            let readable = name.starts_with("columns.");
            assert!(readable || Head::from_stored(&broken).is_err(), "{} without {name}", case.name);
        }
    }
}

/// P9: weights and bias of the selected columns are all that an affine head stores.
#[test]
fn head2toe_stores_its_selected_columns_alone() {
    let world = world();
    let cases = cases();
    let case = cases.iter().find(|case| case.method == Method::Head2Toe).unwrap();
    let head = world.fit(case).head;
    let columns: usize = head.columns().iter().map(heirloom_transfer::heads::Input::count).sum();
    assert_eq!(head.stored_values(), columns * CLASSES + CLASSES);
}

/// The last layer alone is taken where it is all that is needed, and is then the head of `linear`; a selection where it is not.
#[test]
fn the_last_layer_wins_where_it_suffices_and_not_where_it_is_empty() {
    let with_signal_in = |tap: &str| {
        let mut world = world();
        for block in &mut world.features.blocks {
            let strength = if block.tap == tap { 0.5 } else { 0.0 };
            for (at, value) in block.values.iter_mut().enumerate() {
                let (row, column) = (at / block.width, at % block.width);
                let signal = if column % CLASSES == row % CLASSES { strength } else { 0.0 };
                *value = 1.0 + signal + 0.6 * noise(row, column + block.width);
            }
        }
        world
    };
    let fitted = |world: &World| fit(Method::Head2Toe, &world.training(), &Settings::default()).unwrap();
    let layers = |fitted: &Fitted| fitted.choice.taken().unwrap().settings.get("layers").cloned();
    let near = with_signal_in("pre_logits");
    let found = fitted(&near);
    assert_eq!(layers(&found), Some(Setting::Text("last".to_string())));
    let linear = fit(Method::Linear, &near.training(), &Settings::default()).unwrap().head;
    assert_eq!(probabilities(&found.head, &near.features), probabilities(&linear, &near.features));
    assert_eq!(layers(&fitted(&with_signal_in("early"))), None);
}

/// P10: nothing outside the training rows is read, be it label, fold or value.
#[test]
fn what_lies_outside_the_training_rows_touches_nothing() {
    let world = world();
    let mut poisoned = self::world();
    for row in test_rows() {
        (poisoned.labels[row], poisoned.folds[row]) = (usize::MAX, 77 + row);
        for block in &mut poisoned.features.blocks {
            block.values[row * block.width..(row + 1) * block.width].fill(f32::NAN);
        }
    }
    for case in cases() {
        assert_eq!(world.fit(&case), poisoned.fit(&case), "{}", case.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any labels outside the training rows leave every fit as it is.
    #[test]
    fn labels_outside_the_training_rows_never_leak(labels in prop::collection::vec(0..CLASSES, ROWS - TRAIN)) {
        let plain = world();
        let mut other = world();
        other.labels[TRAIN..].copy_from_slice(&labels);
        for case in cases().iter().filter(|case| !case.method.reads_all_taps()) {
            prop_assert_eq!(plain.fit(case), other.fit(case));
        }
    }
}
