//! The study of what is transferred on a made-up world: every part has figures, and neither a break nor shards change a bit of them.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::Duration;

use heirloom_audit::study::{
    Family, Kind, Set, Start, Topic, TransferredData, TransferredNetworks, TransferredOptions, TransferredStudy,
    transferred_plan, what_transfers,
};
use heirloom_data::{Halves, HalvesSize, Table, TableOptions, World};
use heirloom_transfer::compare::Cells;
use heirloom_transfer::extract::{ExtractOptions, Shard};
use heirloom_transfer::fit::Watch;
use heirloom_transfer::store::merge;
use heirloom_zoo::{Backbone, Initialization, Recipe};

const SIZE: HalvesSize = HalvesSize { side: 16, source_train: 2, source_test: 1, target_train: 5, target_test: 2 };

fn set(world: &World, folder: &Path) -> Set {
    world.write(folder).unwrap();
    Set::new("made up", "shapes", Table::open(folder, &TableOptions::default()).unwrap()).unwrap()
}

fn network(architecture: &str, classes: &[String], seed: u64) -> Backbone {
    let recipe = Recipe { class_names: classes.to_vec(), ..Recipe::usual("mine", architecture).unwrap() };
    Backbone::from_scratch(&recipe, &Initialization::usual(seed)).unwrap().at_input_size([16, 16]).unwrap()
}

struct Scene {
    data: TransferredData,
    networks: TransferredNetworks,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let halves = Halves::new(3, SIZE);
        let data = TransferredData {
            source: set(&halves.source, &folder.path().join("source")),
            targets: vec![set(&halves.target, &folder.path().join("target"))],
        };
        let classes = data.source.table.classes.clone();
        let batch_norm = network("cifar_resnet20", &classes, 100);
        let fixup = network("cifar_fixup_resnet20", &classes, 0);
        let networks = TransferredNetworks { referee: Some(batch_norm.clone()), batch_norm, fixup };
        Self { data, networks, folder }
    }

    fn run(&self, cache: &str, options: &TransferredOptions) -> TransferredStudy {
        let cells = Cells::new(&self.folder.path().join(cache));
        let watch = Watch { progress: None, stage: None, cancel: None };
        what_transfers(&self.data, &self.networks, options, &cells, watch, None).unwrap()
    }
}

fn options() -> TransferredOptions {
    TransferredOptions {
        source_epochs: 2,
        epochs: [1, 1],
        batch_size: 16,
        replicas: 2,
        same: 1,
        sides: vec![4],
        seeds: 1,
        main: 1,
        shuffled: 1,
        both_shuffled: true,
        checkpoints: vec![0, 2],
        rates: vec![2500],
        criticality: [1, 12],
        budget: None,
        shard: None,
        seed: 0,
        extract: ExtractOptions { threads: 2, ..ExtractOptions::default() },
    }
}

#[test]
fn every_part_has_figures_and_neither_a_break_nor_shards_change_them() {
    let scene = Scene::new();
    let nothing = scene.run("whole", &TransferredOptions { budget: Some(Duration::ZERO), ..options() });
    assert!(nothing.starts.is_empty() && nothing.claims.is_empty(), "{nothing:?}");
    assert_eq!(nothing.unfinished.len(), 6, "{:?}", nothing.unfinished);

    // Broken off after a while, and gone on with.
    let cut = scene.run("whole", &TransferredOptions { budget: Some(Duration::from_secs(1)), ..options() });
    let whole = scene.run("whole", &options());
    assert!(cut.unfinished.len() > whole.unfinished.len(), "{:?}", cut.unfinished);
    assert_eq!(whole.unfinished, Vec::<String>::new());
    check(&whole);

    // One family in each of two shards, with one thread, in caches of their own that are then merged.
    let mut parts = options();
    parts.extract.threads = 1;
    for (cache, index) in [("first", 1), ("second", 2)] {
        parts.shard = Some(Shard { index, count: 2 });
        let part = scene.run(cache, &parts);
        let families: Vec<Family> = part.starts.iter().map(|start| start.family).collect();
        let family = Family::ALL[index - 1];
        assert!(!families.is_empty() && families.iter().all(|one| *one == family), "{families:?}");
        assert!(!part.unfinished.is_empty());
    }
    merge(&scene.folder.path().join("second"), &scene.folder.path().join("first")).unwrap();
    let merged = scene.run("first", &TransferredOptions { budget: Some(Duration::ZERO), ..options() });
    assert_eq!(merged, whole);
}

/// Every part is there, and figures that hang together do.
fn check(whole: &TransferredStudy) {
    let topics = [
        Topic::Accuracy,
        Topic::Blocks,
        Topic::Mistakes,
        Topic::Similarity,
        Topic::Distance,
        Topic::Line,
        Topic::Modules,
        Topic::Checkpoints,
    ];
    for topic in topics {
        assert!(whole.claims.iter().any(|claim| claim.topic == topic), "{topic:?}");
    }
    for family in Family::ALL {
        for kind in Kind::ALL {
            let pair = whole.pairs.iter().find(|pair| pair.family == family && pair.kind == kind);
            assert!(pair.is_some(), "{family:?} {kind:?}");
            let pair = pair.unwrap();
            let runs = !matches!(kind, Kind::SourceOrigin | Kind::RandomOrigin);
            assert_eq!((pair.uncommon.is_some(), pair.barrier.is_some(), !pair.line.is_empty()), (runs, runs, runs));
            assert_eq!(pair.similarity.len(), 5);
            // The distance of all is that of the modules, where one pair makes the mean.
            let squares: f64 = pair.modules.iter().map(|(_, distance)| distance * distance).sum();
            assert!(pair.pairs > 1 || (squares.sqrt() - pair.distance.value).abs() < 1e-6, "{kind:?}");
        }
        let has = |start: Start| whole.starts.iter().any(|one| one.family == family && one.start == start);
        assert!(has(Start::SOURCE) && has(Start::RANDOM) && has(Start::SAME));
        let critical = whole.critical.iter().filter(|one| one.family == family).count();
        assert_eq!(critical, 2);
    }
    assert_eq!(whole.checkpoints.iter().filter(|one| one.chosen).count(), 1);
    assert!(whole.checkpoints.iter().all(|one| one.frozen.is_some()));
}

#[test]
fn the_plan_counts_what_is_computed() {
    let scene = Scene::new();
    let cells = Cells::new(scene.folder.path());
    let plan = transferred_plan(&scene.data, &scene.networks, &options(), &cells);
    // Two rates tried, two of each start and one of the same start.
    assert_eq!(plan[0].networks, 2 * (2 + 5) + 1, "and the source: {plan:?}");
    assert!(plan.iter().all(|phase| phase.networks + phase.measures == 0 || phase.images > 0), "{plan:?}");
}
