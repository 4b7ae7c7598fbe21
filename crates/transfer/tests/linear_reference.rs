//! `linear` against stored answers of scikit-learn's LogisticRegression (`tests/reference/heads.py`).

use heirloom_engine::Shape;
use heirloom_transfer::heads::{LinearSettings, Method, Settings, Training, fit, probabilities};
use heirloom_transfer::{Block, ClassTokenMode, Features, Pooling};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    rows: usize,
    columns: usize,
    classes: usize,
    train: usize,
    labels: Vec<usize>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    penalty: f64,
    probabilities: Vec<f64>,
}

fn features(rows: usize, columns: usize) -> Features {
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
    let values = (0..rows * columns).map(|k| value(k / columns, k % columns) as f32).collect();
    let pooling = Pooling { target: 1, class_token: ClassTokenMode::Normal };
    let shape = Shape::Vector { channels: columns };
    Features { rows, blocks: vec![Block { tap: "pre_logits".into(), shape, pooling, width: columns, values }] }
}

#[test]
fn probabilities_agree_with_scikit_learn_at_every_penalty() {
    let reference: Reference = serde_json::from_str(include_str!("data/linear_reference.json")).unwrap();
    let features = features(reference.rows, reference.columns);
    let rows: Vec<usize> = (0..reference.train).collect();
    let test: Vec<usize> = (reference.train..reference.rows).collect();
    let folds: Vec<usize> = (0..reference.rows).map(|row| row % 5).collect();
    let classes = reference.classes;
    let training = Training { features: &features, labels: &reference.labels, rows: &rows, folds: &folds, classes };
    for case in &reference.cases {
        let linear = LinearSettings { penalties: vec![case.penalty], ..LinearSettings::default() };
        let settings = Settings { linear, ..Settings::default() };
        let head = fit(Method::Linear, &training, &settings).unwrap().head;
        let found = probabilities(&head.logits(&features, &test).unwrap(), classes, 1.0);
        let worst = found.iter().zip(&case.probabilities).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(worst < 1e-4, "penalty {}: {worst}", case.penalty);
    }
}
