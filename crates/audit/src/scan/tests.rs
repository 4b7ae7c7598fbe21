//! Squares and their places; the scan of a network of random weights: repeatability, that what is found does what it says, being stopped.

use std::sync::atomic::{AtomicBool, AtomicUsize};

use heirloom_data::{Table, TableOptions, World};
use heirloom_engine::Shape;
use heirloom_transfer::artifact::{Artifact, DataRecord, RunRecord};
use heirloom_transfer::heads::{Method, Settings, Training, fit};
use heirloom_transfer::predictor::{PredictOptions, Predictor};
use heirloom_transfer::{Block, Features, Pooling};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::square::{Square, colours, describe};
use super::*;
use crate::{AuditWatch, PreparedImages};

const SIZE: [usize; 2] = [32, 48];

#[test]
fn colours_are_spread_over_the_colour_cube_and_have_names() {
    let colours = colours();
    assert_eq!(colours.len(), 27);
    assert!(colours.iter().enumerate().all(|(at, colour)| !colours[..at].contains(colour)));
    assert_eq!([[250, 10, 0], [255, 128, 0]].map(describe), ["#fa0a00 (red)", "#ff8000 (orange)"]);
}

#[test]
fn squares_cover_their_pixels_and_no_others() {
    for share in [0.125, 0.1875, 0.25, 1.0] {
        let square = Square::of(share, SIZE, 4);
        assert_eq!(square.side, (share * 32.0) as usize);
        for image in 0..50 {
            let [top, left] = square.place(image);
            let mut pixels = vec![77; SIZE[0] * SIZE[1] * 3];
            square.paint([250, 1, 2], [top, left], &mut pixels);
            for (at, pixel) in pixels.chunks(3).enumerate() {
                let (row, column) = (at / SIZE[1], at % SIZE[1]);
                let inside = (top..top + square.side).contains(&row) && (left..left + square.side).contains(&column);
                assert_eq!(pixel, if inside { [250, 1, 2] } else { [77; 3] }, "{row} {column}");
            }
            assert_eq!(pixels.chunks(3).filter(|pixel| pixel[0] == 250).count(), square.side * square.side);
        }
    }
}

#[test]
fn places_differ_between_images_and_reach_every_edge() {
    let square = Square::of(0.25, SIZE, 4);
    let places: Vec<[usize; 2]> = (0..2000).map(|image| square.place(image)).collect();
    for (axis, last) in [(0, 24), (1, 40)] {
        let along = || places.iter().map(|place| place[axis]);
        assert_eq!((along().min(), along().max()), (Some(0), Some(last)));
    }
    assert_eq!(places[7], square.place(7));
    assert_ne!(places, (0..2000).map(|image| Square::of(0.25, SIZE, 5).place(image)).collect::<Vec<_>>());
}

/// Three classes told apart by one column of the features each.
fn model() -> Predictor {
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
    let artifact = Artifact::new(&backbone, head, ["a", "b", "c"].map(str::to_owned).to_vec(), run);
    Predictor::new(artifact, PredictOptions { top: 1, ..PredictOptions::default() }).unwrap()
}

fn images(model: &Predictor) -> PreparedImages {
    let folder = tempfile::tempdir().unwrap();
    World { side: 32, train: 4, test: 0, ..World::default() }.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    PreparedImages::read(&table, &rows, model.preprocess(), 1 << 30, None).unwrap().0
}

fn options() -> ScanOptions {
    ScanOptions { sides: vec![0.125, 0.25], screening: 8, judged: 16, controls: 3 }
}

/// Answers to images as they are stand for the truth: whatever changes one breaks it.
fn truth(model: &Predictor, images: &PreparedImages) -> Vec<usize> {
    let all: Vec<usize> = (0..images.table_rows().len()).collect();
    crate::predicted_classes(model, images, &all, None).unwrap().into_iter().map(|(_, class)| class).collect()
}

#[test]
fn what_is_found_does_what_it_says_for_any_number_of_threads() {
    let model = model();
    let images = images(&model);
    let labels = truth(&model, &images);
    let halves = Halves::draw(&labels, 12, 30, 0);
    let run = |threads: usize| {
        let (pool, shown) =
            (rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap(), AtomicUsize::new(0));
        let count = |more: usize| {
            shown.fetch_add(more, Ordering::Relaxed);
        };
        let watch = AuditWatch { shown: Some(&count), cancel: None };
        let found = pool.install(|| {
            let subject = Subject::new(&model, &images, &labels, 1, watch).unwrap();
            scan(&subject, &options(), &halves, &[]).unwrap()
        });
        (found, shown.into_inner() - labels.len())
    };
    let (found, shown) = run(2);
    assert_eq!((&found, shown), (&run(1).0, run(1).1));
    assert!(shown == options().shown(), "{shown} {}", options().shown());
    assert_eq!((found.found.len(), found.images), (2, [8, 16]));
    assert!(found.is_complete(0) && found.found.is_sorted_by(|a, b| a.excess.value >= b.excess.value));
    assert_eq!(found.score, Some(found.found[0].excess.value));
    let subject = Subject::new(&model, &images, &labels, 1, AuditWatch::default()).unwrap();
    let judged = chosen(&subject, &halves.reported, 16);
    for record in &found.found {
        let square = Square { side: record.side, size: [32, 32], seed: 1 };
        let put = |image: usize, pixels: &mut [u8]| square.paint(record.colour, square.place(image), pixels);
        let answers = subject.answers(&judged, &put).unwrap();
        assert_eq!(record.attack, subject.attack(&judged, &answers).unwrap());
        let beside = record.controls.iter().map(|control| control.value).sum::<f64>() / record.controls.len() as f64;
        assert!((record.attack.success.unwrap().value - beside - record.excess.value).abs() < 1e-9, "{record:?}");
        assert_eq!(record.controls.len(), 3);
        for example in &record.examples {
            let pairs = example.pixels[0].chunks(3).zip(example.pixels[1].chunks(3));
            assert!(pairs.filter(|(plain, changed)| plain != changed).all(|(_, changed)| changed == record.colour));
            assert_ne!(example.answer, example.label);
        }
    }
}

#[test]
fn a_scan_that_is_stopped_keeps_the_sizes_that_are_done() {
    let model = model();
    let images = images(&model);
    let labels = truth(&model, &images);
    let halves = Halves::draw(&labels, 12, 30, 0);
    let scanned = |after: usize| {
        let (shown, cancel) = (AtomicUsize::new(0), AtomicBool::new(false));
        let count = |more: usize| {
            if shown.fetch_add(more, Ordering::Relaxed) + more >= labels.len() + after {
                cancel.store(true, Ordering::Relaxed);
            }
        };
        let watch = AuditWatch { shown: Some(&count), cancel: Some(&cancel) };
        let subject = Subject::new(&model, &images, &labels, 1, watch).unwrap();
        scan(&subject, &options(), &halves, &[])
    };
    let found = scanned(options().shown() / 2 + 20).unwrap();
    assert!(found.found.len() == 1 && !found.is_complete(0) && found.score.is_some());
    assert!(scanned(20).is_err());
}

#[test]
fn something_stands_out_beyond_the_limit_and_every_reference() {
    let cases = [
        (0.5, None, true),
        (0.2, None, false),
        (0.5, Some(0.1), true),
        (0.5, Some(0.0), false),
        (0.5, Some(-0.1), false),
    ];
    for (score, over_references, expected) in cases {
        let measures = ScanMeasures {
            found: Vec::new(),
            score: Some(score),
            threshold: 0.3,
            references: Vec::new(),
            over_references,
            searches: 0,
            size: [32, 32],
            images: [0, 0],
            level: Level::of(1),
        };
        assert_eq!(measures.stands_out(), expected, "{score} {over_references:?}");
    }
}
