//! The choice by hand: the same penalties on one layer at a time, and the layer that was planted.

use super::super::{Fitted, LinearSettings, Method, Settings, fit as fit_head};
use super::*;
use crate::{Block, Features, Pooling};

const ROWS: usize = 60;
const CLASSES: usize = 3;

fn noise(row: usize, column: usize) -> f32 {
    ((row * 2_654_435_761 + column * 40_503 + 977 * row * column) >> 5 & 1023) as f32 / 512.0 - 1.0
}

fn block(tap: &str, target: usize, width: usize, signal: f32) -> Block {
    let value = |row: usize, column: usize| {
        let own = if column % CLASSES == row % CLASSES { signal } else { 0.0 };
        1.0 + own + noise(row + 7 * tap.len(), column + target)
    };
    let values = (0..ROWS * width).map(|at| value(at / width, at % width)).collect();
    let pooling = Pooling { target, class_token: ClassTokenMode::Normal };
    Block { tap: tap.into(), shape: heirloom_engine::Shape::Vector { channels: width }, pooling, width, values }
}

/// The middle layer says most; `wide` has more columns than there are rows.
fn features() -> Features {
    let blocks = vec![
        block("first", 1, 9, 0.2),
        block("middle", 1, 12, 1.2),
        block("wide", 1, 90, 0.15),
        block("pre_logits", 1, 10, 0.4),
        block("middle", 32, 30, 3.0),
    ];
    Features { rows: ROWS, blocks }
}

fn fitted(features: &Features, method: Method, settings: &Settings) -> Fitted {
    let labels: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
    let folds: Vec<usize> = (0..ROWS).map(|row| (row / CLASSES) % 5).collect();
    let rows: Vec<usize> = (0..ROWS).collect();
    let training = Training { features, labels: &labels, rows: &rows, folds: &folds, classes: CLASSES };
    fit_head(method, &training, settings).unwrap()
}

fn with(best_layer: BestLayerSettings) -> Settings {
    Settings { best_layer, ..Settings::default() }
}

fn layer(fitted: &Fitted) -> (String, usize) {
    let [input] = fitted.head.columns() else { panic!("more than one layer") };
    (input.tap.clone(), input.pooling.target)
}

#[test]
fn the_layer_that_says_most_is_found_and_wider_pooling_on_request_alone() {
    let features = features();
    let found = fitted(&features, Method::BestLayer, &Settings::default());
    assert_eq!(layer(&found), ("middle".to_string(), 1));
    assert_eq!(found.choice.table.len(), 4 * 6, "four layers at the mean over positions, six penalties");
    let taken = &found.choice.taken().unwrap().settings;
    assert_eq!(taken["layer"], Setting::Text("middle".to_string()));
    assert_eq!(taken["columns"], Setting::Number(12.0));
    let more = with(BestLayerSettings { targets: vec![1, 32], ..BestLayerSettings::default() });
    assert_eq!(layer(&fitted(&features, Method::BestLayer, &more)), ("middle".to_string(), 32));
    let narrow = with(BestLayerSettings { layers: vec!["first".into()], ..BestLayerSettings::default() });
    assert_eq!(layer(&fitted(&features, Method::BestLayer, &narrow)), ("first".to_string(), 1));
}

/// `linear` on each layer alone has the same log loss, be it solved by columns or by rows, and the same head at the end.
#[test]
fn every_candidate_is_linear_on_that_layer() {
    let features = features();
    let penalties = vec![1e-1, 1e-3];
    for kind in [Normalization::UnitVector, Normalization::PerFeature, Normalization::None] {
        for block in features.blocks.iter().filter(|block| block.pooling.target == 1) {
            let choose = BestLayerSettings {
                layers: vec![block.tap.clone()],
                penalties: penalties.clone(),
                normalization: kind,
                ..BestLayerSettings::default()
            };
            let mine = fitted(&features, Method::BestLayer, &with(choose));
            let alone = Features { rows: ROWS, blocks: vec![block.clone()] };
            let linear = LinearSettings { penalties: penalties.clone(), normalization: kind };
            let other = fitted(&alone, Method::Linear, &Settings { linear, ..Settings::default() });
            for (mine, other) in mine.choice.table.iter().zip(&other.choice.table) {
                let difference = (mine.log_loss - other.log_loss).abs();
                assert!(difference < 5e-3, "{} {kind:?}: {} {}", block.tap, mine.log_loss, other.log_loss);
            }
            assert_eq!(mine.head.rule, other.head.rule, "{} {kind:?}", block.tap);
        }
    }
}

#[test]
fn what_is_not_there_cannot_be_chosen() {
    let features = features();
    let labels: Vec<usize> = (0..ROWS).map(|row| row % CLASSES).collect();
    let folds: Vec<usize> = (0..ROWS).map(|row| row % 5).collect();
    let rows: Vec<usize> = (0..ROWS).collect();
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: CLASSES };
    let refused =
        |settings_of: BestLayerSettings| fit_head(Method::BestLayer, &training, &with(settings_of)).unwrap_err();
    let error = refused(BestLayerSettings { targets: vec![1, 64], ..BestLayerSettings::default() });
    assert!(error.to_string().contains("targets is 64"), "{error}");
    let error = refused(BestLayerSettings { layers: vec!["last".into()], ..BestLayerSettings::default() });
    assert!(error.to_string().contains("last"), "{error}");
}

#[derive(serde::Deserialize)]
struct Reference {
    rows: usize,
    classes: usize,
    labels: Vec<usize>,
    candidates: Vec<Reached>,
}

#[derive(serde::Deserialize)]
struct Reached {
    columns: usize,
    penalty: f64,
    log_loss: f64,
}

/// `tests/reference/heads.py`. Candidates are brought to 1e-5 nats of their optimum on the fitted rows, and the log loss of other
/// rows to about the root of that, 3e-3.
#[test]
fn out_of_fold_log_losses_agree_with_scikit_learn() {
    let reference: Reference = serde_json::from_str(include_str!("../../../tests/data/layers_reference.json")).unwrap();
    let Reference { rows: count, classes, labels, candidates } = &reference;
    let value = |i: usize, j: usize| ((i * 37 + j * 101 + i * j * 13) % 211) as f64 / 211.0;
    let layer = |width: usize| Block {
        tap: format!("of {width}"),
        shape: heirloom_engine::Shape::Vector { channels: width },
        pooling: Pooling::MEAN,
        width,
        values: (0..count * width).map(|at| value(at / width, at % width) as f32).collect(),
    };
    let features = Features { rows: *count, blocks: vec![layer(24), layer(130)] };
    let (rows, folds): (Vec<usize>, Vec<usize>) = (0..*count).map(|row| (row, row % 5)).unzip();
    let training = Training { features: &features, labels, rows: &rows, folds: &folds, classes: *classes };
    let penalties = vec![1e-1, 1e-2, 1e-3];
    let settings_of = BestLayerSettings { penalties, ..BestLayerSettings::default() };
    let table = fit_head(Method::BestLayer, &training, &with(settings_of)).unwrap().choice.table;
    assert_eq!(table.len(), candidates.len());
    for (found, expected) in table.iter().zip(candidates) {
        assert_eq!(found.settings["columns"], Setting::Number(expected.columns as f64));
        assert_eq!(found.settings["penalty"], Setting::Number(expected.penalty));
        assert!((found.log_loss - expected.log_loss).abs() < 5e-3, "{found:?} {}", expected.log_loss);
    }
}
