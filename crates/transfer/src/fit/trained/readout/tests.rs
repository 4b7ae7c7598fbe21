use heirloom_engine::Shape;

use super::*;
use crate::Windows;
use crate::heads::Input;

/// Two taps, a map of which some columns are read and a vector that is read whole.
fn readout() -> (SelectedColumns, Weights) {
    let map = Shape::Map { height: 4, width: 4, channels: 3 };
    let columns = Some(vec![0, 4, 7, 11]);
    let input = Input {
        tap: "map".into(),
        pooling: Pooling::to(12),
        width: Windows::new(map, Pooling::to(12)).width(map),
        columns,
    };
    let vector = Shape::Vector { channels: 5 };
    let whole = Input { tap: "vector".into(), pooling: Pooling::MEAN, width: 5, columns: None };
    let columns = Columns::new(vec![(input, map), (whole, vector)], Normalizer::UnitVector);
    let readout = SelectedColumns { nodes: vec!["map".into(), "vector".into()], columns, classes: 3 };
    let weight = Tensor::new(vec![9, 3], (0..27).map(|i| (i as f32 * 0.7).sin()).collect()).unwrap();
    let bias = Tensor::new(vec![3], vec![0.1, -0.2, 0.3]).unwrap();
    let weights = Weights { tensors: [(KEYS[0].to_owned(), weight), (KEYS[1].to_owned(), bias)].into() };
    (readout, weights)
}

fn values() -> [Vec<f32>; 2] {
    // The vector of the second image is zero: it stays zero and has no gradient.
    let mut vector: Vec<f32> = (0..10).map(|i| (i as f32 * 1.3).cos()).collect();
    vector[5..].fill(0.0);
    [(0..96).map(|i| (i as f32 * 0.37).sin()).collect(), vector]
}

/// `sum g z`, whose gradient by central differences is compared.
fn objective(readout: &SelectedColumns, weights: &Weights, values: &[Vec<f32>; 2], g: &[f32]) -> f64 {
    let logits = readout.logits(weights, &[&values[0], &values[1]], 2).unwrap();
    logits.iter().zip(g).map(|(z, g)| f64::from(*z) * f64::from(*g)).sum()
}

#[test]
fn gradients_are_those_of_central_differences() {
    let (readout, weights) = readout();
    let (values, g) = (values(), [0.4, -0.3, 0.2, -0.5, 0.6, 0.1]);
    let found = readout.backward(&weights, &[&values[0], &values[1]], 2, &g).unwrap();
    let step = 1e-2_f32;
    for (tap, gradient) in found.nodes.iter().enumerate() {
        for (at, &gradient) in gradient.iter().enumerate().filter(|(at, _)| tap == 0 || *at < 5) {
            let mut moved = values.clone();
            moved[tap][at] += step;
            let high = objective(&readout, &weights, &moved, &g);
            moved[tap][at] -= 2.0 * step;
            let difference = (high - objective(&readout, &weights, &moved, &g)) / (2.0 * f64::from(step));
            assert!((difference - f64::from(gradient)).abs() < 1e-3, "tap {tap}, value {at}: {difference} {gradient}");
        }
    }
    assert!(found.nodes[1][5..].iter().all(|&gradient| gradient == 0.0));
    for key in KEYS {
        for (at, &gradient) in found.parameters[key].iter().enumerate() {
            let mut moved = weights.clone();
            moved.tensors.get_mut(key).unwrap().values[at] += step;
            let high = objective(&readout, &moved, &values, &g);
            moved.tensors.get_mut(key).unwrap().values[at] -= 2.0 * step;
            let difference = (high - objective(&readout, &moved, &values, &g)) / (2.0 * f64::from(step));
            assert!((difference - f64::from(gradient)).abs() < 1e-3, "{key} {at}: {difference} {gradient}");
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let (readout, weights) = readout();
    let values = values();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| readout.backward(&weights, &[&values[0], &values[1]], 2, &[0.4, -0.3, 0.2, -0.5, 0.6, 0.1]))
    };
    assert_eq!(run(1).unwrap(), run(2).unwrap());
}
