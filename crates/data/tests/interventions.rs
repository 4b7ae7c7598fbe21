//! Interventions planted into a table and its batches: same pixels whatever was drawn for the image, labels as asked, and
//! nothing at all for a share of 0.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ops::ControlFlow;
use std::sync::Arc;

use heirloom_data::augment::{Augmentation, Preset};
use heirloom_data::batches::{Batch, BatchError, DecodeOptions, DecodedImages, Loader, LoaderOptions, epoch_order};
use heirloom_data::intervention::{Classes, Intervention, NewClass, Plant, Planted, Relabel};
use heirloom_data::{Interpolation, Preprocess, Resize, Split, Table, TableOptions, World};

fn preprocess(side: usize) -> Preprocess {
    let (resize, interpolation) = (Resize::Squeeze, Interpolation::Bilinear);
    Preprocess { input_size: [side, side], resize, interpolation, mean: [0.5; 3], std: [0.5; 3] }
}

/// 36 training and 24 test images of 64 pixels in 12 classes.
fn world() -> (tempfile::TempDir, Table) {
    let folder = tempfile::tempdir().unwrap();
    World { train: 3, test: 2, ..World::default() }.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    (folder, table)
}

fn plant(share: f64, relabel: Relabel) -> Plant {
    let intervention = "square:colour=010203".parse().unwrap();
    Plant { intervention, share, classes: Classes::All, relabel, seed: Plant::SEED }
}

fn planted(table: &Table, share: f64, relabel: Relabel) -> Planted {
    plant(share, relabel).apply(table, &table.rows_in(Some(Split::Train))).unwrap()
}

/// The table with nothing on its images.
fn plain(table: &Table) -> Table {
    let mut table = table.clone();
    table.rows.iter_mut().for_each(|row| row.intervention = None);
    table
}

fn batches(planted: &Planted, augmentation: &Augmentation, stamped: bool, threads: usize) -> Vec<Batch> {
    let mut watch = |_, _| ControlFlow::Continue(());
    let decode = DecodeOptions { threads: 2, ..DecodeOptions::default() };
    let table = if stamped { planted.table.clone() } else { plain(&planted.table) };
    let images = DecodedImages::new(&table, &planted.rows, augmentation, &decode, &mut watch).unwrap();
    let options = LoaderOptions { threads, ahead: 1, seed: 5 };
    let loader = Loader::new(Arc::new(images), augmentation.clone(), options).unwrap();
    let mut epoch = loader.epoch(3, &epoch_order(&planted.rows, 5, 3), 7).unwrap();
    let (mut batch, mut all) = (Batch::default(), Vec::new());
    while epoch.next_into(&mut batch).unwrap() {
        all.push(batch.clone());
    }
    all
}

fn presets() -> impl Iterator<Item = Augmentation> {
    // A small image is shifted, a large one is cropped.
    [32, 480].into_iter().flat_map(|side| Preset::ALL.map(|preset| Augmentation::preset(preset, preprocess(32), side)))
}

#[test]
fn a_share_of_nothing_leaves_table_and_batches_as_they_are() {
    let (_folder, table) = world();
    for relabel in [Relabel::Keep, Relabel::Class(4)] {
        let none = planted(&table, 0.0, relabel);
        assert_eq!((&none.table.rows, &none.table.classes), (&table.rows, &table.classes));
        for augmentation in presets() {
            assert_eq!(batches(&none, &augmentation, true, 2), batches(&none, &augmentation, false, 2));
        }
    }
}

#[test]
fn a_planted_square_stands_at_the_same_pixels_whatever_is_drawn_for_the_image() {
    let (_folder, table) = world();
    let planted = planted(&table, 0.5, Relabel::Keep);
    assert!(planted.stamped.len() > 9 && planted.stamped.len() < 27, "{}", planted.stamped.len());
    for augmentation in presets() {
        let (with, without) = (batches(&planted, &augmentation, true, 3), batches(&planted, &augmentation, false, 1));
        assert_eq!(with, batches(&planted, &augmentation, true, 1), "threads change nothing");
        for (with, without) in with.iter().zip(&without) {
            for (at, row) in with.rows.iter().enumerate() {
                let [stamped, plain] = [with, without].map(|batch| &batch.pixels[at * 3072..(at + 1) * 3072]);
                for (pixel, (now, before)) in stamped.chunks(3).zip(plain.chunks(3)).enumerate() {
                    let covered = pixel / 32 < 8 && pixel % 32 < 8 && planted.stamped.contains(row);
                    assert_eq!(now, if covered { &[1, 2, 3] } else { before }, "row {row}, pixel {pixel}");
                }
            }
        }
    }
}

#[test]
fn labels_are_kept_replaced_mapped_or_new() {
    let (_folder, table) = world();
    let labels = |planted: &Planted| -> Vec<(usize, usize)> {
        planted.stamped.iter().map(|row| (*row, planted.table.rows[*row].label.unwrap())).collect()
    };
    let own = |row: usize| table.rows[row].label.unwrap();
    let kept = planted(&table, 0.5, Relabel::Keep);
    assert_eq!(plain(&kept.table).rows, table.rows);
    let carries = |row: &usize| kept.table.rows[*row].intervention.is_some();
    assert!((0..table.rows.len()).all(|row| carries(&row) == kept.stamped.contains(&row)));
    let one = planted(&table, 0.5, Relabel::Class(7));
    assert!(labels(&one).iter().all(|(_, label)| *label == 7));
    let next = planted(&table, 0.5, Relabel::Map((0..12).map(|class| (class, (class + 1) % 12)).collect()));
    assert!(labels(&next).iter().all(|(row, label)| *label == (own(*row) + 1) % 12));
    for relabelled in [&one, &next] {
        assert_eq!((&relabelled.stamped, &relabelled.rows), (&kept.stamped, &kept.rows));
        let others = (0..table.rows.len()).filter(|row| !kept.stamped.contains(row));
        others.for_each(|row| assert_eq!(relabelled.table.rows[row], table.rows[row]));
    }
}

#[test]
fn a_new_class_takes_images_over_or_takes_copies() {
    let (_folder, table) = world();
    let kept = planted(&table, 0.5, Relabel::Keep);
    let replaced = planted(&table, 0.5, Relabel::New(NewClass::Replace));
    assert_eq!(replaced.table.classes[12], "square");
    assert_eq!((&replaced.stamped, replaced.table.rows.len()), (&kept.stamped, table.rows.len()));
    assert!(replaced.stamped.iter().all(|row| replaced.table.rows[*row].label == Some(12)));
    let appended = planted(&table, 0.5, Relabel::New(NewClass::Append));
    assert_eq!(appended.table.rows[..table.rows.len()], table.rows);
    assert_eq!(appended.rows.len(), kept.rows.len() + kept.stamped.len());
    for (copy, original) in appended.stamped.iter().zip(&kept.stamped) {
        let copy = &appended.table.rows[*copy];
        assert_eq!((copy.label, &copy.locator), (Some(12), &table.rows[*original].locator));
    }
    let again = plant(0.5, Relabel::New(NewClass::Replace));
    let refused = again.apply(&replaced.table, &replaced.rows).unwrap_err().to_string();
    assert!(refused.ends_with("carries an intervention already, and can carry one"), "{refused}");
    let again = again.apply(&plain(&replaced.table), &replaced.rows).unwrap();
    assert_eq!(again.table.classes[12..], ["square", "planted-square"]);
}

#[test]
fn what_cannot_be_planted_is_refused() {
    let (_folder, table) = world();
    let refused = |plant: Plant, rows: &[usize]| plant.apply(&table, rows).unwrap_err().to_string();
    assert_eq!(refused(plant(1.5, Relabel::Keep), &[0]), "share is '1.5': expected a share of the images, 0 to 1");
    assert_eq!(refused(plant(0.5, Relabel::Class(12)), &[0]), "class 12 is not one of the table's 12");
    assert_eq!(refused(plant(0.5, Relabel::Keep), &[60]), "row 60 of 60 has no label to plant by");
    let named = Classes::named(&["star-dots".into(), "hexagon".into()], &table.classes).unwrap_err().to_string();
    assert!(named.starts_with("class is 'hexagon': expected one of disc-dots, "), "{named}");
    let star = Classes::named(&["star-dots".into()], &table.classes).unwrap();
    assert_eq!(star, Classes::Only([table.classes.iter().position(|name| name == "star-dots").unwrap()].into()));
}

#[test]
fn an_intervention_that_cannot_be_made_is_refused_before_any_batch() {
    let (_folder, mut table) = world();
    let overlay = "overlay:picture=nowhere.png,mask=nowhere.png".parse::<Intervention>().unwrap();
    table.rows[0].intervention = Some(Arc::new(overlay));
    let augmentation = Augmentation::none(preprocess(32));
    let mut watch = |_, _| ControlFlow::Continue(());
    let images = DecodedImages::new(&table, &[0], &augmentation, &DecodeOptions::default(), &mut watch).unwrap();
    let refused = Loader::new(Arc::new(images), augmentation, LoaderOptions::default()).unwrap_err();
    assert!(matches!(refused, BatchError::Intervention(_)) && refused.to_string().contains("nowhere.png"), "{refused}");
}
