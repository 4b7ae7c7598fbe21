use super::*;
use crate::{Table, TableOptions};

fn small() -> World {
    World { side: 32, train: 3, test: 2, ..World::default() }
}

fn halves(side: usize) -> Halves {
    Halves::new(3, HalvesSize { side, source_train: 2, source_test: 1, target_train: 2, target_test: 1 })
}

#[test]
fn a_seed_fixes_every_image_and_another_seed_changes_it() {
    let image = |seed, number| World { seed, ..small() }.image(Split::Train, 4, number).unwrap();
    assert_eq!(image(1, 0), image(1, 0));
    assert_ne!(image(1, 0), image(2, 0));
    assert_ne!(image(1, 0), image(1, 1));
    assert_ne!(image(1, 0), small().image(Split::Test, 4, 0).unwrap());
    assert_eq!(small().image(Split::Train, 12, 0), None);
}

/// Standard deviation of the mean of the channels, in eight-bit steps.
fn deviation(image: &Image) -> f64 {
    let grey: Vec<f64> =
        image.pixels().chunks_exact(3).map(|p| p.iter().map(|v| f64::from(*v)).sum::<f64>() / 3.0).collect();
    let mean = grey.iter().sum::<f64>() / grey.len() as f64;
    (grey.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / grey.len() as f64).sqrt()
}

#[test]
fn the_object_stands_out_from_its_background_in_every_class() {
    let halves = halves(32);
    for world in [small(), halves.source, halves.target] {
        for class in 0..world.classes().len() {
            for number in 0..5 {
                let deviation = deviation(&world.image(Split::Train, class, number).unwrap());
                assert!(deviation > 15.0, "class {class}, image {number}: deviation {deviation}");
            }
        }
    }
}

#[test]
fn every_shape_lies_within_its_circle_and_differs_from_every_other() {
    use Shape::{Bar, Bowl, Crescent, Cross, Disc, Heart, Ring, Square, Star, Triangle};
    let shapes = [Disc, Square, Triangle, Star, Ring, Cross, Crescent, Heart, Bowl, Bar];
    let places: Vec<[f32; 2]> =
        (0..101 * 101).map(|at| [at % 101, at / 101].map(|step: usize| (step as f32 - 50.0) / 40.0)).collect();
    let covered: Vec<Vec<bool>> =
        shapes.iter().map(|shape| places.iter().map(|place| shape.holds(*place)).collect()).collect();
    for (shape, inside) in shapes.iter().zip(&covered) {
        let area = inside.iter().filter(|inside| **inside).count() as f64 / 1600.0;
        assert!((0.5..3.2).contains(&area), "{shape:?} has an area of {area}");
        let beyond = places.iter().zip(inside).find(|([x, y], inside)| **inside && x.hypot(*y) > 1.03);
        assert_eq!(beyond, None, "{shape:?}");
    }
    for (a, first) in covered.iter().enumerate() {
        for (b, second) in covered.iter().enumerate().skip(a + 1) {
            let apart = first.iter().zip(second).filter(|(one, other)| one != other).count() as f64 / 1600.0;
            assert!(apart > 0.3, "{:?} and {:?} differ in an area of {apart}", shapes[a], shapes[b]);
        }
    }
}

#[test]
fn halves_share_no_class_and_the_target_has_shapes_of_its_own() {
    let Halves { source, target } = halves(32);
    let (ours, theirs) = (source.classes(), target.classes());
    assert_eq!((ours.len(), theirs.len()), (24, 12));
    assert!(theirs.iter().all(|class| !ours.contains(class)), "{theirs:?}");
    let new: Vec<&String> = theirs.iter().filter(|class| class.starts_with("heart-")).collect();
    assert!(new.len() == 2 && !ours.iter().any(|class| class.starts_with("heart-")));
    assert_eq!((source.nuisances, source.side), (target.nuisances, target.side));
}

#[test]
fn strong_nuisances_change_what_is_drawn() {
    let strong = World { nuisances: Nuisances::strong(), ..small() };
    assert_ne!(strong.image(Split::Train, 0, 0), small().image(Split::Train, 0, 0));
}

#[test]
fn a_written_world_is_a_table_with_its_splits_and_classes() {
    let folder = tempfile::tempdir().unwrap();
    let world = small();
    world.write(folder.path()).unwrap();
    let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
    assert_eq!(table.classes, world.classes());
    assert_eq!(table.rows_in(Some(Split::Train)).len(), 36);
    assert_eq!(table.rows_in(Some(Split::Test)).len(), 24);
    assert!(table.warnings.is_empty());
    for (row, split, class, number) in [(0, Split::Train, 0, 0), (59, Split::Test, 11, 1)] {
        let drawn = crate::decode(table.encoded(&[row])[0].as_ref().unwrap()).unwrap();
        assert!(Some(drawn) == world.image(split, class, number), "{}", table.rows[row].locator);
    }
}

#[test]
fn worlds_without_sense_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let one = World { kinds: vec![Kind { shape: Shape::Disc, texture: Texture::Dots }; 2], ..small() };
    assert!(matches!(one.write(folder.path()), Err(WorldError::Settings { classes: 1, .. })));
    assert!(matches!(World { side: 15, ..small() }.write(folder.path()), Err(WorldError::Settings { side: 15, .. })));
    std::fs::write(folder.path().join("train"), "a file").unwrap();
    assert!(matches!(small().write(folder.path()), Err(WorldError::Write { .. })));
}

fn structured(task: StructuredTask) -> Structured {
    Structured { task, seed: 5, side: 64, train: 2, test: 1 }
}

#[test]
fn structured_tasks_are_fixed_by_their_seed_and_written_as_tables() {
    for task in StructuredTask::ALL {
        let made = structured(task);
        let image = |seed, number| Structured { seed, ..made }.image(Split::Train, 1, number).unwrap();
        assert_eq!(image(1, 0), image(1, 0));
        assert_ne!(image(1, 0), image(2, 0));
        assert_ne!(image(1, 0), image(1, 1));
        assert_eq!(made.image(Split::Train, task.classes(), 0), None);
        let folder = tempfile::tempdir().unwrap();
        made.write(folder.path()).unwrap();
        let table = Table::open(folder.path(), &TableOptions::default()).unwrap();
        let mut names = made.classes();
        names.sort();
        assert_eq!((table.rows.len(), table.classes), (3 * task.classes(), names));
    }
}

/// Places of pixels that differ much from those of the background.
fn covered(image: &Image, background: &Image) -> Vec<[usize; 2]> {
    let width = image.width();
    let apart = |at: &usize| {
        let pixel =
            |image: &Image| -> Vec<i32> { image.pixels()[3 * at..3 * at + 3].iter().map(|v| i32::from(*v)).collect() };
        pixel(image).iter().zip(pixel(background)).map(|(a, b)| (a - b).abs()).sum::<i32>() > 60
    };
    (0..width * image.height()).filter(apart).map(|at| [at % width, at / width]).collect()
}

#[test]
fn an_object_lies_in_the_cell_of_its_class() {
    let made = structured(StructuredTask::Location);
    for (class, number) in [(0, 0), (5, 1), (15, 2), (12, 3)] {
        let image = made.image(Split::Train, class, number).unwrap();
        let places = covered(&image, &typical_border(&image));
        let mean = |axis: usize| places.iter().map(|place| place[axis] as f64).sum::<f64>() / places.len() as f64;
        let cell = (mean(1) / 16.0) as usize * 4 + (mean(0) / 16.0) as usize;
        assert_eq!(cell, class, "{} pixels around {:.0} {:.0}", places.len(), mean(0), mean(1));
    }
}

/// Every pixel the median of the image's border, where there is background alone.
fn typical_border(image: &Image) -> Image {
    let side = image.width();
    let border: Vec<usize> =
        (0..side).flat_map(|at| [at, at * side, (side - 1) * side + at, at * side + side - 1]).collect();
    let median = |channel: usize| {
        let mut values: Vec<u8> = border.iter().map(|at| image.pixels()[3 * at + channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let pixel = [median(0), median(1), median(2)];
    Image::from_pixels(side, side, pixel.repeat(side * side)).unwrap()
}
