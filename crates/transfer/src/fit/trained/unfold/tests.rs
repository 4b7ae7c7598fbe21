#![allow(clippy::print_stdout)]

use std::path::{Path, PathBuf};

use heirloom_data::Table;
use heirloom_data::batches::{DecodeOptions, DecodedImages};

use super::*;

#[test]
fn rows_are_spread_evenly_and_few() {
    assert_eq!(rows(&[3, 5, 9]), [3, 5, 9]);
    let all: Vec<usize> = (0..2000).collect();
    let some = rows(&all);
    assert_eq!((some.len(), some[0], some[256]), (MOST, 0, 1000));
}

#[test]
fn sums_give_mean_and_variance() {
    let mut sums = Sums::default();
    sums.add(&[1.0, 10.0, 3.0, 10.0], 2);
    let mut rest = Sums::default();
    rest.add(&[5.0, 10.0], 2);
    sums.join(&rest);
    let ChannelStatistics { mean, variance } = sums.statistics();
    assert_eq!(mean, [3.0, 10.0]);
    assert!((variance[0] - 8.0 / 3.0).abs() < 1e-6 && variance[1] == 0.0);
}

/// Logits of the first images of `loader`.
fn logits(network: &Backbone, loader: &Loader, rows: &[usize]) -> Vec<f32> {
    let taps = vec!["logits".to_owned()];
    let options =
        PlanOptions { input_size: network.preprocess.input_size, taps, isa: Isa::detect(), precision: Precision::F32 };
    let plan = Plan::compile(&network.graph, &network.weights, &options).unwrap();
    let mut batch = Batch::default();
    loader.epoch(0, rows, rows.len()).unwrap().next_into(&mut batch).unwrap();
    let mut workspace = Workspace::default();
    plan.run(Pixels::Bytes(&batch.pixels), rows.len(), &mut workspace).unwrap();
    workspace.tap(0).unwrap().to_vec()
}

/// On real weights: the function stays, and so do the statistics for any number of threads.
#[test]
fn putting_norms_back_leaves_the_logits() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("HEIRLOOM_DATA").map_or(beside, PathBuf::from);
    if !data.join("weights").is_dir() {
        println!("skipped: no weights in {} (set HEIRLOOM_DATA)", data.display());
        return;
    }
    let network = heirloom_zoo::open_path(&data.join("weights/mobilenetv1_0.25_128.safetensors")).unwrap();
    let network = network.at_input_size([96; 2]).unwrap();
    let table = Table::open(&data.join("datasets/flowers5"), &Default::default()).unwrap();
    let used: Vec<usize> = (0..40).collect();
    let plain = Augmentation::none(network.preprocess.clone());
    let mut go_on = |_, _| std::ops::ControlFlow::Continue(());
    let images = DecodedImages::new(&table, &used, &plain, &DecodeOptions::default(), &mut go_on).unwrap();
    let loader = Loader::new(Arc::new(images), plain, LoaderOptions::default()).unwrap();
    let folded = network.folded_convolutions();
    assert_eq!(folded.len(), 27);
    let measured = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| statistics(&network, &folded, &loader, &used)).unwrap()
    };
    let found = measured(2);
    assert_eq!(found, measured(1));
    let unfolded = network.unfold_batch_norms(&found).unwrap();
    let (before, after) = (logits(&network, &loader, &used[..16]), logits(&unfolded, &loader, &used[..16]));
    let largest = before.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    let apart = before.iter().zip(&after).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
    assert!(apart <= 1e-4 * largest, "{apart} of {largest}");
}
