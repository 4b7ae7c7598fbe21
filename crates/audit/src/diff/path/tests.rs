//! Lines between two small networks on the made-up image world.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use heirloom_data::{Split, Table, TableOptions, World};
use heirloom_engine::{Isa, Precision};
use heirloom_transfer::fit::{FitOptions, Watch, fit};
use heirloom_transfer::heads::{Method, Settings};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::*;

/// A table of the made-up world, and models of one architecture with linear heads on random weights.
pub fn world() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    World { side: 32, train: 4, test: 3, ..World::default() }.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    (folder, table)
}

pub fn model(table: &Table, seed: u64) -> Artifact {
    let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
    let backbone = Backbone::from_scratch(&recipe, &Initialization::usual(seed)).unwrap();
    let options = FitOptions {
        methods: vec![Method::Linear],
        rows: None,
        targets: vec![1],
        settings: Settings::default(),
        seed: 0,
        extract: ExtractOptions::default(),
    };
    let fitted = fit(&backbone, table, None, &options, Watch::default()).unwrap();
    fitted.artifact(&backbone, Vec::new())
}

pub fn images(table: &Table, split: Split, model: &Artifact) -> (PreparedImages, Vec<usize>) {
    let preprocess = model.network().unwrap().preprocess.clone();
    let rows = table.rows_in(Some(split));
    let (images, _) = PreparedImages::read(table, &rows, &preprocess, 1 << 30, None).unwrap();
    let labels = images.table_rows().iter().map(|row| table.rows[*row].label.unwrap()).collect();
    (images, labels)
}

fn options() -> PathOptions {
    PathOptions { points: 3, beyond: 0.5, seed: 0, extract: ExtractOptions::default() }
}

#[test]
fn the_ends_of_the_line_are_the_models_and_reversing_it_mirrors_it() {
    let (_folder, table) = world();
    let (first, second) = (model(&table, 0), model(&table, 1));
    let (judged, labels) = images(&table, Split::Test, &first);
    let (train, _) = images(&table, Split::Train, &first);
    let shown = AtomicUsize::new(0);
    let count = |more| {
        shown.fetch_add(more, Ordering::Relaxed);
    };
    let watch = AuditWatch { shown: Some(&count), cancel: None };
    let input = PathInput { first: &first, second: &second, judged: &judged, labels: &labels, train: &train };
    let there = path(&input, &options(), watch).unwrap();
    assert_eq!(shown.into_inner(), walked(labels.len(), &options(), true));
    assert_eq!(there.points.iter().map(|point| point.share).collect::<Vec<_>>(), [-0.5, 0.0, 0.5, 1.0, 1.5]);
    let answered = |model: &Artifact| {
        answer(model.clone(), (&judged, &labels), &options().extract, AuditWatch::default()).unwrap()
    };
    for (point, model) in [(1, &first), (3, &second)] {
        let Answered { right, losses } = answered(model).unwrap();
        let found = there.points[point].as_is.unwrap();
        assert_eq!(found.accuracy.value, right.iter().sum::<f64>() / right.len() as f64);
        assert_eq!(found.loss, losses.iter().sum::<f64>() / losses.len() as f64);
    }
    let turned = PathInput { first: &second, second: &first, ..input };
    let back = path(&turned, &options(), AuditWatch::default()).unwrap();
    for (one, other) in there.points.iter().zip(back.points.iter().rev()) {
        assert_eq!((one.as_is, one.anew), (other.as_is, other.anew));
    }
    assert_eq!(there.as_is.unwrap().loss, back.as_is.unwrap().loss);
    assert!(there.points[2].as_is != there.points[2].anew && there.statistics_images == Some(48));
}

#[test]
fn a_model_and_itself_have_no_barrier() {
    let (_folder, table) = world();
    let first = model(&table, 0);
    let (judged, labels) = images(&table, Split::Test, &first);
    let (train, _) = images(&table, Split::Train, &first);
    let input = PathInput { first: &first, second: &first, judged: &judged, labels: &labels, train: &train };
    let found = path(&input, &options(), AuditWatch::default()).unwrap();
    for barrier in [found.as_is.unwrap(), found.anew.unwrap()] {
        assert_eq!((barrier.loss, barrier.verdict), (Some(0.0), BarrierVerdict::None));
        assert_eq!(barrier.fall.unwrap().value, 0.0);
    }
    assert!(found.average.unwrap().over_first.is_some());
}

/// Statistics measured on images are those that a forward pass of the reference finds on them.
#[test]
fn statistics_measured_anew_are_the_means_over_batches() {
    let (_folder, table) = world();
    let first = model(&table, 0);
    let (train, _) = images(&table, Split::Train, &first);
    let network = first.network().unwrap();
    let mut statistics =
        Statistics::new(network.graph, vec!["pre_logits".to_owned()], &train, Isa::detect()).unwrap().unwrap();
    let mut weights = network.weights.clone();
    statistics.measure(&mut weights).unwrap();
    let changed: BTreeSet<&str> =
        (weights.tensors.iter().filter(|(key, tensor)| network.weights.tensors[*key] != **tensor))
            .map(|(key, _)| key.as_str())
            .collect();
    assert!(!changed.is_empty() && changed.iter().all(|key| key.contains("running")), "{changed:?}");
    // The first batch norm follows the first convolution, whose output over 48 images of one batch is its mean.
    let plan = heirloom_engine::Plan::compile(
        network.graph,
        network.weights,
        &heirloom_engine::PlanOptions {
            input_size: [32, 32],
            taps: vec!["conv1".into()],
            isa: Isa::detect(),
            precision: Precision::F32,
        },
    )
    .unwrap();
    let mut pixels = Vec::new();
    for image in 0..train.table_rows().len() {
        pixels.extend_from_slice(train.pixels(image));
    }
    let mut workspace = heirloom_engine::Workspace::default();
    plan.run(heirloom_engine::Pixels::Bytes(&pixels), train.table_rows().len(), &mut workspace).unwrap();
    let values = workspace.tap(0).unwrap();
    let channel: Vec<f64> = values.iter().step_by(16).map(|value| f64::from(*value)).collect();
    let mean = channel.iter().sum::<f64>() / channel.len() as f64;
    let found = f64::from(weights.tensors["bn1.running_mean"].values[0]);
    assert!((found - mean).abs() < 1e-4, "{found} {mean}");
}

/// Answers of 100 images of which the first `right` of every ten are right.
fn answers(right: usize) -> Option<Answered> {
    let right: Vec<f64> = (0..100).map(|image| f64::from(u8::from(image % 10 < right))).collect();
    let losses = right.iter().map(|right| 1.0 - right).collect();
    Some(Answered { right, losses })
}

/// What is told of a curve of a network without batch norms.
fn record(as_is: Curve) -> PathRecord {
    told::record(&Walk { as_is, anew: Curve::new(), statistics_images: None }, 0)
}

#[test]
fn a_dent_in_the_curve_is_a_barrier_and_a_better_middle_is_none() {
    let curve = |middle: Option<Answered>| vec![(0.0, answers(8)), (0.5, middle), (1.0, answers(6))];
    let told = |middle: Option<Answered>| record(curve(middle));
    let dent = told(answers(2));
    let barrier = dent.as_is.unwrap();
    assert_eq!((barrier.at, barrier.verdict), (0.5, BarrierVerdict::Barrier));
    assert!(barrier.fall.unwrap().low > DENT && (barrier.loss.unwrap() - 0.5).abs() < 1e-12);
    // Whichever images are in which half: ends that are always right, and a middle that never is.
    let whole = record(vec![(0.0, answers(10)), (0.5, answers(0)), (1.0, answers(10))]);
    assert!((whole.as_is.unwrap().fall.unwrap().value - 1.0).abs() < 1e-12);
    assert!((dent.average.unwrap().over_first.unwrap().value + 0.6).abs() < 1e-12);
    // Of a table sorted by class, where one class alone is lost: both halves see it.
    let sorted = |right: usize| {
        let right: Vec<f64> = (0..100).map(|image| f64::from(u8::from(image < right))).collect();
        Some(Answered { losses: right.iter().map(|right| 1.0 - right).collect(), right })
    };
    let curve = vec![(0.0, sorted(100)), (0.5, sorted(50)), (1.0, sorted(100))];
    let barrier = record(curve).as_is.unwrap();
    assert!(barrier.at == 0.5 && (0.3..0.7).contains(&barrier.fall.unwrap().value), "{barrier:?}");
    let better = told(answers(9));
    assert_eq!(better.as_is.unwrap().verdict, BarrierVerdict::None);
    assert!(better.average.unwrap().over_second.unwrap().low > 0.1);
    let lost = told(None);
    let barrier = lost.as_is.unwrap();
    assert_eq!((barrier.loss, barrier.fall, barrier.verdict), (None, None, BarrierVerdict::Barrier));
    assert!(lost.average.is_none() && lost.anew.is_none());
}
