//! Similarity of small networks on the made-up image world.

use heirloom_data::{Table, TableOptions, World};
use heirloom_engine::{Pixels, Plan, PlanOptions, Precision, Workspace};
use heirloom_zoo::{Backbone, Initialization, Recipe};

use super::*;
use crate::AuditError;

fn images(backbone: &Backbone) -> PreparedImages {
    let folder = tempfile::tempdir().unwrap();
    World { side: 32, train: 3, test: 0, ..World::default() }.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    let rows: Vec<usize> = (0..table.rows.len()).collect();
    PreparedImages::read(&table, &rows, &backbone.preprocess, 1 << 30, None).unwrap().0
}

fn network(seed: u64) -> Backbone {
    let recipe = Recipe::usual("mine", "cifar_resnet20").unwrap();
    Backbone::from_scratch(&recipe, &Initialization::usual(seed)).unwrap()
}

fn taps() -> Vec<String> {
    ["conv1", "layer1.0", "layer2.0", "layer3.2", "pre_logits"].map(str::to_owned).to_vec()
}

fn options(memory: u64) -> SimilarityOptions {
    SimilarityOptions { batch: 12, seed: 3, memory, isa: Isa::detect() }
}

fn compare(first: &Backbone, second: &Backbone, memory: u64) -> Result<Similarity, DiffError> {
    let (taps, images, others) = (taps(), images(first), images(second));
    let side = |network, images| Side { network: Network::from(network), taps: &taps, images };
    similarity(&side(first, &images), &side(second, &others), &options(memory), AuditWatch::default())
}

/// Gram matrices come from the values that a plain run of the network has.
#[test]
fn gram_matrices_are_those_of_the_values_of_a_plain_run() {
    let network = network(0);
    let (taps, images) = (taps(), images(&network));
    let chosen = [5, 1, 30, 7, 22, 9];
    let found = Activations::new(&(&network).into(), &taps, &images, 6, 1 << 30, Isa::detect())
        .unwrap()
        .grams(&chosen)
        .unwrap();
    // Less memory than one tap takes: every tap has a pass of its own.
    let alone =
        Activations::new(&(&network).into(), &taps, &images, 6, 1, Isa::detect()).unwrap().grams(&chosen).unwrap();
    assert_eq!(found, alone);
    let plan_options = PlanOptions { input_size: [32, 32], taps, isa: Isa::detect(), precision: Precision::F32 };
    let plan = Plan::compile(&network.graph, &network.weights, &plan_options).unwrap();
    let pixels: Vec<u8> = chosen.iter().flat_map(|image| images.pixels(*image)).copied().collect();
    let mut workspace = Workspace::default();
    plan.run(Pixels::Bytes(&pixels), chosen.len(), &mut workspace).unwrap();
    for (tap, gram) in found.iter().enumerate() {
        assert_eq!(gram, &Gram::of(workspace.tap(tap).unwrap(), chosen.len()));
    }
}

#[test]
fn a_network_is_like_itself_more_than_like_another_and_the_floor_is_low() {
    let (first, second) = (network(0), network(1));
    let own = compare(&first, &first, 1 << 30).unwrap();
    assert_eq!((own.images, own.batch, own.batches, own.pairs.len()), (36, 12, 3, 25));
    for tap in 0..5 {
        let pair = &own.pairs[tap * 5 + tap];
        assert!((pair.unbiased.unwrap() - 1.0).abs() < 1e-9 && (pair.biased.unwrap() - 1.0).abs() < 1e-9);
        assert!(pair.floor.unwrap() < 0.5 && pair.floor.unwrap() < pair.biased_floor.unwrap(), "{pair:?}");
    }
    let other = compare(&first, &second, 1 << 30).unwrap();
    let last = other.pairs.last().unwrap();
    assert!(last.unbiased.unwrap() < 0.99 && last.standard_error.unwrap() > 0.0, "{last:?}");
}

/// The number of threads and the memory change no bit.
#[test]
fn threads_and_memory_change_nothing() {
    let (first, second) = (network(0), network(1));
    let all = compare(&first, &second, 1 << 30).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(pool.install(|| compare(&first, &second, 200_000)).unwrap(), all);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let first = network(0);
    let refused = compare(&first, &first, 1000).unwrap_err();
    assert!(matches!(refused, DiffError::Memory { needed: 28_800, .. }), "{refused}");
    let (taps, some) = (taps(), images(&first));
    let side = Side { network: (&first).into(), taps: &taps, images: &some };
    let few = SimilarityOptions { batch: 3, ..options(1 << 30) };
    assert!(matches!(
        similarity(&side, &side, &few, AuditWatch::default()),
        Err(DiffError::TooFew { images: 3, needed: 4 })
    ));
    let stop = std::sync::atomic::AtomicBool::new(true);
    let watch = AuditWatch { shown: None, cancel: Some(&stop) };
    let stopped = similarity(&side, &side, &options(1 << 30), watch);
    assert!(matches!(stopped, Err(DiffError::Audit(AuditError::Prepare(_)))));
    let unknown = ["layer9".to_owned()];
    let side = Side { taps: &unknown, ..side };
    assert!(matches!(similarity(&side, &side, &options(1 << 30), AuditWatch::default()), Err(DiffError::Engine(_))));
}
