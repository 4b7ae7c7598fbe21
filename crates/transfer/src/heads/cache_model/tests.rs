//! The vectors and properties of the spec, and the whole rule against NumPy.

use super::*;
use crate::heads::probabilities;
use crate::{Block, ClassTokenMode, Features, Pooling};

fn matrix(columns: usize, values: &[f32]) -> Matrix {
    Matrix { rows: values.len() / columns, columns, values: values.to_vec() }
}

/// Support and queries of TV13 of `spec/regularisers-and-adaptation.md`.
fn support() -> (Matrix, [usize; 4], Matrix) {
    let support = matrix(2, &[1.0, 0.0, 0.8, 0.2, 0.0, 1.0, 0.1, 0.9]);
    (support, [0, 0, 1, 1], matrix(2, &[0.7, 0.4, 0.4, 0.6]))
}

/// TV13: given prototypes at scale 100, weight 1, sharpness 5.5.
#[test]
fn affinities_and_logits_are_those_of_the_spec() {
    let (support, labels, queries) = support();
    let keys = unit_rows(&support);
    let mut similarities = Vec::new();
    for query in unit_rows(&queries).values.chunks(2) {
        similarities.push(keys.values.chunks(2).map(|key| key[0] * query[0] + key[1] * query[1]).collect::<Vec<f32>>());
    }
    let expected = [
        [0.868_243_142_124, 0.962_650_940_154, 0.496_138_938_357, 0.588_985_836_160],
        [0.554_700_196_225, 0.739_940_073_396, 0.832_050_294_338, 0.888_217_643_156],
    ];
    for (found, expected) in similarities.iter().flatten().zip(expected.iter().flatten()) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} {expected}");
    }
    let cache = Cache {
        prototypes: Sums::of(&matrix(2, &[1.0, 0.1, 0.2, 1.0]), &[0, 1], 2).rule(Metric::Cosine, 0.01),
        rows: keys,
        labels: labels.map(|label| label as u32).to_vec(),
        weight: 1.0,
        sharpness: 5.5,
    };
    let expected = [92.628_981_933_44, 65.844_949_290_757, 63.799_539_456_342, 93.405_595_241_555];
    for (found, expected) in cache.logits(&queries, 2).iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 2e-5, "{found} {expected}");
    }
}

fn problem() -> (Features, Vec<usize>, Vec<usize>) {
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f32 / 211.0 - 0.3;
    let (rows, width) = (48, 6);
    let labels: Vec<usize> = (0..rows).map(|row| (row * 7) % 3).collect();
    let signal = |row: usize, column: usize| if column == labels[row] { 0.5 } else { 0.0 };
    let values = (0..rows * width).map(|at| value(at / width, at % width) + signal(at / width, at % width)).collect();
    let pooling = Pooling { target: 1, class_token: ClassTokenMode::Normal };
    let shape = heirloom_engine::Shape::Vector { channels: width };
    let block = Block { tap: "pre_logits".into(), shape, pooling, width, values };
    (Features { rows, blocks: vec![block] }, labels, (0..rows).map(|row| row % 4).collect())
}

fn fitted(weights: &[f64], normalization: Normalization) -> (Fitted, Features) {
    let (features, labels, folds) = problem();
    let rows: Vec<usize> = (0..features.rows).collect();
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: 3 };
    let checked = training.check().unwrap();
    let settings_of = CacheModelSettings { weights: weights.to_vec(), normalization, ..CacheModelSettings::default() };
    let inputs = training.penultimate("pre_logits").unwrap();
    (fit(&training, &checked, inputs, &settings_of).unwrap(), features)
}

/// Property 13: without the cache the head is its prototypes; their cosines do not see how long a row is.
#[test]
fn a_weight_of_zero_is_the_prototypes_alone() {
    for normalization in [Normalization::UnitVector, Normalization::None] {
        let (fitted, features) = fitted(&[0.0], normalization);
        let Rule::Cache(cache) = &fitted.head.rule else { panic!("another rule") };
        assert_eq!((cache.rows.rows, cache.labels.len()), (0, 0));
        let rows: Vec<usize> = (0..features.rows).collect();
        let logits = fitted.head.logits(&features, &rows).unwrap();
        let unit = unit_rows(&matrix(6, &features.blocks[0].values));
        let plain = cache.prototypes.logits(&unit);
        assert_eq!(logits, plain);
        let mut longer = features.clone();
        longer.blocks[0].values.iter_mut().for_each(|value| *value *= 8.0);
        assert_eq!(fitted.head.logits(&longer, &rows).unwrap(), logits);
        let stored = fitted.head.to_stored().unwrap();
        assert_eq!(Head::from_stored(&stored).unwrap(), fitted.head);
    }
}

/// Property 13: a row's own label never reaches what is said of it while weight and sharpness are chosen.
#[test]
fn a_row_is_judged_without_its_own_label_and_fold() {
    let (features, labels, folds) = problem();
    let rows: Vec<usize> = (0..features.rows).collect();
    let check = |labels: &[usize]| {
        let training = Training { features: &features, labels, rows: &rows, folds: &folds, classes: 3 };
        training.check().unwrap()
    };
    let unit = unit_rows(&matrix(6, &features.blocks[0].values));
    let said = |checked: &Checked| {
        let labels: Vec<u32> = checked.labels.iter().map(|&label| label as u32).collect();
        (seen(checked, &unit, &labels, &[5.0]).swap_remove(0), prototype_logits(checked, &unit))
    };
    let before = said(&check(&labels));
    let mut turned = labels.clone();
    rows.iter().filter(|row| folds[**row] == 2).for_each(|row| turned[*row] = (turned[*row] + 1) % 3);
    let after = said(&check(&turned));
    for row in &rows {
        let of = |values: &[f64]| values[row * 3..row * 3 + 3].to_vec();
        assert_eq!(of(&before.0) == of(&after.0), folds[*row] == 2, "row {row}");
        assert_eq!(before.1[row * 3..row * 3 + 3] == after.1[row * 3..row * 3 + 3], folds[*row] == 2, "row {row}");
    }
}

#[derive(serde::Deserialize)]
struct Reference {
    rows: usize,
    columns: usize,
    classes: usize,
    train: usize,
    labels: Vec<usize>,
    scale: f64,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    weight: f64,
    sharpness: f64,
    temperature: f64,
    probabilities: Vec<f64>,
}

/// `tests/reference/heads.py`: the scale and temperatures by SciPy, the rest by NumPy, everything in double precision.
#[test]
fn probabilities_agree_with_numpy_at_every_weight_and_sharpness() {
    let reference: Reference = serde_json::from_str(include_str!("../../../tests/data/cache_reference.json")).unwrap();
    let Reference { rows, columns, classes, train, .. } = reference;
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
    let values = (0..rows * columns).map(|k| value(k / columns, k % columns) as f32).collect();
    let pooling = Pooling { target: 1, class_token: ClassTokenMode::Normal };
    let shape = heirloom_engine::Shape::Vector { channels: columns };
    let features = Features { rows, blocks: vec![Block { tap: "f".into(), shape, pooling, width: columns, values }] };
    let fitted_on: Vec<usize> = (0..train).collect();
    let judged: Vec<usize> = (train..rows).collect();
    let folds: Vec<usize> = (0..rows).map(|row| row % 5).collect();
    let labels = &reference.labels;
    let training = Training { features: &features, labels, rows: &fitted_on, folds: &folds, classes };
    let checked = training.check().unwrap();
    for case in &reference.cases {
        let settings_of = CacheModelSettings {
            weights: vec![case.weight],
            sharpnesses: vec![case.sharpness],
            ..CacheModelSettings::default()
        };
        let inputs = training.penultimate("f").unwrap();
        let head = fit(&training, &checked, inputs, &settings_of).unwrap().head;
        let Rule::Cache(cache) = &head.rule else { panic!("another rule") };
        let temperature = case.weight / f64::from(cache.weight);
        assert!((temperature / case.temperature - 1.0).abs() < 1e-4, "{temperature} {}", case.temperature);
        let of_first = cache.prototypes.weights.iter().step_by(classes);
        let scale = of_first.map(|weight| f64::from(*weight).powi(2)).sum::<f64>().sqrt() * temperature;
        assert!((scale / reference.scale - 1.0).abs() < 1e-4, "{scale} {}", reference.scale);
        let logits = head.logits(&features, &judged).unwrap();
        let found = probabilities(&logits, classes, head.temperature());
        let worst = found.iter().zip(&case.probabilities).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "weight {} sharpness {}: {worst}", case.weight, case.sharpness);
    }
}
