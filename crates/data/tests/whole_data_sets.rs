//! Duplicates and summaries of data sets with a planted truth.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use heirloom_data::{
    DigestIndex, Image, InspectSettings, Interpolation, Likeness, LikenessIndex, NearDuplicateSettings, Resampler,
    Split, Table, TableOptions, World, count_duplicates, exact_duplicates, inspect, near_duplicates,
};

fn world() -> (tempfile::TempDir, World) {
    let folder = tempfile::tempdir().unwrap();
    let world = World { train: 6, test: 3, ..World::default() };
    world.write(folder.path()).unwrap();
    (folder, world)
}

fn open(folder: &Path) -> Table {
    Table::open(folder, &TableOptions::default()).unwrap()
}

#[test]
fn exact_copies_across_splits_and_under_two_labels_are_counted() {
    let (folder, _) = world();
    let place = |name: &str| folder.path().join(name);
    std::fs::copy(place("train/disc-dots/0000.png"), place("test/disc-dots/copy.png")).unwrap();
    std::fs::copy(place("train/disc-dots/0001.png"), place("train/star-dots/other.png")).unwrap();
    let table = open(folder.path());
    let digests: Vec<_> = table.all_digests().into_iter().map(Result::ok).collect();
    let sets = exact_duplicates(&digests);
    let counts = count_duplicates(&table, &sets);
    assert_eq!((counts.sets, counts.extra_rows), (2, 2));
    assert_eq!((counts.across_splits, counts.leaked_rows, counts.conflicting_labels), (1, 1, 1));
}

/// A copy that was shrunk to three quarters, brightened a little and given noise.
fn altered(image: &Image) -> Image {
    let (width, height) = (image.width() * 3 / 4, image.height() * 3 / 4);
    let mut pixels = vec![0; width * height * 3];
    Resampler::new().resize(image, width, height, Interpolation::Bicubic, &mut pixels).unwrap();
    for (at, value) in pixels.iter_mut().enumerate() {
        *value = value.saturating_add(3).saturating_add(((at * 2_654_435_761) >> 13) as u8 % 5);
    }
    Image::from_pixels(width, height, pixels).unwrap()
}

#[test]
fn altered_copies_are_found_and_other_images_of_the_class_are_not() {
    let world = World { side: 96, ..World::default() };
    let mut resampler = Resampler::new();
    let mut likenesses = Vec::new();
    for class in 0..12 {
        for number in 0..10 {
            let image = world.image(Split::Train, class, number).unwrap();
            likenesses.push(Some(Likeness::of(&mut resampler, &image).unwrap()));
            likenesses.push(Some(Likeness::of(&mut resampler, &altered(&image)).unwrap()));
        }
    }
    let pairs = near_duplicates(&likenesses, NearDuplicateSettings::default()).pairs;
    let expected: Vec<_> = (0..120).map(|image| (2 * image, 2 * image + 1)).collect();
    let found = pairs.iter().filter(|pair| expected.contains(pair)).count();
    assert!(found >= 116, "{found} of 120 altered copies found");
    assert_eq!(
        found,
        pairs.len(),
        "other pairs: {:?}",
        pairs.iter().filter(|p| !expected.contains(p)).collect::<Vec<_>>()
    );
}

#[test]
fn an_inspection_names_rows_classes_sizes_problems_and_duplicates() {
    let (folder, world) = world();
    let place = |name: &str| folder.path().join(name);
    std::fs::copy(place("train/disc-dots/0000.png"), place("test/disc-dots/copy.png")).unwrap();
    std::fs::write(place("train/star-dots/empty.jpg"), b"").unwrap();
    std::fs::write(place("train/star-dots/photo.jpg"), b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").unwrap();
    let whole = std::fs::read(place("train/star-dots/0000.png")).unwrap();
    std::fs::write(place("train/star-dots/half.png"), &whole[..whole.len() / 2]).unwrap();
    let table = open(folder.path());
    let cache = tempfile::tempdir().unwrap();
    let look = |threads| {
        let mut digests = DigestIndex::open(cache.path(), &table);
        let mut likenesses = LikenessIndex::open(cache.path(), &table);
        let settings = InspectSettings { threads, ..InspectSettings::default() };
        let seen = inspect(&table, &mut digests, &mut likenesses, settings);
        likenesses.save().unwrap();
        seen
    };
    let seen = look(2);
    assert_eq!(seen, look(1), "threads and a filled cache change nothing");
    assert_eq!(seen.rows, 12 * 9 + 4);
    assert_eq!(seen.classes.len(), world.classes().len());
    assert_eq!(seen.classes[0].splits, [("train".to_owned(), 6), ("test".to_owned(), 4)].into());
    assert_eq!(seen.formats, [("PNG".to_owned(), 12 * 9 + 1)].into());
    let problems = [("empty".to_owned(), 1), ("truncated".to_owned(), 1), ("unsupported-heic".to_owned(), 1)];
    assert_eq!(seen.problems, problems.into());
    assert!(seen.skipped[1].locator.ends_with("star-dots/half.png"), "{:?}", seen.skipped);
    assert_eq!(seen.sides.unwrap().shorter.median, 64);
    assert_eq!(seen.exact_duplicates.counts.across_splits, 1);
    assert_eq!(seen.exact_duplicates.examples.len(), 1);
    assert_eq!(seen.near_duplicates.as_ref().unwrap().counts.sets, 0);
    assert!(serde_json::to_string(&seen).unwrap().contains("\"leaked_rows\":1"));
}
