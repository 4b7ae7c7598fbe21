//! Extraction of synthetic images with a small network: what is stored, what is computed again, what is skipped.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::AtomicUsize;

use heirloom_data::{Interpolation, Preprocess, Resize};
use heirloom_engine::{
    Activation, EngineError, Graph, Node, Op, Padding, Pixels, Plan, PlanOptions, Precision, Shape, Tensor, Weights,
    Workspace,
};

use super::*;
use crate::store::Digest;
use crate::{ClassTokenMode, Windows, pool_into};

/// A network of one convolution over 12 x 12 pixels.
struct Tiny {
    graph: Graph,
    weights: Weights,
    preprocess: Preprocess,
}

fn tiny() -> Tiny {
    let [weight, bias] = ["conv.weight", "conv.bias"].map(String::from);
    let convolution = Op::Convolution {
        weight: weight.clone(),
        bias: Some(bias.clone()),
        channels: 5,
        kernel: [3, 3],
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    let ops = [
        ("input", Op::Input { channels: 3 }),
        ("normalize", Op::Normalize { mean: vec![0.5; 3], std: vec![0.25; 3] }),
        ("conv", convolution),
        ("relu", Op::Activate { function: Activation::Relu }),
        ("pool", Op::GlobalAveragePool),
        ("features", Op::Flatten),
    ];
    let node = |(id, (name, op)): (usize, (&str, Op))| Node {
        name: name.into(),
        op,
        inputs: id.checked_sub(1).into_iter().collect(),
    };
    let values = |count: usize| (0..count).map(|i| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.4).collect::<Vec<_>>();
    let tensors = [
        (weight.clone(), Tensor::new(vec![5, 3, 3, 3], values(135)).unwrap()),
        (bias.clone(), Tensor::new(vec![5], values(5)).unwrap()),
    ];
    Tiny {
        graph: Graph {
            nodes: ops.into_iter().enumerate().map(node).collect(),
            parameters: BTreeMap::from([(weight, vec![5, 3, 3, 3]), (bias, vec![5])]),
            modules: BTreeMap::new(),
            outputs: vec![5],
        },
        weights: Weights { tensors: tensors.into_iter().collect() },
        preprocess: Preprocess {
            input_size: [12, 12],
            resize: Resize::Squeeze,
            interpolation: Interpolation::Bilinear,
            mean: [0.5; 3],
            std: [0.25; 3],
        },
    }
}

impl Tiny {
    fn network(&self) -> Network<'_> {
        Network {
            name: "tiny",
            graph: &self.graph,
            weights: &self.weights,
            weights_digest: "tiny weights",
            preprocess: &self.preprocess,
        }
    }
}

/// Images made of a counter; some are broken, cannot be read, or change while they are read.
#[derive(Default)]
struct Made {
    rows: usize,
    broken: BTreeSet<usize>,
    unreadable: BTreeSet<usize>,
    changing: BTreeSet<usize>,
    prepared: AtomicUsize,
}

impl Made {
    fn new(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    fn prepared(&self) -> usize {
        self.prepared.swap(0, Ordering::Relaxed)
    }
}

impl Images for Made {
    fn rows(&self) -> usize {
        self.rows
    }

    fn locator(&self, row: usize) -> String {
        format!("made/{row}.png")
    }

    fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
        let digest = |row: &usize| match self.unreadable.contains(row) {
            true => Err("there is no such file".into()),
            false => Ok(*blake3::hash(&row.to_le_bytes()).as_bytes()),
        };
        rows.iter().map(digest).collect()
    }

    fn prepare(
        &self,
        rows: &[usize],
        preprocess: &Preprocess,
        _scratch: &mut Scratch,
        out: &mut [u8],
    ) -> Vec<Result<Prepared, String>> {
        self.prepared.fetch_add(rows.len(), Ordering::Relaxed);
        let prepare = |(row, out): (&usize, &mut [u8])| {
            let mut digest = self.digests(&[*row]).remove(0)?;
            if self.changing.contains(row) {
                digest[0] ^= 1;
            }
            for (index, pixel) in out.iter_mut().enumerate() {
                *pixel = (row * 7919 + index * (1 + row % 13) * 31) as u8;
            }
            Ok(Prepared { digest, problem: self.broken.contains(row).then(|| "truncated JPEG image".into()) })
        };
        rows.iter().zip(out.chunks_mut(preprocess.output_length())).map(prepare).collect()
    }
}

fn requests() -> Vec<Request> {
    let to = |tap: &str, target| (tap.to_owned(), Pooling::to(target));
    vec![to("features", 1), to("relu", 1), to("relu", 20), to("conv", 45)]
}

struct Fixture {
    tiny: Tiny,
    folder: tempfile::TempDir,
    store: Store,
    requests: Vec<Request>,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    Fixture { tiny: tiny(), store: Store::new(folder.path()), folder, requests: requests() }
}

impl Fixture {
    fn extraction<'a>(&'a self, images: &'a Made, rows: &'a [usize]) -> Extraction<'a> {
        let mut extraction = Extraction::new(self.tiny.network(), images, rows, &self.requests);
        extraction.options.threads = 2;
        extraction.store = Some(&self.store);
        extraction
    }
}

fn bits(features: &Features) -> Vec<Vec<u32>> {
    features.blocks.iter().map(|block| block.values.iter().map(|value| value.to_bits()).collect()).collect()
}

#[test]
fn values_are_the_pooled_taps_of_each_image() {
    let (fixture, images) = (fixture(), Made::new(20));
    let rows = [3, 17, 4];
    let mut extraction = fixture.extraction(&images, &rows);
    extraction.store = None;
    let extracted = extraction.run().unwrap();
    assert_eq!((extracted.rows.as_slice(), images.prepared()), ([3, 4, 17].as_slice(), 3));
    let options =
        PlanOptions { input_size: [12, 12], taps: vec!["relu".into()], isa: Isa::detect(), precision: Precision::F32 };
    let plan = Plan::compile(&fixture.tiny.graph, &fixture.tiny.weights, &options).unwrap();
    for (index, row) in extracted.rows.iter().enumerate() {
        let (mut pixels, mut workspace) = (vec![0; 432], Workspace::default());
        images.prepare(&[*row], &fixture.tiny.preprocess, &mut Scratch::default(), &mut pixels);
        plan.run(Pixels::Bytes(&pixels), 1, &mut workspace).unwrap();
        let shape = Shape::Map { height: 12, width: 12, channels: 5 };
        let mut expected = vec![0.0; 20];
        let windows = [Windows::new(shape, Pooling::to(20))];
        pool_into(shape, workspace.tap(0).unwrap(), &windows, &mut [&mut expected]).unwrap();
        assert_eq!(extracted.features.blocks[2].values[index * 20..][..20], expected);
    }
    let widths: Vec<_> = extracted.features.blocks.iter().map(|block| block.width).collect();
    assert_eq!((widths, extracted.features.rows), (vec![5, 5, 20, 45], 3));
}

#[test]
fn threads_blocks_and_the_store_change_no_bit() {
    let images = Made { broken: [5, 300].into(), unreadable: [6].into(), ..Made::new(600) };
    let rows: Vec<usize> = (0..600).collect();
    let mut seen = None;
    for (threads, block, stored) in [(1, 8, false), (2, 1, true), (2, 7, false), (1, 64, true), (2, 8, true)] {
        let fixture = fixture();
        let mut extraction = fixture.extraction(&images, &rows);
        (extraction.options.threads, extraction.options.block) = (threads, block);
        extraction.store = stored.then_some(&fixture.store);
        let first = extraction.run().unwrap();
        let second = extraction.run().unwrap();
        assert_eq!(bits(&first.features), bits(&second.features));
        assert_eq!((first.features.rows, first.rows == second.rows), (597, true));
        assert_eq!(seen.get_or_insert_with(|| bits(&first.features)), &bits(&first.features));
    }
}

#[test]
fn what_is_stored_is_not_computed_again() {
    let (mut fixture, images) = (fixture(), Made { broken: [9].into(), ..Made::new(300) });
    let rows: Vec<usize> = (0..300).collect();
    let first = fixture.extraction(&images, &rows).run().unwrap();
    // Three distinct sets of columns over two chunks: the global means of `relu` and `features` are stored each.
    assert_eq!((images.prepared(), first.summary.blocks_stored), (300, 8));
    let again = fixture.extraction(&images, &rows[100..270]).run().unwrap();
    assert_eq!((images.prepared(), again.summary.from_store, again.summary.computed), (0, 170, 0));
    assert_eq!(again.features.blocks[3].values[..45], first.features.blocks[3].values[99 * 45..][..45]);
    // A later method adds its columns and touches no other.
    fixture.requests.push(("conv".into(), Pooling::to(180)));
    let more = fixture.extraction(&images, &rows).run().unwrap();
    assert_eq!((images.prepared(), more.summary.blocks_stored), (300, 2));
    assert_eq!(bits(&more.features)[..4], bits(&first.features));
    // Another order of the same images is other content.
    assert_eq!(fixture.store.list().unwrap()[0].rows, 299);
}

#[test]
fn broken_images_are_named_and_no_neighbour_takes_their_place() {
    let fixture = fixture();
    let images = Made { broken: [0, 7, 8].into(), unreadable: [2].into(), ..Made::new(20) };
    let whole = fixture.extraction(&Made::new(20), &(0..20).collect::<Vec<_>>()).run().unwrap();
    for _fresh_then_stored in 0..2 {
        let extracted = fixture.extraction(&images, &(0..10).collect::<Vec<_>>()).run().unwrap();
        assert_eq!(extracted.rows, [1, 3, 4, 5, 6, 9]);
        let skipped =
            |row, reason: &str| SkippedImage { row, locator: format!("made/{row}.png"), reason: reason.into() };
        let broken = "truncated JPEG image";
        let expected =
            [skipped(0, broken), skipped(2, "there is no such file"), skipped(7, broken), skipped(8, broken)];
        assert_eq!(extracted.summary.skipped, expected);
        for (block, whole) in extracted.features.blocks.iter().zip(&whole.features.blocks) {
            for (index, row) in extracted.rows.iter().enumerate() {
                let width = block.width;
                assert_eq!(block.values[index * width..][..width], whole.values[row * width..][..width]);
            }
        }
    }
    // Twenty rows of one set of images, sixteen valid ones of the other; only the first was computed twice.
    assert_eq!(images.prepared(), 20);
}

#[test]
fn an_image_that_changes_during_the_run_is_skipped_and_its_chunk_not_stored() {
    let (fixture, images) = (fixture(), Made { changing: [300].into(), ..Made::new(600) });
    let rows: Vec<usize> = (0..600).collect();
    let summary = fixture.extraction(&images, &rows).fill().unwrap();
    assert_eq!(summary.skipped[0].reason, "it changed while it was being read");
    assert_eq!((summary.blocks_stored, summary.blocks_not_stored), (8, 4));
    assert!(summary.warnings[0].contains("4 blocks of features were not stored"), "{:?}", summary.warnings);
}

#[test]
fn a_damaged_block_is_computed_again_and_said() {
    let (fixture, images) = (fixture(), Made::new(40));
    let rows: Vec<usize> = (0..40).collect();
    let first = fixture.extraction(&images, &rows).run().unwrap();
    let list = fixture.store.list().unwrap();
    let folder = fixture.store.root().join(&list[0].digest).join("relu@window-6x6");
    let path = fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    *damaged.last_mut().unwrap() ^= 0x40;
    for damage in [damaged, whole[..whole.len() / 2].to_vec(), Vec::new()] {
        fs::write(&path, damage).unwrap();
        let again = fixture.extraction(&images, &rows).run().unwrap();
        assert_eq!(bits(&again.features), bits(&first.features));
        assert_eq!((again.summary.blocks_replaced > 0, again.summary.blocks_stored), (true, 1));
        assert!(again.summary.warnings[0].contains(&path.display().to_string()), "{:?}", again.summary.warnings);
        assert_eq!(fs::read(&path).unwrap(), whole);
    }
}

#[test]
fn a_cache_that_cannot_be_written_loses_nothing() {
    let (mut fixture, images) = (fixture(), Made::new(300));
    let file = fixture.folder.path().join("file");
    fs::write(&file, "in the way").unwrap();
    fixture.store = Store::new(&file);
    let rows: Vec<usize> = (0..300).collect();
    let mut extraction = fixture.extraction(&images, &rows);
    let extracted = extraction.run().unwrap();
    assert_eq!((extracted.features.rows, extracted.summary.blocks_not_stored), (300, 8));
    assert!(extracted.summary.warnings[0].starts_with("8 blocks of features could not be stored"));
    extraction.options.must_store = true;
    let error = extraction.fill().unwrap_err();
    assert!(matches!(error, ExtractError::Store { blocks: 8, .. }), "{error}");
}

#[test]
fn shards_fill_the_store_together() {
    let (fixture, images) = (fixture(), Made::new(1000));
    let rows: Vec<usize> = (0..1000).collect();
    let mut filled = Vec::new();
    for index in 1..=2 {
        let mut extraction = fixture.extraction(&images, &rows);
        extraction.options.shard = Some(Shard { index, count: 2 });
        filled.push(extraction.fill().unwrap().rows);
    }
    assert_eq!((filled, images.prepared()), (vec![512, 488], 1000));
    assert_eq!(fixture.extraction(&images, &rows).run().unwrap().summary.from_store, 1000);
    let mut extraction = fixture.extraction(&images, &rows);
    extraction.options.shard = Some(Shard { index: 3, count: 2 });
    assert!(matches!(extraction.fill(), Err(ExtractError::Shard { index: 3, count: 2 })));
}

#[test]
fn a_stopped_run_keeps_what_is_finished() {
    let (fixture, images) = (fixture(), Made::new(1500));
    let rows: Vec<usize> = (0..1500).collect();
    let stop = AtomicBool::new(false);
    let watch = |progress: &Progress| stop.store(progress.done >= 900, Ordering::Relaxed);
    let mut extraction = fixture.extraction(&images, &rows);
    extraction.cancel = Some(&stop);
    extraction.progress = Some(&watch);
    assert!(matches!(extraction.run(), Err(ExtractError::Cancelled { rows: 1500, .. })));
    images.prepared();
    let resumed = fixture.extraction(&images, &rows).run().unwrap();
    assert!((512..1280).contains(&resumed.summary.from_store), "{}", resumed.summary.from_store);
    assert_eq!(resumed.summary.computed, images.prepared());
    let mut whole = fixture.extraction(&images, &rows);
    whole.store = None;
    assert_eq!(bits(&resumed.features), bits(&whole.run().unwrap().features));
    assert_eq!(fixture.store.verify(false).unwrap().faults.len(), 0);
}

#[test]
fn two_runs_at_once_share_the_work_and_the_result() {
    let (fixture, images) = (fixture(), Made::new(1200));
    let rows: Vec<usize> = (0..1200).collect();
    let run = || fixture.extraction(&images, &rows).run().unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let other = scope.spawn(run);
        (run(), other.join().unwrap())
    });
    assert_eq!(bits(&first.features), bits(&second.features));
    assert_eq!(fixture.store.verify(false).unwrap().sound, 4 * 5);
}

#[test]
fn what_does_not_fit_is_refused_before_the_run_with_the_figure() {
    let (fixture, images) = (fixture(), Made::new(300));
    let rows: Vec<usize> = (0..300).collect();
    let mut extraction = fixture.extraction(&images, &rows);
    extraction.options.memory_limit = 300 * 45 * 4 - 1;
    let message = extraction.run().unwrap_err().to_string();
    assert_eq!(
        message,
        "features pooled to target 45 need 300 rows x 45 columns x 4 bytes = 52.7 KiB, more than the memory limit of 52.7 KiB"
    );
    extraction.options.memory_limit = 300 * 45 * 4;
    assert!(matches!(extraction.run(), Err(ExtractError::TooLargeTogether { rows: 300, columns: 75, .. })));
    assert_eq!(images.prepared(), 0);
    // Filling the store holds a few chunks only, whatever the number of rows.
    extraction.options.memory_limit = 256 * 75 * 4;
    assert_eq!(extraction.fill().unwrap().computed, 300);
}

#[test]
fn wrong_requests_are_named() {
    let (mut fixture, images) = (fixture(), Made::new(10));
    let error = fixture.extraction(&images, &[3, 10]).run().unwrap_err();
    assert_eq!(error.to_string(), "row 10 is asked for, the table has 10");
    fixture.requests = vec![("rellu".into(), Pooling::MEAN)];
    let error = fixture.extraction(&images, &[3]).run().unwrap_err();
    assert!(matches!(error, ExtractError::Engine(EngineError::UnknownTap { .. })), "{error}");
    fixture.requests = vec![("relu".into(), Pooling { target: 9, class_token: ClassTokenMode::Apart })];
    assert_eq!(fixture.extraction(&images, &[]).run().unwrap().features.rows, 0);
}

#[test]
fn values_that_are_not_finite_skip_the_image() {
    let (mut fixture, images) = (fixture(), Made::new(4));
    fixture.tiny.weights.tensors.get_mut("conv.bias").unwrap().values[2] = f32::INFINITY;
    let extracted = fixture.extraction(&images, &[0, 1]).run().unwrap();
    assert_eq!(extracted.features.rows, 0);
    assert!(extracted.summary.skipped[0].reason.contains("that is not finite"), "{:?}", extracted.summary.skipped);
}

#[test]
fn a_fault_of_the_program_is_an_error() {
    struct Faulty(Made);
    impl Images for Faulty {
        fn rows(&self) -> usize {
            self.0.rows()
        }
        fn locator(&self, row: usize) -> String {
            self.0.locator(row)
        }
        fn digests(&self, rows: &[usize]) -> Vec<Result<Digest, String>> {
            self.0.digests(rows)
        }
        fn prepare(&self, _: &[usize], _: &Preprocess, _: &mut Scratch, _: &mut [u8]) -> Vec<Result<Prepared, String>> {
            panic!("planted");
        }
    }
    let (fixture, images, requests) = (fixture(), Faulty(Made::new(100)), requests());
    let extraction = Extraction::new(fixture.tiny.network(), &images, &[0, 50], &requests);
    assert_eq!(extraction.run().unwrap_err().to_string(), "internal error: planted");
}
