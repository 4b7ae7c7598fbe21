//! Both studies on a made-up world.

use heirloom_data::{Halves, HalvesSize, Split, Table, TableOptions};
use heirloom_engine::Precision;
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::{ExtractOptions, Shard};
use heirloom_transfer::fit::Watch;
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::*;

const SIZE: HalvesSize = HalvesSize { side: 16, source_train: 12, source_test: 4, target_train: 12, target_test: 8 };

fn set(folder: &std::path::Path, name: &str, world: &heirloom_data::World) -> Set {
    let path = folder.join(name);
    world.write(&path).unwrap();
    Set::new(name, "made up", Table::open(&path, &TableOptions::default()).unwrap()).unwrap()
}

fn data(folder: &std::path::Path) -> PretrainingData {
    let (one, other) = (Halves::new(1, SIZE), Halves::new(2, SIZE));
    let targets = vec![
        set(folder, "main", &one.target),
        set(folder, "fine", &other.target),
        set(folder, "coarse", &other.source),
    ];
    let source = set(folder, "source", &one.source);
    let outliers = vec![set(folder, "others", &other.target)];
    PretrainingData { source, targets, varied: 1, pairs: vec![[1, 2]], outliers }
}

fn source() -> Backbone {
    let network = Backbone::from_scratch(&Recipe::usual("small", "cifar_resnet20").unwrap(), &Initialization::usual(9));
    network.unwrap().at_input_size([16, 16]).unwrap()
}

fn options(part: Part) -> PretrainingOptions {
    PretrainingOptions {
        part,
        seeds: [2, 2],
        epochs: [1, 2],
        reference: 36,
        lengths: [Vec::new(), vec![1]],
        each: vec![5],
        batch_size: 8,
        rates: vec![2500],
        parts: vec![40, 80, 160],
        source_epochs: 1,
        source_each: 5,
        strengths: vec![4, 8],
        gold: vec![4],
        flipped: 4,
        exponents: vec![10],
        epsilon: 8.0 / 255.0,
        attacked: 8,
        precision: Precision::F32,
        budget: None,
        shard: None,
        seed: 3,
        extract: ExtractOptions { threads: 1, ..ExtractOptions::default() },
    }
}

fn found(data: &PretrainingData, options: &PretrainingOptions, cache: &std::path::Path) -> PretrainingStudy {
    pretraining(data, &source(), options, &Cells::new(cache), Watch::default(), None).unwrap()
}

#[test]
fn every_claim_about_worth_has_a_figure_and_nothing_is_made_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (data, cache) = (data(folder.path()), folder.path().join("cache"));
    let expected = found(&data, &options(Part::Value), &cache);
    assert!(expected.unfinished.is_empty() && expected.claims.len() == 7, "{:#?}", expected.claims);
    assert!(expected.sources.len() == 9 && expected.lines.iter().all(Option::is_some), "{:?}", expected.lines);
    // With no time for anything new, everything comes from the cache.
    let again = PretrainingOptions { budget: Some(Duration::ZERO), ..options(Part::Value) };
    assert_eq!(found(&data, &again, &cache), expected);
}

#[test]
fn every_claim_about_robustness_has_a_figure_and_shards_make_up_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = data(folder.path());
    let options = PretrainingOptions { seeds: [1, 1], ..options(Part::Robustness) };
    let [whole, parts] = ["whole", "parts"].map(|name| folder.path().join(name));
    let expected = found(&data, &options, &whole);
    assert!(expected.unfinished.is_empty() && expected.claims.len() == 14, "{:#?}", expected.claims);
    assert_eq!((expected.attacked.len(), expected.strange.len(), expected.certainty.len()), (4, 8, 4));
    let planned = plan(&data, &source(), &options, &Cells::new(&parts)).unwrap();
    assert!(planned.iter().map(|phase| phase.images).sum::<usize>() > 1000, "{planned:?}");
    let shard = |index| PretrainingOptions { shard: Some(Shard { index, count: 2 }), ..options.clone() };
    assert!(!found(&data, &shard(1), &parts).unfinished.is_empty());
    assert_eq!(found(&data, &shard(2), &parts), expected);
}

fn study<'a>(
    data: &'a PretrainingData,
    source: &'a Backbone,
    options: &'a PretrainingOptions,
    cells: &'a Cells,
) -> Study<'a> {
    Study::new(data, source, options, cells, Watch::default(), None)
}

#[test]
fn no_test_row_is_trained_on_and_labels_are_wrong_as_often_as_said() {
    let folder = tempfile::tempdir().unwrap();
    let (data, source, options) = (data(folder.path()), source(), options(Part::Robustness));
    let cells = Cells::new(folder.path());
    let study = study(&data, &source, &options, &cells);
    let [train, _] = data.targets[0].split();
    let noisy = |correction| Task::Noise { noise: Noise::Flip, tenths: 8, correction };
    let tasks = [Task::ALL, Task::few(5), Task::Uneven { tenths: 10, balanced: false }, Task::Adversarial];
    for task in tasks.into_iter().chain([Correction::None, Correction::Silver, Correction::Gold].map(noisy)) {
        let rows = study.training_rows(&Run::new(0, Start::TUNED, task, 1)).unwrap();
        assert!(rows.rows.iter().all(|row| train.contains(row)), "{task:?}");
        assert!(rows.table.rows.iter().all(|row| row.split != Some(Split::Test)), "{task:?}");
        let own = |place: usize| data.targets[0].table.rows[rows.rows[place]].label;
        let wrong = (0..rows.rows.len()).filter(|place| rows.table.rows[*place].label != own(*place)).count();
        let expected = match task {
            Task::Noise { correction: Correction::Gold, .. } => 0.6..0.85,
            Task::Noise { .. } => 0.65..0.95,
            _ => 0.0..0.001,
        };
        let share = wrong as f64 / rows.rows.len() as f64;
        assert!(expected.contains(&share) && (share - rows.wrong).abs() < 1e-12, "{task:?}: {share}");
        let trusted_are_right = rows.trusted.iter().all(|place| rows.table.rows[*place].label == own(*place));
        assert!(trusted_are_right && rows.trusted.is_empty() != (task == noisy(Correction::Gold)), "{task:?}");
    }
    let sizes = study.uneven(0, 10, 1).unwrap();
    let uneven =
        study.training_rows(&Run::new(0, Start::TUNED, Task::Uneven { tenths: 10, balanced: false }, 1)).unwrap();
    for (class, size) in sizes.iter().enumerate() {
        assert_eq!(uneven.table.rows.iter().filter(|row| row.label == Some(class)).count(), *size);
    }
}

#[test]
fn a_trial_holds_out_training_rows_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, source, options) = (data(folder.path()), source(), options(Part::Value));
    let cells = Cells::new(folder.path());
    let study = study(&data, &source, &options, &cells);
    let [train, test] = data.targets[0].split();
    let run = Run { trial: Some(2500), ..Run::new(0, Start::Scratch, Task::ALL, 0) };
    let rows = study.training_rows(&run).unwrap();
    let of_test = |locator| test.iter().any(|row| data.targets[0].table.rows[*row].locator == locator);
    assert_eq!(rows.table.rows.len(), train.len());
    assert!(!rows.table.rows.iter().any(|row| of_test(row.locator.clone())));
    assert_eq!(rows::held_out_rows(&rows.table).len(), data.targets[0].table.classes.len() * 2);
}
