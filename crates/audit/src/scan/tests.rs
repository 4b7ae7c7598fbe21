//! The scan on a network of random weights with a linear head: slopes, repeatability, and that what is found does what it says.

use heirloom_engine::{Isa, Shape};
use heirloom_transfer::artifact::{Artifact, DataRecord, RunRecord};
use heirloom_transfer::heads::{Method, Settings, Training, fit};
use heirloom_transfer::{Block, Features, Pooling};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::*;

const LENGTH: usize = 32 * 32 * 3;
const IMAGES: usize = 24;

/// Three classes told apart by one column of the features each.
fn model() -> Artifact {
    let backbone =
        Backbone::from_scratch(&Recipe::usual("small", "cifar_resnet20").unwrap(), &Initialization::usual(5)).unwrap();
    let values = (0..60).flat_map(|row| {
        (0..64).map(move |column| if column % 3 == row % 3 { 1.0 } else { 0.2 } + (row * 64 + column) as f32 * 1e-4)
    });
    let block = Block {
        tap: backbone.features.clone(),
        shape: Shape::Vector { channels: 64 },
        pooling: Pooling::MEAN,
        width: 64,
        values: values.collect(),
    };
    let features = Features { rows: 60, blocks: vec![block] };
    let labels: Vec<usize> = (0..60).map(|row| row % 3).collect();
    let (rows, folds): (Vec<usize>, Vec<usize>) = (0..60).map(|row| (row, row / 12)).unzip();
    let training = Training { features: &features, labels: &labels, rows: &rows, folds: &folds, classes: 3 };
    let settings = Settings { penultimate: backbone.features.clone(), ..Settings::default() };
    let head = fit(Method::Linear, &training, &settings).unwrap().head;
    let data = DataRecord { source: "photos".into(), digest: None, train: 60, test: 0, skipped: 0 };
    let run = RunRecord::new(Vec::new(), serde_json::Value::Null, 0, data);
    Artifact::new(&backbone, head, ["a", "b", "c"].map(str::to_owned).to_vec(), run)
}

fn pixels() -> Vec<f32> {
    (0..IMAGES * LENGTH).map(|at| 0.5 + 0.45 * (at as f32 * 0.013 + (at / LENGTH) as f32).sin()).collect()
}

fn answers(model: &mut Differentiable<'_>, pixels: &[f32]) -> Vec<usize> {
    let logits = model.logits(pixels, pixels.len() / LENGTH).unwrap();
    logits.chunks(3).map(search::most).collect()
}

fn options() -> ScanOptions {
    ScanOptions { screening: 20, refining: 20, refined: 1, batch: 8, ..ScanOptions::default() }
}

#[test]
fn slopes_of_mask_and_pattern_are_those_of_central_differences() {
    let (artifact, pixels) = (model(), pixels());
    let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
    let clean = vec![0; IMAGES];
    let images = ScanImages { pixels: &pixels, clean: &clean };
    let among: Vec<usize> = (0..IMAGES).collect();
    let mut search = Search::new(1, images, &among, &options(), LENGTH);
    let rows: Vec<usize> = (0..8).collect();
    let gradients = search.slopes(&mut model, &rows).unwrap();
    for (name, slopes) in &gradients {
        let largest = slopes.iter().fold(0.0_f32, |largest, slope| largest.max(slope.abs()));
        let along: Vec<f32> = slopes.iter().map(|slope| slope / largest).collect();
        let mut loss = |step: f32, search: &mut Search<'_>| {
            let kept = search.values.clone();
            let values = &mut search.values.tensors.get_mut(name).unwrap().values;
            values.iter_mut().zip(&along).for_each(|(value, along)| *value += step * along);
            let loss = search.loss(&mut model, &rows).unwrap();
            search.values = kept;
            loss
        };
        let step = 1e-2;
        let expected = (loss(step, &mut search) - loss(-step, &mut search)) / (2.0 * f64::from(step));
        let found: f64 = slopes.iter().zip(&along).map(|(slope, along)| f64::from(*slope) * f64::from(*along)).sum();
        assert!((found - expected).abs() < 0.02 * expected.abs(), "{name}: {found} {expected}");
    }
}

#[test]
fn patches_are_found_judged_and_the_same_for_any_number_of_threads() {
    let (artifact, pixels) = (model(), pixels());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
            let clean = answers(&mut model, &pixels);
            scan(&mut model, ScanImages { pixels: &pixels, clean: &clean }, &options(), |_, _| true).unwrap()
        })
    };
    let found = run(2);
    assert_eq!(found, run(1));
    assert_eq!(found.len(), 3);
    assert!(found.is_sorted_by(|a, b| a.size <= b.size));
    assert_eq!(found.iter().map(|patch| patch.steps).max(), Some(40), "one class is searched longer");
    let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
    let clean = answers(&mut model, &pixels);
    for patch in found.iter().filter(|patch| patch.size < 1.0) {
        assert!(patch.searched >= 0.75);
        let mass: f32 = patch.mask.iter().sum();
        assert!((f64::from(mass) / 1024.0 - patch.size).abs() < 1e-4);
        // What is said of the images that it was not searched on is what putting it on them gives.
        let others: Vec<usize> = (0..IMAGES).filter(|image| image % 2 == 1 && clean[*image] != patch.class).collect();
        let on = |image: &usize| -> Vec<f32> {
            let own = pixels[image * LENGTH..(image + 1) * LENGTH].iter().enumerate();
            own.map(|(at, x)| x * (1.0 - patch.mask[at / 3]) + patch.pattern[at] * patch.mask[at / 3]).collect()
        };
        let turned: Vec<usize> = answers(&mut model, &others.iter().flat_map(on).collect::<Vec<f32>>());
        let count = turned.iter().filter(|class| **class == patch.class).count();
        assert_eq!(patch.judged, Share::of(count, others.len()));
    }
    assert!(found[0].size < 1.0, "a random network is turned by something");
}

#[test]
fn a_scan_that_is_told_to_stop_hands_over_what_it_has() {
    let (artifact, pixels) = (model(), pixels());
    let mut model = Differentiable::new(&artifact, Isa::detect()).unwrap();
    let clean = vec![2; IMAGES];
    let images = ScanImages { pixels: &pixels, clean: &clean };
    let found = scan(&mut model, images, &options(), |done, all| {
        assert_eq!(all, 80);
        done < 40
    });
    let mut classes: Vec<usize> = found.unwrap().iter().map(|patch| patch.class).collect();
    classes.sort_unstable();
    assert_eq!(classes, [0, 1]);
}
