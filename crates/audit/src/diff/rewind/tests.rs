//! Modules of small networks put back, on the made-up image world.

use heirloom_data::Split;
use heirloom_training::random::generator;

use super::super::path::tests::{images, model, world};
use super::*;

fn options(criticality: Option<CriticalityOptions>) -> RewindOptions {
    RewindOptions { criticality, only: None, seed: 0, extract: ExtractOptions::default() }
}

fn run(
    start: &Artifact,
    trained: &Artifact,
    options: &RewindOptions,
    table: &heirloom_data::Table,
) -> Result<Rewind, DiffError> {
    follow(start, trained, &[], options, table)
}

fn follow(
    start: &Artifact,
    trained: &Artifact,
    along: &[Artifact],
    options: &RewindOptions,
    table: &heirloom_data::Table,
) -> Result<Rewind, DiffError> {
    let (judged, labels) = images(table, Split::Test, trained);
    let (train, train_labels) = images(table, Split::Train, trained);
    let input = RewindInput { start, trained, along, judged: (&judged, &labels), train: (&train, &train_labels) };
    rewind(&input, options, AuditWatch::default())
}

/// P9: put back to where it is, nothing changes; with everything put back, the model is that of the start.
#[test]
fn modules_are_put_back_one_at_a_time() {
    let (_folder, table) = world();
    let (start, trained) = (model(&table, 0), model(&table, 1));
    let same = run(&trained, &trained, &options(None), &table).unwrap();
    assert!(same.modules.iter().all(|module| module.distance == 0.0 && module.rewound == same.trained));
    assert_eq!(same.start, same.trained);
    let found = run(&start, &trained, &options(None), &table).unwrap();
    let turned = run(&trained, &start, &options(None), &table).unwrap();
    assert_eq!((found.start, turned.start), (turned.trained, found.trained));
    let names: Vec<&str> = found.modules.iter().map(|module| module.module.as_str()).collect();
    assert_eq!((names[0], names[1], names[names.len() - 1], names.len()), ("conv1", "layer1.0", "head", 11));
    assert!(found.modules.iter().all(|module| module.distance > 0.0 && module.drop.is_some()));
    assert!(found.modules.iter().all(|module| module.random.is_some() == (module.module != "head")));
}

#[test]
fn criticality_is_none_for_what_did_not_move_and_repeats_to_the_bit() {
    let (_folder, table) = world();
    let trained = model(&table, 1);
    let part = Part { keys: vec!["conv1.weight".into()], head: true };
    let start = trained.disturbed(&part, 0.5, &mut generator(3, "start", &[])).unwrap();
    let settings = options(Some(CriticalityOptions { steps: 1, draws: 1, valley: false }));
    let found = run(&start, &trained, &settings, &table).unwrap();
    let critical = |name: &str| {
        let module = found.modules.iter().find(|module| module.module == name).unwrap();
        module.criticality.unwrap()
    };
    // What is where it was has no way to go.
    assert_eq!((critical("layer1.0").value, critical("layer1.0").share), (Some(0.0), Some(0.0)));
    assert!(critical("head").value.is_none_or(|value| value >= 0.0) && found.limit.is_some());
    let alone = run(&start, &trained, &RewindOptions { only: Some(0), ..settings.clone() }, &table).unwrap();
    assert_eq!((&alone.modules[..], alone.limit), (&found.modules[..1], found.limit));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let head = RewindOptions { only: Some(found.modules.len() - 1), ..settings };
    let alone = pool.install(|| run(&start, &trained, &head, &table)).unwrap();
    assert_eq!((&alone.modules[..], alone.limit), (&found.modules[found.modules.len() - 1..], found.limit));
}

#[test]
fn a_start_of_other_parameters_is_refused() {
    let (_folder, table) = world();
    let trained = model(&table, 0);
    let mut start = trained.clone();
    let weights = start.network.as_mut().and_then(|network| network.weights.as_mut()).unwrap();
    weights.tensors.remove("conv1.weight");
    assert!(run(&start, &trained, &options(None), &table).is_err());
}

/// Checkpoints on the straight line are the straight line; those elsewhere are not.
#[test]
fn the_path_of_optimisation_is_followed() {
    let (_folder, table) = world();
    let trained = model(&table, 1);
    let all = Part { keys: vec!["conv1.weight".into()], head: false };
    let start = trained.disturbed(&all, 0.3, &mut generator(3, "start", &[])).unwrap();
    let first = |valley| {
        let settings = options(Some(CriticalityOptions { steps: 2, draws: 1, valley }));
        RewindOptions { only: Some(0), ..settings }
    };
    let settings = first(false);
    let straight = run(&start, &trained, &settings, &table).unwrap();
    let halfway = trained.moved(&start, &all, 0.5).unwrap();
    let along = follow(&start, &trained, &[halfway], &settings, &table).unwrap();
    let of = |found: &Rewind| found.modules[0].criticality.unwrap();
    assert_eq!(of(&along).share, of(&straight).share);
    let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-4 * b.max(1e-9),
        (a, b) => a == b,
    };
    assert!(near(of(&along).value, of(&straight).value), "{:?} {:?}", of(&along), of(&straight));
    // A module that was trained halfway through is as critical there as at the end.
    assert_eq!(of(&straight).share, Some(1.0), "{:?}", of(&straight));
    let found = follow(&start, &trained, std::slice::from_ref(&trained), &first(true), &table).unwrap();
    assert_eq!((of(&found).share, of(&found).value), (Some(0.5), of(&straight).value));
    // Where the module stands as trained and nothing shakes it, the valley is as good as the model (P9).
    let valley = &found.modules[0].valley;
    let foot = valley.iter().find(|point| point.share == 1.0 && point.sigma == 0.0).unwrap();
    assert!((1.0 - foot.accuracy + 0.01 - found.limit.unwrap()).abs() < 1e-12, "{foot:?}");
    assert_eq!((valley.len(), valley[0].share), (3 * 6, 0.0));
}
