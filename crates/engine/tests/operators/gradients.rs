//! Gradients of every operator: against PyTorch's stored answers and against central differences, in double precision.

use std::collections::BTreeSet;

use super::{cases, cases::Case, error};
use heirloom_engine::{Op, Pixels, Weights, reference, reference::ReferenceGradients};

/// The gradient given to the output, a formula that the stored answers share.
pub fn slopes(count: usize) -> Vec<f64> {
    (0..count).map(|i| (0.7 * i as f64 + 0.3).cos()).collect()
}

fn batch_statistics(case: &Case) -> BTreeSet<usize> {
    let norm = |&id: &usize| case.batch_statistics && matches!(case.graph.nodes[id].op, Op::BatchNorm { .. });
    (0..case.graph.nodes.len()).filter(norm).collect()
}

fn backward(case: &Case, weights: &Weights, input: &[f32]) -> ReferenceGradients<f64> {
    let seeds = [("y".to_owned(), slopes(case.expected.len()))];
    let (size, pixels) = (case.input_size, Pixels::Normalized(input));
    reference::gradients(&case.graph, weights, size, &batch_statistics(case), pixels, case.images, &seeds).unwrap()
}

#[test]
fn the_reference_agrees_with_pytorch() {
    for case in cases::all() {
        let found = backward(&case, &case.weights(), &case.input);
        let worst = error(found.input.iter().copied(), &case.input_gradient);
        assert!(worst < 1e-7, "{}, input: {worst:e}", case.name);
        let names: Vec<_> = found.parameters.keys().collect();
        assert_eq!(names, case.parameter_gradients.keys().collect::<Vec<_>>(), "{}", case.name);
        for (name, expected) in &case.parameter_gradients {
            let worst = error(found.parameters[name].iter().copied(), expected);
            assert!(worst < 1e-7, "{}, {name}: {worst:e}", case.name);
        }
    }
}

/// The number whose gradient the backward pass gives.
fn value(case: &Case, weights: &Weights, input: &[f32]) -> f64 {
    let outputs = backward(case, weights, input).outputs;
    outputs[0].iter().zip(slopes(case.expected.len())).map(|(y, slope)| y * slope).sum()
}

/// The slope between `x - step` and `x + step`, both as the `f32` numbers they are.
fn difference(x: f32, mut at: impl FnMut(f32) -> f64) -> f64 {
    let (low, high) = (x - 1.0 / 8192.0, x + 1.0 / 8192.0);
    (at(high) - at(low)) / (f64::from(high) - f64::from(low))
}

fn near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-5 * (1.0 + expected.abs())
}

/// Whether a step may cross a kink, where differences mean nothing.
fn has_kinks(case: &Case) -> bool {
    let kinked = ["relu", "hard_", "max ", "residual", "option-A"];
    kinked.iter().any(|word| case.name.contains(word))
}

#[test]
fn the_reference_agrees_with_central_differences() {
    for case in cases::all().into_iter().filter(|case| !has_kinks(case)) {
        let (weights, found) = (case.weights(), backward(&case, &case.weights(), &case.input));
        for i in (0..case.input.len()).step_by(1 + case.input.len() / 9) {
            let mut input = case.input.clone();
            let slope = difference(case.input[i], |x| {
                input[i] = x;
                value(&case, &weights, &input)
            });
            assert!(near(slope, found.input[i]), "{}, input {i}: {slope} against {}", case.name, found.input[i]);
        }
        for (name, gradient) in &found.parameters {
            for i in (0..gradient.len()).step_by(1 + gradient.len() / 5) {
                let mut moved = weights.clone();
                let slope = difference(weights.tensors[name].values[i], |x| {
                    moved.tensors.get_mut(name).unwrap().values[i] = x;
                    value(&case, &moved, &case.input)
                });
                assert!(near(slope, gradient[i]), "{}, {name} {i}: {slope} against {}", case.name, gradient[i]);
            }
        }
    }
}
