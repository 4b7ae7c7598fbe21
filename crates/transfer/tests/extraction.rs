//! Extraction of real images with real weights: the same bits for any number of threads, after a kill, and from the store;
//! memory that does not grow with the number of images.

// Helpers of tests may stop a test and print, as tests may.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use heirloom_data::{Table, TableOptions};
use heirloom_transfer::extract::{Extracted, Extraction, Network, Request, TableImages};
use heirloom_transfer::store::Store;
use heirloom_transfer::{Features, Pooling};
use heirloom_zoo::Backbone;

/// The folder with weights and data sets, or `None` (and a printed line) where there is none.
fn data() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os("HEIRLOOM_DATA").map_or(beside, PathBuf::from);
    if !folder.join("weights").is_dir() {
        println!("skipped: no weights in {} (set HEIRLOOM_DATA)", folder.display());
        return None;
    }
    Some(folder)
}

struct Case {
    backbone: Backbone,
    table: Table,
    requests: Vec<Request>,
}

fn case(data: &Path, backbone: &str, table: &str) -> Case {
    let backbone = heirloom_zoo::open_path(&data.join("weights").join(format!("{backbone}.safetensors"))).unwrap();
    let table = Table::open(&data.join("datasets").join(table), &TableOptions::default()).unwrap();
    let mut requests: Vec<Request> = backbone.taps.iter().map(|tap| (tap.clone(), Pooling::to(512))).collect();
    requests.push((backbone.features.clone(), Pooling::MEAN));
    Case { backbone, table, requests }
}

impl Case {
    fn run(&self, rows: &[usize], threads: usize, store: Option<&Store>) -> Extracted {
        let cache = tempfile::tempdir().unwrap();
        let images = TableImages::new(&self.table, store.map_or(cache.path(), Store::cache));
        let mut extraction = Extraction::new(Network::from(&self.backbone), &images, rows, &self.requests);
        extraction.options.threads = threads;
        extraction.store = store;
        extraction.run().unwrap()
    }
}

fn bits(features: &Features) -> Vec<u32> {
    features.blocks.iter().flat_map(|block| block.values.iter().map(|value| value.to_bits())).collect()
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let Some(data) = data() else { return };
    let case = case(&data, "mobilenetv1_0.25_128", "clothing");
    let rows: Vec<usize> = (0..60).collect();
    let [one, two] = [1, 2].map(|threads| case.run(&rows, threads, None));
    assert_eq!((one.features.rows, one.summary.skipped.len()), (60, 0));
    assert_eq!(bits(&one.features), bits(&two.features));
    let other = case.run(&rows[17..18], 1, None);
    for (block, whole) in other.features.blocks.iter().zip(&one.features.blocks) {
        assert_eq!(block.values, whole.values[17 * block.width..][..block.width]);
    }
}

/// One network of every family whose weights are at hand, all its taps.
#[test]
fn every_family_gives_the_same_bits_on_one_thread_and_two() {
    let Some(data) = data() else { return };
    let families = [
        "cifar10_resnet20",
        "deit_tiny_patch16_224",
        "mobilenetv1_0.25_128",
        "mobilenetv2_1.0",
        "resnet18_to_layer3",
        "squeezenet1_1",
    ];
    for family in families {
        let case = case(&data, family, "clothing");
        let rows: Vec<usize> = (0..11).collect();
        let [one, two] = [1, 2].map(|threads| case.run(&rows, threads, None));
        assert_eq!((one.features.rows, one.features.blocks.len()), (11, case.requests.len()), "{family}");
        assert_eq!(bits(&one.features), bits(&two.features), "{family}");
    }
}

/// Where the child process of [`features_after_a_kill_are_bit_identical`] keeps its features.
const CHILD: &str = "HEIRLOOM_TEST_CHILD_CACHE";

/// Not a test by itself: what the child process does.
#[test]
fn child_extracts_until_it_is_killed() {
    let (Some(cache), Some(data)) = (std::env::var_os(CHILD), data()) else { return };
    let case = case(&data, "mobilenetv1_0.25_128", "clothing");
    let rows: Vec<usize> = (0..case.table.rows.len()).collect();
    case.run(&rows, 1, Some(&Store::new(Path::new(&cache))));
}

#[test]
fn features_after_a_kill_are_bit_identical() {
    let Some(data) = data() else { return };
    let case = case(&data, "mobilenetv1_0.25_128", "clothing");
    let rows: Vec<usize> = (0..case.table.rows.len()).collect();
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_extracts_until_it_is_killed"])
        .env(CHILD, folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    // The first blocks of the first chunk are there, its last ones and the second chunk are not.
    while store.bytes().unwrap() == 0 {
        assert!(started.elapsed() < Duration::from_secs(300), "the child wrote nothing");
        assert!(child.try_wait().unwrap().is_none(), "the child ended early");
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(store.verify(false).unwrap().faults.len(), 0);
    let resumed = case.run(&rows, 2, Some(&store));
    assert!(resumed.summary.computed > 0);
    let again = case.run(&rows, 2, Some(&store));
    assert_eq!((again.summary.computed, again.summary.from_store), (0, rows.len()));
    let whole = case.run(&rows, 2, None);
    assert!(bits(&resumed.features) == bits(&whole.features), "other bits after a kill");
    assert!(bits(&again.features) == bits(&whole.features), "other bits from the store");
}

/// Peak resident memory of this process so far, in KiB.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok())
}

/// How many rows the child process of [`memory_does_not_grow_with_the_number_of_images`] fills the store with.
const ROWS: &str = "HEIRLOOM_TEST_CHILD_ROWS";

/// Not a test by itself: fills a store and prints the peak memory.
#[test]
fn child_fills_a_store() {
    let (Some(rows), Some(data)) = (std::env::var(ROWS).ok(), data()) else { return };
    let case = case(&data, "cifar10_resnet20", "cifar10");
    let rows: Vec<usize> = (0..rows.parse().unwrap()).collect();
    let cache = tempfile::tempdir().unwrap();
    let store = Store::new(cache.path());
    let images = TableImages::new(&case.table, store.cache());
    let mut extraction = Extraction::new(Network::from(&case.backbone), &images, &rows, &case.requests);
    extraction.options.threads = 2;
    extraction.store = Some(&store);
    let summary = extraction.fill().unwrap();
    println!("computed {} at {:.0} images/s", summary.computed, summary.images_per_second);
    println!("peak {}", peak().unwrap_or(0));
}

#[test]
#[ignore = "takes a minute: cargo test --release -p heirloom-transfer --test extraction -- --ignored --nocapture"]
fn memory_does_not_grow_with_the_number_of_images() {
    if data().is_none() || peak().is_none() {
        return;
    }
    let child = |rows: usize| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_fills_a_store", "--nocapture"])
            .env(ROWS, rows.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{text}");
        text.lines().find_map(|line| line.strip_prefix("peak ")?.parse::<f64>().ok()).unwrap()
    };
    let (few, many) = (child(1000), child(10_000));
    println!("peak memory: {few} KiB for 1000 images, {many} KiB for 10000");
    assert!(many < 1.1 * few);
}

#[test]
#[ignore = "a measurement: cargo test --release -p heirloom-transfer --test extraction -- --ignored --nocapture"]
fn stored_features_are_read_much_faster_than_computed() {
    let Some(data) = data() else { return };
    let mut case = case(&data, "mobilenetv1_0.25_128", "mnist");
    let rows: Vec<usize> = (0..1000).collect();
    let one = [(case.backbone.features.clone(), Pooling::MEAN)];
    let all = [1, 512, 2048].map(|target| case.backbone.taps.iter().map(move |tap| (tap.clone(), Pooling::to(target))));
    let all: Vec<Request> = all.into_iter().flatten().collect();
    for requests in [one.to_vec(), all] {
        case.requests = requests;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let whole = case.run(&rows, 2, None);
        let first = case.run(&rows, 2, Some(&store));
        let second = case.run(&rows, 2, Some(&store));
        let megabytes = store.bytes().unwrap() as f64 / 1e6;
        println!(
            "{} columns, {megabytes:.0} MB: computed in {:.2} s ({:.2} s without a store), read in {:.3} s",
            first.features.width(),
            first.summary.seconds,
            whole.summary.seconds,
            second.summary.seconds,
        );
        assert!(second.summary.seconds < 0.5 * first.summary.seconds);
        assert!(bits(&first.features) == bits(&second.features));
    }
}
