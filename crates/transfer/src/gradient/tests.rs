//! The logits are those that the model predicts with, and the slopes those of central differences, for every way a head reads layers.

use heirloom_engine::Shape;
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::*;
use crate::artifact::tests::{artifact, features};
use crate::artifact::{DataRecord, RunRecord};
use crate::extract::{Extraction, Images};
use crate::heads::{Head, Input, Method, Normalizer, Settings, Training, fit};
use crate::{Pooling, pooled_width};

const SIDE: usize = 32;

fn wave(count: usize, step: f32) -> Vec<f32> {
    (0..count).map(|at| (at as f32 * step).sin()).collect()
}

fn backbone() -> Backbone {
    let recipe = Recipe::usual("small", "cifar_resnet20").unwrap();
    Backbone::from_scratch(&recipe, &Initialization::usual(3)).unwrap()
}

/// A head that reads some columns of a map, the same map pooled otherwise, and the last features.
fn model(scaling: impl Fn(usize) -> Normalizer) -> Artifact {
    let backbone = backbone();
    let tap = backbone.taps[backbone.taps.len() / 2].clone();
    let last = backbone.features.clone();
    let shapes = backbone.graph.tap_shapes(backbone.preprocess.input_size, &[tap.clone(), last.clone()]).unwrap();
    let width = |shape: Shape, target: usize| pooled_width(shape, Pooling::to(target));
    let (wide, mean) = (width(shapes[0], 128), width(shapes[0], 1));
    let inputs = vec![
        Input {
            tap: tap.clone(),
            pooling: Pooling::to(128),
            width: wide,
            columns: Some((0..wide as u32).step_by(7).collect()),
        },
        Input { tap, pooling: Pooling::MEAN, width: mean, columns: None },
        Input { tap: last, pooling: Pooling::MEAN, width: width(shapes[1], 1), columns: Some(vec![1, 5, 6]) },
    ];
    let columns = inputs.iter().map(Input::count).sum();
    let rule = Rule::affine(3, wave(columns * 3, 0.7), vec![0.1, 0.2, -0.3]);
    let head = Head::new(Method::Head2Toe, 3, inputs, scaling(columns), rule);
    let data = DataRecord { source: "photos".into(), digest: None, train: 0, test: 0, skipped: 0 };
    let run = RunRecord::new(Vec::new(), serde_json::Value::Null, 0, data);
    Artifact::new(&backbone, head, ["a", "b", "c"].map(str::to_owned).to_vec(), run)
}

fn scalings() -> [fn(usize) -> Normalizer; 3] {
    [
        |_| Normalizer::UnitVector,
        |_| Normalizer::None,
        |columns| Normalizer::PerFeature {
            mean: wave(columns, 0.3),
            factor: wave(columns, 0.9).iter().map(|value| 1.5 + value).collect(),
        },
    ]
}

fn pixels(images: usize) -> Vec<f32> {
    wave(images * SIDE * SIDE * 3, 0.011).iter().map(|value| 0.5 + 0.4 * value).collect()
}

#[test]
fn slopes_are_those_of_central_differences() {
    let g = [0.4, -0.3, 0.2, -0.5, 0.6, 0.1];
    for scaling in scalings() {
        let artifact = model(scaling);
        let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
        assert_eq!((model.classes(), model.image_length()), (3, SIDE * SIDE * 3));
        let x = pixels(2);
        model.logits(&x, 2).unwrap();
        let slope = model.backward(&g).unwrap();
        let mut value = |x: &[f32]| -> f64 {
            let logits = model.logits(x, 2).unwrap();
            logits.iter().zip(g).map(|(z, g)| f64::from(*z) * f64::from(g)).sum()
        };
        let largest = slope.iter().fold(0.0_f32, |largest, slope| largest.max(slope.abs()));
        // Up the slope in one channel at a time, where rounding and rectifiers that switch weigh least.
        for channel in 0..3 {
            let up = |at: usize| if at % 3 == channel { slope[at] / largest } else { 0.0 };
            let moved = |step: f32| -> Vec<f32> { x.iter().enumerate().map(|(at, x)| x + step * up(at)).collect() };
            let step = 2e-3;
            let expected = (value(&moved(step)) - value(&moved(-step))) / (2.0 * f64::from(step));
            let found: f64 = slope.iter().enumerate().map(|(at, slope)| f64::from(*slope) * f64::from(up(at))).sum();
            let scaling = artifact.head.normalization();
            assert!(
                (found - expected).abs() <= 0.01 * expected.abs(),
                "{scaling:?}, channel {channel}: {found} {expected}"
            );
        }
    }
}

#[test]
fn logits_are_those_that_the_model_predicts_with() {
    let artifact = artifact();
    let images = crate::predictor::tests::images(3);
    let requests = artifact.requests();
    let extraction = Extraction::new(artifact.network().unwrap(), &images, &[0, 1, 2], &requests);
    let expected = artifact.head.logits(&extraction.run().unwrap().features, &[0, 1, 2]).unwrap();
    let mut out = vec![0; 3 * 8 * 8 * 3];
    let preprocess = &artifact.network.as_ref().unwrap().preprocess;
    let prepared = images.prepare(&[0, 1, 2], preprocess, &mut Default::default(), &mut out);
    assert!(prepared.iter().all(|row| row.as_ref().is_ok_and(|row| row.problem.is_none())), "{prepared:?}");
    let pixels: Vec<f32> = out.iter().map(|value| f32::from(*value) / 255.0).collect();
    let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
    let found = model.logits(&pixels, 3).unwrap();
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{found} {expected}");
    }
}

#[test]
fn threads_change_no_bit() {
    let artifact = model(|_| Normalizer::UnitVector);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
            let logits = model.logits(&pixels(3), 3).unwrap();
            (logits.clone(), model.backward(&logits).unwrap())
        })
    };
    assert_eq!(run(1), run(2));
}

#[test]
fn what_has_no_gradient_is_refused() {
    let (features, rows) = (features(), (0..40).collect::<Vec<_>>());
    let labels: Vec<usize> = (0..40).map(|row| row % 2).collect();
    let folds: Vec<usize> = (0..40).map(|row| row / 8).collect();
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: 2 };
    let mut voting = artifact();
    voting.head = fit(Method::Knn, &training, &Settings::default()).unwrap().head;
    let refused = |artifact: &Artifact| Differentiable::new(artifact, Isa::detect()).unwrap_err().to_string();
    assert!(refused(&voting).contains("knn votes"), "{}", refused(&voting));
    assert!(refused(&artifact().slim()).contains("tiny"), "{}", refused(&artifact().slim()));
    let artifact = artifact();
    let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
    assert_eq!(model.logits(&[0.0; 5], 1).unwrap_err().to_string(), "5 values for 1 images, expected 192");
    assert_eq!(model.backward(&[0.0; 2]).unwrap_err().to_string(), "2 values for 0 images, expected 0");
}
