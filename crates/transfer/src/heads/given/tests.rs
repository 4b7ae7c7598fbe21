//! Rows that count differently, and labels that may be wrong.

use heirloom_training::random::generator;

use super::*;
use crate::heads::fit;
use crate::heads::{Settings, probabilities};
use crate::{Block, Features, Pooling};

const CLASSES: usize = 3;

/// Rows around one corner for each class, the classes in turn.
fn corners(rows: usize, spread: f64) -> (Features, Vec<usize>) {
    let mut random = generator(1, "corners", &[]);
    let labels: Vec<usize> = (0..rows).map(|row| row % CLASSES).collect();
    let values = labels.iter().flat_map(|label| {
        let corner = |column: usize| if column == *label { 1.0 } else { 0.0 };
        (0..CLASSES).map(|column| (corner(column) + spread * random.normal()) as f32).collect::<Vec<f32>>()
    });
    let shape = heirloom_engine::Shape::Vector { channels: CLASSES };
    let values: Vec<f32> = values.collect();
    let block = Block { tap: "pre_logits".into(), shape, pooling: Pooling::MEAN, width: CLASSES, values };
    (Features { rows, blocks: vec![block] }, labels)
}

fn right(fitted: &Fitted, features: &Features, labels: &[usize], rows: std::ops::Range<usize>) -> f64 {
    let rows: Vec<usize> = rows.collect();
    let logits = fitted.head.logits(features, &rows).unwrap();
    let shares = probabilities(&logits, CLASSES, 1.0);
    let best = |row: &[f32]| (0..CLASSES).fold(0, |best, at| if row[at] > row[best] { at } else { best });
    let hits = shares.chunks(CLASSES).zip(&rows).filter(|(row, at)| best(row) == labels[**at]).count();
    hits as f64 / rows.len() as f64
}

#[test]
fn knowing_how_labels_are_wrong_helps() {
    let (features, labels) = corners(900, 0.25);
    // Class 0 is called 1 more often than not.
    let noise = Corruption::estimated(3, vec![0.4, 0.6, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]).unwrap();
    let given = noise.given(&labels, 5);
    let (rows, folds) = ((0..600).collect::<Vec<usize>>(), (0..900).map(|row| row % 5).collect::<Vec<usize>>());
    let training = Training { features: &features, labels: &given, rows: &rows, folds: &folds, classes: CLASSES };
    let settings = Settings::default();
    let plain = fit(Method::Linear, &training, &settings).unwrap();
    let inputs = || training.penultimate("pre_logits").unwrap();
    let of = |given| fit_linear_given(&training, inputs(), &settings.linear, given).unwrap();
    let judged = |fitted: &Fitted| right(fitted, &features, &labels, 600..900);
    let corrected = of(Given { corruption: Some((&noise, &[false; 900])), ..Given::default() });
    assert!(judged(&plain) < 0.75 && judged(&corrected) > 0.9, "{} {}", judged(&plain), judged(&corrected));
    // Where nothing is wrong, and everything counts the same, it is the usual head.
    let nothing = Corruption::uniform(3, 0.0).unwrap();
    for same in [
        of(Given::default()),
        of(Given { weights: Some(&[2.0; 900]), ..Given::default() }),
        of(Given { corruption: Some((&nothing, &[false; 900])), ..Given::default() }),
        of(Given { corruption: Some((&noise, &[true; 900])), ..Given::default() }),
    ] {
        let all: Vec<usize> = (600..900).collect();
        let [own, usual] = [&same, &plain].map(|fitted| fitted.head.logits(&features, &all).unwrap());
        assert!(own.iter().zip(&usual).all(|(own, usual)| (own - usual).abs() < 2e-3 * usual.abs().max(1.0)));
    }
}

/// A weight of two is the row twice.
#[test]
fn a_weight_is_a_number_of_copies() {
    let (features, labels) = corners(60, 0.6);
    let copies: Vec<usize> = (0..60).flat_map(|row| vec![row; 1 + row % 2]).collect();
    let block = &features.blocks[0];
    let values = copies.iter().flat_map(|row| block.values[row * CLASSES..(row + 1) * CLASSES].to_vec()).collect();
    let twice = Features { rows: copies.len(), blocks: vec![Block { values, ..block.clone() }] };
    let own: Vec<usize> = copies.iter().map(|row| labels[*row]).collect();
    let settings = LinearSettings { penalties: vec![0.1], ..LinearSettings::default() };
    let fitted = |features: &Features, labels: &[usize], weights: Option<&[f64]>| {
        let rows: Vec<usize> = (0..features.rows).collect();
        let folds: Vec<usize> = rows.iter().map(|row| row % 3).collect();
        let training = Training { features, labels, rows: &rows, folds: &folds, classes: CLASSES };
        let inputs = training.penultimate("pre_logits").unwrap();
        fit_linear_given(&training, inputs, &settings, Given { weights, ..Given::default() }).unwrap()
    };
    let weights: Vec<f64> = (0..60).map(|row| 1.0 + (row % 2) as f64).collect();
    let (weighted, copied) = (fitted(&features, &labels, Some(&weights)), fitted(&twice, &own, None));
    let plain = fitted(&features, &labels, None);
    let answers = |fitted: &Fitted| {
        let logits = fitted.head.logits(&features, &(0..60).collect::<Vec<usize>>()).unwrap();
        probabilities(&logits, CLASSES, 1.0)
    };
    let apart = |left: &Fitted, right: &Fitted| {
        answers(left).iter().zip(answers(right)).map(|(left, right)| (left - right).abs()).fold(0.0_f32, f32::max)
    };
    // Centring and the unit of the penalty follow the rows as they are, not their weights: nearly the same.
    assert!(apart(&weighted, &copied) < 0.02, "{}", apart(&weighted, &copied));
    assert!(apart(&weighted, &plain) > apart(&weighted, &copied));
}

#[test]
fn what_does_not_fit_is_refused() {
    let (features, labels) = corners(30, 0.3);
    let (rows, folds) = ((0..30).collect::<Vec<usize>>(), (0..30).map(|row| row % 3).collect::<Vec<usize>>());
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: CLASSES };
    let refused = |given| {
        let inputs = training.penultimate("pre_logits").unwrap();
        fit_linear_given(&training, inputs, &LinearSettings::default(), given).unwrap_err().to_string()
    };
    assert!(refused(Given { weights: Some(&[1.0]), ..Given::default() }).contains("weights has 1 entries"));
    assert!(refused(Given { weights: Some(&[-1.0; 30]), ..Given::default() }).contains("weights of rows"));
    let other = Corruption::uniform(2, 0.1).unwrap();
    assert!(
        refused(Given { corruption: Some((&other, &[false; 30])), ..Given::default() }).contains("pair of classes")
    );
    let own = Corruption::uniform(3, 0.1).unwrap();
    assert!(refused(Given { corruption: Some((&own, &[false; 3])), ..Given::default() }).contains("trusted"));
}
