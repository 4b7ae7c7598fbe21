//! Why a bias can survive being adapted (`spec/bias-transfer.md` section 9, vector T10): what the target's images do not reach keeps
//! the value it had in the source, and weight decay takes it away at a rate that does not depend on the data.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use heirloom_engine::{Tensor, Weights};
use heirloom_training::optimizer::{Optimizer, OptimizerSettings, ParameterGroups};

/// Target inputs, three rows of six.
const X: [[f64; 6]; 3] =
    [[2.0, -2.6, 0.4, -0.6, -0.5, -0.2], [-2.0, -0.2, -0.9, 3.3, 0.2, -0.4], [-0.3, -0.7, -1.1, -0.4, 0.5, -0.2]];
const Y: [f64; 3] = [1.0, -1.0, 0.5];
const SOURCE: [f64; 6] = [1.0, -0.2, 0.0, 1.5, 0.5, -0.5];
const STEP: f64 = 0.025_012_006_6;
/// Norm of the part of the source's weights that no target input reaches.
const UNREACHED: f64 = 1.424_953_715_3;

/// Weights after gradient descent on the least squares of the target.
fn adapted(steps: usize, decay: f64) -> Vec<f64> {
    let mut weights = Weights::default();
    let values = SOURCE.map(|value| value as f32).to_vec();
    weights.tensors.insert("w".into(), Tensor { shape: vec![6], values });
    let settings = OptimizerSettings { weight_decay: decay, ..OptimizerSettings::sgd(0.0) };
    let mut optimizer = Optimizer::new(settings, ParameterGroups::default()).unwrap();
    for _ in 0..steps {
        let now = read(&weights);
        let mut gradient = [0.0; 6];
        for (row, target) in X.iter().zip(Y) {
            let error: f64 = row.iter().zip(&now).map(|(x, w)| x * w).sum::<f64>() - target;
            gradient.iter_mut().zip(row).for_each(|(sum, x)| *sum += error * x);
        }
        let gradients = BTreeMap::from([("w".to_owned(), gradient.map(|value| value as f32).to_vec())]);
        optimizer.step(&mut weights, &gradients, STEP).unwrap();
    }
    read(&weights)
}

fn read(weights: &Weights) -> Vec<f64> {
    weights.tensors["w"].values.iter().map(|value| f64::from(*value)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Norm of `weights` less what lies in the span of the inputs (Gram and Schmidt).
fn unreached(weights: &[f64]) -> f64 {
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let without = |mut vector: Vec<f64>, basis: &[Vec<f64>]| {
        for direction in basis {
            let part = dot(&vector, direction);
            vector.iter_mut().zip(direction).for_each(|(value, direction)| *value -= part * direction);
        }
        vector
    };
    for row in X {
        let rest = without(row.to_vec(), &basis);
        let norm = dot(&rest, &rest).sqrt();
        basis.push(rest.iter().map(|value| value / norm).collect());
    }
    let rest = without(weights.to_vec(), &basis);
    dot(&rest, &rest).sqrt()
}

#[test]
fn without_decay_the_unreached_part_stays() {
    let expected =
        [1.040_904_534_5, 0.186_425_824_8, -0.431_392_419_9, 0.119_387_720_7, 0.868_905_188_2, -0.407_701_349_7];
    let found = adapted(4000, 0.0);
    assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-5), "{found:?}");
    for weights in [&SOURCE[..], &found] {
        assert!((unreached(weights) - UNREACHED).abs() < 1e-5, "{}", unreached(weights));
    }
}

#[test]
fn decay_takes_the_unreached_part_away_whatever_the_data() {
    for (steps, expected) in [(10, 1.389_711_252_8), (100, 1.109_274_217_7), (1000, 0.116_461_497_0)] {
        let found = unreached(&adapted(steps, 0.1));
        assert!((found - expected).abs() < 2e-5, "{steps} steps: {found}");
        let law = UNREACHED * (1.0 - STEP * 0.1).powi(steps as i32);
        assert!((expected - law).abs() < 1e-8, "{steps} steps: {law}");
    }
}
