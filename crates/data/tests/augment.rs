//! The draws of augmentation: their statistics, what they depend on, and what a preset means.

// Tests may stop at the first surprise and say what they saw.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use heirloom_data::augment::{
    AugmentError, Augmentation, Augmenter, Border, ColourJitter, Draws, Key, Mixup, Preset, RandomResizedCrop, Shift,
};
use heirloom_data::{Image, Interpolation, Preprocess, Resize};

fn preprocess(side: usize) -> Preprocess {
    let (mean, std) = ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);
    Preprocess { input_size: [side, side], resize: Resize::Squeeze, interpolation: Interpolation::Bilinear, mean, std }
}

/// Every pixel of its own colour, and left differing from right.
fn picture(width: usize, height: usize) -> Image {
    let pixel = |at: usize| [(at % width * 255 / width) as u8, (at / width * 255 / height) as u8, (at * 7 % 256) as u8];
    Image::from_pixels(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn apply(augmentation: &Augmentation, image: &Image, key: Key) -> Vec<u8> {
    let mut out = vec![0; augmentation.output_length()];
    Augmenter::new(augmentation).unwrap().apply(image, key, &mut out).unwrap();
    out
}

fn key(row: usize) -> Key {
    Key { seed: 11, epoch: 2, row }
}

#[test]
fn nothing_random_gives_the_evaluation_pixels() {
    let image = picture(50, 40);
    let augmentation = Augmentation::preset(Preset::None, preprocess(24), 40);
    let mut expected = vec![0; 24 * 24 * 3];
    preprocess(24).apply(&image, &mut expected).unwrap();
    assert_eq!(apply(&augmentation, &image, key(0)), expected);
    assert_eq!(augmentation.describe(), "none");
}

#[test]
fn half_of_the_images_are_mirrored_and_the_rest_stays() {
    let image = picture(24, 24);
    let flip = Augmentation { flip: 0.5, ..Augmentation::none(preprocess(24)) };
    let mirrored: Vec<u8> =
        image.pixels().chunks_exact(72).flat_map(|row| row.chunks_exact(3).rev().flatten().copied()).collect();
    let mut mirrors = 0;
    for row in 0..1000 {
        let pixels = apply(&flip, &image, key(row));
        assert!(pixels == image.pixels() || pixels == mirrored);
        mirrors += usize::from(pixels == mirrored);
    }
    // 500 expected, standard deviation 15.8.
    assert!((437..=563).contains(&mirrors), "{mirrors} of 1000");
}

#[test]
fn crops_cover_the_areas_and_shapes_asked_for() {
    let crop = RandomResizedCrop::default();
    let (mut areas, mut widths, mut heights, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..2000 {
        let part = crop.draw(400, 300, &mut Draws::of_image(key(row)));
        assert!(part.left + part.width <= 400 && part.top + part.height <= 300, "{part:?}");
        areas.push((part.width * part.height) as f64 / 120_000.0);
        ratios.push(part.width as f64 / part.height as f64);
        widths.push(part.left);
        heights.push(part.top);
    }
    let within = |values: &[f64], low: f64, high: f64| values.iter().all(|value| (low..=high).contains(value));
    // Sides are rounded to whole pixels, the smallest to one in 90.
    assert!(within(&areas, 0.078, 1.0) && within(&ratios, 0.74, 1.35));
    // Boxes that do not fit are drawn again, so large ones are rarer than uniform: of the whole range 0.54 is the middle.
    let mean = areas.iter().sum::<f64>() / 2000.0;
    assert!((0.40..0.54).contains(&mean), "mean area {mean}");
    assert!(areas.iter().filter(|area| **area < 0.2).count() > 150);
    assert!(areas.iter().filter(|area| **area > 0.8).count() > 100);
    assert!(ratios.iter().filter(|ratio| **ratio < 1.0).count() > 700);
    assert!(widths.iter().any(|left| *left > 200) && heights.iter().any(|top| *top > 150));
    assert!(widths.contains(&0) && heights.contains(&0));
}

#[test]
fn every_shift_is_as_likely_as_any_other() {
    let shift = Shift { pixels: 2, border: Border::Zero };
    let mut counts = [[0_usize; 5]; 5];
    for row in 0..5000 {
        let [y, x] = shift.draw(&mut Draws::of_image(key(row)));
        counts[y][x] += 1;
    }
    // 200 expected of 5000, standard deviation 13.9.
    assert!(counts.as_flattened().iter().all(|count| (140..=260).contains(count)), "{counts:?}");
}

#[test]
fn seed_epoch_and_row_change_the_pixels_and_nothing_else_does() {
    let image = picture(60, 50);
    let strong = Augmentation::preset(Preset::Strong, preprocess(32), 480);
    let first = apply(&strong, &image, key(3));
    let mut shared = Augmenter::new(&strong).unwrap();
    let mut again = vec![9; first.len()];
    for row in [7, 1, 3] {
        shared.apply(&image, key(row), &mut again).unwrap();
    }
    assert_eq!(again, first);
    for other in [Key { seed: 12, ..key(3) }, Key { epoch: 3, ..key(3) }, key(4)] {
        assert_ne!(apply(&strong, &image, other), first, "{other:?}");
    }
}

#[test]
fn presets_shift_small_images_and_crop_photos() {
    let preset = |preset, shorter_side| Augmentation::preset(preset, preprocess(32), shorter_side);
    let small = preset(Preset::Crop, 28);
    assert_eq!((small.crop, small.shift), (None, Some(Shift { pixels: 4, border: Border::Zero })));
    let photo = preset(Preset::Crop, 300);
    assert_eq!((photo.crop, photo.shift), (Some(RandomResizedCrop::default()), None));
    assert_eq!(photo.jitter, None);
    assert_eq!(preset(Preset::Strong, 300).jitter, Some(ColourJitter::default()));
    assert_eq!(preset(Preset::Flip, 300).describe(), "flip(0.5)");
    for name in ["none", "flip", "crop", "strong"] {
        assert_eq!(name.parse::<Preset>().unwrap().to_string(), name);
        assert_eq!(preset(name.parse().unwrap(), 300).check(), Ok(()));
    }
    assert_eq!("mild".parse::<Preset>().unwrap_err(), "'mild' is none of none, flip, crop, strong");
}

#[test]
fn mixup_weights_follow_the_beta_distribution() {
    for alpha in [0.2, 0.7, 1.0, 4.0] {
        let count = 4000;
        let draw = |batch| f64::from(Mixup::draw(5, 0, batch, 2, alpha).unwrap().lambda);
        let lambdas: Vec<f64> = (0..count).map(draw).collect();
        assert!(lambdas.iter().all(|lambda| (0.0..=1.0).contains(lambda)));
        let mean = lambdas.iter().sum::<f64>() / count as f64;
        let variance = lambdas.iter().map(|lambda| (lambda - mean).powi(2)).sum::<f64>() / count as f64;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() < 4.0 * (expected / count as f64).sqrt(), "alpha {alpha}: mean {mean}");
        assert!((variance / expected - 1.0).abs() < 0.08, "alpha {alpha}: variance {variance}, not {expected}");
    }
    // So small a strength that only logarithms tell the two parts from each other.
    let lambda = Mixup::draw(5, 0, 0, 2, 1e-4).unwrap().lambda;
    assert!((0.0..=1.0).contains(&lambda), "{lambda}");
}

#[test]
fn a_batch_is_blended_with_a_permutation_of_itself_on_normalised_values() {
    let preprocess = preprocess(4);
    let mixup = Mixup::draw(1, 2, 3, 5, 1.0).unwrap();
    assert_eq!(Mixup::draw(1, 2, 3, 5, 1.0).unwrap(), mixup);
    let mut sorted = mixup.partners.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, [0, 1, 2, 3, 4]);

    let pixels: Vec<u8> = (0..5 * 48_usize).map(|at| (at * 37 % 256) as u8).collect();
    let mut blended = Vec::new();
    mixup.blend(&pixels, &preprocess, &mut blended).unwrap();
    let value = |at: usize| {
        (f64::from(pixels[at]) / 255.0 - f64::from(preprocess.mean[at % 3])) / f64::from(preprocess.std[at % 3])
    };
    for (at, blended) in blended.iter().enumerate() {
        let partner = mixup.partners[at / 48] * 48 + at % 48;
        let lambda = f64::from(mixup.lambda);
        let expected = lambda * value(at) + (1.0 - lambda) * value(partner);
        assert!((f64::from(*blended) - expected).abs() < 1e-5, "{blended}, not {expected}");
    }
    let error = mixup.blend(&pixels[3..], &preprocess, &mut blended).unwrap_err();
    assert_eq!(error, AugmentError::BatchLength { images: 5, length: 48, got: 237 });
}

#[test]
fn senseless_settings_are_refused_with_their_figures() {
    let base = Augmentation::none(preprocess(16));
    let cases = [
        (Augmentation { flip: 1.5, ..base.clone() }, "the probability of a flip is 1.5"),
        (
            Augmentation { shift: Some(Shift { pixels: 16, border: Border::Reflect }), ..base.clone() },
            "up to 16 pixels",
        ),
        (
            Augmentation { crop: Some(RandomResizedCrop { scale: [0.5, 0.1], ..Default::default() }), ..base.clone() },
            "0.5 to 0.1",
        ),
        (
            Augmentation { crop: Some(RandomResizedCrop { ratio: [0.0, 1.0], ..Default::default() }), ..base.clone() },
            "0 to 1",
        ),
        (Augmentation { jitter: Some(ColourJitter { hue: 0.6, ..Default::default() }), ..base.clone() }, "0.6"),
        (Augmentation::none(preprocess(0)), "input size 0 x 0"),
    ];
    for (augmentation, part) in cases {
        let message = augmentation.check().unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
        assert!(Augmenter::new(&augmentation).is_err());
    }
    assert_eq!(Mixup::draw(0, 0, 0, 4, 0.0), Err(AugmentError::Alpha { alpha: 0.0 }));
    let image = picture(20, 20);
    let wrong = Augmenter::new(&base).unwrap().apply(&image, key(0), &mut [0; 5]).unwrap_err();
    assert_eq!(wrong.to_string(), "the output holds 5 bytes, expected 768");
}
