//! The way from a table to batches: order, bytes that depend on nothing but rows, seed and epoch, and what happens to images
//! that cannot be read, to memory that is short, and to a consumer that stops early.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use heirloom_data::augment::{Augmentation, Augmenter, Key, Preset};
use heirloom_data::batches::{
    Batch, BatchError, DecodeOptions, DecodedImages, Form, Loader, LoaderOptions, epoch_order, typical_shorter_side,
};
use heirloom_data::{Interpolation, Preprocess, Resize, Table, TableOptions, World, decode};

fn preprocess(side: usize) -> Preprocess {
    let resize = Resize::ShorterSide(side + 4);
    Preprocess {
        input_size: [side, side],
        resize,
        interpolation: Interpolation::Bicubic,
        mean: [0.5; 3],
        std: [0.5; 3],
    }
}

/// 36 training and 24 test images of 64 pixels.
fn world() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    World { train: 3, test: 2, ..World::default() }.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    (folder, table)
}

fn all(table: &Table) -> Vec<usize> {
    (0..table.rows.len()).collect()
}

fn options(memory_limit: u64) -> DecodeOptions {
    DecodeOptions { threads: 2, memory_limit, ..DecodeOptions::default() }
}

fn decoded(table: &Table, augmentation: &Augmentation, memory_limit: u64) -> Arc<DecodedImages> {
    let mut watch = |_, _| ControlFlow::Continue(());
    Arc::new(DecodedImages::new(table, &all(table), augmentation, &options(memory_limit), &mut watch).unwrap())
}

fn batches(images: &Arc<DecodedImages>, augmentation: &Augmentation, threads: usize, order: &[usize]) -> Vec<Batch> {
    let options = LoaderOptions { threads, ahead: 1, seed: 5 };
    let loader = Loader::new(images.clone(), augmentation.clone(), options).unwrap();
    let mut epoch = loader.epoch(3, order, 7).unwrap();
    let (mut batch, mut all) = (Batch::default(), Vec::new());
    while epoch.next_into(&mut batch).unwrap() {
        all.push(batch.clone());
    }
    assert_eq!(all.len(), epoch.batches());
    all
}

#[test]
fn batches_are_the_same_for_any_number_of_threads_and_wherever_images_are_kept() {
    let (_folder, table) = world();
    for preset in Preset::ALL {
        let augmentation = Augmentation::preset(preset, preprocess(32), 64);
        let order = epoch_order(&all(&table), 5, 3);
        let memory = decoded(&table, &augmentation, u64::MAX);
        let one = batches(&memory, &augmentation, 1, &order);
        assert_eq!(one.iter().flat_map(|batch| batch.rows.clone()).collect::<Vec<_>>(), order);
        assert_eq!(one.last().unwrap().images(), order.len() % 7);
        for threads in [2, 4, 50] {
            assert_eq!(batches(&memory, &augmentation, threads, &order), one, "{preset}, {threads} threads");
        }
        let bytes = memory.bytes().0;
        for limit in [0, bytes / 3] {
            let spilled = decoded(&table, &augmentation, limit);
            let (in_memory, on_disk) = spilled.bytes();
            assert!(in_memory <= limit && on_disk > 0 && in_memory + on_disk == bytes, "{in_memory} + {on_disk}");
            assert_eq!(batches(&spilled, &augmentation, 2, &order), one, "{preset}, {limit} bytes of memory");
        }
    }
}

#[test]
fn a_batch_holds_what_the_augmentation_gives_for_each_row() {
    let (_folder, table) = world();
    let flip = Augmentation::preset(Preset::Flip, preprocess(32), 64);
    let crop = Augmentation::preset(Preset::Crop, preprocess(60), 64);
    for augmentation in [flip, crop] {
        let images = decoded(&table, &augmentation, u64::MAX);
        for batch in batches(&images, &augmentation, 2, &[40, 3, 3, 59, 0]) {
            let length = augmentation.output_length();
            for (at, row) in batch.rows.iter().enumerate() {
                let image = decode(table.encoded(&[*row])[0].as_ref().unwrap()).unwrap();
                let mut expected = vec![0; length];
                let key = Key { seed: 5, epoch: 3, row: *row };
                Augmenter::new(&augmentation).unwrap().apply(&image, key, &mut expected).unwrap();
                assert_eq!(&batch.pixels[at * length..][..length], expected);
                assert_eq!(Some(batch.labels[at]), table.rows[*row].label);
            }
        }
    }
}

#[test]
fn images_are_kept_no_larger_than_a_crop_needs() {
    let (_folder, table) = world();
    let crop = |side| Augmentation::preset(Preset::Crop, preprocess(side), 64);
    let small = decoded(&table, &crop(32), u64::MAX);
    assert!(matches!(small.form(), Form::Reduced { shorter_side: 37, .. }));
    assert_eq!(small.bytes(), (60 * 37 * 37 * 3, 0));
    // 1.15 x 60 is more than the images have: they stay as they are.
    assert_eq!(decoded(&table, &crop(60), u64::MAX).bytes(), (60 * 64 * 64 * 3, 0));
    let none = Augmentation::none(preprocess(32));
    assert_eq!(decoded(&table, &none, u64::MAX).bytes(), (60 * 32 * 32 * 3, 0));
    assert_eq!(typical_shorter_side(&table, &all(&table)), Some(64));
    assert_eq!(typical_shorter_side(&table, &[]), None);
}

#[test]
fn images_that_cannot_be_read_are_named_and_no_other_takes_their_place() {
    let (folder, table) = world();
    std::fs::write(folder.path().join("train/disc-dots/0001.png"), b"no image").unwrap();
    std::fs::remove_file(folder.path().join("train/star-dots/0000.png")).unwrap();
    let augmentation = Augmentation::preset(Preset::Flip, preprocess(32), 64);
    let images = decoded(&table, &augmentation, 40_000);
    let left_out: Vec<_> = images.left_out().iter().map(|left| (left.locator.clone(), left.reason.clone())).collect();
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    assert!(left_out[0].0.ends_with("disc-dots/0001.png") && left_out[0].1.contains("not an image"));
    assert!(left_out[1].0.ends_with("star-dots/0000.png") && left_out[1].1.contains("no such file"));
    let rows = images.rows();
    assert_eq!((rows.len(), images.len()), (58, 58));
    for batch in batches(&images, &augmentation, 2, &rows) {
        for (row, label) in batch.rows.iter().zip(&batch.labels) {
            assert_eq!(table.rows[*row].label, Some(*label));
        }
    }
    let loader = Loader::new(images.clone(), augmentation, LoaderOptions::default()).unwrap();
    let row = images.left_out()[0].row;
    assert!(matches!(loader.epoch(0, &[0, row], 4), Err(BatchError::NotDecoded { images: 58, .. })));
    assert!(matches!(loader.epoch(0, &rows, 0), Err(BatchError::EmptyBatch)));
}

#[test]
fn a_consumer_that_stops_early_ends_the_threads() {
    let (_folder, table) = world();
    let augmentation = Augmentation::preset(Preset::Strong, preprocess(32), 64);
    let images = decoded(&table, &augmentation, 0);
    let order: Vec<usize> = all(&table).into_iter().cycle().take(6000).collect();
    let loader = Loader::new(images.clone(), augmentation, LoaderOptions { threads: 3, ahead: 2, seed: 0 }).unwrap();
    let mut epoch = loader.epoch(0, &order, 2).unwrap();
    let mut batch = Batch::default();
    assert!(epoch.next_into(&mut batch).unwrap());
    drop(epoch);
    drop(loader);
    assert_eq!(Arc::strong_count(&images), 1, "no thread holds the images any more");
}

#[test]
fn buffers_go_round() {
    let (_folder, table) = world();
    let augmentation = Augmentation::none(preprocess(32));
    let images = decoded(&table, &augmentation, u64::MAX);
    let order: Vec<usize> = all(&table).into_iter().cycle().take(4000).collect();
    let loader = Loader::new(images, augmentation, LoaderOptions { threads: 2, ahead: 2, seed: 0 }).unwrap();
    let mut epoch = loader.epoch(0, &order, 4).unwrap();
    let (mut batch, mut buffers) = (Batch::default(), BTreeSet::new());
    while epoch.next_into(&mut batch).unwrap() {
        buffers.insert(batch.pixels.as_ptr().addr());
    }
    // Each thread: one at work, two waiting, one at the consumer, and one on its way back.
    assert!(buffers.len() <= 2 * 5, "{} buffers for 1000 batches", buffers.len());
    assert!(epoch.worked().as_nanos() > 0);
}

#[test]
fn what_cannot_be_done_is_an_error_with_its_figures() {
    let (folder, table) = world();
    let none = Augmentation::none(preprocess(32));
    let mut watch = |_: usize, _: usize| ControlFlow::Continue(());
    let outside = DecodedImages::new(&table, &[3, 60], &none, &options(0), &mut watch).unwrap_err();
    assert_eq!(outside.to_string(), "row 60 is not one of the table's 60");
    let mut stop = |_: usize, _: usize| ControlFlow::Break(());
    let stopped = DecodedImages::new(&table, &all(&table), &none, &options(0), &mut stop).unwrap_err();
    assert!(matches!(stopped, BatchError::Cancelled { total: 60, done: 32 }), "{stopped}");
    let nowhere = DecodeOptions { folder: folder.path().join("nowhere"), ..options(10) };
    let spill = DecodedImages::new(&table, &all(&table), &none, &nowhere, &mut watch).unwrap_err();
    assert!(spill.to_string().contains("nowhere"), "{spill}");
    let unlabelled = Table::unlabelled(&[folder.path().to_path_buf()], table.limits()).unwrap();
    let label = DecodedImages::new(&unlabelled, &[0], &none, &options(0), &mut watch).unwrap_err();
    assert!(label.to_string().ends_with("0000.png has no label"), "{label}");

    let prepared = decoded(&table, &none, u64::MAX);
    let crop = Augmentation::preset(Preset::Crop, preprocess(32), 64);
    let form = Loader::new(prepared, crop, LoaderOptions::default()).unwrap_err();
    assert!(form.to_string().contains("shorter side 37 pixels"), "{form}");

    std::fs::remove_dir_all(folder.path().join("train")).unwrap();
    std::fs::remove_dir_all(folder.path().join("test")).unwrap();
    let empty = DecodedImages::new(&table, &all(&table), &none, &options(0), &mut watch).unwrap_err();
    assert!(empty.to_string().starts_with("none of 60 images can be read; the first, "), "{empty}");
}
