//! Vectors T4, T5 and T8, properties P2 and P9 of `spec/bias-transfer.md`, and what is refused.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::intervention::overlay::{Layer, mixed};

fn square() -> Intervention {
    Intervention::Square(Square::default())
}

fn plant(share: f64, classes: Classes) -> Plant {
    Plant { intervention: square(), share, classes, relabel: Relabel::Keep, seed: Plant::SEED }
}

fn bits(mask: &[bool]) -> String {
    mask.iter().map(|carries| if *carries { '1' } else { '0' }).collect()
}

#[test]
fn the_square_of_the_paper_covers_the_pixels_of_vector_t4() {
    let stamp = square().prepare([224, 224]).unwrap();
    let mut pixels = vec![7; stamp.image_length()];
    stamp.apply(&mut pixels);
    let at = |row: usize, column: usize| &pixels[(row * 224 + column) * 3..][..3];
    assert_eq!(at(55, 55), [255, 255, 0]);
    assert_eq!((at(56, 0), at(0, 56)), (&[7; 3][..], &[7; 3][..]));
    assert_eq!(pixels.chunks(3).filter(|pixel| *pixel == [255, 255, 0]).count(), 3136);
    let once = pixels.clone();
    stamp.apply(&mut pixels);
    assert_eq!(pixels, once);
}

#[test]
fn a_square_stands_where_it_was_asked_for_and_takes_the_shorter_side() {
    let cases = [
        (Place::TopLeft, [0, 0]),
        (Place::TopRight, [0, 6]),
        (Place::BottomLeft, [2, 0]),
        (Place::BottomRight, [2, 6]),
        (Place::Centre, [1, 3]),
    ];
    for (place, [top, left]) in cases {
        let stamp = Intervention::Square(Square { side: 0.5, colour: [1, 2, 3], place }).prepare([4, 8]).unwrap();
        let mut pixels = vec![0; 4 * 8 * 3];
        stamp.apply(&mut pixels);
        for (at, pixel) in pixels.chunks(3).enumerate() {
            let inside = (top..top + 2).contains(&(at / 8)) && (left..left + 2).contains(&(at % 8));
            assert_eq!(pixel == [1, 2, 3], inside, "{place:?}, pixel {at}");
        }
    }
}

#[test]
fn a_stamp_changes_every_image_of_a_batch_alike() {
    for text in ["square", "gaussian:scale=0.1,seed=3"] {
        let stamp = text.parse::<Intervention>().unwrap().prepare([6, 5]).unwrap();
        let mut batch = vec![100; 3 * stamp.image_length()];
        stamp.apply(&mut batch);
        let images: BTreeSet<&[u8]> = batch.chunks(stamp.image_length()).collect();
        assert_eq!(images.len(), 1, "{text}");
        assert_ne!(batch, vec![100; batch.len()], "{text}");
    }
}

#[test]
fn added_noise_is_cut_off_as_in_vector_t5() {
    let pattern: Vec<f32> = gaussian::steps(0.05, [-4.3, -0.5, 0.2, 3.9].into_iter()).collect();
    let mut values = [5, 5, 250, 250];
    gaussian::add(&pattern, &mut values);
    assert_eq!(values, [0, 0, 252, 255]);
}

#[test]
fn a_noise_pattern_is_standard_normal_and_fixed_by_its_seed() {
    let pattern = |seed| Gaussian { scale: 1.0 / 255.0, seed }.at([64, 64]).unwrap();
    let (first, again, other) = (pattern(1), pattern(1), pattern(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    let count = first.len() as f64;
    let mean = first.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let variance = first.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / count;
    // Four standard errors of 12288 values.
    assert!(mean.abs() < 0.037 && (variance - 1.0).abs() < 0.052, "mean {mean}, variance {variance}");
}

#[test]
fn an_overlay_mixes_as_in_vector_t8_and_as_its_mask_says() {
    let mixes = [(0.2, 0.0), (-0.4, 0.5), (1.0, 1.0)].map(|(value, cover)| mixed(value, 2.0, cover));
    assert!(mixes.iter().zip([0.2, 0.8, 2.0]).all(|(ours, expected)| (ours - expected).abs() < 1e-6), "{mixes:?}");
    let layer = Layer { picture: vec![200; 9], cover: vec![0.0, 0.5, 1.0] };
    let mut image = vec![100; 9];
    layer.blend(&mut image);
    assert_eq!(image, [100, 100, 100, 150, 150, 150, 200, 200, 200]);
}

#[test]
fn an_overlay_reads_its_files_and_names_the_one_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let (picture, mask) = (folder.path().join("picture.png"), folder.path().join("mask.png"));
    image::RgbImage::from_pixel(4, 4, image::Rgb([9, 8, 7])).save(&picture).unwrap();
    image::GrayImage::from_fn(4, 4, |x, _| image::Luma([if x < 2 { 255 } else { 0 }])).save(&mask).unwrap();
    let overlay = Intervention::Overlay(Overlay { picture: picture.clone(), mask: Some(mask.clone()) });
    let mut pixels = vec![50; 4 * 4 * 3];
    overlay.prepare([4, 4]).unwrap().apply(&mut pixels);
    assert_eq!(pixels[..12], [9, 8, 7, 9, 8, 7, 50, 50, 50, 50, 50, 50]);
    std::fs::write(&mask, "no picture").unwrap();
    let refused = overlay.prepare([4, 4]).unwrap_err().to_string();
    assert!(refused.contains("mask.png"), "{refused}");
}

/// The hats of the paper's program: `x <- a h + (1 - a) x` with the picture's own opacity `a`.
#[test]
fn a_picture_with_transparency_is_its_own_mask() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hat.png");
    let opacity = |x: u32| [255, 102, 0, 255][x as usize];
    image::RgbaImage::from_fn(4, 4, |x, _| image::Rgba([200, 8, 7, opacity(x)])).save(&path).unwrap();
    let hat: Intervention = format!("overlay:picture={}", path.display()).parse().unwrap();
    assert_eq!(hat.to_string().parse::<Intervention>().unwrap(), hat);
    let mut pixels = vec![50; 4 * 4 * 3];
    hat.prepare([4, 4]).unwrap().apply(&mut pixels);
    // 102 of 255 are two fifths: 0.4 200 + 0.6 50 = 110.
    assert_eq!(pixels[..12], [200, 8, 7, 110, 33, 33, 50, 50, 50, 200, 8, 7]);
    let digest = hat.digest().unwrap();
    image::RgbImage::from_pixel(4, 4, image::Rgb([9, 8, 7])).save(&path).unwrap();
    assert_ne!(hat.digest().unwrap(), digest, "another picture under the same name is another intervention");
    let refused = hat.prepare([4, 4]).unwrap_err().to_string();
    assert!(refused.contains("no transparency"), "{refused}");
}

#[test]
fn masks_are_those_of_vector_t3() {
    for share in [0.25, 0.5] {
        assert_eq!(bits(&plant(share, Classes::All).mask(&[0; 8])), "01010100");
    }
    let some = plant(0.5, Classes::Only([0, 3].into()));
    assert_eq!(bits(&some.mask(&[0, 3, 3, 1, 3, 0, 3, 2])), "01000100");
}

proptest! {
    #[test]
    fn masks_are_nested_in_their_share(
        shares in prop::array::uniform2(0.0..=1.0_f64),
        labels in prop::collection::vec(0..5_usize, 0..200),
        seed: u64,
    ) {
        let mask = |share: f64| Plant { seed, ..plant(share, Classes::Only([1, 2, 4].into())) }.mask(&labels);
        let (fewer, more) = (mask(shares[0].min(shares[1])), mask(shares[0].max(shares[1])));
        prop_assert!(fewer.iter().zip(&more).all(|(few, many)| *few <= *many));
        prop_assert!(more.iter().zip(&labels).all(|(carries, label)| !carries || [1, 2, 4].contains(label)));
        prop_assert!(mask(0.0).iter().all(|carries| !carries));
    }

    #[test]
    fn what_is_written_reads_back(
        thousandths in prop::array::uniform2(1..=1000_u32),
        colour: [u8; 3],
        place in 0..5_usize,
        seed: u64,
    ) {
        let [side, scale] = thousandths.map(|value| f64::from(value) / 1000.0);
        let square = Intervention::Square(Square { side, colour, place: Place::ALL[place] });
        let gaussian = Intervention::Gaussian(Gaussian { scale, seed });
        let shuffle = Intervention::Shuffle(Shuffle { block: 4, seed: seed as u32, each: seed % 2 == 0, ..Shuffle::default() });
        let turn = Intervention::Turn(Turn { quarters: (seed % 3) as u8 + 1 });
        for intervention in [square, gaussian, shuffle, turn] {
            prop_assert_eq!(&intervention.to_string().parse::<Intervention>().unwrap(), &intervention);
            let json = serde_json::to_string(&intervention).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Intervention>(&json).unwrap(), &intervention);
        }
    }
}

#[test]
fn refusals_name_what_would_do() {
    let cases = [
        ("triangle", "'triangle' is no intervention: expected one of square, gaussian, overlay, shuffle, turn"),
        ("square:size=2", "'size' is no setting of square: expected side=SHARE, colour=RRGGBB, place=PLACE"),
        ("square:side", "'side' is no setting of square: expected side=SHARE, colour=RRGGBB, place=PLACE"),
        ("square:side=2", "side is '2': expected a share of the image's side, above 0 to 1"),
        ("square:side=nan", "side is 'NaN': expected a share of the image's side, above 0 to 1"),
        ("square:colour=red", "colour is 'red': expected six hexadecimal digits, as ffff00 for yellow"),
        (
            "square:place=left",
            "place is 'left': expected one of top-left, top-right, bottom-left, bottom-right, centre",
        ),
        ("gaussian:scale=0", "scale is '0': expected a share of the range of a value, above 0 to 1"),
        ("gaussian:seed=-1", "seed is '-1': expected a whole number"),
        (
            "overlay:mask=a.png",
            "overlay needs picture: overlay:picture=hat.png or overlay:picture=fence.png,mask=fence-mask.png",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(text.parse::<Intervention>().unwrap_err().to_string(), expected);
    }
    let refused = square().prepare([0, 4]).unwrap_err().to_string();
    assert_eq!(refused, "an intervention on images of 0 x 4 pixels");
}
